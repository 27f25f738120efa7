"""Choosing series: by UID, description, time, image; what several fit is refused with the list of them."""

import numpy as np
import pytest

from pnetkit.cohort.phantom.generate import PhantomSpec, phantom_case
from pnetkit.dicom.series import find_series
from pnetkit.dicom.volume import read_series
from pnetkit.errors import SeriesError
from pnetkit.screening.series_choice import SeriesRules, choose_series, is_candidate
from tests.dicom.synthetic import AFFINE, some_hu, write_series

PHASES = ("arterial", "venous")


def never(_series):
    raise AssertionError("no image has to be read")


def chosen(folder, *, uids=None, descriptions=None, by="description", read=never, phases=PHASES):
    study = find_series(folder).series
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


def phantom(folder, phase, description, **more):
    found = phantom_case(PhantomSpec(seed=0), 0).scans[phase]
    write_series(
        folder / description, found.hu.astype(np.float32), found.affine, description=description,
        number=len(description), **more,
    )  # fmt: skip


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
    assert [of.description for of in find_series(tmp_path).series if is_candidate(of)] == ["venous"]
    assert chosen(tmp_path) == {"venous": ("venous", "description")}
