"""The joint network: S4C unchanged inside, and a lesion score that is promised, learned and published."""

import pytest
import torch
from pnetkit_s4c.network import S4C
from pnetkit_s4c_joint.network import LESION_SCORE, S4CJoint

from pnetkit.interfaces import FeatureBackbone
from pnetkit.training.loss import deep_supervision_loss


@pytest.fixture
def small():
    torch.manual_seed(0)
    return S4CJoint(width=2, head_channels=4)


def test_it_is_a_backbone_with_s4cs_maps_and_its_own(small):
    assert isinstance(small, FeatureBackbone)
    assert set(small.spec.features) == {"pool3", "conv4b", "class_shares", LESION_SCORE}
    assert small.spec.lesion_loss_weight == 0.2


def test_the_head_adds_its_parameters_and_no_others():
    with torch.device("meta"):
        joint, alone = (sum(p.numel() for p in net.parameters()) for net in (S4CJoint(), S4C()))
    assert joint - alone == 128 * 64 * 27 + 2 * 64 + 64 + 1


def test_the_segmentation_is_s4cs(small):
    alone = S4C(width=2)
    alone.load_state_dict(small.segmentation.state_dict())
    x = torch.randn(2, 1, 16, 8, 24)
    for mode in (True, False):
        assert torch.equal(small.train(mode)(x).logits, alone.train(mode)(x).logits)


def test_a_patchs_score_is_its_largest_cell(small):
    small.train()
    for module in small.modules():
        if isinstance(module, torch.nn.BatchNorm3d):
            module.eval()  # with running statistics, training and evaluation compute the same
    x = torch.randn(3, 1, 16, 16, 8)
    scores = small(x).lesion_logits
    cells = small.encode(x, [LESION_SCORE])[LESION_SCORE]
    assert cells.shape == (3, 1, 2, 2, 1)
    assert torch.allclose(scores, cells.flatten(1).amax(1))
    assert small.eval()(x).lesion_logits is None


def test_every_parameter_learns_from_the_loss(small):
    output = small.train()(torch.randn(2, 1, 16, 16, 16))
    labels = torch.zeros(2, 16, 16, 16, dtype=torch.int64)
    labels[0, 4:8, 4:8, 4:8] = 2
    deep_supervision_loss(output, labels, small.spec).backward()
    assert [name for name, p in small.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize("names", [(), ("pool3",), (LESION_SCORE,), ("conv4b", LESION_SCORE), (LESION_SCORE, "pool3")])
def test_exactly_the_maps_asked_for_are_given(small, names):
    maps = small.eval().encode(torch.randn(1, 1, 8, 8, 8), names)
    assert set(maps) == set(names)
    assert all(maps[name].shape[1] == small.spec.features[name].channels for name in names)


def test_unknown_maps_are_refused(small):
    with pytest.raises(KeyError, match="pool9"):
        small.encode(torch.randn(1, 1, 8, 8, 8), ["pool9", LESION_SCORE])
