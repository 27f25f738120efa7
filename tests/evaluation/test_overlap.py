"""Tests of pnetkit.evaluation.overlap."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pnetkit.evaluation.overlap import dice

PAIRS = hnp.array_shapes(min_dims=3, max_dims=3, max_side=4).flatmap(
    lambda shape: st.tuples(hnp.arrays(np.bool_, shape), hnp.arrays(np.bool_, shape))
)


def mask(text: str) -> np.ndarray:
    return np.array([letter == "#" for letter in text]).reshape(-1, 1, 1)


@pytest.mark.parametrize(
    ("prediction", "reference", "expected"),
    [
        ("##..", "##..", 1.0),
        ("##..", "..##", 0.0),
        ("###.", ".##.", 4 / 5),
        ("#...", "####", 2 / 5),
        ("....", "#...", 0.0),
        ("#...", "....", 0.0),
    ],
)
def test_dice_is_twice_the_common_voxels_by_the_voxels_of_both(prediction, reference, expected):
    assert dice(mask(prediction), mask(reference)) == expected


def test_two_empty_masks_have_no_dice():
    assert dice(mask("...."), mask("....")) is None


def test_masks_of_different_shapes_are_refused_even_if_they_broadcast():
    with pytest.raises(ValueError, match=r"prediction \(4, 1, 1\) and reference \(1, 1, 1\)"):
        dice(mask("#..."), mask("#"))


@pytest.mark.slow
@settings(deadline=None, max_examples=50)
@given(PAIRS)
def test_dice_equals_scikit_learn_and_monai(pair):
    from monai.metrics import compute_dice  # slow to import, and each process of the tests reads each file
    from sklearn.metrics import f1_score

    prediction, reference = pair
    ours = dice(prediction, reference)
    if not (prediction.any() or reference.any()):
        assert ours is None
        return
    assert ours == pytest.approx(f1_score(reference.ravel(), prediction.ravel()), abs=1e-12)
    if reference.any():  # MONAI leaves an empty reference out, and we do not
        tensors = [torch.from_numpy(m[None, None].astype(np.float32)) for m in pair]
        assert ours == pytest.approx(float(compute_dice(*tensors)), abs=1e-6)


@settings(deadline=None, max_examples=50)
@given(PAIRS)
def test_dice_is_symmetric_and_a_share(pair):
    ours = dice(*pair)
    assert ours == dice(*pair[::-1])
    assert ours is None or 0 <= ours <= 1


@settings(deadline=None, max_examples=50)
@given(PAIRS)
def test_masks_stay_untouched(pair):
    before = [m.copy() for m in pair]
    dice(*pair)
    assert all(np.array_equal(m, b) for m, b in zip(pair, before, strict=True))
