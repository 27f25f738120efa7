"""The loss: cross-entropy with deep supervision; the schedule."""

import numpy as np
import pytest
import torch

from pnetkit.interfaces import BackboneOutput
from pnetkit.training.loss import deep_supervision_loss
from pnetkit.training.schedule import poly_learning_rate
from pnetkit.types import AuxHead, BackboneSpec


def by_hand(logits, labels, weights=None):
    """Cross-entropy in NumPy, voxel by voxel."""
    x = logits.double().numpy()
    log_softmax = x - np.log(np.exp(x).sum(axis=1, keepdims=True))
    picked = np.take_along_axis(log_softmax, labels.numpy()[:, None], axis=1)[:, 0]
    w = np.ones(x.shape[1]) if weights is None else np.array(weights)
    return -(picked * w[labels.numpy()]).sum() / w[labels.numpy()].sum()


@pytest.mark.parametrize("weights", [None, (0.1, 1.0, 5.0, 2.0)])
def test_main_and_auxiliary_terms_add_up_with_their_weights(weights):
    torch.manual_seed(0)
    main, one, two = (torch.randn(2, 4, 3, 3, 3) for _ in range(3))
    labels = torch.randint(4, (2, 3, 3, 3))
    spec = BackboneSpec(1, 4, (1, 1, 1), aux_heads=(AuxHead("a", 1.0), AuxHead("b", 2.0)), loss_weight=5.0)
    got = deep_supervision_loss(BackboneOutput(main, (one, two)), labels, spec, class_weights=weights)
    expected = 5 * by_hand(main, labels, weights) + by_hand(one, labels, weights) + 2 * by_hand(two, labels, weights)
    assert float(got) == pytest.approx(float(expected), rel=1e-5)


def test_a_backbone_that_withholds_a_promised_output_is_caught():
    spec = BackboneSpec(1, 4, (1, 1, 1), aux_heads=(AuxHead("a", 1.0),))
    output = BackboneOutput(torch.zeros(1, 4, 2, 2, 2))
    with pytest.raises(ValueError, match="gave 0 auxiliary outputs in training mode, its spec promises 1"):
        deep_supervision_loss(output, torch.zeros(1, 2, 2, 2, dtype=torch.int64), spec)


def test_the_schedule_is_torchs_polynomial_one():
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=0.01)
    schedule = torch.optim.lr_scheduler.PolynomialLR(optimizer, total_iters=50, power=0.9)
    for iteration in range(50):
        assert optimizer.param_groups[0]["lr"] == pytest.approx(poly_learning_rate(0.01, iteration, 50, 0.9))
        optimizer.step()
        schedule.step()


def test_a_lesion_score_is_held_to_whether_the_patch_holds_tumor_or_duct():
    torch.manual_seed(0)
    labels = torch.zeros(4, 2, 2, 2, dtype=torch.int64)
    labels[0] = 1  # pancreas alone
    labels[1, 0, 0, 0], labels[2, 1, 1, 1] = 2, 3
    logits, scores = torch.randn(4, 4, 2, 2, 2), torch.tensor([0.3, -1.0, 2.0, 0.5])
    plain = deep_supervision_loss(BackboneOutput(logits), labels, BackboneSpec(1, 4, (1, 1, 1)))
    spec = BackboneSpec(1, 4, (1, 1, 1), lesion_loss_weight=0.5)
    got = deep_supervision_loss(BackboneOutput(logits, lesion_logits=scores), labels, spec)
    p = 1 / (1 + np.exp(-scores.numpy()))
    by_hand = -np.log([1 - p[0], p[1], p[2], 1 - p[3]]).mean()
    assert float(got - plain) == pytest.approx(0.5 * by_hand, rel=1e-5)


@pytest.mark.parametrize(("weight", "scores"), [(0.5, None), (0.0, torch.zeros(1))])
def test_a_lesion_score_is_there_exactly_when_it_is_promised(weight, scores):
    spec = BackboneSpec(1, 4, (1, 1, 1), lesion_loss_weight=weight)
    output = BackboneOutput(torch.zeros(1, 4, 2, 2, 2), lesion_logits=scores)
    with pytest.raises(ValueError, match="lesion score in training mode"):
        deep_supervision_loss(output, torch.zeros(1, 2, 2, 2, dtype=torch.int64), spec)
