"""Gates: a swapped, doubled, unenhanced, cropped or mirrored scan is caught; a good one passes."""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from pnetkit.cohort.phantom.generate import PhantomSpec, phantom_case
from pnetkit.errors import GateError
from pnetkit.imaging.landmarks import find_landmarks
from pnetkit.imaging.nifti import read_scan
from pnetkit.screening.contrast_phase import contrast_phase
from pnetkit.screening.gates import duplicates, field_of_view_gate, held_to_gates, phase_gate, spacing_flags
from pnetkit.types import Grid, Scan

REAL = Path(__file__).parents[3] / "shared" / "data"


@lru_cache
def scans(seed=0):
    found = phantom_case(PhantomSpec(seed=seed), seed).scans
    return {phase: Scan(of.hu.astype(np.float32), Grid(of.hu.shape, of.affine)) for phase, of in sorted(found.items())}


def gated(given, policy="error", digests=None):
    return held_to_gates(given, digests or {phase: phase for phase in given}, {}, policy)


@pytest.mark.parametrize("seed", range(4))
def test_a_good_case_passes_without_a_flag(seed):
    assert gated(scans(seed)) == []


@pytest.mark.slow
def test_swapped_phases_are_both_named():
    swapped = {"arterial": scans()["venous"], "venous": scans()["arterial"]}
    with pytest.raises(GateError, match=r"arterial: .* looks venous; venous: .* looks arterial.*--on-gate flag"):
        gated(swapped)
    assert len(gated(swapped, "flag")) == 2
    assert gated(swapped, "off") == []


def test_one_scan_given_twice_is_caught():
    with pytest.raises(GateError, match="venous is the same scan as arterial"):
        gated(scans(), digests={"arterial": "x", "venous": "x"})


def test_a_scan_without_contrast_is_caught():
    scan = scans()["venous"]
    plain = Scan(np.minimum(scan.hu, 60), scan.grid)
    with pytest.raises(GateError, match="no vessel with contrast and the liver at 60 HU, which looks non-contrast"):
        gated({"venous": plain})


def test_a_low_slab_a_crop_and_a_mirror_image_are_caught():
    scan = scans()["venous"]
    hu, affine = scan.hu, scan.grid.affine
    slab, crop = hu[:, :, :20], hu[30:-30]
    for voxels, reason in (
        (slab, "is 60 mm high, wanted 80"),
        (crop, "cut off at both sides in 100%"),
        (hu[::-1], "liver seems to lie on the left"),
        (np.where(hu > -300, 0.0, hu), "0 ml of liver core"),
    ):
        made = Scan(np.ascontiguousarray(voxels, dtype=np.float32), Grid(voxels.shape, affine))
        assert any(reason in fault for fault in field_of_view_gate("venous", find_landmarks(made))), reason


def test_a_phase_that_the_image_leaves_open_is_a_flag_and_no_fault():
    unclear = replace(find_landmarks(scans()["venous"]), vessel_hu=210.0, liver_hu=100.0)
    faults, flags = phase_gate("venous", unclear)
    assert faults == []
    assert flags == [
        "venous: the image shows the aorta at 210 HU and the liver at 100 HU; its contrast phase is unclear"
    ]


def test_nothing_is_said_of_a_phase_whose_name_says_nothing():
    assert phase_gate("scan", find_landmarks(scans()["arterial"])) == ([], [])


REAL_CTS = {
    "acrin_nsclc_petct_noncontrast/ct_upper_abdomen.nii.gz": ("non-contrast", []),
    "amos_slabs/amos_0001_slab_ct.nii.gz": ("non-contrast", ["55 mm high"]),
    "amos_slabs/amos_0013_slab_ct.nii.gz": ("arterial", ["55 mm high", "0 ml of liver core"]),
    "totalsegmentator_tests/example_ct.nii.gz": ("non-contrast", []),
    "totalsegmentator_s0009_lumbar/TotalSegmentator_0009_0000.nii.gz": ("non-contrast", ["cut off"]),
}


@pytest.mark.skipif(not REAL.is_dir(), reason="no real CTs here")
@pytest.mark.parametrize("name", REAL_CTS)
def test_real_scans_of_known_phase_and_field_of_view_are_told_apart(name):
    phase, reasons = REAL_CTS[name]
    found = find_landmarks(read_scan(REAL / name))
    assert contrast_phase(found) == phase
    faults = field_of_view_gate("scan", found)
    assert len(faults) == len(reasons)
    assert all(reason in fault for fault, reason in zip(faults, reasons, strict=True))


def test_one_scan_packed_twice_is_caught_however_its_values_are_rounded():
    scan = scans()["venous"]
    elsewhere = scan.grid.affine.copy()
    elsewhere[:3, 3] += 5
    packed = Scan(scan.hu + np.float32(0.4), Grid(scan.hu.shape, elsewhere))
    with pytest.raises(GateError, match="venous is the same scan as arterial, packed in another way"):
        gated({"arterial": scan, "venous": packed})
    other = Scan(scan.hu.copy(), scan.grid)
    other.hu[50, 50, 30] += 20
    assert not any("same scan" in fault for fault in gated({"arterial": scan, "venous": other}, "flag"))


@pytest.mark.parametrize(
    ("spacing_mm", "flagged"),
    [
        ((0.75, 0.75, 5.0), False),
        ((0.64, 0.98, 5.45), False),  # a tenth below, above, above
        ((0.62, 0.75, 5.0), True),
        ((0.75, 1.0, 5.0), True),
        ((0.75, 0.75, 5.6), True),
        ((0.75, 0.75, 4.4), True),
    ],
)
def test_voxels_that_differ_along_any_axis_by_more_than_a_tenth_from_those_that_were_learned_from_are_flagged(
    spacing_mm, flagged
):
    scan = Scan(np.zeros((2, 2, 2), np.float32), Grid((2, 2, 2), np.diag([*spacing_mm, 1.0])))
    seen = {"venous": {"spacing_mm": [[0.7, 0.9], [0.7, 0.9], [5.0, 5.0]]}}
    flags = spacing_flags(seen, {"venous": scan, "arterial": scan})  # nobody knows what the other learned from
    got = " x ".join(f"{edge:.3g}" for edge in spacing_mm)
    said = f"venous: voxels of {got} mm; the networks learned from 0.7-0.9 x 0.7-0.9 x 5 mm"
    assert flags == ([said] if flagged else [])


@pytest.mark.parametrize(("change", "same"), [(0.0, True), (0.9, True), (-0.9, True), (1.0, False), (-1.0, False)])
def test_voxels_that_one_hu_lies_between_are_of_two_scans(change, same):
    one = Scan(np.zeros((2, 2, 2), np.float32), Grid((2, 2, 2), np.eye(4)))
    hu = one.hu.copy()
    hu[1, 0, 1] = change
    two = Scan(hu, Grid((2, 2, 2), np.diag([2.0, 2.0, 2.0, 1.0])))
    assert bool(duplicates({"a": "1", "b": "2"}, {"a": one, "b": two})) is same
    assert duplicates({"a": "1", "b": "1"}, {"a": one, "b": two}) == ["b is the same scan as a"]
