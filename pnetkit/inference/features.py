"""Take a frozen network's feature maps of the region of interest, in one encoder pass.

Sliding windows at stride 20 do not lie on the lattice of a feature map of stride 8, so the maps cannot be gathered from
the windows; the encoder runs once over the box of the pancreas instead, its corners snapped outwards to that lattice.
Around the box lies as much of the scan as the maps' values depend on, so that they are those of the whole scan.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from pnetkit import cuda
from pnetkit.errors import PluginError
from pnetkit.imaging.boxes import bounding_box, cut, grow, snap
from pnetkit.inference.sliding import Fill
from pnetkit.interfaces import Backbone, FeatureBackbone
from pnetkit.networks import require_finite
from pnetkit.types import BackboneSpec, FeatureSpec, Grid, Triple

UNBOUNDED: Triple = (16, 16, 16)
"""Voxels around the box for a map whose values depend on all of an input, whatever lies in it."""


def roi_features(
    backbone: Backbone,
    volume: NDArray[np.float32],
    roi: NDArray[np.bool_],
    *,
    names: tuple[str, ...],
    margin_voxels: int,
    fill: Fill,
    device: str,
) -> dict[str, NDArray[np.float32]]:
    """Give the named feature maps (channels, x, y, z) of the box around `roi`, or nothing when `roi` is empty.

    `volume` (channel, x, y, z) is network input; beyond its borders the box sees air (`fill`). A cell has the value
    that it has in the map of the whole volume, in air, where the map says how much context it needs.

    Raises:
        PluginError: the backbone publishes no such feature map.
    """
    known = backbone.spec.features
    if not isinstance(backbone, FeatureBackbone) or any(name not in known for name in names):
        raise PluginError(
            f"The case classifier needs the feature maps {', '.join(names)}; the backbone {type(backbone).__name__} "
            f"publishes {', '.join(known) or 'none'}. Choose another backbone or another feature."
        )
    box = bounding_box(roi)
    if box is None:
        return {}
    step = _common_step([backbone.spec.divisor, *(known[name].stride for name in names)])
    inner = snap(grow(box, margin_voxels), step)
    outer = snap(grow(inner, _context([known[name] for name in names])), step)
    channels = zip(volume, np.broadcast_to(fill, len(volume)), strict=True)
    patch = np.stack([cut(channel, outer, fill=air) for channel, air in channels])
    backbone.eval()
    backbone.to(device)
    with torch.inference_mode(), cuda.single_precision(tf32=False):
        maps = backbone.encode(torch.from_numpy(patch[None]).to(device), names)
    result = {}
    for name in names:
        require_finite(maps[name], f"The feature maps {name} of {type(backbone).__name__}")
        stride = known[name].stride
        inside = tuple(
            slice((a - o) // s, (b - o) // s)
            for a, b, o, s in zip(inner.start, inner.stop, outer.start, stride, strict=True)
        )
        result[name] = np.ascontiguousarray(maps[name][0].float().cpu().numpy()[(slice(None), *inside)])
    return result


def map_grids(
    spec: BackboneSpec, grid: Grid, roi: NDArray[np.bool_], *, names: tuple[str, ...], margin_voxels: int
) -> dict[str, Grid]:
    """Say where the cells of the maps lie that `roi_features` gives of a volume on `grid`; nothing for an empty `roi`.

    A map's first cell is centered between the voxels that it was made of, its edges are `stride` voxels long.
    """
    box = bounding_box(roi)
    if box is None:
        return {}
    strides = {name: spec.features[name].stride for name in names}
    inner = snap(grow(box, margin_voxels), _common_step([spec.divisor, *strides.values()]))
    found = {}
    for name, stride in strides.items():
        to_voxels = np.diag([*map(float, stride), 1.0])
        to_voxels[:3, 3] = [start + (step - 1) / 2 for start, step in zip(inner.start, stride, strict=True)]
        x, y, z = (edge // step for edge, step in zip(inner.shape, stride, strict=True))
        found[name] = Grid((x, y, z), grid.affine @ to_voxels)
    return found


def _context(specs: Sequence[FeatureSpec]) -> Triple:
    """Give the voxels around the box that all of these maps have enough of."""
    x, y, z = (max((spec.context_voxels or UNBOUNDED)[axis] for spec in specs) for axis in range(3))
    return x, y, z


def _common_step(strides: list[Triple]) -> Triple:
    x, y, z = (int(np.lcm.reduce([stride[axis] for stride in strides])) for axis in range(3))
    return x, y, z
