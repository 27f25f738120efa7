"""MONAI's networks as backbones: MONAI's outputs, MONAI's supervision, errors in words."""

import itertools

import pytest
import torch
from pnetkit_monai.networks import BasicUNet, DynUNet, SegResNet, SwinUNETR
from pnetkit_monai.unetr import UNETR
from pnetkit_monai.unets import AttentionUNet, MedNeXt, UNet

from pnetkit.errors import BrokenPluginError
from pnetkit.parameters import construct
from pnetkit.recipe.models import TrainingSettings

pytestmark = pytest.mark.slow


def small_unetr(size=(32, 32, 32)):
    return UNETR(size=size, width=4, hidden=24, heads=2)


@pytest.mark.parametrize(
    "make",
    [
        lambda: SegResNet(width=8),
        lambda: DynUNet(width=4),
        lambda: BasicUNet(width=4),
        lambda: UNet(width=4, levels=4),
        lambda: AttentionUNet(width=4, levels=4),
        lambda: MedNeXt(width=4, blocks=(1, 1, 1)),
        small_unetr,
    ],
)
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


@pytest.mark.parametrize(
    "make",
    [
        lambda: DynUNet(width=4),
        lambda: BasicUNet(width=4),
        lambda: SwinUNETR(width=12, depths=(1, 1, 1, 1)),
        lambda: UNet(width=4, levels=4),
        lambda: MedNeXt(width=4, blocks=(1, 1, 1)),
    ],
)
def test_a_patch_that_leaves_one_voxel_is_refused_with_what_to_do_whatever_the_batch(make):
    network = make()
    size = network.spec.divisor
    words = rf"of \({size[0]}, .*leaves one voxel at the deepest level.* a larger one than"
    for training, batch in itertools.product((True, False), (1, 2)):
        with pytest.raises(ValueError, match=words):
            network.train(training)(torch.zeros(batch, 1, *size))
    with torch.inference_mode():
        assert network.eval()(torch.zeros(1, 1, size[0], size[1], 2 * size[2])).logits.shape[-1] == 2 * size[2]


@pytest.mark.parametrize(
    "make",
    [
        lambda: AttentionUNet(width=4, levels=4),
        lambda: UNet(width=4, levels=4, norm="batch"),
        lambda: DynUNet(width=4, levels=4, norm="batch"),
        lambda: BasicUNet(width=4, norm="batch"),
    ],
)
def test_batch_norm_takes_one_voxel_of_several_items_and_of_one_item_in_evaluation(make):
    network = make().train()
    size = network.spec.divisor
    with pytest.raises(ValueError, match=r"In training a single patch of .* Take a batch of two or more"):
        network(torch.zeros(1, 1, *size))
    assert torch.isfinite(network(torch.zeros(2, 1, *size)).logits).all()
    with torch.inference_mode():
        assert network.eval()(torch.zeros(1, 1, *size)).logits.shape == (1, 4, *size)


def test_side_outputs_of_mednext_are_monai_s_at_full_size():
    torch.manual_seed(0)
    ours = MedNeXt(width=4, blocks=(1, 1, 1, 1)).train()
    x = torch.randn(1, 1, 32, 32, 32)
    found, theirs = ours(x), ours.network(x)
    assert torch.equal(found.logits, theirs[0])
    assert [tuple(of.shape[2:]) for of in theirs] == [(32,) * 3, (16,) * 3, (8,) * 3, (4,) * 3]
    for logits, of in zip(found.aux_logits, theirs[1:], strict=True):
        assert logits.shape == found.logits.shape
        assert torch.allclose(logits.mean(), of.mean(), atol=0.02)  # interpolated, not something else
    assert [head.loss_weight for head in ours.spec.aux_heads] == [0.5, 0.25, 0.125]
    assert MedNeXt(width=4, blocks=(1, 1), supervised=False).spec.aux_heads == ()


def test_unetr_without_the_norms_that_it_never_runs_answers_as_monai_s():
    from monai.networks.nets import UNETR as Theirs

    ours = small_unetr().eval()
    norm = ("instance", {"affine": True})
    theirs = Theirs(1, 4, 32, feature_size=4, hidden_size=24, mlp_dim=96, num_heads=2, norm_name=norm).eval()
    missing, unexpected = theirs.load_state_dict(ours.network.state_dict(), strict=False)
    assert unexpected == []
    assert all("norm_cross_attn" in name for name in missing)
    x = torch.randn(1, 1, 32, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(ours(x).logits, theirs(x))


def test_unetr_takes_its_size_alone_and_says_so():
    network = small_unetr((32, 16, 48))
    assert network.spec.only_size == (32, 16, 48)
    with torch.inference_mode():
        assert network.eval()(torch.zeros(1, 1, 32, 16, 48)).logits.shape == (1, 4, 32, 16, 48)
    with pytest.raises(ValueError, match=r"takes \(32, 16, 48\) alone, got \(32, 32, 32\)"):
        network(torch.zeros(1, 1, 32, 32, 32))


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"size": [40, 64, 64]}, "multiple of 16"),
        ({"size": [16, 16, 16]}, "a single block of 16 voxels"),
        ({"hidden": 100}, "no multiple of the 12 heads"),
    ],
)
def test_a_unetr_that_cannot_be_is_refused_in_words(params, said):
    with pytest.raises(BrokenPluginError, match=said):
        construct("backbone", "monai-unetr", UNETR, params)


def test_the_maps_that_segresnet_publishes_are_those_that_its_decoder_sees():
    torch.manual_seed(0)
    network = SegResNet(width=8).eval()
    x = torch.randn(1, 1, 16, 16, 16)
    with torch.inference_mode():
        maps = list(network.encode(x, network.spec.features).values())
        decoded = network.network.decode(maps[-1], maps[::-1])
        assert torch.equal(decoded, network(x).logits)


@pytest.mark.parametrize(
    ("network", "optimizer"), [(SwinUNETR, "adamw"), (UNETR, "adamw"), (MedNeXt, "adamw"), (DynUNet, "sgd")]
)
def test_what_a_network_is_usually_trained_with_could_stand_in_a_recipe(network, optimizer):
    settings = TrainingSettings(**network.usual_training)
    assert settings.optimizer == optimizer
    assert settings.loss == "dice-cross-entropy"


def test_a_map_that_is_not_published_is_named_with_those_that_are():
    with pytest.raises(KeyError, match=r"publishes level1, level2, level3, level4, not pool3"):
        SegResNet(width=8).encode(torch.zeros(1, 1, 16, 16, 16), ["pool3"])
