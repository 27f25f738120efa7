"""Load segmentation-models-pytorch-3d, and initialize what it forgets."""

import math
import warnings
from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import Any

import torch
from torch import nn

from pnetkit_smp3d.torchvision_repair import import_repaired


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


def initialize(network: Any, *, encoder: bool) -> None:
    """Initialize the 3-D convolutions, of which the library sets up none but those of some encoders.

    Decoder, and encoder if asked: Kaiming normal, fan-out of a group. Head: Xavier uniform, as the library does it in
    2-D; Kaiming would start FPN's logits with a deviation of 18. Biases: zero.
    """
    for module in _convolutions([network.encoder, network.decoder] if encoder else [network.decoder]):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        with torch.no_grad():
            module.weight.mul_(math.sqrt(module.groups))  # torch takes the fan-out of all groups together
    for module in _convolutions([network.segmentation_head]):
        nn.init.xavier_uniform_(module.weight)


def _convolutions(parts: Iterable[nn.Module]) -> Iterator[nn.Conv3d | nn.ConvTranspose3d]:
    """Yield the 3-D convolutions, their biases set to zero."""
    for part in parts:
        for module in part.modules():
            if isinstance(module, (nn.Conv3d, nn.ConvTranspose3d)):
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
                yield module
