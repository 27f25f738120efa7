"""Pages beside a finding: they show what was found and where, change nothing of it, and cost no case when they fail."""

import json
import re

import numpy as np
import pydicom
import pytest
from click.testing import CliRunner

from pnetkit import extras
from pnetkit.cli.main import cli
from pnetkit.errors import MissingExtraError, ScreeningError
from pnetkit.imaging.boxes import bounding_box
from pnetkit.imaging.nifti import read_labels
from pnetkit.report.page.contours import corners_of
from pnetkit.report.page.cropping import shown_box
from pnetkit.report.page.pictures import as_seen
from pnetkit.screening import pages as pages_module
from pnetkit.screening import screen
from pnetkit.screening.case_page import Seen, crops_of
from pnetkit.screening.dicom_cases import dicom_cases
from pnetkit.screening.pages import Pages
from pnetkit.screening.screen import require_all_screened, screen_cases
from pnetkit.screening.series_choice import SeriesRules
from pnetkit.screening.source import ScreeningCase, nifti_source
from pnetkit.types import Grid
from tests.dicom.synthetic import write_series
from tests.report.page.pdf_reading import content_of, outlines_of, pictures_of, texts_of
from tests.screening.made_up import AFFINE, DUAL, SHAPE, labels_of, said_of, screener_of, write_scan

TUMOR_COLOR = (255, 109, 102)


@pytest.fixture(autouse=True)
def asked(monkeypatch):
    """Cases whose scans were put to the model."""
    calls = []

    def said(screener, case_id, scans):
        calls.append(case_id)
        return said_of(case_id, scans, screener, tumor=() if case_id == "N1" else ("arterial", "both"))

    monkeypatch.setattr(screen, "screen_scans", said)
    return calls


def case_of(folder, name, *, phases=("arterial", "venous")):
    paths = {phase: folder / f"{name}_{phase}.nii.gz" for phase in phases}
    for seed, path in enumerate(paths.values()):
        if not path.is_file():
            write_scan(path, seed=seed)
    return ScreeningCase(name, {phase: nifti_source(path) for phase, path in paths.items()})


def screened(cases, out, *, pages=None, inputs=DUAL):
    return screen_cases(screener_of(*inputs), cases, out, gates="off", say=lambda _: None, pages=pages)


def picture_of(path):
    """The first picture on a page: its paths by structure."""
    text = re.search(r'<svg role="img".*?</svg>', path.read_text(encoding="utf-8"), re.DOTALL)[0]
    return dict(re.findall(r'<path class="outline (\w+) prediction" d="([^"]+)"', text))


def filled(loops, shape):
    """The voxels whose middle lies inside loops (column, row): an odd number of edges lie to the right of it."""
    rows, columns = np.mgrid[: shape[0], : shape[1]] + 0.5
    inside = np.zeros(shape, bool)
    for loop in loops:
        for (x, y), (u, v) in zip(loop, [*loop[1:], loop[0]], strict=True):
            if x == u:
                inside ^= (columns < x) & (rows > min(y, v)) & (rows < max(y, v))
    return inside


def seen_tumor():
    """The tumor of the made-up labels as a picture of its middle slice, cut out as it is shown."""
    labels = labels_of()
    box, _ = shown_box([bounding_box(labels > 0)], Grid(SHAPE, AFFINE))
    return as_seen(labels[:, :, 9][box.slices[:2]] == 2)


def test_pages_leave_findings_as_they_are(tmp_path):
    case = case_of(tmp_path, "P1")
    screened([case], tmp_path / "plain")
    screened([case], tmp_path / "paged", pages=Pages(pdf=True))
    names = ["finding.json", "arterial_segmentation.nii.gz", "venous_segmentation.nii.gz"]
    assert sorted(path.name for path in (tmp_path / "plain" / "P1").iterdir()) == sorted(names)
    for name in (*(f"P1/{name}" for name in names), "findings.csv"):
        assert (tmp_path / "plain" / name).read_bytes() == (tmp_path / "paged" / name).read_bytes()
    assert (tmp_path / "paged" / "P1" / "report.pdf").is_file()


