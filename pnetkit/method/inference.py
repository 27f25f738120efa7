"""How a recipe's `inference` section, as it stands in keys, runs a trained network."""

from collections.abc import Mapping
from typing import Any

from pnetkit.inference.coarse import Coarse
from pnetkit.inference.mirroring import VIEWS
from pnetkit.inference.runtime import runnable
from pnetkit.inference.search import Settings
from pnetkit.inference.sliding import Fill
from pnetkit.interfaces import Backbone
from pnetkit.networks import Network


def network_as_run(backbone: Backbone, inference: Mapping[str, Any], device: str) -> Network:
    """Make the network that is run of a trained one and a recipe's `inference` section, as it stands in keys."""
    return runnable(
        backbone,
        device=device,
        precision=inference["precision"],
        runtime=inference.get("runtime", "torch"),
        window=tuple(inference["window_size"]),
    )


def inference_settings(
    inference: Mapping[str, Any], *, batch_size: int, fill: Fill, device: str, keep_shares: bool = False
) -> Settings:
    """Make the settings of a segmentation of a recipe's `inference` section, as it stands in keys."""
    return Settings(
        window=tuple(inference["window_size"]),
        stride=tuple(inference["stride"]),
        batch_size=batch_size,
        fill=fill,
        device=device,
        precision=inference["precision"],
        combine=inference.get("combine", "vote"),
        body_box=inference["body"] == "box",
        coarse=_coarse(inference["coarse"]) if "coarse" in inference else None,
        keep_shares=keep_shares,
        test_time=inference.get("test_time", "none"),
        window_weights=inference.get("window_weights", "uniform"),
        window_center=tuple(inference["window_center"]) if "window_center" in inference else None,
    )


def runs_of_a_window(inference: Mapping[str, Any]) -> int:
    """Give how often each window goes through the network: once, or once for each mirrored view."""
    return len(VIEWS) if inference.get("test_time") == "mirror" else 1


def _coarse(section: dict[str, Any]) -> Coarse:
    edges: dict[str, Any] = {name: tuple(section[name]) for name in ("stride", "region_stride") if name in section}
    return Coarse(**section | edges)
