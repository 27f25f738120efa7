"""Fingerprints of scans: what a copy may have gone through, and what is no copy."""

from pathlib import Path

import numpy as np
import pytest

from pnetkit.cohort.audit import copies
from pnetkit.cohort.audit.copies import LEAST_SHARED, PLACES, families, fingerprint, shared_places
from pnetkit.cohort.phantom.generate import PhantomSpec, phantom_case
from pnetkit.imaging.nifti import read_scan

REAL = Path(__file__).parents[4] / "shared" / "data"


def body(seed, shape=(70, 60, 16), noise=18.0):
    """Soft tissue in air, with noise that neighbors share, as in a reconstruction."""
    rng = np.random.default_rng(seed)
    hu = rng.normal(60, noise, shape)
    hu = (hu + np.roll(hu, 1, 0) + np.roll(hu, 1, 1)) / 3 + 0.2 * noise
    hu[:8] = hu[-8:] = -1000
    return hu.round().astype(np.float32)


SCAN = body(0)
WHOLE = fingerprint(SCAN)


def shared(hu):
    return int(np.intersect1d(WHOLE, fingerprint(np.ascontiguousarray(hu, dtype=np.float32))).size)


@pytest.mark.parametrize(
    "copy",
    [
        SCAN,
        SCAN[::-1],
        SCAN[:, ::-1, ::-1],
        SCAN.transpose(1, 0, 2),
        np.rot90(SCAN, axes=(0, 1)),
        SCAN.astype(np.float64) + 0.3,
        np.clip(SCAN, -100, 240),
        np.pad(SCAN, 9, constant_values=-1024),
    ],
    ids=["as it is", "mirrored", "turned over", "transposed", "turned", "rounded", "clipped", "padded"],
)
def test_a_copy_that_is_packed_turned_or_clipped_otherwise_has_the_same_fingerprint(copy):
    assert WHOLE.size == PLACES
    assert shared(copy) == PLACES


@pytest.mark.parametrize(
    ("part", "share"),
    [(SCAN[:, :, 8:], 0.5), (SCAN[:, :, ::2], 0.5), (SCAN[20:50, 15:45], 0.25), (SCAN[30:42, 20:50, :8], 0.05)],
)
def test_a_part_has_its_share_of_the_places(part, share):
    found = shared(part) / PLACES
    assert found * PLACES >= LEAST_SHARED
    assert 0.4 * share < found < 1.8 * share


def test_scans_of_other_noise_share_nothing_though_all_else_is_the_same():
    others = [fingerprint(body(seed)) for seed in range(1, 6)] + [fingerprint(SCAN + body(9) * 0.1)]
    assert shared_places([WHOLE, *others]) == []
    assert max(np.intersect1d(WHOLE, other).size for other in others) == 0


def test_what_is_smooth_or_drawn_or_air_has_no_places():
    x = np.arange(40, dtype=np.float32)
    flat = np.full((40, 40, 8), 40, dtype=np.float32)
    ramp = np.broadcast_to(x[:, None, None] * 3 - 40, flat.shape)
    assert fingerprint(flat).size == fingerprint(ramp).size == fingerprint(flat - 1040).size == 0
    assert fingerprint(flat[:4]).size == fingerprint(flat[:, :3]).size == 0


@pytest.mark.slow
def test_both_phases_of_phantoms_share_nothing():
    scans = [phantom_case(PhantomSpec(seed=4, shape=(40, 40, 16)), case).scans for case in range(3)]
    found = [fingerprint(scan.hu.astype(np.float32)) for of in scans for scan in of.values()]
    assert min(of.size for of in found) > 4 * LEAST_SHARED
    assert shared_places(found) == []


def test_a_mark_that_many_scans_have_is_no_ones(monkeypatch):
    marks, own = np.arange(20, dtype=np.uint64), [np.array([100 + i], dtype=np.uint64) for i in range(4)]
    found = [np.r_[marks, of] for of in own]
    assert len(shared_places(found)) == 6
    monkeypatch.setattr(copies, "MOST_OWNERS", 3)
    assert shared_places(found) == []


def test_pairs_are_joined_to_groups():
    places = np.arange(60, dtype=np.uint64)
    found = [places[:20], places[40:], places[10:30], places[20:30], np.empty(0, dtype=np.uint64)]
    pairs = shared_places(found)
    assert [(pair.one, pair.other, pair.places, pair.of) for pair in pairs] == [(0, 2, 10, 20), (2, 3, 10, 10)]
    assert families(pairs, dict(enumerate("ABCDE"))) == [["A", "C", "D"]]
    assert shared_places([]) == []


@pytest.mark.slow
@pytest.mark.skipif(not REAL.is_dir(), reason="no real CTs here")
def test_real_scans_share_nothing_but_a_part_with_its_whole():
    names = ["totalsegmentator_s0009_lumbar/TotalSegmentator_0009_0000", "amos_slabs/amos_0013_slab_ct"]
    names += [f"totalsegmentator_tests/example_ct{of}" for of in ("", "_sm")]
    scans = [read_scan(REAL / f"{name}.nii.gz").hu for name in names]
    (pair,) = shared_places([fingerprint(hu) for hu in scans])
    assert (pair.one, pair.other) == (2, 3)