def test_a_page_says_what_was_measured_and_decided_and_outlines_lie_on_the_voxels(tmp_path):
    screened([case_of(tmp_path, "P1")], tmp_path / "out", pages=Pages())
    page = tmp_path / "out" / "P1" / "report.html"
    text = page.read_text(encoding="utf-8").replace("\u00d7", "x")
    for words in ("Research use only, not for diagnosis", "called abnormal, because arterial fired. 2.40 times",
                  "Called abnormal: 2.40 times the threshold (tumor 48, needed 20)", "Not called: 0.17 times",
                  "48 voxels, 0.58 ml, threshold 20 voxels", "R 3 A 5 S 127 mm (8 x 8 x 9 mm), the only piece",
                  "made-up, abababababab", "NIfTI, 40 x 36 x 20 voxels of 2 x 2 x 3 mm"):  # fmt: skip
        assert words in text, words
    assert 'id="show-reference"' not in text
    assert "Flow of cases" not in text
    shape = seen_tumor().shape
    assert np.array_equal(filled(corners_of(picture_of(page)["tumor"]), shape), seen_tumor())


def test_a_page_of_pdf_is_one_page_says_what_it_is_not_for_and_outlines_lie_on_the_voxels(tmp_path):
    screened([case_of(tmp_path, "P1")], tmp_path / "out", pages=Pages(pdf=True))
    content = content_of((tmp_path / "out" / "P1" / "report.pdf").read_bytes())
    text = texts_of(content)
    for words in ("Research use only, not for diagnosis.", "P1", "because arterial fired", "Arterial", "Venous",
                  "Called abnormal: 2.40 times", "threshold 20 voxels",
                  "does not say in which unit"):  # fmt: skip
        assert words in text, words
    (x, y, wide, high), _ = pictures_of(content)
    (loops,) = [loops for color, loops in outlines_of(content) if color == TUMOR_COLOR]
    shape = seen_tumor().shape
    voxels = [[((a - x) / wide * shape[1], (y + high - b) / high * shape[0]) for a, b in loop] for loop in loops]
    assert np.allclose(np.concatenate(voxels), np.rint(np.concatenate(voxels)), atol=2e-3)
    assert np.array_equal(filled(np.rint(voxels).tolist(), shape), seen_tumor())


def test_the_same_finding_gives_the_same_bytes_of_pages(tmp_path):
    case = case_of(tmp_path, "P1")
    for out in ("one", "two"):
        screened([case], tmp_path / out, pages=Pages(pdf=True))
    for name in ("report.html", "report.pdf"):
        assert (tmp_path / "one" / "P1" / name).read_bytes() == (tmp_path / "two" / "P1" / name).read_bytes()


def test_a_page_that_fails_costs_no_finding_is_told_of_and_is_made_by_the_next_call(tmp_path, asked, monkeypatch):
    case = case_of(tmp_path, "P1")

    def broken(*_, **__):
        raise RuntimeError("it broke")

    with monkeypatch.context() as patch:
        patch.setattr(pages_module, "case_page", broken)
        (done,) = screened([case], tmp_path / "out", pages=Pages())
    assert (done.status, done.no_page) == ("ok", "RuntimeError: it broke")
    assert json.loads((tmp_path / "out" / "screening.json").read_text())["without_page"] == {"P1": done.no_page}
    assert "it broke" not in (tmp_path / "out" / "findings.csv").read_text()
    with pytest.raises(
        ScreeningError, match=r"1 of 1 cases have a finding, but no page.*\n.*P1: RuntimeError: it broke"
    ):
        require_all_screened([done], tmp_path / "out")
    (again,) = screened([case], tmp_path / "out", pages=Pages())
    assert (again.reused, again.no_page, asked) == (True, "", ["P1"])
    screened([case], tmp_path / "at once", pages=Pages())
    made, at_once = (tmp_path / out / "P1" / "report.html" for out in ("out", "at once"))
    assert made.read_bytes() == at_once.read_bytes()  # what is read back is what was found


def test_pdf_that_is_asked_for_later_is_made_of_the_findings_that_are_there(tmp_path, asked):
    case = case_of(tmp_path, "P1")
    screened([case], tmp_path / "out", pages=Pages())
    screened([case], tmp_path / "out", pages=Pages(pdf=True))
    assert (tmp_path / "out" / "P1" / "report.pdf").is_file()
    assert asked == ["P1"]


def test_the_index_lists_all_cases_that_lie_there_what_was_called_first(tmp_path):
    damaged = tmp_path / "secret.nii.gz"
    damaged.write_bytes(b"no image")
    bad = ScreeningCase("B1", {"venous": nifti_source(damaged)})
    screened([case_of(tmp_path, "N1"), bad], tmp_path / "out", pages=Pages())
    screened([case_of(tmp_path, "P1")], tmp_path / "out", pages=Pages())
    text = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert re.findall(r'<th scope="row"><a href="([^"]+)">', text) == [
        "P1/report.html", "B1/failed.json", "N1/report.html",
    ]  # fmt: skip
    assert all((tmp_path / "out" / link).is_file() for link in re.findall(r'href="([^"#]+)"', text))
    row = re.search(r"P1</a></th>(.*?)</tr>", text)[1]
    assert re.findall(r">([^<]*)</td>", row) == ["2.40", "arterial", "0.58", "0.06", "0.00", "0.06", "", "2"]
    assert "secret" not in text
    assert "<script" not in text


