"""Smp3D: depth of the encoder, channels and attention of the decoder."""

import sys
from functools import cache
from importlib.util import find_spec

import pytest
import torch
from torch import Tensor, nn

if find_spec("segmentation_models_pytorch_3d") is None:
    pytest.skip("segmentation-models-pytorch-3d is not installed", allow_module_level=True)

from pnetkit_smp3d.backbone import Smp3D
from pnetkit_smp3d.encoders import DILATED
from pnetkit_smp3d.library import CLASS_NAMES, load_library
from pnetkit_smp3d.options import LIBRARY_CHANNELS, TAKES

from pnetkit.networks import build_seeded, checked_output

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_shapes", "quick_weights")]

FAMILIES = ("resnet18", "dpn68", "vgg11", "vgg11_bn", "densenet121", "efficientnet-b0", "mobileone_s0")


def _on_meta(**params: object) -> Smp3D:
    with torch.device("meta"):
        return Smp3D(**params)


@cache
def _whole_encoder(encoder: str) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in _on_meta(encoder=encoder).network.encoder.state_dict().items()}


def _untrained(network: Smp3D, *size: int) -> list[str]:
    """Give the parameters that a step of training gives no gradient."""
    logits = checked_output(network.train(), torch.randn(2, 1, *size)).logits
    assert 0.1 < float(logits.detach().std()) < 5  # where losses learn
    logits.square().mean().backward()
    return [name for name, p in network.named_parameters() if p.grad is None]


