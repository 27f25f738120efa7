"""Prepare a labeled scan for training: arrays that can be memory-mapped, and the indices of its foreground."""

from pathlib import Path
from typing import Any

import numpy as np

from pnetkit.imaging.intensity import Intensity
from pnetkit.imaging.nifti import read_scan
from pnetkit.pipeline.context import Context
from pnetkit.pipeline.node import Node
from pnetkit.pipeline.stages.inputs import intensity_of, reference_labels
from pnetkit.pipeline.store import write_json
from pnetkit.training.sampling import foreground_indices


def prepare(node: Node, _context: Context, folder: Path) -> dict[str, Any]:
    """Write `hu.npy` (whole HU as int16 where that loses nothing), `labels.npy`, index arrays and `intensity.json`."""
    scan = read_scan(node.files["image"][0])
    labels = reference_labels(node)
    foreground, lesion = foreground_indices(labels)
    whole = scan.hu.astype(np.int16)
    arrays = {
        "hu": whole if np.array_equal(whole, scan.hu) else scan.hu,
        "labels": labels,
        "foreground": foreground,
        "lesion": lesion,
    }
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)
    intensity = intensity_of(node, scan.hu)
    write_json(folder / "intensity.json", _as_dict(intensity))
    return {"foreground_voxels": int(foreground.size), "lesion_voxels": int(lesion.size)}


def _as_dict(intensity: Intensity) -> dict[str, float]:
    return {
        "low_hu": intensity.low_hu,
        "high_hu": intensity.high_hu,
        "shift": intensity.shift,
        "scale": intensity.scale,
    }
