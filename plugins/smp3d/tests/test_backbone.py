"""Smp3D: architectures, encoders, sizes, features, initialization."""

import math
import sys
from importlib.util import find_spec
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

if find_spec("segmentation_models_pytorch_3d") is None:
    pytest.skip("segmentation-models-pytorch-3d is not installed", allow_module_level=True)

from pnetkit_smp3d.backbone import Smp3D
from pnetkit_smp3d.encoders import DILATED, ENCODERS
from pnetkit_smp3d.library import CLASS_NAMES, load_library

from pnetkit.interfaces import FeatureBackbone
from pnetkit.networks import build_seeded, checked_output
from pnetkit.parameters import construct, parameters_model, validate

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_shapes", "quick_weights")]

FAMILIES = ("resnet18", "dpn68", "vgg11_bn", "densenet121", "efficientnet-b0", "mobileone_s0")


@pytest.fixture(scope="module")
def unet() -> Smp3D:
    torch.manual_seed(0)
    return Smp3D()


def _on_meta(**params: object) -> Smp3D:
    with torch.device("meta"):
        return Smp3D(**params)


@pytest.fixture(scope="module")
def on_meta() -> Smp3D:
    return _on_meta(encoder="resnet18")


@pytest.mark.parametrize("architecture", CLASS_NAMES)
def test_an_architecture_scores_every_voxel_and_trains_every_parameter(architecture: str) -> None:
    torch.manual_seed(5)
    network = Smp3D(architecture=architecture)
    # MAnet's attention between the voxels of the coarsest map is constant where there is one voxel only, and, without a
    # gradient, all for one of two voxels with a seed in five.
    size = (64, 32, 32) if architecture == "manet" else (32, 32, 32)
    logits = checked_output(network, torch.randn(2, 1, *size)).logits
    logits.square().mean().backward()
    assert 0.1 < float(logits.detach().std()) < 5  # where losses learn
    untrained = {name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()}
    # PSPNet stops at its encoder's third stage, and the library builds all five.
    unused = ("network.encoder.layer3.", "network.encoder.layer4.") if architecture == "pspnet" else ()
    expected = {name for name, _ in network.named_parameters() if unused and name.startswith(unused)}
    assert untrained == expected


