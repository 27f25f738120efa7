"""Any working architecture and encoder of segmentation-models-pytorch-3d as a backbone.

The library is imported when a network is built, not with this module: it takes seconds and needs torchvision.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from pnetkit.errors import did_you_mean
from pnetkit.interfaces import BackboneOutput
from pnetkit.types import BackboneSpec, FeatureSpec
from pnetkit_smp3d.encoders import check_encoder
from pnetkit_smp3d.library import initialize, load_library

Architecture = Literal["unet", "unetplusplus", "manet", "linknet", "fpn", "pspnet", "deeplabv3", "deeplabv3plus"]

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

DIVISOR = 32


class Smp3D(nn.Module):
    """A network of segmentation-models-pytorch-3d: 8 architectures on 42 encoders.

    Publishes the encoder's maps as `stage1` to `stage5`, with strides 2 to 32; `pspnet` has three of them, and the
    strides of `deeplabv3` and `deeplabv3plus` stop at 8 and 16. `unet` on `resnet18` has 42,612,420 parameters.
    """

    def __init__(
        self,
        *,
        in_channels: int = 1,
        num_classes: int = 4,
        architecture: Annotated[Architecture, Field(description="The decoder, and how it uses the encoder.")] = "unet",
        encoder: Annotated[
            str, Field(description="One of pnetkit_smp3d.encoders.ENCODERS, by the library's name.")
        ] = "resnet18",
        encoder_weights: Annotated[
            str | None,
            Field(description="Name of 2-D weights to start the encoder from, DOWNLOADED on building; null for none."),
        ] = None,
    ) -> None:
        super().__init__()
        if architecture not in CLASS_NAMES:
            raise ValueError(f"There is no architecture {architecture!r}.{did_you_mean(architecture, CLASS_NAMES)}")
        check_encoder(encoder, architecture)
        library = load_library()
        _check_weights(library, encoder, encoder_weights)
        self.network: Any = getattr(library, CLASS_NAMES[architecture])(
            encoder_name=encoder, encoder_weights=encoder_weights, in_channels=in_channels, classes=num_classes
        )
        initialize(self.network, encoder=encoder_weights is None)
        # The library makes the first convolution for in_channels on the CPU, whatever the default device.
        self.network.to(self.network.segmentation_head[0].weight.device)
        channels, deepest = self.network.encoder.out_channels, self.network.encoder.output_stride
        strides = [min(2**stage, deepest) for stage in range(len(channels))]
        self.deviations = _deviations(architecture, encoder)
        self.spec = BackboneSpec(
            in_channels=in_channels,
            num_classes=num_classes,
            divisor=(DIVISOR, DIVISOR, DIVISOR),
            features={
                f"stage{stage}": FeatureSpec(channels[stage], (strides[stage], strides[stage], strides[stage]))
                for stage in range(1, len(channels))
            },
        )

    def forward(self, x: Tensor) -> BackboneOutput:
        """Score every voxel."""
        _check_size(x)
        with _batch_norm_explained(x):
            return BackboneOutput(torch.as_tensor(self.network(x)))

    def encode(self, x: Tensor, features: Collection[str]) -> dict[str, Tensor]:
        """Give the named stages; the encoder runs only as deep as they need, and the decoder not at all."""
        unknown = sorted(set(features) - set(self.spec.features))
        if unknown:
            raise KeyError(f"this network publishes {', '.join(self.spec.features)}, not {', '.join(unknown)}")
        if not features:
            return {}
        _check_size(x)
        stages = {name: int(name.removeprefix("stage")) for name in features}
        encoder = copy(self.network.encoder)  # shares the weights; only its depth is set apart
        encoder._depth = max(stages.values())
        with _batch_norm_explained(x):
            maps = encoder(x)
        return {name: maps[stage] for name, stage in stages.items()}


def _deviations(architecture: str, encoder: str) -> dict[str, str]:
    """Say which parameters the library builds and never runs."""
    unused = []
    if architecture == "pspnet":
        unused.append("the stages of the encoder below the third")
    if encoder.startswith("efficientnet"):
        unused.append("the encoder's head")
    return {"gradients": f"the library builds {' and '.join(unused)}, and does not run it"} if unused else {}


def _check_weights(library: Any, encoder: str, weights: str | None) -> None:
    known = library.encoders.encoders[encoder]["pretrained_settings"]
    if weights is not None and weights not in known:
        raise ValueError(f"{encoder} has no weights {weights!r}.{did_you_mean(weights, known)}")


def _check_size(x: Tensor) -> None:
    """Raise ValueError on a size that the decoder would not give back; the library's own check is never heard of."""
    size = tuple(x.shape[2:])
    if any(n % DIVISOR for n in size):
        better = tuple(-(-n // DIVISOR) * DIVISOR for n in size)
        raise ValueError(f"Every axis has to be a multiple of {DIVISOR}, got {size}. Pad to {better}.")


@contextmanager
def _batch_norm_explained(x: Tensor) -> Iterator[None]:
    """Say what to do where batch normalization has a single value to take statistics of."""
    try:
        yield
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise ValueError(
            f"In training mode batch normalization needs two values a channel, counting batch and voxels, but the "
            f"coarsest map of a batch of {x.shape[0]} with size {tuple(x.shape[2:])} has one. Train with a batch of "
            f"at least 2, or with a larger patch (not for deeplabv3 and deeplabv3plus, which pool a map to one voxel)."
        ) from error
