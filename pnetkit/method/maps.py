"""Ask a network for its maps around a region, as a run and a screening do: the maps, and where they lie."""

import numpy as np
from numpy.typing import NDArray

from pnetkit.inference.features import map_grids, roi_features
from pnetkit.interfaces import Backbone
from pnetkit.method.network_input import NetworkInput
from pnetkit.types import Grid


def maps_around(
    network: Backbone,
    seen: NetworkInput,
    roi: NDArray[np.bool_],
    *,
    names: tuple[str, ...],
    margin_voxels: int,
    device: str,
) -> tuple[dict[str, NDArray[np.float32]], dict[str, Grid]]:
    """Give the named maps (channels, x, y, z) around `roi` and their grids; nothing when `roi` is empty."""
    maps = roi_features(
        network, seen.volume, roi, names=names, margin_voxels=margin_voxels, fill=seen.air, device=device
    )
    return maps, map_grids(network.spec, seen.grid, roi, names=names, margin_voxels=margin_voxels)
