"""Tests of pnetkit.types."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pnetkit.types import CaseFinding, Grid, PhaseFinding, Scan, Segmentation


def rotation(angle):
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])


@given(st.floats(0, 6), st.tuples(*[st.floats(0.3, 6)] * 3))
def test_spacing_and_volume_survive_any_rotation(angle, spacing):
    affine = np.eye(4)
    affine[:3, :3] = rotation(angle) @ np.diag(spacing)
    grid = Grid((2, 3, 4), affine)
    assert grid.spacing_mm == pytest.approx(spacing)
    assert grid.voxel_mm3 == pytest.approx(np.prod(spacing))


def test_the_volume_of_a_voxel_is_exact_where_its_edges_are():
    for edges in [(2.0, 2.0, 2.0), (2.5, 2.5, 3.0), (0.75, 0.75, 5.0)]:
        assert Grid((1, 1, 1), np.diag([*edges, 1.0])).voxel_mm3 == np.prod(edges)


def test_grids_match_within_a_thousandth_of_a_millimeter():
    grid, moved, turned = (np.eye(4) for _ in range(3))
    moved[0, 3] = 0.0009
    turned[0, 0] = 1.001  # 50 voxels away that is 0.05 mm
    shape = (50, 4, 4)
    assert Grid(shape, grid).matches(Grid(shape, moved))
    assert not Grid(shape, grid).matches(Grid(shape, turned))
    assert not Grid(shape, grid).matches(Grid((50, 4, 5), grid))
    assert Grid(shape, grid).corner_distance_mm(Grid(shape, turned)) == pytest.approx(49 * 0.001)


@pytest.mark.parametrize(
    "affine",
    [np.zeros((4, 4)), np.diag([1.0, 1, 0, 1]), np.diag([1.0, np.nan, 1, 1]), np.diag([1.0, 1, 1, 2]), np.eye(3)],
)
def test_affines_that_place_no_volume_are_refused(affine):
    with pytest.raises(ValueError, match=r"affine|singular"):
        Grid((2, 2, 2), affine)


def test_a_grid_cannot_be_changed_from_outside():
    affine = np.eye(4)
    grid = Grid((2, 2, 2), affine)
    affine[0, 0] = 9
    assert grid.spacing_mm == (1, 1, 1)
    with pytest.raises(ValueError, match="read-only"):
        grid.affine[0, 0] = 9


def test_voxels_have_to_fit_their_grid():
    grid = Grid((2, 2, 2), np.eye(4))
    with pytest.raises(ValueError, match=r"shape \(2, 2, 3\)"):
        Scan(np.zeros((2, 2, 3), np.float32), grid)
    with pytest.raises(ValueError, match=r"\(2, 2, 2\), got uint8 of \(2, 2, 1\)"):
        Segmentation(np.zeros((2, 2, 1), np.uint8), grid)


def test_a_phase_is_abnormal_from_its_threshold_on():
    assert [PhaseFinding("venous", score, 0.5).abnormal for score in (0.49, 0.5)] == [False, True]
    assert PhaseFinding("venous", 3.0, 2.0).relative_score == 1.5


def test_a_score_is_a_probability_where_a_measurement_called_so_has_its_value():
    assert PhaseFinding("venous", 0.7, 0.5, {"tumor_probability": 0.7}).probability == 0.7
    assert PhaseFinding("venous", 0.7, 0.5, {"tumor_probability": 0.6}).probability is None
    assert PhaseFinding("venous", 1.0, 0.5, {"tumor_voxels": 1.0}).probability is None
    assert PhaseFinding("venous", 7.0, 0.5, {"tumor_probability": 7.0}).probability is None


@pytest.mark.parametrize(("score", "threshold"), [(float("nan"), 1.0), (-1.0, 1.0), (1.0, 0.0), (float("inf"), 1.0)])
def test_scores_that_cannot_be_compared_are_refused(score, threshold):
    with pytest.raises(ValueError, match="finite score"):
        PhaseFinding("venous", score, threshold)


def test_a_case_cannot_contradict_its_score():
    with pytest.raises(ValueError, match="reaches 1"):
        CaseFinding("P1", True, 0.9, (), {})


NUMPY_S = """
import json
import numpy as np
from pnetkit.types import CaseFinding, PhaseFinding

for number in (np.float64(1.5), np.float32(1.5), np.int64(2), np.array(1.5)):
    found = PhaseFinding("venous", number, number, {"tumor_voxels": number})
    fused = CaseFinding("P1", np.bool_(True), number, ("venous",), {"venous": found})
    said = [found.score, found.abnormal, found.threshold, found.measurements["tumor_voxels"]]
    print(json.dumps([*said, fused.score, fused.abnormal]))
"""


def test_findings_hold_python_s_numbers_whatever_a_plugin_gave():
    """In a process without the type checker of the tests, as plugins run."""
    ended = subprocess.run([sys.executable, "-c", NUMPY_S], capture_output=True, text=True, check=False)
    assert ended.stderr == ""
    half = "[1.5, true, 1.5, 1.5, 1.5, true]"
    assert ended.stdout.splitlines() == [half, half, "[2, true, 2, 2, 2, true]", half]


def test_how_far_grids_lie_apart_is_also_said_in_voxels_along_each_axis():
    affine = np.diag([0.5, 0.5, 5, 1])
    rounded, moved = affine.copy(), affine.copy()
    rounded[0, 0] = 0.5005
    moved[2, 3] = 1
    grid = Grid((101, 50, 20), affine)
    assert grid.corner_distance_voxels(grid) == 0
    assert grid.corner_distance_voxels(Grid((101, 50, 20), rounded)) == pytest.approx(100 * 0.0005 / 0.5)
    assert grid.corner_distance_voxels(Grid((101, 50, 20), moved)) == pytest.approx(1 / 5)
    assert grid.corner_distance_voxels(Grid((101, 50, 21), affine)) == float("inf")


STRANGE = """
from pnetkit.types import CaseFinding, PhaseFinding

for strange in (
    {"flags": "no pancreas"}, {"flags": (3,)}, {"measurements": {"hu": float("nan")}}, {"measurements": {"hu": "40"}},
    {"measurements": {"hu": None}},
):
    try:
        PhaseFinding("venous", 1.0, 1.0, **strange)
    except ValueError as error:
        print(error)
for fired, score in (("venous", 2.0), ((), float("nan")), (("venous",), float("inf"))):
    try:
        CaseFinding("P1", score >= 1, score, fired, {})
    except ValueError as error:
        print(error)
print(PhaseFinding("venous", 1.0, 1.0, {}, ["found nothing"]).flags)
"""


def test_what_no_reader_could_read_is_refused_where_it_is_made():
    """In a process without the type checker of the tests, as plugins run."""
    ended = subprocess.run([sys.executable, "-c", STRANGE], capture_output=True, text=True, check=False)
    assert ended.stderr == ""
    assert ended.stdout.splitlines() == [
        "flags are a tuple of texts, got 'no pancreas'",
        "flags are a tuple of texts, got (3,)",
        "measurements are finite numbers, got hu = nan",
        "measurements are finite numbers, got hu = '40'",
        "measurements are finite numbers, got hu = None",
        "fired phases are a tuple of texts, got 'venous'",
        "a case needs a finite score, got nan",
        "a case needs a finite score, got inf",
        "('found nothing',)",
    ]
