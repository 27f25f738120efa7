"""MONAI's networks as backbones: MONAI's outputs, MONAI's supervision, errors in words."""

import pytest
import torch
from pnetkit_monai.networks import BasicUNet, DynUNet, SegResNet, SwinUNETR

from pnetkit.errors import BrokenPluginError
from pnetkit.parameters import construct


@pytest.mark.parametrize("make", [lambda: SegResNet(width=8), lambda: DynUNet(width=4), lambda: BasicUNet(width=4)])
def test_logits_are_monai_s(make):
    torch.manual_seed(0)
    ours = make().eval()
    x = torch.randn(1, 1, 32, 32, 32)
    with torch.inference_mode():
        assert torch.equal(ours(x).logits, ours.network(x))


def test_side_outputs_are_those_of_monai_s_deep_supervision():
    torch.manual_seed(0)
    ours = DynUNet(width=4, supervised=3).train()
    x = torch.randn(2, 1, 32, 32, 32)
    found, theirs = ours(x), ours.network(x)
    assert theirs.shape[1] == 4
    for index, logits in enumerate((found.logits, *found.aux_logits)):
        assert torch.equal(logits, theirs[:, index])
    assert [head.loss_weight for head in ours.spec.aux_heads] == [0.5, 0.25, 0.125]


def test_more_side_outputs_than_levels_are_refused():
    with pytest.raises(BrokenPluginError, match="supervised is 4; of 4 levels, at most 2"):
        construct("backbone", "monai-dynunet", DynUNet, {"levels": 4, "supervised": 4})


@pytest.mark.parametrize("make", [lambda: DynUNet(width=4), lambda: BasicUNet(width=4), lambda: SwinUNETR(width=12)])
def test_a_patch_that_leaves_one_voxel_is_refused_in_training_with_what_to_do(make):
    network = make().train()
    with pytest.raises(ValueError, match="leaves one voxel at the deepest level"):
        network(torch.zeros(1, 1, *network.spec.divisor))
    with torch.inference_mode():
        assert network.eval()(torch.zeros(1, 1, 64, 64, 64)).logits.shape == (1, 4, 64, 64, 64)
