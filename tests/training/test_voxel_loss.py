"""The losses of one output, held to MONAI's in value and gradient, and by hand where a number says more."""

import math
from dataclasses import replace

import pytest
import torch
from torch.nn.functional import cross_entropy

from pnetkit.interfaces import BackboneOutput
from pnetkit.training.loss import deep_supervision_loss
from pnetkit.training.voxel_loss import CROSS_ENTROPY, VoxelLoss, focal_loss, soft_dice_loss, voxel_loss
from pnetkit.types import AuxHead, BackboneSpec

WEIGHTS = torch.tensor([0.1, 1.0, 5.0, 2.0])
DICE_PATCH, DICE_BATCH = (VoxelLoss("dice-cross-entropy", over) for over in ("patch", "batch"))
FOCAL = VoxelLoss("focal", focal_gamma=2.0)
ALL = [CROSS_ENTROPY, DICE_PATCH, DICE_BATCH, FOCAL]


def drawn(dtype=torch.float32):
    """Logits and labels of three patches, of which the last holds background alone and none holds class 3."""
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(3, (3, 4, 3, 5), generator=generator)
    labels[2] = 0
    return 3 * torch.randn(3, 4, 4, 3, 5, generator=generator, dtype=dtype), labels


def value_and_gradient(loss, logits):
    logits = logits.clone().requires_grad_()
    value = loss(logits)
    value.backward()
    return value.detach(), logits.grad


def monai_s(of, weights):
    losses = pytest.importorskip("monai.losses", reason="monai is not installed")
    if of.name == "focal":
        focal = losses.FocalLoss(to_onehot_y=True, use_softmax=True, gamma=of.focal_gamma, weight=weights)
        return lambda logits, labels: 4 * focal(logits, labels)  # its mean is over classes too
    return losses.DiceCELoss(
        include_background=False, to_onehot_y=True, softmax=True, batch=of.dice_over == "batch", weight=weights
    )


@pytest.mark.parametrize("of", [DICE_PATCH, DICE_BATCH, FOCAL, replace(FOCAL, focal_gamma=3.5)])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_a_loss_is_monai_s_in_value_and_gradient(of, weights):
    theirs = monai_s(of, weights)
    logits, labels = drawn()
    ours = value_and_gradient(lambda x: voxel_loss(x, labels, of, weights), logits)
    oracle = value_and_gradient(lambda x: theirs(x, labels[:, None]), logits)
    assert torch.allclose(ours[0], oracle[0], rtol=1e-5)
    assert torch.allclose(ours[1], oracle[1], rtol=1e-4, atol=1e-8)
    assert ours[1].abs().max() > 1e-4


@pytest.mark.parametrize("of", [CROSS_ENTROPY, DICE_PATCH, FOCAL])
def test_a_patch_of_a_class_that_weighs_nothing_costs_nothing_in_its_mean_and_has_a_gradient_that_is_a_number(of):
    logits, labels = drawn()
    value, gradient = value_and_gradient(lambda x: voxel_loss(x, labels[2:], of, WEIGHTS * (WEIGHTS > 0.1)), logits[2:])
    assert torch.isfinite(gradient).all()
    assert float(value) >= 0 if of == DICE_PATCH else float(value) == 0


def test_a_focal_loss_of_exponent_0_is_the_cross_entropy():
    logits, labels = drawn(torch.float64)
    ours = value_and_gradient(lambda x: focal_loss(x, labels, 0.0), logits)
    plain = value_and_gradient(lambda x: cross_entropy(x, labels), logits)
    assert all(torch.allclose(a, b) for a, b in zip(ours, plain, strict=True))


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_a_voxel_that_is_certain_gives_a_focal_loss_of_0_and_a_slope_that_is_a_number(gamma):
    logits = torch.zeros(1, 4, 1, 1, 1)
    logits[0, 2] = 200.0
    value, slope = value_and_gradient(lambda x: focal_loss(x, torch.full((1, 1, 1, 1), 2), gamma), logits)
    assert float(value) == 0
    assert torch.isfinite(slope).all()


def test_the_soft_dice_of_a_certain_answer_counts_voxels():
    """Two patches of four voxels: class 1 is right in one of two voxels of the first, class 2 in none of the second."""
    labels = torch.tensor([[1, 1, 0, 0], [2, 0, 0, 0]]).reshape(2, 4, 1, 1)
    said = torch.tensor([[1, 0, 0, 0], [0, 0, 0, 0]]).reshape(2, 4, 1, 1)
    logits = 1e3 * torch.nn.functional.one_hot(said, 4).movedim(-1, 1).float()
    nothing = 1 - 1e-5 / (1 + 1e-5)  # a class that is there and not predicted
    half = 1 - (2 * 1 + 1e-5) / (3 + 1e-5)
    for over, wanted in (("patch", (half + nothing) / 6), ("batch", (half + nothing) / 3)):
        assert float(soft_dice_loss(logits, labels, over=over)) == pytest.approx(wanted, abs=1e-6)


def test_a_dice_over_patches_is_the_same_however_a_batch_is_cut_and_one_over_the_batch_is_not():
    logits, labels = drawn()
    for of, same in ((DICE_PATCH, True), (DICE_BATCH, False)):
        whole = voxel_loss(logits, labels, of)
        parts = [voxel_loss(logits[i : i + 1], labels[i : i + 1], of) for i in range(3)]
        assert torch.allclose(whole, torch.stack(parts).mean(), rtol=1e-5) is same


@pytest.mark.parametrize("of", ALL)
@pytest.mark.parametrize("class_weights", [None, (0.1, 1.0, 5.0, 2.0)])
def test_deep_supervision_adds_up_any_loss_with_the_weights_of_the_heads(of, class_weights):
    logits, labels = drawn()
    one, two = logits.flip(0), logits.flip(1)
    spec = BackboneSpec(1, 4, (1, 1, 1), aux_heads=(AuxHead("a", 0.5), AuxHead("b", 2.0)), loss_weight=3.0)
    got = deep_supervision_loss(BackboneOutput(logits, (one, two)), labels, spec, of=of, class_weights=class_weights)
    weights = None if class_weights is None else torch.tensor(class_weights)
    by_hand = sum(w * voxel_loss(x, labels, of, weights) for w, x in ((3.0, logits), (0.5, one), (2.0, two)))
    assert torch.allclose(got, by_hand)


@pytest.mark.parametrize("of", ALL)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_loss_of_logits_in_half_precision_is_that_of_their_values(of, dtype):
    """A patch of 64 x 64 x 64 of one class: sums of its probabilities are beyond what fp16 can count."""
    logits = torch.zeros(1, 4, 64, 64, 64, dtype=dtype)
    labels = torch.ones(1, 64, 64, 64, dtype=torch.int64)
    context = torch.autocast("cpu", dtype=dtype)
    with context:
        value, slope = value_and_gradient(lambda x: voxel_loss(x, labels, of, WEIGHTS.to(dtype)), logits)
    wanted = float(voxel_loss(logits.float(), labels, of, WEIGHTS.to(dtype).float()))
    assert math.isfinite(wanted)
    assert float(value) == pytest.approx(wanted, rel=1e-2)
    assert torch.isfinite(slope).all()