@pytest.mark.parametrize("depth", [3, 4])
@pytest.mark.parametrize("architecture", TAKES["encoder_depth"])
def test_a_shallower_network_scores_every_voxel_and_keeps_nothing_that_is_not_trained(
    architecture: str, depth: int
) -> None:
    torch.manual_seed(0)
    network = Smp3D(architecture=architecture, encoder_depth=depth)
    edge = 2**depth
    assert network.spec.divisor == (edge, edge, edge)
    assert list(network.spec.features) == [f"stage{i}" for i in range(1, depth + 1)]
    assert _untrained(network, 2 * edge, edge, edge) == []
    network.eval()
    for size in ((edge, edge, edge), (edge, 3 * edge, 2 * edge)):
        checked_output(network, torch.randn(1, 1, *size))
    x = torch.empty(1, 1, edge, edge, edge // 2)
    for call in (lambda: network(x), lambda: network.encode(x, ["stage1"])):
        with pytest.raises(ValueError, match=f"multiple of {edge}, got .* Pad to "):
            call()
    with pytest.raises(KeyError, match=f"not stage{depth + 1}"):
        network.encode(x, [f"stage{depth + 1}"])


@pytest.mark.parametrize("encoder", FAMILIES)
def test_every_family_goes_with_every_architecture_down_to_a_single_coarsest_voxel(encoder: str) -> None:
    depth = 3
    for architecture in TAKES["encoder_depth"]:
        if architecture in DILATED and encoder.startswith(("vgg", "densenet")):
            continue
        network = _on_meta(architecture=architecture, encoder=encoder, encoder_depth=depth, in_channels=2)
        for train in (True, False):
            network.train(train)
            x = torch.empty(2, 2, 2**depth, 2**depth, 2**depth, device="meta")
            checked_output(network, x)
        maps = network.encode(x, network.spec.features)
        for name, spec in network.spec.features.items():
            edge = 2**depth // spec.stride[0]
            assert maps[name].shape == (2, spec.channels, edge, edge, edge)


@pytest.mark.parametrize("encoder", FAMILIES)
@pytest.mark.parametrize("depth", [3, 4])
def test_what_is_left_of_an_encoder_keeps_its_names_and_is_trained(encoder: str, depth: int) -> None:
    torch.manual_seed(0)
    network = Smp3D(encoder=encoder, encoder_depth=depth, decoder_channels=(8,) * depth)
    assert _untrained(network, 2 * 2**depth, 2**depth, 2**depth) == []
    assert network.deviations == {}
    whole = _whole_encoder(encoder)
    left = network.network.encoder.state_dict()
    assert all(tensor.shape == whole[name] for name, tensor in left.items())
    nothing_to_cut = depth == 4 and encoder.startswith("vgg")  # whose fifth stage is a pooling, without a parameter
    assert (len(left) == len(whole)) == nothing_to_cut


def test_a_shallower_network_is_as_much_smaller_as_its_encoder() -> None:
    counts = [sum(p.numel() for p in _on_meta(encoder_depth=depth).parameters()) for depth in (5, 4, 3)]
    assert counts == [42_612_420, 10_624_708, 2_626_244]


@pytest.mark.parametrize("architecture", TAKES["decoder_channels"])
def test_the_channels_of_a_decoder_are_those_asked_for_with_the_coarsest_first(architecture: str) -> None:
    torch.manual_seed(0)
    network = Smp3D(architecture=architecture, encoder_depth=3, decoder_channels=(7, 5, 3))
    assert network.network.segmentation_head[0].in_channels == 3
    blocks = list(network.network.decoder.blocks.children())
    assert [blocks[0].conv1[0].out_channels, blocks[-1].conv1[0].out_channels] == [7, 3]
    assert _untrained(network, 16, 8, 8) == []
    deep = _on_meta(architecture=architecture, decoder_channels=(1, 1, 1, 1, 1))
    checked_output(deep, torch.empty(2, 1, 32, 32, 32, device="meta"))


@pytest.mark.parametrize("architecture", TAKES["decoder_channels"])
def test_what_is_not_asked_for_is_the_librarys_own_and_each_resolution_keeps_its_channels(architecture: str) -> None:
    def shapes(**params: object) -> dict[str, torch.Size]:
        return {name: t.shape for name, t in _on_meta(architecture=architecture, **params).state_dict().items()}

    assert shapes() == shapes(encoder_depth=5, decoder_channels=LIBRARY_CHANNELS)
    assert shapes(encoder_depth=3) == shapes(encoder_depth=3, decoder_channels=(64, 32, 16))


def test_the_librarys_own_channels_written_out_give_the_same_network_to_the_bit() -> None:
    spelled = {"encoder_depth": 5, "decoder_channels": LIBRARY_CHANNELS, "decoder_attention": None}
    one, two = (build_seeded(lambda params=params: Smp3D(**params), 3).state_dict() for params in ({}, spelled))
    assert list(one) == list(two)
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("depth", [3, 5])
@pytest.mark.parametrize("architecture", TAKES["decoder_attention"])
def test_attention_gates_are_trained_and_start_half_open(architecture: str, depth: int) -> None:
    torch.manual_seed(0)
    network = Smp3D(
        architecture=architecture,
        encoder_depth=depth,
        decoder_channels=(32, 32, 16, 16, 16)[:depth],
        decoder_attention="scse",
    )
    opened: list[Tensor] = []
    gates = [module for module in network.modules() if isinstance(module, nn.Sigmoid)]
    for gate in gates:
        gate.register_forward_hook(lambda _module, _inputs, output: opened.append(output.detach()))
    assert _untrained(network, 2 * 2**depth, 2**depth, 2**depth) == []
    assert len(opened) == len(gates) > 0  # none is built and not run
    # where a sigmoid has a slope: a gate that starts shut or wide open would hardly be trained
    assert all(float(((gate > 0.02) & (gate < 0.98)).float().mean()) > 0.5 for gate in opened)


@pytest.mark.parametrize("architecture", TAKES["decoder_attention"])
def test_attention_goes_with_every_family_whose_maps_are_wide_enough(architecture: str) -> None:
    for encoder in FAMILIES:
        if encoder == "dpn68" and architecture == "unetplusplus":
            with pytest.raises(ValueError, match="dpn68 has one of 10, which unetplusplus takes on"):
                _on_meta(architecture=architecture, encoder=encoder, decoder_attention="scse")
            continue
        network = _on_meta(architecture=architecture, encoder=encoder, decoder_attention="scse", encoder_depth=4)
        checked_output(network, torch.empty(2, 1, 16, 16, 32, device="meta"))


def test_the_center_that_unetplusplus_never_runs_is_declared() -> None:
    torch.manual_seed(0)
    network = Smp3D(architecture="unetplusplus", encoder="vgg11_bn", encoder_depth=3)
    untrained = _untrained(network, 16, 8, 8)
    assert untrained
    assert all(name.startswith("network.decoder.center.") for name in untrained)
    assert "the decoder's center" in network.deviations["gradients"]


def test_downloaded_weights_fill_what_is_left_of_an_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    library = load_library()

    def flat_weights(*_: object, **__: object) -> dict[str, Tensor]:
        torch.manual_seed(1)
        return sys.modules["torchvision"].models.resnet18(weights=None).state_dict()

    monkeypatch.setattr(library.encoders.model_zoo, "load_url", flat_weights)
    stretched = Smp3D(encoder_weights="imagenet", encoder_depth=3).state_dict()
    name = "layer2.0.conv1.weight"
    torch.testing.assert_close(stretched[f"network.encoder.{name}"].sum(-1), flat_weights()[name])


@pytest.mark.parametrize(
    ("option", "value"),
    [("encoder_depth", 4), ("decoder_channels", (16, 16, 16, 16, 16)), ("decoder_attention", "scse")],
)
@pytest.mark.parametrize("architecture", CLASS_NAMES)
def test_an_option_is_taken_or_refused_with_the_architectures_that_take_it(
    architecture: str, option: str, value: object
) -> None:
    if architecture in TAKES[option]:
        network = _on_meta(architecture=architecture, **{option: value})
        checked_output(network, torch.empty(2, 1, 32, 32, 32, device="meta"))
        return
    with pytest.raises(ValueError, match=f"{architecture} does not take {option}; {', '.join(TAKES[option])} do"):
        _on_meta(architecture=architecture, **{option: value})


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"encoder_depth": 2}, "encoder_depth is 3, 4 or 5, got 2"),
        ({"encoder_depth": 6}, "encoder_depth is 3, 4 or 5, got 6"),
        ({"decoder_channels": (16, 8, 8)}, r"are 5 numbers of 1 or more, .* got \[16, 8, 8\]"),
        ({"decoder_channels": ()}, r"are 5 numbers of 1 or more, .* got \[\]"),
        ({"encoder_depth": 3, "decoder_channels": (16, 8, 0)}, r"are 3 numbers of 1 or more, .* got \[16, 8, 0\]"),
        ({"decoder_attention": "cbam"}, "null or 'scse', got 'cbam'"),
        (
            {"encoder_depth": 3, "decoder_channels": (16, 16, 8), "decoder_attention": "scse"},
            r"decoder_channels of 16 or more, got \[16, 16, 8\]",
        ),
    ],
)
def test_options_out_of_bounds_are_refused_in_words(params: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _on_meta(**params)
