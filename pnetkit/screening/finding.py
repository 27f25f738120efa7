"""Put a case's result into the words of a record: decision, reasons, measurements, where each component lies."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import ndimage

from pnetkit.dicom.place import Place
from pnetkit.imaging.boxes import bounding_box
from pnetkit.method.rules import finding_to_json
from pnetkit.provenance import versions
from pnetkit.screening.screener import CaseResult, InputResult, Screener, voxel_counts
from pnetkit.types import CLASSES, DUCT, TUMOR, Segmentation

MOST_COMPONENTS = 20
"""Components of a class that a record lists, the largest first; their number is told in any case."""


def finding_record(
    screener: Screener, result: CaseResult, images: Mapping[str, Mapping[str, Any]], flags: Sequence[str]
) -> dict[str, Any]:
    """Give a finding as plain JSON; `images` describes each phase's scan, `flags` what a reader has to know of them."""
    fused, model = result.finding, screener.model
    said = [f"{name}: {flag}" for name, found in fused.findings.items() for flag in found.flags]
    said += [f"{name}: {found.fallback}" for name, found in result.inputs.items() if found.fallback]
    said += [f"{name} is missing" for name in fused.missing]
    return {
        "case_id": fused.case_id,
        "research_use_only": True,
        "decision": "abnormal" if fused.abnormal else "normal",
        "score": fused.score,
        "fired": list(fused.fired),
        "missing": list(fused.missing),
        "flags": [*flags, *said],
        "inputs": {name: _input_record(found) for name, found in result.inputs.items()},
        "images": dict(images),
        "model": {
            "name": model.name,
            "digest": model.digest,
            "folds": list(screener.folds),
            "differences": list(model.notes),
        },
        "versions": versions(),
        "device": screener.device,
    }


def components(segmentation: Segmentation, label: int) -> list[dict[str, Any]]:
    """List the components (26 neighbors) of one label, the largest first.

    `center_mm` is the mean of a component's voxel centers in RAS+ millimeters of the scanner, `size_mm` the edges of
    its box along the axes of the scan.
    """
    mask = segmentation.labels == label
    box = bounding_box(mask)
    if box is None:
        return []
    numbers, count = ndimage.label(mask[box.slices], np.ones((3, 3, 3), dtype=bool))
    places = np.argwhere(numbers)
    of = numbers[tuple(places.T)]
    grid = segmentation.grid
    found = []
    for number in range(1, count + 1):
        own = places[of == number] + np.array(box.start)
        center = grid.affine[:3, :3] @ own.mean(axis=0) + grid.affine[:3, 3]
        edges = (own.max(axis=0) - own.min(axis=0) + 1) * np.array(grid.spacing_mm)
        found.append(
            {
                "voxels": len(own),
                "volume_mm3": round(len(own) * grid.voxel_mm3, 3),
                "center_mm": [round(float(at), 2) for at in center],
                "size_mm": [round(float(edge), 2) for edge in edges],
            }
        )
    return sorted(found, key=lambda item: (-item["voxels"], item["center_mm"]))


def places_of(segmentation: Segmentation) -> list[Place]:
    """Give where each component of tumor and duct lies, as a record lists them."""
    return [
        Place(label, number, len(listed), (*item["center_mm"],), item["volume_mm3"])
        for label in (TUMOR, DUCT)
        for listed in [components(segmentation, label)]
        for number, item in enumerate(listed[:MOST_COMPONENTS], start=1)
    ]


def _input_record(found: InputResult) -> dict[str, Any]:
    counts, voxel_mm3 = voxel_counts(found.segmentation), found.segmentation.grid.voxel_mm3
    listed = {CLASSES[label]: components(found.segmentation, label) for label in (TUMOR, DUCT)}
    return finding_to_json(found.finding) | {
        "voxels": counts,
        "volume_mm3": {name: round(count * voxel_mm3, 3) for name, count in counts.items()},
        "component_count": {name: len(items) for name, items in listed.items()},
        "components": {name: items[:MOST_COMPONENTS] for name, items in listed.items()},
        "mean_foreground_agreement": found.agreement,
        "windows": found.windows,
        "fallback": found.fallback or None,
    }
