"""Choosing series: by UID, description, time, image; what several fit is refused with the list of them."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pytest

from pnetkit.cohort.phantom.generate import PhantomSpec, phantom_case
from pnetkit.dicom.series import find_series
from pnetkit.dicom.stacks import sort_study
from pnetkit.dicom.volume import read_series
from pnetkit.errors import ImageError, SeriesError
from pnetkit.screening.series_choice import SeriesRules, choose_series
from tests.dicom.synthetic import AFFINE, some_hu, write_series

PHASES = ("arterial", "venous")


def never(_series):
    raise AssertionError("no image has to be read")


def chosen(folder, *, uids=None, descriptions=None, by="description", read=never, phases=PHASES):
    study = sort_study(find_series(folder).series)
    found = choose_series(study, phases, SeriesRules(uids or {}, descriptions or {}, by), read)
    return {phase: (choice.series.description, choice.by) for phase, choice in found.items()}


def series(folder, description, time="101500", **more):
    number = len(list(folder.iterdir())) + 1 if folder.exists() else 1
    return write_series(
        folder / str(number), some_hu((4, 4, 3)), AFFINE, description=description, number=number, time=time, **more
    )


@pytest.mark.parametrize(
    ("arterial", "venous"),
    [
        ("Abd arterial 1.0", "Abd portal venous 1.0"),
        ("ART 2mm", "PV 2mm"),
        ("Abdomen arteriell", "Abdomen venös"),
        ("late ARTERIAL phase", "Portal"),
        ("pancreatic phase", "venous phase"),
        ("CT AP ARTERIAL", "CT AP PORTAL VENOUS"),
    ],
)
def test_usual_descriptions_are_understood(tmp_path, arterial, venous):
    series(tmp_path, arterial)
    series(tmp_path, venous)
    series(tmp_path, "Topogram", change=lambda d, _: setattr(d, "ImageType", ["ORIGINAL", "PRIMARY", "LOCALIZER"]))
    assert chosen(tmp_path) == {"arterial": (arterial, "description"), "venous": (venous, "description")}


def test_abdomen_and_pelvis_are_no_arterial_phase(tmp_path):
    series(tmp_path, "CT AP PORTAL VENOUS")
    assert chosen(tmp_path) == {"venous": ("CT AP PORTAL VENOUS", "description")}


def test_what_words_leave_open_is_told_by_the_image_among_the_series_that_name_no_phase(tmp_path, monkeypatch):
    for description in ("ABD INTRAVENOUS CONTRAST 35S", "ABD 70S", "ABD DELAYED 5MIN"):
        series(tmp_path, description)
    shown = {"ABD INTRAVENOUS CONTRAST 35S": "arterial", "ABD 70S": "venous", "ABD DELAYED 5MIN": "venous"}
    monkeypatch.setattr("pnetkit.screening.series_choice.find_landmarks", shown.get)
    monkeypatch.setattr("pnetkit.screening.series_choice.contrast_phase", lambda seen: seen)
    expected = {"arterial": ("ABD INTRAVENOUS CONTRAST 35S", "image"), "venous": ("ABD 70S", "image")}
    assert chosen(tmp_path, read=lambda of: of.description) == expected


def test_no_phase_is_missing_while_words_and_image_leave_a_scan_open(tmp_path, monkeypatch):
    series(tmp_path, "arterial")
    series(tmp_path, "", time="101600")
    monkeypatch.setattr("pnetkit.screening.series_choice.find_landmarks", lambda seen: seen)
    monkeypatch.setattr("pnetkit.screening.series_choice.contrast_phase", lambda _: "unclear")
    with pytest.raises(
        SeriesError, match=r"venous cannot be called missing.*\n.*names no phase, and the image does not"
    ):
        chosen(tmp_path, read=lambda of: of.description)
    monkeypatch.setattr("pnetkit.screening.series_choice.contrast_phase", lambda _: "non-contrast")
    assert chosen(tmp_path, read=lambda of: of.description) == {"arterial": ("arterial", "description")}


def test_a_phase_without_contrast_is_found_by_its_description_too(tmp_path):
    series(tmp_path, "Abdomen nativ")
    series(tmp_path, "Abdomen venös")
    assert chosen(tmp_path, phases=("native",)) == {"native": ("Abdomen nativ", "description")}


def test_two_that_fit_are_refused_with_all_that_tells_them_apart(tmp_path):
    series(tmp_path, "arterial")
    one = series(tmp_path, "venous 5.0 B30f")
    two = series(tmp_path, "venous 1.0 B70f")
    with pytest.raises(SeriesError, match="2 series fit venous by their description") as caught:
        chosen(tmp_path)
    text = str(caught.value)
    assert one in text
    assert two in text
    assert "--series venous=UID" in text
    assert "Doe" not in text
    assert chosen(tmp_path, descriptions={"venous": r"^venous 1\.0"})["venous"] == ("venous 1.0 B70f", "description")
    assert chosen(tmp_path, uids={"venous": two}) == {"venous": ("venous 1.0 B70f", "uid")}


def test_uids_name_series_and_one_that_is_not_there_is_refused(tmp_path):
    one, two = series(tmp_path, "x"), series(tmp_path, "y")
    assert chosen(tmp_path, uids={"arterial": two, "venous": one}) == {"arterial": ("y", "uid"), "venous": ("x", "uid")}
    with pytest.raises(SeriesError, match=r"no series with the UID 1\.2\.3"):
        chosen(tmp_path, uids={"arterial": "1.2.3"})


def test_times_give_the_phases_order_when_there_are_as_many_series(tmp_path):
    series(tmp_path, "second", time="101600")
    series(tmp_path, "first", time="101500")
    assert chosen(tmp_path, by="time") == {"arterial": ("first", "time"), "venous": ("second", "time")}
    series(tmp_path, "third", time="101700")
    with pytest.raises(SeriesError, match="Time decides nothing: 3 series for 2 phases"):
        chosen(tmp_path, by="time")


def test_equal_or_absent_times_decide_nothing(tmp_path):
    series(tmp_path, "one")
    series(tmp_path, "two")
    with pytest.raises(SeriesError, match="Time decides nothing"):
        chosen(tmp_path, by="time")


@lru_cache
def a_case():
    """Give the scans of a phantom, by phase: every third slice, as there is a file of each."""
    return {
        phase: Volume(of.hu[:, :, ::3].astype(np.float32), of.affine * [1, 1, 3, 1])
        for phase, of in phantom_case(PhantomSpec(seed=0), 0).scans.items()
    }


@dataclass(frozen=True)
class Volume:
    hu: np.ndarray
    affine: np.ndarray


def phantom(folder, phase, description, **more):
    found = a_case()[phase]
    write_series(folder / description, found.hu, found.affine, description=description, number=len(description), **more)


@pytest.mark.slow
def test_descriptions_that_say_nothing_leave_phases_to_the_image(tmp_path):
    phantom(tmp_path, "venous", "Abdomen 3.0")
    phantom(tmp_path, "arterial", "Abd 3.0")
    expected = {"arterial": ("Abd 3.0", "image"), "venous": ("Abdomen 3.0", "image")}
    assert chosen(tmp_path, read=lambda of: read_series(of).scan) == expected
    assert chosen(tmp_path, read=lambda of: read_series(of).scan, by="image") == expected


@pytest.mark.slow
def test_two_images_of_one_phase_are_refused(tmp_path):
    phantom(tmp_path, "venous", "thick")
    phantom(tmp_path, "venous", "thinner")
    with pytest.raises(SeriesError, match="2 series fit venous by their image"):
        chosen(tmp_path, read=lambda of: read_series(of).scan)


def test_a_phase_that_nothing_fits_is_missing_and_a_study_that_fits_nothing_is_refused(tmp_path):
    series(tmp_path, "venous")
    assert chosen(tmp_path) == {"venous": ("venous", "description")}
    series(tmp_path / "other", "thorax")
    with pytest.raises(SeriesError, match=r"No series fits arterial or venous.*\n.*thorax"):
        chosen(tmp_path / "other", phases=("arterial", "venous"), by="description", read=lambda _: _no_abdomen())


def _no_abdomen():
    from pnetkit.types import Grid, Scan

    return Scan(np.full((8, 8, 8), -900, np.float32), Grid((8, 8, 8), np.eye(4)))


def test_localizers_reformats_and_other_modalities_are_no_candidates(tmp_path):
    def coronal(dataset, k):
        dataset.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
        dataset.ImagePositionPatient = [0, 2.5 * k, 0]

    series(tmp_path, "venous coronal", change=coronal)
    series(tmp_path, "venous PET", change=lambda d, _: setattr(d, "Modality", "PT"))
    series(tmp_path, "venous")
    study = sort_study(find_series(tmp_path).series)
    assert [of.description for of in study.stacks] == ["venous"]
    assert study.left_out_in_words == "3 other than CT, 3 reformatted"
    assert chosen(tmp_path) == {"venous": ("venous", "description")}


def derived(dataset, _):
    dataset.ImageType = ["DERIVED", "SECONDARY", "AXIAL"]


def enhanced(dataset, _):
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2.1"


@pytest.mark.parametrize(
    ("description", "change", "reason"),
    [
        ("arterial", enhanced, "enhanced .multi-frame. CT; convert it"),
        ("Abdomen", enhanced, "enhanced .multi-frame. CT; convert it"),
        ("arterial", derived, r"3 derived \(ImageType DERIVED/SECONDARY/AXIAL\), no original scan"),
        ("Abdomen", derived, "3 derived"),
        ("arterial", lambda d, _: setattr(d, "Modality", "PT"), "3 other than CT"),
        ("arterial", lambda d, _: setattr(d, "ImageOrientationPatient", [1, 0, 0, 0, 0, -1]), "3 reformatted"),
    ],
)
def test_a_phase_is_not_missing_while_something_left_out_may_be_it(tmp_path, description, change, reason):
    series(tmp_path, description, change=change)
    venous = series(tmp_path, "venous")
    with pytest.raises(SeriesError, match=f"arterial cannot be called missing(.|\n)*{reason}"):
        chosen(tmp_path)
    assert chosen(tmp_path, uids={"venous": venous}) == {"venous": ("venous", "uid")}


@pytest.mark.parametrize(
    ("description", "change"),
    [
        ("venous MIP", derived),
        ("coronal", lambda d, _: setattr(d, "ImageOrientationPatient", [1, 0, 0, 0, 0, -1])),
        ("PET", lambda d, _: setattr(d, "Modality", "PT")),
        ("Dose Report", derived),
        ("Topogram", lambda d, _: setattr(d, "ImageType", ["ORIGINAL", "PRIMARY", "LOCALIZER"])),
    ],
)
def test_what_cannot_be_the_phase_leaves_it_missing(tmp_path, description, change):
    series(tmp_path, "venous")
    series(tmp_path, description, change=change)
    assert chosen(tmp_path) == {"venous": ("venous", "description")}


def test_a_derived_series_is_taken_where_it_is_named_by_its_uid_and_a_localizer_is_not(tmp_path):
    uid = series(tmp_path, "arterial", change=derived)
    localizer = series(tmp_path, "T", change=lambda d, _: setattr(d, "ImageType", ["ORIGINAL", "PRIMARY", "LOCALIZER"]))
    study = sort_study(find_series(tmp_path).series)
    found = choose_series(study, PHASES, SeriesRules({"arterial": uid}, {}), never)
    assert found["arterial"].flags == ("its images are derived, not original ones",)
    with pytest.raises(SeriesError, match="is no scan"):
        chosen(tmp_path, uids={"arterial": localizer})


def test_a_dose_report_changes_no_order_of_times(tmp_path):
    series(tmp_path, "second", time="101600")
    series(tmp_path, "first", time="101500")
    series(tmp_path, "Dose Report", time="101700", change=derived)
    assert chosen(tmp_path, by="time") == {"arterial": ("first", "time"), "venous": ("second", "time")}
    series(tmp_path, "perfusion", time="101800", change=enhanced)
    with pytest.raises(SeriesError, match="Time decides nothing, as these may be of any phase"):
        chosen(tmp_path, by="time")


def thick(folder, description, kernel="B30f", images=3, time="101500"):
    def change(dataset, _):
        dataset.ConvolutionKernel = kernel

    number = len(list(folder.iterdir())) + 1 if folder.exists() else 1
    write_series(
        folder / str(number), some_hu((4, 4, images)), AFFINE, description=description, number=number, time=time,
        change=change,
    )  # fmt: skip


@pytest.mark.parametrize("by", ["description", "time"])
def test_of_several_reconstructions_of_a_phase_one_is_taken_by_rule_and_it_is_said(tmp_path, by):
    for phase, time in (("arterial", "101500"), ("venous", "101540")):
        thick(tmp_path, f"{phase} lung", "B70f", time=time)
        thick(tmp_path, f"{phase} soft", time=time)
    assert chosen(tmp_path, by=by) == {phase: (f"{phase} soft", f"{by}, kernel") for phase in ("arterial", "venous")}
    study = sort_study(find_series(tmp_path).series)
    found = choose_series(study, PHASES, SeriesRules({}, {}, by), never)
    assert found["venous"].flags == ("one of 2 reconstructions, chosen by its kernel",)


def test_a_second_acquisition_of_a_phase_is_no_reconstruction_of_the_first(tmp_path):
    thick(tmp_path, "venous")
    thick(tmp_path, "venous once more", "B70f", time="101900")
    with pytest.raises(SeriesError, match="2 series fit venous by their description"):
        chosen(tmp_path, read=lambda _: _no_abdomen())


def multiphase(folder, scans):
    for part, found in enumerate(scans, 1):

        def change(dataset, k, part=part):
            dataset.SeriesInstanceUID, dataset.AcquisitionNumber = "1.2.77", part
            dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.77.{part}.{k + 1}"

        write_series(
            folder / str(part), found.hu, found.affine, description="ABD venous and arterial", time=f"1015{part}0",
            change=change,
        )  # fmt: skip


@pytest.mark.slow
def test_two_phases_in_one_series_are_told_by_image_by_time_and_by_the_name_of_their_part(tmp_path):
    scans = a_case()
    multiphase(tmp_path, [scans["arterial"], scans["venous"]])
    study = sort_study(find_series(tmp_path).series)
    parts = {"arterial": "1.2.77/AcquisitionNumber=1", "venous": "1.2.77/AcquisitionNumber=2"}
    for rules, by in (
        (SeriesRules({}, {}), "image"),
        (SeriesRules({}, {}, "time"), "time"),
        (SeriesRules(parts, {}), "uid"),
    ):
        found = choose_series(study, PHASES, rules, lambda of: read_series(of).scan)
        assert {phase: (choice.series.name, choice.by) for phase, choice in found.items()} == {
            phase: (name, by) for phase, name in parts.items()
        }
    with pytest.raises(SeriesError, match=r"holds 2 acquisitions(.|\n)*UID 1\.2\.77/AcquisitionNumber=1"):
        choose_series(study, PHASES, SeriesRules({"arterial": "1.2.77"}, {}), never)


def test_acquisitions_that_the_image_leaves_open_leave_no_phase_missing(tmp_path):
    part = Volume(some_hu((4, 4, 3)), AFFINE)
    multiphase(tmp_path, [part, part])
    with pytest.raises(SeriesError, match="arterial and venous cannot be called missing"):
        chosen(tmp_path, read=lambda _: _no_abdomen())


def test_a_series_that_cannot_be_read_matters_only_where_a_phase_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr("pnetkit.screening.series_choice.find_landmarks", lambda scan: scan)
    monkeypatch.setattr("pnetkit.screening.series_choice.contrast_phase", lambda scan: scan)

    def read(of):
        if of.description == "damaged":
            raise ImageError("its voxels cannot be read")
        return of.description.partition(" ")[2]

    series(tmp_path, "A venous", time="101600")
    series(tmp_path, "damaged")
    with pytest.raises(SeriesError, match=r"Phases cannot be told from the images(.|\n)*voxels cannot be read"):
        chosen(tmp_path, read=read, by="image")
    series(tmp_path, "B arterial")
    assert chosen(tmp_path, read=read, by="image") == {
        "arterial": ("B arterial", "image"),
        "venous": ("A venous", "image"),
    }
