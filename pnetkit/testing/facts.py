"""What a backbone costs: parameters, multiply-adds, memory."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pnetkit.interfaces import Backbone
from pnetkit.networks import (
    build_seeded,
    check_patch_size,
    kept_bytes_per_voxel,
    multiply_adds,
    small_size,
    without_values,
)
from pnetkit.testing.checks import builder
from pnetkit.types import Triple

WINDOW: Triple = (64, 64, 64)
"""The paper's patch (Section 4.1); a network that divides by other numbers gets the next larger that it takes."""


@dataclass(frozen=True, slots=True)
class BackboneFacts:
    """Hold a backbone's parameters, and for one window: multiply-adds, and bytes kept in a training step."""

    parameters: int
    window: Triple
    multiply_adds: int
    training_bytes: int

    @property
    def in_words(self) -> str:
        """Write the facts in a line."""
        size = " x ".join(map(str, self.window))
        return (
            f"{self.parameters / 1e6:.2f} M parameters; a window of {size} takes {self.multiply_adds / 1e9:.1f} G "
            f"multiply-adds, and keeps {self.training_bytes / 2**20:.0f} MiB in training"
        )


def backbone_facts(
    plugin: str | Callable[..., Any], *, params: Mapping[str, Any] | None = None, window: Triple | None = None
) -> BackboneFacts:
    """Count a backbone's parameters and multiply-adds without running it, and measure what a training step keeps.

    Without a window, that of the paper is counted, widened to what the network divides by, or the only one that it
    takes. Raises PluginError on a window that it does not take.
    """
    _, build = builder("backbone", plugin, params or {}, quick=False)
    with without_values():
        shape_only = build_seeded(lambda: build(in_channels=1, num_classes=4), 0)
    network: Backbone = build_seeded(lambda: build(in_channels=1, num_classes=4), 0)
    window = window or network.spec.only_size or _widened(WINDOW, network.spec.divisor)
    check_patch_size(network, window, "window")
    kept = kept_bytes_per_voxel(network, small_size(network.spec))
    voxels = window[0] * window[1] * window[2]
    return BackboneFacts(
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        window=window,
        multiply_adds=multiply_adds(shape_only, window),
        training_bytes=int(kept * voxels),
    )


def _widened(window: Triple, divisor: Triple) -> Triple:
    x, y, z = (-(-edge // d) * d for edge, d in zip(window, divisor, strict=True))
    return x, y, z
