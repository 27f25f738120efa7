"""Load segmentation-models-pytorch-3d, build its networks, drop what they never run, initialize what it forgets."""

import math
import warnings
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any

import torch
from torch import nn

from pnetkit_smp3d.options import Options, library_arguments
from pnetkit_smp3d.torchvision_repair import import_repaired

CLASS_NAMES: Mapping[str, str] = {
    "unet": "Unet",
    "unetplusplus": "UnetPlusPlus",
    "manet": "MAnet",
    "linknet": "Linknet",
    "fpn": "FPN",
    "pspnet": "PSPNet",
    "deeplabv3": "DeepLabV3",
    "deeplabv3plus": "DeepLabV3Plus",
}
"""The library's classes. Its ninth, PAN, does not work in 3-D."""


def load_library() -> Any:
    """Import the library, with torchvision repaired where that is needed."""
    with warnings.catch_warnings():
        # timm and timm_3d compile activations with torch.jit.script as they are imported, torchvision an interface
        # with torch.jit.interface: torch has deprecated both. Nobody here can change that.
        warnings.filterwarnings("ignore", r"`torch\.jit\.(script|interface)` is deprecated", DeprecationWarning)
        # pretrainedmodels compares strings with `is`, which Python reports where it has not compiled the file before.
        warnings.filterwarnings("ignore", "", SyntaxWarning, r".*pretrainedmodels")
        # The library converts 2-D weights with functions of a module that it calls deprecated itself.
        warnings.filterwarnings("ignore", "`smp.utils` module is deprecated", DeprecationWarning)
        import_repaired()
        import_module("segmentation_models_pytorch_3d.utils")
        return import_module("segmentation_models_pytorch_3d")


def build(architecture: str, options: Options, **arguments: Any) -> Any:
    """Build a network with the library, from `arguments` of its constructors and the options."""
    library = load_library()
    if architecture == "unet" and not options.whole_encoder:
        network = _shallow_unet(library, options, **arguments)
    else:
        network = getattr(library, CLASS_NAMES[architecture])(**arguments, **library_arguments(options, architecture))
    if not options.whole_encoder:
        _cut_encoder(network.encoder, options.depth)
    if options.attention is not None:
        # The finest block gets no map of the encoder, and the library runs this attention on nothing else.
        list(network.decoder.blocks.children())[-1].attention1 = nn.Identity()
    return network


def initialize(network: Any, *, encoder: bool) -> None:
    """Initialize the 3-D convolutions, of which the library sets up none but those of some encoders.

    Decoder, and encoder if asked: Kaiming normal, fan-out of a group. Head: Xavier uniform, as the library does it in
    2-D; Kaiming would start FPN's logits with a deviation of 18. Gates of scse: Xavier uniform too; Kaiming would start
    a gate that has one channel where its sigmoid is flat. Biases: zero.
    """
    gate = import_module("segmentation_models_pytorch_3d.base.modules").SCSEModule
    for module in _convolutions([network.encoder, network.decoder] if encoder else [network.decoder]):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        with torch.no_grad():
            module.weight.mul_(math.sqrt(module.groups))  # torch takes the fan-out of all groups together
    gates = [module for module in network.decoder.modules() if isinstance(module, gate)]
    for module in _convolutions([network.segmentation_head, *gates]):
        nn.init.xavier_uniform_(module.weight)


def _convolutions(parts: Iterable[nn.Module]) -> Iterator[nn.Conv3d | nn.ConvTranspose3d]:
    """Yield the 3-D convolutions, their biases set to zero."""
    for part in parts:
        for module in part.modules():
            if isinstance(module, (nn.Conv3d, nn.ConvTranspose3d)):
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
                yield module


def _shallow_unet(library: Any, options: Options, **arguments: Any) -> Any:
    """Build a Unet on fewer stages than five, which its constructor refuses.

    The constructor wants as many strides as there are stages, hands the same strides to the encoder, and that needs
    five. So a whole Unet is built, and gets another decoder and head.
    """
    network = library.Unet(**arguments)
    network.encoder._depth = options.depth
    network.decoder = import_module("segmentation_models_pytorch_3d.decoders.unet.decoder").UnetDecoder(
        encoder_channels=network.encoder.out_channels,
        decoder_channels=options.channels,
        n_blocks=options.depth,
        attention_type=options.attention,
        center=arguments["encoder_name"].startswith("vgg"),
        strides=((2, 2, 2),) * options.depth,
    )
    network.segmentation_head = library.base.SegmentationHead(options.channels[-1], arguments["classes"])
    return network


def _cut_encoder(encoder: Any, depth: int) -> None:
    """Make `Identity` of what an encoder has after its stage `depth`; the names of all else stay.

    The library builds five stages whatever the depth. Those that never run would be stored, counted and never trained.
    """
    stages = encoder.get_stages()
    kept = {id(parameter) for stage in stages[: depth + 1] for parameter in stage.parameters()}
    for module in list(encoder.modules()):
        for name, child in list(module.named_children()):
            own = {id(parameter) for parameter in child.parameters()}
            if own and not own & kept:
                module.register_module(name, nn.Identity())
    if hasattr(encoder, "features") and hasattr(encoder.features, "denseblock1"):
        # A stage of a densenet ends in the step to the next one, which fails where the map is a single voxel.
        transition = getattr(encoder.features, f"transition{depth - 1}")
        transition.conv = transition.pool = nn.Identity()
