"""Any working architecture and encoder of segmentation-models-pytorch-3d as a backbone.

The library is imported when a network is built, not with this module: it takes seconds and needs torchvision.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from copy import copy
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from pnetkit.errors import did_you_mean
from pnetkit.interfaces import BackboneOutput
from pnetkit.types import BackboneSpec, FeatureSpec, Triple
from pnetkit_smp3d.context import contexts
from pnetkit_smp3d.encoders import check_encoder
from pnetkit_smp3d.library import CLASS_NAMES, build, initialize, load_library
from pnetkit_smp3d.options import Attention, Options, check_attention, checked_options

Architecture = Literal["unet", "unetplusplus", "manet", "linknet", "fpn", "pspnet", "deeplabv3", "deeplabv3plus"]


class Smp3D(nn.Module):
    """A network of segmentation-models-pytorch-3d: 8 architectures on 42 encoders.

    Publishes the encoder's maps as `stage1` to `stage5`, or as far as `encoder_depth` goes, with strides 2 to 32;
    `pspnet` has three of them, and the strides of `deeplabv3` and `deeplabv3plus` stop at 8 and 16. `unet` on
    `resnet18` has 42,612,420 parameters.
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
        encoder_depth: Annotated[
            int,
            Field(
                ge=3,
                le=5,
                description="Stages of the encoder; every axis is a multiple of 2 to this power. pspnet has its own "
                "three, deeplabv3plus needs five.",
            ),
        ] = 5,
        decoder_channels: Annotated[
            tuple[Annotated[int, Field(ge=1)], ...] | None,
            Field(
                description="Channels of the decoder at each stage, the coarsest first (unet, unetplusplus, manet); "
                "null for the last encoder_depth of 256, 128, 64, 32, 16."
            ),
        ] = None,
        decoder_attention: Annotated[
            Attention | None,
            Field(
                description="scse for gates of channels and of voxels in each block of the decoder (unet, "
                "unetplusplus); null for none."
            ),
        ] = None,
    ) -> None:
        super().__init__()
        if architecture not in CLASS_NAMES:
            raise ValueError(f"There is no architecture {architecture!r}.{did_you_mean(architecture, CLASS_NAMES)}")
        check_encoder(encoder, architecture)
        options = checked_options(architecture, encoder_depth, decoder_channels, decoder_attention)
        encoders = load_library().encoders.encoders
        _check_weights(encoders, encoder, encoder_weights)
        check_attention(options, architecture, encoder, encoders[encoder]["params"]["out_channels"])
        self.network: Any = build(
            architecture,
            options,
            encoder_name=encoder,
            encoder_weights=encoder_weights,
            in_channels=in_channels,
            classes=num_classes,
        )
        initialize(self.network, encoder=encoder_weights is None)
        # The library makes the first convolution for in_channels on the CPU, whatever the default device.
        self.network.to(self.network.segmentation_head[0].weight.device)
        channels, deepest = self.network.encoder.out_channels, self.network.encoder.output_stride
        strides = [min(2**stage, deepest) for stage in range(len(channels))]
        self.deviations = _deviations(architecture, encoder, options)
        self.spec = BackboneSpec(
            in_channels=in_channels,
            num_classes=num_classes,
            divisor=(2**encoder_depth, 2**encoder_depth, 2**encoder_depth),
            features={
                f"stage{stage}": FeatureSpec(channels[stage], (strides[stage],) * 3, context_voxels=context)
                for stage, context in zip(
                    range(1, len(channels)), contexts(self.network.encoder, in_channels, 2**encoder_depth), strict=False
                )
            },
        )

    def forward(self, x: Tensor) -> BackboneOutput:
        """Score every voxel."""
        _check_size(x, self.spec.divisor)
        with _batch_norm_explained(x):
            return BackboneOutput(torch.as_tensor(self.network(x)))

    def encode(self, x: Tensor, features: Collection[str]) -> dict[str, Tensor]:
        """Give the named stages; the encoder runs only as deep as they need, and the decoder not at all."""
        unknown = sorted(set(features) - set(self.spec.features))
        if unknown:
            raise KeyError(f"this network publishes {', '.join(self.spec.features)}, not {', '.join(unknown)}")
        if not features:
            return {}
        _check_size(x, self.spec.divisor)
        stages = {name: int(name.removeprefix("stage")) for name in features}
        encoder = copy(self.network.encoder)  # shares the weights; only its depth is set apart
        encoder._depth = max(stages.values())
        with _batch_norm_explained(x):
            maps = encoder(x)
        return {name: maps[stage] for name, stage in stages.items()}


def _deviations(architecture: str, encoder: str, options: Options) -> dict[str, str]:
    """Say which parameters the library builds and never runs."""
    unused = []
    if architecture == "pspnet":
        unused.append("the stages of the encoder below the third")
    if encoder.startswith("efficientnet") and options.whole_encoder:
        unused.append("the encoder's head")
    if architecture == "unetplusplus" and encoder.startswith("vgg"):
        unused.append("the decoder's center")
    return {"gradients": f"the library builds {' and '.join(unused)}, and does not run it"} if unused else {}


def _check_weights(encoders: Any, encoder: str, weights: str | None) -> None:
    known = encoders[encoder]["pretrained_settings"]
    if weights is not None and weights not in known:
        raise ValueError(f"{encoder} has no weights {weights!r}.{did_you_mean(weights, known)}")


def _check_size(x: Tensor, divisor: Triple) -> None:
    """Raise ValueError on a size that the decoder would not give back; the library's own check is never heard of."""
    size = tuple(x.shape[2:])
    if any(n % divisor[0] for n in size):
        better = tuple(-(-n // divisor[0]) * divisor[0] for n in size)
        raise ValueError(f"Every axis has to be a multiple of {divisor[0]}, got {size}. Pad to {better}.")


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