def test_without_pages_none_are_made(tmp_path):
    screened([case_of(tmp_path, "P1")], tmp_path / "out")
    assert not list((tmp_path / "out").rglob("*.html"))


def test_phases_that_are_stacked_are_shown_beside_each_other_on_the_first_ones_grid(tmp_path):
    both = (("both", ("arterial", "venous")),)
    paths = {phase: tmp_path / f"{phase}.nii.gz" for phase in ("arterial", "venous")}
    write_scan(paths["arterial"], seed=0)
    shifted = AFFINE.copy()
    shifted[0, 3] += 2.0  # one voxel to the right: its voxel i is the first one's voxel i + 1
    write_scan(paths["venous"], seed=1, affine=shifted)
    case = ScreeningCase("P1", {phase: nifti_source(path) for phase, path in paths.items()})
    screener = screener_of(*both)
    screen_cases(screener, [case], tmp_path / "out", gates="off", say=lambda _: None, pages=Pages())
    text = (tmp_path / "out" / "P1" / "report.html").read_text(encoding="utf-8")
    assert text.count('<svg role="img"') == 2
    assert "Stacked in both." in text
    record = json.loads((tmp_path / "out" / "P1" / "finding.json").read_text())
    labels = {"both": read_labels(tmp_path / "out" / "P1" / "both_segmentation.nii.gz")[0]}
    scans = {phase: source.load().scan for phase, source in case.scans.items()}
    crops = crops_of(Seen(record, scans, labels), screener.parts.inputs[0])
    part = shown_box([bounding_box(labels["both"] > 0)], Grid(SHAPE, AFFINE))[0].slices
    assert np.array_equal(crops["venous"].hu[1:], scans["venous"].hu[part][:-1])


def test_pages_of_dicom_name_no_patient_but_the_one_that_is_wrapped_in_it(tmp_path):
    for number, phase in enumerate(("arterial", "venous"), start=1):
        scan = write_scan(tmp_path / f"{phase}.nii.gz", seed=number)
        write_series(tmp_path / "study" / phase, scan.hu, scan.grid.affine, description=phase, number=number)
    cases = dicom_cases(
        tmp_path / "study", ("arterial", "venous"), SeriesRules({}, {}), case_id="P1", write_dicom=True,
        same_patient=False, say=lambda _: None,
    )  # fmt: skip
    (done,) = screened(cases, tmp_path / "out", pages=Pages(pdf=True))
    assert (done.status, done.no_page) == ("ok", "")
    folder = tmp_path / "out" / "P1"
    wrapped = pydicom.dcmread(folder / "report_pdf.dcm")
    assert (wrapped.PatientID, len(wrapped.SourceInstanceSequence)) == ("secret-4711", 2 * SHAPE[2])
    pdf = (folder / "report.pdf").read_bytes()
    assert wrapped.EncapsulatedDocument[: wrapped.EncapsulatedDocumentLength] == pdf
    written = (
        (folder / "report.html").read_text() + (tmp_path / "out" / "index.html").read_text() + texts_of(content_of(pdf))
    )
    for secret in ("Doe", "4711", "19500101", str(wrapped.StudyInstanceUID), "20200102"):
        assert secret not in written
        assert secret.encode() not in pdf


@pytest.mark.parametrize(("arguments", "package"), [(["screen", "m", "c.csv", "--out", "o", "--pdf"], "reportlab"),
                                                    (["figure", "run", "P1"], "matplotlib")])  # fmt: skip
def test_without_its_extra_a_command_says_what_to_install_before_it_does_anything(monkeypatch, arguments, package):
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == package else True)
    result = CliRunner().invoke(cli, arguments)
    assert isinstance(result.exception, MissingExtraError)
    assert f"needs {package}. Install it: pip install 'pnetkit[" in str(result.exception)


def test_a_page_of_pdf_is_not_asked_for_together_with_no_page():
    result = CliRunner().invoke(cli, ["screen", "m", "c.csv", "--out", "o", "--pdf", "--no-report"])
    assert result.exit_code == 2
    assert "leave one of them out" in result.output
