"""Feature maps of the pancreas region."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save

from pnetkit.cohort.check import CheckedCase
from pnetkit.files import read_json, write_atomically, write_json
from pnetkit.label_sets import in_file
from pnetkit.method.maps import maps_around
from pnetkit.pipeline.stages import train
from pnetkit.pipeline.stages.context import Context
from pnetkit.pipeline.stages.draft import Draft
from pnetkit.pipeline.stages.needs import HALF_GPU
from pnetkit.pipeline.stages.scans import Reading, read_input, read_reference_at, reading_of, required_label
from pnetkit.pipeline.stages.segmentation import read_on
from pnetkit.pipeline.stages.stage import Stage
from pnetkit.store.node import File, Node, Ref, Subject
from pnetkit.store.store import Store
from pnetkit.types import BACKGROUND, Grid

FEATURES = "features.safetensors"
"""The feature maps; without tensors when there is no pancreas."""

GRIDS = "grids.json"
"""Shape and affine of each map's grid."""


@dataclass(frozen=True, slots=True)
class FeaturesSpec:
    """All of it is in the key. The region is that of a prediction, or of the reference label where that is given."""

    stage: ClassVar[str] = "features"
    version: ClassVar[int] = 2

    reading: Reading
    names: tuple[str, ...]
    margin_voxels: int
    labels: Mapping[str, Any]
    network: Ref
    around: Ref | File

    @property
    def identity(self) -> dict[str, Any]:
        """Give which maps are made, of what."""
        return self.reading.identity | {
            "names": list(self.names),
            "margin_voxels": self.margin_voxels,
            "labels": dict(self.labels),
        }

    @property
    def inputs(self) -> dict[str, Ref]:
        """Give the network, and the prediction whose region it is."""
        return {"train": self.network} | ({"postprocess": self.around} if isinstance(self.around, Ref) else {})

    @property
    def files(self) -> dict[str, File]:
        """Give the images, and the reference label whose region it is."""
        return self.reading.files | ({"label": self.around} if isinstance(self.around, File) else {})


def draft(draft: Draft, item: CheckedCase, network: Node, clean: Node | None, subject: Subject) -> Node:
    """Lay out the maps around the prediction `clean`, or around the reference label where that is None."""
    needs = draft.parts.needs
    spec = FeaturesSpec(
        reading=reading_of(draft, item, train.spacing_of(network)),
        names=needs.names,
        margin_voxels=needs.training_margin_voxels if clean is None else needs.margin_voxels,
        labels=draft.labels,
        network=network.ref,
        around=required_label(draft.seen, item) if clean is None else clean.ref,
    )
    return draft.add(spec, subject)


def run(spec: FeaturesSpec, context: Context, folder: Path) -> dict[str, Any]:
    """Write the maps of the region, and where they lie."""
    seen, around = read_input(spec.reading), spec.around
    if isinstance(around, Ref):
        labels = read_on(context.store, around, seen.grid).labels
    else:
        labels = in_file(read_reference_at(around, spec.labels, spec.reading.images[0], seen.grid))
    network, roi = train.read(context.store, spec.network), labels > BACKGROUND
    maps, grids = maps_around(
        network, seen, roi, names=spec.names, margin_voxels=spec.margin_voxels, device=context.device
    )
    write_atomically(folder / FEATURES, save(maps))
    places = {name: {"shape": list(of.shape), "affine": of.affine.tolist()} for name, of in grids.items()}
    write_json(folder / GRIDS, places)
    return {"shapes": {name: list(array.shape) for name, array in maps.items()}}


def read(store: Store, ref: Ref) -> tuple[dict[str, NDArray[np.float32]], dict[str, Grid]]:
    """Read the maps and their grids, by name; none where there was no pancreas."""
    folder = store.of(ref)
    return load_file(folder / FEATURES), {name: _grid(of) for name, of in read_json(folder / GRIDS).items()}


def _grid(described: Mapping[str, Any]) -> Grid:
    x, y, z = described["shape"]
    return Grid((x, y, z), np.array(described["affine"]))


STAGE = Stage(FeaturesSpec.stage, run, needs=HALF_GPU)
