"""Build a recipe's backbone under a seed, and load what one has learned into it."""

from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file

from pnetkit.errors import StoreError
from pnetkit.interfaces import Backbone
from pnetkit.method.plugins import build
from pnetkit.networks import build_seeded, load_state, not_finite
from pnetkit.types import CLASSES


def new_backbone(identity: dict[str, Any], *, in_channels: int, seed: int) -> Backbone:
    """Build an untrained backbone under a seed."""
    return build_seeded(lambda: build(identity, in_channels=in_channels, num_classes=len(CLASSES)), seed)


def load_weights(path: Path, identity: dict[str, Any], *, in_channels: int) -> Backbone:
    """Build a backbone and give it the tensors of a file.

    Raises StoreError where they do not fit it, or are not finite.
    """
    backbone = new_backbone(identity, in_channels=in_channels, seed=0)
    try:
        tensors = load_file(path)
        load_state(backbone, tensors)
    except (SafetensorError, RuntimeError) as error:
        raise StoreError(f"{path}: cannot be loaded into {identity['plugin']} ({error}).") from error
    broken = not_finite(tensors)
    if broken:
        raise StoreError(
            f"{path}: {len(broken)} of its tensors are not finite ({broken[0]}, …): its training diverged."
        )
    return backbone
