"""An algorithm of Grand-Challenge: outputs lie where the challenge wants them, and a refusal is none of them."""

import json

import nibabel as nib
import numpy as np
import pytest

from pnetkit.errors import CohortError, ScreeningError
from pnetkit.imaging.metaimage import read_metaimage
from pnetkit.module import grand_challenge
from pnetkit.module.settings import SettingsError
from tests.imaging.test_metaimage import write
from tests.screening.made_up import SHAPE, labels_of, write_scan

PANORAMA = {
    "sockets": {"venous-ct": "venous"},
    "outputs": {
        "images/pdac-detection-map": {"what": "detection-map", "of": "venous"},
        "pdac-likelihood.json": {"what": "likelihood"},
    },
}


def hand_over(folder, *slugs, key="socket", also=()):
    """Lay scans where the platform does, as LPS."""
    sockets = [{key: {"slug": slug, "relative_path": f"images/{slug}"}} for slug in slugs]
    (folder / "inputs.json").write_text(json.dumps([*sockets, *also]))
    for seed, slug in enumerate(slugs):
        hu = write_scan(folder.parent / f"{slug}.nii.gz", seed=seed).hu
        (folder / "images" / slug).mkdir(parents=True)
        write(
            folder / "images" / slug / "1f0e.mha",
            data=hu[::-1, ::-1].astype("<i2").tobytes(order="F"),
            DimSize=" ".join(map(str, SHAPE)),
            ElementSpacing="2 2 3",
        )


def json_at(path):
    return json.loads(path.read_text())


def written(out):
    return {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()} if out.exists() else set()


@pytest.mark.parametrize("key", ["socket", "interface"])
def test_sockets_that_name_their_phase_need_no_settings(job, tmp_path, key):
    clinical = {key: {"slug": "clinical-information", "relative_path": "clinical-information.json"}}
    hand_over(tmp_path / "in", "venous-ct", "ct-arterial-phase", key=key, also=[clinical])
    grand_challenge.run(job())
    out = tmp_path / "out"
    images = {f"images/{phase}-segmentation/output.mha" for phase in ("arterial", "venous")}
    assert written(out) == {*images, "finding.json", "likelihood.json"}
    assert json_at(out / "finding.json")["decision"] == "abnormal"
    assert json_at(out / "likelihood.json") == pytest.approx(2.4 / 3.4)  # 48 voxels of tumor, 20 wanted
    sitk = pytest.importorskip("SimpleITK")
    seen = sitk.ReadImage(str(out / "images/arterial-segmentation/output.mha"))
    like = sitk.ReadImage(str(tmp_path / "in/images/ct-arterial-phase/1f0e.mha"))
    assert np.array_equal(sitk.GetArrayFromImage(seen).T, labels_of()[::-1, ::-1])
    assert (seen.GetOrigin(), seen.GetSpacing(), seen.GetDirection()) == (
        like.GetOrigin(), like.GetSpacing(), like.GetDirection()
    )  # fmt: skip


def test_outputs_are_those_that_a_challenge_asks_for(job, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "pnetkit.screening.screen.screen_scans",
        lambda screener, case_id, scans: said_of_venous(case_id, scans, screener),
    )
    hand_over(tmp_path / "in", "venous-ct")
    grand_challenge.run(job(**PANORAMA))
    out = tmp_path / "out"
    assert written(out) == {"images/pdac-detection-map/output.mha", "pdac-likelihood.json"}
    found = raw_of(out / "images/pdac-detection-map/output.mha")
    expected = np.where(labels_of() == 2, np.float32(2.4 / 3.4), np.float32(0))
    assert np.allclose(found[::-1, ::-1], expected, atol=1e-6)


def said_of_venous(case_id, scans, screener):
    from tests.screening.made_up import said_of

    return said_of(case_id, scans, screener, tumor=("venous",))


def raw_of(path):
    sitk = pytest.importorskip("SimpleITK")
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path))).T


def test_a_case_that_is_refused_writes_nothing_that_could_be_taken_for_a_negative(job, tmp_path):
    hand_over(tmp_path / "in", "venous-ct")
    image = tmp_path / "in/images/venous-ct/1f0e.mha"
    image.write_bytes(image.read_bytes()[:-100])
    with pytest.raises(ScreeningError, match="cut short"):
        grand_challenge.run(job(**PANORAMA))
    assert written(tmp_path / "out") == set()


@pytest.mark.parametrize(
    ("sockets", "said"),
    [
        ([{"socket": {"slug": "venous-ct", "relative_path": "../etc"}}], "outside of the input"),
        ([{"socket": {"slug": "venous-ct", "relative_path": "/etc"}}], "outside of the input"),
        ([{"socket": {"slug": "venous-ct", "relative_path": "images/venous-ct"}}], "holds 0 images"),
        (
            [{"socket": {"slug": "abdominal-ct", "relative_path": "images/abdominal-ct"}}],
            "no phase that its name tells",
        ),
        ([{"socket": {"slug": "age", "relative_path": "age.json"}}], "names no image of a phase"),
        ([{"slug": "venous-ct"}], "is no list of sockets"),
        ({"a": 1}, "is no list of sockets"),
        ([], "names no image"),
    ],
)
def test_sockets_that_do_not_say_what_a_scan_is_are_refused(job, tmp_path, sockets, said):
    (tmp_path / "in" / "inputs.json").write_text(json.dumps(sockets))
    with pytest.raises(CohortError, match=said):
        grand_challenge.run(job())
    assert written(tmp_path / "out") == set()


def test_two_sockets_of_one_phase_and_two_images_in_one_are_refused(job, tmp_path):
    hand_over(tmp_path / "in", "venous-ct", "portal-venous-ct")
    (tmp_path / "in/images/venous-ct/2.mha").write_bytes(b"")
    with pytest.raises(CohortError, match=r"(?s)venous-ct: holds 2 images.*wanted one"):
        grand_challenge.run(job())


def test_outputs_that_lead_away_or_that_the_model_does_not_have_are_refused(job, tmp_path):
    hand_over(tmp_path / "in", "venous-ct")
    for place, of in (("../x.json", {"what": "score"}), ("images/a", {"what": "segmentation", "of": "delayed"})):
        with pytest.raises(SettingsError, match="Outputs cannot be written"):
            grand_challenge.run(job(outputs={place: of}))
    with pytest.raises(SettingsError, match="say of which input"):
        job(outputs={"images/a": {"what": "segmentation"}})


def test_a_scan_means_the_same_as_nifti_and_as_metaimage(tmp_path):
    (tmp_path / "in").mkdir()
    hand_over(tmp_path / "in", "venous-ct")
    scan = read_metaimage(tmp_path / "in/images/venous-ct/1f0e.mha")
    assert np.array_equal(scan.hu, np.asarray(nib.load(tmp_path / "venous-ct.nii.gz").dataobj))