@pytest.mark.parametrize("architecture", CLASS_NAMES)
@pytest.mark.parametrize("encoder", FAMILIES)
def test_each_family_of_encoders_works_with_each_architecture(architecture: str, encoder: str) -> None:
    if architecture in DILATED and encoder.startswith(("vgg", "densenet")):
        with pytest.raises(ValueError, match=f"{architecture} dilates its encoder, which {encoder} cannot"):
            _on_meta(architecture=architecture, encoder=encoder)
        return
    network = _on_meta(architecture=architecture, encoder=encoder, in_channels=2, num_classes=3)
    x = torch.empty(2, 2, 32, 64, 96, device="meta")
    checked_output(network, x)
    features = network.encode(x, network.spec.features)
    for name, spec in network.spec.features.items():
        assert features[name].shape == (
            2,
            spec.channels,
            *(n // s for n, s in zip(x.shape[2:], spec.stride, strict=True)),
        )


@pytest.mark.parametrize("encoder", ENCODERS)
def test_every_encoder_of_the_list_constructs_on_the_meta_device(encoder: str) -> None:
    network = _on_meta(architecture="fpn", encoder=encoder)
    assert {t.device.type for t in network.state_dict().values()} == {"meta"}
    assert len(network.spec.features) == 5


def test_the_list_holds_encoders_of_the_library_once_each() -> None:
    assert len(ENCODERS) == len(set(ENCODERS)) == 42
    assert set(ENCODERS) <= set(load_library().encoders.get_encoder_names())


@pytest.mark.parametrize("encoder", ["efficientnet-b0", "mobileone_s0"])
def test_a_light_encoder_runs_and_trains_on_real_voxels(encoder: str) -> None:
    torch.manual_seed(0)
    network = Smp3D(encoder=encoder)
    logits = checked_output(network, torch.randn(2, 1, 32, 32, 32)).logits
    logits.square().mean().backward()
    assert logits.isfinite().all()
    # efficientnet drops a residual branch of a patch at random, so that some gradients can be zero
    unused = {name for name, p in network.named_parameters() if p.grad is None}
    head = {"_conv_head.weight", "_bn1.weight", "_bn1.bias"}  # the library keeps this part of its classifier
    assert unused == ({f"network.encoder.{name}" for name in head} if encoder.startswith("efficientnet") else set())


def test_unknown_names_are_refused_with_the_nearest_known_one() -> None:
    with pytest.raises(ValueError, match=r"'resnet19' is no encoder .* Did you mean 'resnet1\d+'"):
        Smp3D(encoder="resnet19")
    with pytest.raises(ValueError, match="'senet154' is no encoder"):
        Smp3D(encoder="senet154")
    with pytest.raises(ValueError, match="no architecture 'pan'"):
        Smp3D(architecture="pan")
    with pytest.raises(ValueError, match=r"resnet18 has no weights 'imagnet'. Did you mean 'imagenet'\?"):
        Smp3D(encoder_weights="imagnet")


@settings(deadline=None, max_examples=30)
@given(size=st.tuples(*[st.integers(1, 130)] * 3))
def test_sizes_are_taken_exactly_when_every_axis_is_a_multiple_of_32(
    on_meta: Smp3D, size: tuple[int, int, int]
) -> None:
    network = on_meta
    x = torch.empty(2, 1, *size, device="meta")
    if all(n % 32 == 0 for n in size):
        assert network(x).logits.shape == (2, 4, *size)
        return
    wanted = tuple(math.ceil(n / 32) * 32 for n in size)
    text = f"multiple of 32, got {size}. Pad to {wanted}."
    for call in (lambda: network(x), lambda: network.encode(x, ["stage1"])):
        with pytest.raises(ValueError, match="Every axis") as caught:
            call()
        assert text in str(caught.value)


def test_a_single_patch_of_one_coarse_voxel_is_refused_in_training_only(unet: Smp3D) -> None:
    x = torch.randn(1, 1, 32, 32, 32)
    unet.train()
    with pytest.raises(
        ValueError, match=r"two values a channel.*batch of 1 with size \(32, 32, 32\) has one.*at least 2"
    ):
        unet(x)
    with pytest.raises(ValueError, match="two values a channel"):
        unet.encode(x, ["stage5"])
    unet.encode(x, ["stage4"])
    unet.eval()
    assert unet(x).logits.shape == (1, 4, 32, 32, 32)


def test_in_evaluation_mode_the_patches_of_a_batch_do_not_influence_each_other(unet: Smp3D) -> None:
    unet.eval()
    x = torch.randn(2, 1, 32, 32, 32)
    with torch.no_grad():
        together, alone = unet(x).logits, unet(x[:1]).logits
    torch.testing.assert_close(together[:1], alone, rtol=1e-3, atol=1e-4)


def test_encode_gives_the_maps_that_the_decoder_gets_and_stops_at_the_deepest_asked(unet: Smp3D) -> None:
    unet.eval()
    x = torch.randn(1, 1, 32, 32, 64)
    ran: list[str] = []
    hooks = [
        module.register_forward_hook(lambda *_, name=name: ran.append(name))
        for name, module in unet.network.encoder.named_children()
        if name.startswith("layer")
    ]
    with torch.no_grad():
        maps: list[Tensor] = unet.network.encoder(x)
        ran.clear()
        features = unet.encode(x, ["stage3", "stage1"])
    for hook in hooks:
        hook.remove()
    assert list(features) == ["stage3", "stage1"]
    assert all(torch.equal(features[f"stage{i}"], maps[i]) for i in (1, 3))
    assert ran == ["layer1", "layer2"]
    assert unet.network.encoder._depth == 5
    assert unet.encode(x, []) == {}
    with pytest.raises(KeyError, match=r"publishes stage1, .*, not stage6"):
        unet.encode(x, ["stage6"])


def test_strides_of_dilated_and_of_short_encoders_are_the_true_ones() -> None:
    strides = {
        name: [spec.stride[0] for spec in _on_meta(architecture=name).spec.features.values()]
        for name in ("unet", "pspnet", "deeplabv3", "deeplabv3plus")
    }
    assert strides == {
        "unet": [2, 4, 8, 16, 32],
        "pspnet": [2, 4, 8],
        "deeplabv3": [2, 4, 8, 8, 8],
        "deeplabv3plus": [2, 4, 8, 16, 16],
    }


@pytest.mark.parametrize("architecture", ["unet", "linknet", "deeplabv3plus"])
def test_three_dimensional_layers_are_initialized_by_rule(architecture: str) -> None:
    torch.manual_seed(0)
    network = Smp3D(architecture=architecture)
    head = network.network.segmentation_head
    checked = 0
    for part in (network.network.encoder, network.network.decoder, head):
        for module in part.modules():
            if not isinstance(module, (nn.Conv3d, nn.ConvTranspose3d)):
                continue
            assert module.bias is None or not module.bias.any()
            weight = module.weight.detach()
            voxels = math.prod(module.kernel_size)
            if part is head:
                deviation = math.sqrt(2 / ((weight.shape[0] + weight.shape[1]) * voxels))
            else:
                deviation = math.sqrt(2 / (weight.shape[0] / module.groups * voxels))
            assert float(weight.std()) == pytest.approx(deviation, rel=6 / math.sqrt(2 * weight.numel()))
            checked += 1
    assert checked > 25


def test_the_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    one, two, other = (build_seeded(lambda: Smp3D(encoder_depth=3), seed).state_dict() for seed in (7, 7, 8))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(
        one["network.decoder.blocks.0.conv1.0.weight"], other["network.decoder.blocks.0.conv1.0.weight"]
    )


def test_weights_are_downloaded_only_when_asked_for_and_then_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    library = load_library()
    asked: list[str] = []

    def flat_weights(url: str, **_: object) -> dict[str, Tensor]:
        asked.append(url)
        torch.manual_seed(1)
        return sys.modules["torchvision"].models.resnet18(weights=None).state_dict()

    monkeypatch.setattr(library.encoders.model_zoo, "load_url", flat_weights)
    _on_meta()
    assert asked == []
    network = Smp3D(encoder_weights="imagenet")
    assert len(asked) == 1
    assert "resnet18" in asked[0]
    flat = flat_weights("")
    stretched = network.state_dict()
    # a 3-D kernel that is constant along its new axis has the 2-D kernel as its sum; channels are summed for CT
    torch.testing.assert_close(
        stretched["network.encoder.conv1.weight"].sum(-1), flat["conv1.weight"].sum(1, keepdim=True)
    )
    torch.testing.assert_close(
        stretched["network.encoder.layer2.0.conv1.weight"].sum(-1), flat["layer2.0.conv1.weight"]
    )


def test_the_network_is_a_backbone_that_publishes_features_and_its_signature_is_its_schema() -> None:
    model = parameters_model("backbone", "smp3d", Smp3D)
    assert set(model.model_fields) == {
        "architecture",
        "encoder",
        "encoder_weights",
        "encoder_depth",
        "decoder_channels",
        "decoder_attention",
    }
    for name, wrong in (
        ("architecture", "pan"),
        ("encoder_depth", 2),
        ("encoder_depth", 6),
        ("decoder_channels", [16, 8, 0]),
        ("decoder_attention", "cbam"),
    ):
        with pytest.raises(ValueError, match=name):
            validate(model, {name: wrong})
    with torch.device("meta"):
        network = construct("backbone", "smp3d", Smp3D, {"architecture": "fpn"}, in_channels=1, num_classes=4)
    assert isinstance(network, FeatureBackbone)
    assert network.spec.aux_heads == ()
    assert network.spec.divisor == (32, 32, 32)


def test_channels_grow_with_the_depth_of_a_resnet(on_meta: Smp3D) -> None:
    channels = [spec.channels for spec in on_meta.spec.features.values()]
    assert channels == [64, 64, 128, 256, 512]
    assert all(a <= b for a, b in pairwise(channels))
    assert sum(p.numel() for p in on_meta.parameters()) == 42_612_420
