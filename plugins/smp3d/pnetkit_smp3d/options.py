"""What a network can be asked for beside architecture and encoder: which architectures take it, checked in words.

Found by building each architecture with each family of encoders, and running it in training and evaluation. The
others ignore an option, fail, or answer on another grid than the input's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

Attention = Literal["scse"]

DEPTHS = (3, 4, 5)
"""How many stages an encoder may have; the last is all of them."""

LIBRARY_CHANNELS = (256, 128, 64, 32, 16)
"""What the library gives the blocks of a decoder, the coarsest first."""

TAKES = {
    "encoder_depth": ("unet", "unetplusplus", "manet", "linknet", "fpn", "deeplabv3"),
    "decoder_channels": ("unet", "unetplusplus", "manet"),
    "decoder_attention": ("unet", "unetplusplus"),
}
"""The architectures that take an option."""

_SQUEEZE = 16  # scse makes one channel of so many, and none of fewer


@dataclass(frozen=True, slots=True)
class Options:
    """Hold what a network was asked for; `channels` is empty where the architecture has no such choice."""

    depth: int
    channels: tuple[int, ...]
    attention: Attention | None

    @property
    def whole_encoder(self) -> bool:
        """Tell whether all stages of the encoder are asked for."""
        return self.depth == DEPTHS[-1]


def checked_options(
    architecture: str, encoder_depth: int, decoder_channels: Sequence[int] | None, decoder_attention: str | None
) -> Options:
    """Fill in what was left open. Raises ValueError for what the architecture does not take."""
    if encoder_depth not in DEPTHS:
        raise ValueError(f"encoder_depth is 3, 4 or 5, got {encoder_depth}.")
    asked = {
        "encoder_depth": encoder_depth != DEPTHS[-1],
        "decoder_channels": decoder_channels is not None,
        "decoder_attention": decoder_attention is not None,
    }
    for option, is_asked in asked.items():
        if is_asked and architecture not in TAKES[option]:
            raise ValueError(
                f"{architecture} does not take {option}; {', '.join(TAKES[option])} do. Leave it out, or choose one of "
                f"these."
            )
    if decoder_attention not in (None, "scse"):
        raise ValueError(f"decoder_attention is null or 'scse', got {decoder_attention!r}.")
    channels = _channels(encoder_depth, decoder_channels) if architecture in TAKES["decoder_channels"] else ()
    return Options(encoder_depth, channels, None if decoder_attention is None else "scse")


def check_attention(options: Options, architecture: str, encoder: str, encoder_channels: Sequence[int]) -> None:
    """Raise ValueError where the library would squeeze a map to no channel at all, and fail when it runs."""
    if options.attention is None:
        return
    # An inner block of unetplusplus has as many channels as the encoder's map that comes into it.
    inner = tuple(encoder_channels[1 : options.depth]) if architecture == "unetplusplus" else ()
    if min(options.channels) < _SQUEEZE:
        raise ValueError(
            f"decoder_attention 'scse' needs decoder_channels of {_SQUEEZE} or more, got {list(options.channels)}."
        )
    if inner and min(inner) < _SQUEEZE:
        raise ValueError(
            f"decoder_attention 'scse' needs maps of {_SQUEEZE} channels or more, but {encoder} has one of "
            f"{min(inner)}, which {architecture} takes on. Choose another encoder, or unet."
        )


def library_arguments(options: Options, architecture: str) -> dict[str, Any]:
    """Give the options by the names of the library's constructors, and those only that it does not choose itself."""
    arguments: dict[str, Any] = {}
    if not options.whole_encoder:
        arguments["encoder_depth"] = options.depth
        if architecture == "fpn":  # the stride of the finest map that its decoder takes
            arguments["upsampling"] = 2 ** (options.depth - 3)
    if options.channels:
        arguments["decoder_channels"] = options.channels
    if options.attention is not None:
        arguments["decoder_attention_type"] = options.attention
    return arguments


def _channels(depth: int, channels: Sequence[int] | None) -> tuple[int, ...]:
    if channels is None:
        return LIBRARY_CHANNELS[-depth:]  # so that each resolution keeps its own
    if len(channels) != depth or min(channels) < 1:
        raise ValueError(
            f"decoder_channels are {depth} numbers of 1 or more, one for each of the encoder's {depth} stages and the "
            f"coarsest first, got {list(channels)}."
        )
    return tuple(channels)
