"""The loss where labels leave the class open: by hand, equal to torch's where they do not, and without a gradient."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from pnetkit.interfaces import BackboneOutput
from pnetkit.label_sets import IGNORED, any_of
from pnetkit.training.loss import deep_supervision_loss
from pnetkit.training.unsure import (
    is_unsure,
    lesion_loss,
    marginal_dice_loss,
    marginal_loss,
    may_be,
    unsure_loss,
)
from pnetkit.training.voxel_loss import VoxelLoss, voxel_loss
from pnetkit.types import AuxHead, BackboneSpec

SHAPE = (2, 3, 2, 2)


def logits(seed=0):
    return torch.randn((2, 4, 3, 2, 2), generator=torch.Generator().manual_seed(seed), requires_grad=True)


LOSSES = [
    VoxelLoss(),
    VoxelLoss("dice-cross-entropy"),
    VoxelLoss("dice-cross-entropy", dice_over="batch"),
    VoxelLoss("focal"),
    VoxelLoss("focal", focal_gamma=0.5),
]


@pytest.mark.parametrize("weights", [None, torch.tensor([0.1, 1.0, 5.0, 2.0])])
@pytest.mark.parametrize("of", LOSSES, ids=str)
def test_of_known_labels_each_loss_and_its_gradient_are_as_ever(of, weights):
    labels = torch.randint(4, SHAPE, generator=torch.Generator().manual_seed(1))
    assert not is_unsure(labels)
    x, y = logits(), logits()
    unsure, plain = unsure_loss(x, labels, of, weights), voxel_loss(y, labels, of, weights)
    torch.testing.assert_close(unsure, plain)
    unsure.backward()
    plain.backward()
    torch.testing.assert_close(x.grad, y.grad)


@pytest.mark.parametrize("of", LOSSES, ids=str)
def test_no_loss_moves_what_is_ignored_or_is_not_finite_without_anything_known(of):
    labels = torch.randint(4, SHAPE, generator=torch.Generator().manual_seed(1))
    labels[:, 0] = IGNORED
    x = logits()
    unsure_loss(x, labels, of).backward()
    assert x.grad[:, :, 0].abs().max() < 1e-7
    assert x.grad[:, :, 1:].abs().min() > 0
    x = logits()
    loss = unsure_loss(x, torch.full(SHAPE, IGNORED), of)
    loss.backward()
    assert loss.item() == pytest.approx(0.0, abs=1e-6)
    assert x.grad.abs().max() < 1e-7


def test_a_soft_dice_counts_a_voxel_for_the_first_class_that_it_may_be_and_for_no_other():
    p = torch.tensor([[0.4, 0.3, 0.2, 0.1], [0.1, 0.6, 0.1, 0.2]])
    x = p.log().T.reshape(1, 4, 1, 1, 2)
    labels = torch.tensor([any_of([0, 2, 3]), any_of([1, 3])]).view(1, 1, 1, 2)
    pancreas = 2 * (0.6 + 0.2) / (0.3 + 0.6 + 0.2 + 1)  # in the first voxel it is seen wrongly
    tumor = 0  # in the first voxel it may be, in the second it is seen wrongly
    duct = 1  # may be in both: neither seen nor wanted
    got = marginal_dice_loss(x, labels, over="patch")
    assert float(got) == pytest.approx(1 - (pancreas + tumor + duct) / 3, abs=1e-3)


@pytest.mark.parametrize("weights", [None, torch.tensor([0.1, 1.0, 5.0, 2.0])])
def test_ignored_voxels_are_as_torch_ignores_them_and_have_no_gradient(weights):
    labels = torch.randint(4, SHAPE, generator=torch.Generator().manual_seed(1))
    labels[:, 0] = IGNORED
    assert is_unsure(labels)
    x = logits()
    loss = marginal_loss(x, labels, weights)
    torch.testing.assert_close(loss, cross_entropy(x, labels, weight=weights, ignore_index=IGNORED))
    loss.backward()
    assert x.grad[:, :, 0].abs().max() == 0
    assert x.grad[:, :, 1:].abs().min() > 0


def test_the_probabilities_of_all_classes_that_a_voxel_may_be_are_added_up():
    p = torch.tensor([0.4, 0.3, 0.2, 0.1])
    x = p.log().view(1, 4, 1, 1, 1).expand(1, 4, 1, 1, 3)
    labels = torch.tensor([any_of([0, 2, 3]), any_of([1, 2]), 2]).view(1, 1, 1, 3)
    by_hand = -np.log([0.4 + 0.2 + 0.1, 0.3 + 0.2, 0.2])
    assert float(marginal_loss(x, labels)) == pytest.approx(by_hand.mean())
    weights = torch.tensor([1.0, 3.0, 6.0, 9.0])  # a voxel weighs as the first class that it may be
    weighted = (by_hand * [1, 3, 6]).sum() / 10
    assert float(marginal_loss(x, labels, weights)) == pytest.approx(weighted)
    assert may_be(labels, 4)[0, :, 0, 0, 0].tolist() == [True, False, True, True]


def test_nothing_is_held_against_a_network_that_sees_what_is_not_annotated():
    labels = torch.full(SHAPE, any_of([0, 2]))
    sees = torch.zeros(2, 4, 3, 2, 2)
    sees[:, 2] = 50.0
    assert float(marginal_loss(sees, labels)) == pytest.approx(0.0, abs=1e-6)
    sees[:, 1] = 100.0
    assert float(marginal_loss(sees, labels)) == pytest.approx(50.0)


def test_a_batch_of_which_nothing_is_known_costs_nothing_and_moves_nothing():
    x = logits()
    loss = marginal_loss(x, torch.full(SHAPE, IGNORED))
    loss.backward()
    assert loss.item() == 0.0
    assert x.grad.abs().max() == 0


def test_every_output_of_deep_supervision_is_held_to_what_is_known():
    labels = torch.full(SHAPE, any_of([0, 3]))
    spec = BackboneSpec(1, 4, (1, 1, 1), aux_heads=(AuxHead("a", 2.0),), loss_weight=5.0)
    output = BackboneOutput(logits(1), (logits(2),))
    got = deep_supervision_loss(output, labels, spec, is_unsure=True)
    expected = 5 * marginal_loss(logits(1), labels) + 2 * marginal_loss(logits(2), labels)
    torch.testing.assert_close(got, expected)


def test_a_lesion_score_is_held_to_patches_of_which_it_is_known():
    labels = torch.zeros((4, 2, 2, 2), dtype=torch.int64)
    labels[0, 0, 0, 0] = 2  # holds a tumor, whatever else is ignored
    labels[0, 1] = IGNORED
    labels[1, 0] = IGNORED  # may hold one
    labels[2, 0] = any_of([0, 1])  # holds none: the pancreas alone is not annotated
    labels[3] = any_of([0, 2, 3])  # may hold one
    scores = torch.tensor([0.3, -1.0, 2.0, 0.5], requires_grad=True)
    loss = lesion_loss(scores, labels)
    p = 1 / (1 + np.exp(-np.array([0.3, 2.0])))
    assert loss.item() == pytest.approx(-np.log([p[0], 1 - p[1]]).mean(), rel=1e-5)
    loss.backward()
    assert scores.grad[[1, 3]].abs().max() == 0
