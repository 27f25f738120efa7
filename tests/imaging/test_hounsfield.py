"""Hounsfield units: a body where they put bodies passes, stored values and values shifted twice do not."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from pnetkit.cohort.phantom.generate import PhantomSpec, phantom_case
from pnetkit.errors import ImageError
from pnetkit.imaging.hounsfield import as_scan, body_fault
from pnetkit.imaging.nifti import read_scan
from pnetkit.types import Grid

REAL = Path(__file__).parents[3] / "shared" / "data"
GRID = Grid((48, 48, 32), np.eye(4))


@lru_cache
def phantom():
    """A phantom of 48 by 48 by 32 voxels in HU."""
    return phantom_case(PhantomSpec(seed=1, shape=(48, 48, 32), difficulty=0), 1).scans["venous"].hu.astype(np.float32)


def in_a_circle(hu, value):
    """Put a value outside of the reconstruction's circle."""
    x, y = np.ogrid[:48, :48]
    hu = hu.copy()
    hu[(x - 23.5) ** 2 + (y - 23.5) ** 2 > 23.5**2] = value
    return hu


@pytest.mark.parametrize("value", [-1024, -2000, -3024, 0])
def test_a_body_in_hu_passes_whatever_pads_it_and_the_padding_is_air(value):
    scan = as_scan(in_a_circle(phantom(), value), GRID, "x")
    assert scan.hu[0, 0].max() <= -1000
    assert scan.hu.min() >= -1024


def test_stored_values_with_a_padding_below_are_refused_with_what_is_missing():
    with pytest.raises(ImageError, match=r"x: its body is not where .* 0\.\d% lie between -160 and -40 as fat do"):
        as_scan(in_a_circle(phantom() + 1024, -2000), GRID, "x")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda hu: hu + 1024, "between -160 and -40 as fat do"),
        (lambda hu: hu - 1024, "of the voxels lie above -300, wanted 1% at the least"),
        (lambda hu: hu * 16, "78% lie above 400, wanted 25% at the most"),
        (lambda hu: np.where(hu > -300, 1200, hu).astype(np.float32), "100% lie above 400, wanted 25% at the most"),
    ],
)
def test_what_speaks_against_a_body_is_said_in_numbers(wrong, said):
    assert body_fault(phantom()) == ""
    assert said in body_fault(wrong(phantom()))


def an_organ(hu):
    """A scan that cuts out an organ alone: half of it air, half of it one tissue."""
    scan = np.random.default_rng(0).normal(hu, 15, (32, 32, 16)).astype(np.float32)
    scan[:16] = -1000
    return scan


def test_a_scan_without_fat_is_believed_where_nothing_else_speaks_against_it():
    assert body_fault(an_organ(60)) == ""
    assert "as fat do" in body_fault(an_organ(260))  # nothing of an abdomen is like that throughout
    stored = an_organ(60) + 1024  # its air looks like an organ then, and a small body is less than a quarter dense
    stored[16:24] = 24
    stored[24:26] = -1000
    assert (stored > 400).sum() / (stored > -300).sum() > 0.05
    assert "as fat do" in body_fault(stored)


@pytest.mark.skipif(not REAL.is_dir(), reason="no real CTs here")
@pytest.mark.slow
@pytest.mark.parametrize("name", ["acrin_nsclc_petct_noncontrast/ct_upper_abdomen", "amos_slabs/amos_0013_slab_ct",
                                  "totalsegmentator_s0009_lumbar/TotalSegmentator_0009_0000"])  # fmt: skip
def test_real_scans_pass_and_their_stored_values_do_not(name):
    hu = read_scan(REAL / f"{name}.nii.gz").hu
    assert body_fault(hu + 1024)
    assert body_fault(hu - 1024)
