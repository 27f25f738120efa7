"""The contrast phase: hand-made landmarks at the rules' limits."""

import pytest

from pnetkit.imaging.landmarks import Landmarks
from pnetkit.screening.contrast_phase import contrast_phase, expected_phase


def landmarks(vessel, liver):
    return Landmarks(vessel, liver, 200.0, 10.0, 0.0, 200.0)


@pytest.mark.parametrize(
    ("vessel", "liver", "phase"),
    [
        (375, 77, "arterial"),  # late arterial
        (157, 95, "venous"),  # early portal
        (150, 114, "venous"),
        (None, 55, "non-contrast"),
        (None, 75, "non-contrast"),
        (None, 76, "unclear"),  # an enhanced liver, and an aorta that was not found
        (None, None, "unclear"),
        (210, 100, "unclear"),
        (230, 100, "arterial"),
        (190, 100, "venous"),
        (179, 60, "unclear"),  # too little for an arterial aorta
        (250, None, "arterial"),
        (180, None, "venous"),
        (200, None, "unclear"),
    ],
)
def test_the_phase_follows_from_aorta_and_liver(vessel, liver, phase):
    assert contrast_phase(landmarks(vessel, liver)) == phase


@pytest.mark.parametrize(
    ("name", "phase"),
    [
        ("arterial", "arterial"),
        ("late-arterial", "arterial"),
        ("venous", "venous"),
        ("portal", "venous"),
        ("native", "non-contrast"),
        ("scan", None),
        ("late_venous", "venous"),
        ("pv", "venous"),
        ("non_contrast", "non-contrast"),
        ("intravenous", None),
        ("ap", None),
    ],
)
def test_a_phase_s_name_says_what_is_expected_or_nothing(name, phase):
    assert expected_phase(name) == phase
