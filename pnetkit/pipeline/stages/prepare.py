"""Prepare a labeled scan for training: arrays that can be memory-mapped, and the indices of its foreground."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from pnetkit.pipeline.context import Context
from pnetkit.pipeline.node import Node
from pnetkit.pipeline.stages.inputs import fitted_intensity, input_scans, reference_labels
from pnetkit.pipeline.store import write_json
from pnetkit.training.sampling import foreground_indices


def prepare(node: Node, _context: Context, folder: Path) -> dict[str, Any]:
    """Write `hu.npy` (channel, x, y, z; int16 where that loses nothing), `labels.npy`, indices, `intensity.json`."""
    scans = input_scans(node)
    labels = reference_labels(node)
    foreground, lesion = foreground_indices(labels)
    hu = np.stack([scan.hu for scan in scans])
    whole = hu.astype(np.int16)
    arrays = {
        "hu": whole if np.array_equal(whole, hu) else hu,
        "labels": labels,
        "foreground": foreground,
        "lesion": lesion,
    }
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)
    intensities = [fitted_intensity(node.identity["intensity"], scan.hu) for scan in scans]
    write_json(folder / "intensity.json", [asdict(intensity) for intensity in intensities])
    return {"foreground_voxels": int(foreground.size), "lesion_voxels": int(lesion.size)}
