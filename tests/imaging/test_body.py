"""The body: nothing of it is lost, air around it is, and an odd volume is never taken for empty."""

import numpy as np
import pytest

from pnetkit.imaging.body import body_mask


def patient(shape=(80, 72, 40), *, couch=False):
    """A cylinder of tissue with a lung in it, in air; with a couch that does not touch it."""
    hu = np.full(shape, -1000, np.float32)
    x, y, _ = np.indices(shape)
    inside = (x - 38) ** 2 / 30**2 + (y - 34) ** 2 / 24**2 <= 1
    hu[inside] = 40
    lung = (x - 38) ** 2 + (y - 34) ** 2 <= 100
    hu[lung] = -850
    if couch:
        hu[5:75, 66:70] = 100
    return hu, inside


@pytest.mark.parametrize("couch", [False, True])
def test_all_of_the_body_with_its_lungs_is_in_the_mask_and_the_corners_are_not(couch):
    hu, inside = patient(couch=couch)
    mask = body_mask(hu)
    assert mask.shape == hu.shape
    assert mask[inside].all()
    assert not mask[:6, :6].any()
    assert not mask[:, 70:].any()
    assert mask.sum() < 1.6 * inside.sum()


@pytest.mark.parametrize("shift", range(1, 6))
def test_no_tissue_is_lost_wherever_the_coarse_lattice_falls(shift):
    hu = np.roll(patient()[0], shift, axis=(0, 1))
    assert body_mask(hu)[hu > -300].all()


@pytest.mark.parametrize(("shape", "edge"), [((480, 400, 10), 4), ((120, 100, 10), 4), ((40, 36, 10), 2)])
def test_the_margin_is_two_cells_of_the_lattice_at_most_however_large_a_scan_is(shape, edge):
    hu = np.full(shape, -1000, np.float32)
    first, last = np.array(shape[:2]) // 4, np.array(shape[:2]) * 3 // 4
    hu[first[0] : last[0], first[1] : last[1]] = 40
    x, y = np.nonzero(body_mask(hu).any(axis=2))
    for places, low, high in ((x, first[0], last[0]), (y, first[1], last[1])):
        assert low - 2 * edge <= places.min() <= low
        assert high - 1 <= places.max() < high + 2 * edge


@pytest.mark.parametrize("value", [-1000.0, 50.0])
def test_a_volume_of_one_kind_is_body_as_a_whole(value):
    assert body_mask(np.full((20, 9, 11), value, np.float32)).all()


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 70, 5), (33, 17, 130)])
def test_any_shape_is_kept(shape):
    assert body_mask(np.full(shape, 30.0, np.float32)).shape == shape


@pytest.mark.slow
def test_the_phantoms_organs_and_lesions_lie_in_the_body():
    from pnetkit.cohort.phantom.generate import PhantomSpec, phantom_case

    for index in range(4):
        for scan in phantom_case(PhantomSpec(seed=5), index).scans.values():
            mask = body_mask(scan.hu.astype(np.float32))
            assert mask[scan.labels > 0].all()
            assert 0.2 < mask.mean() < 1
