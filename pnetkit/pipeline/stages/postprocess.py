"""Clean a segmentation up with the recipe's chain of postprocessors."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pnetkit.files import write_json
from pnetkit.imaging.nifti import read_grid, write_labels
from pnetkit.imaging.spacing import labels_on
from pnetkit.method.parts import RulesOn
from pnetkit.method.rules import cleaned
from pnetkit.pipeline.stages.context import Context
from pnetkit.pipeline.stages.draft import Draft
from pnetkit.pipeline.stages.segmentation import LABELS, read_segmentation, write_network_labels
from pnetkit.pipeline.stages.stage import Stage
from pnetkit.store.node import File, Node, Ref, Subject
from pnetkit.store.small_files import SmallFiles
from pnetkit.store.store import Store
from pnetkit.types import CLASSES

VOXELS = "voxels.json"
"""The number of voxels of each class."""


@dataclass(frozen=True, slots=True)
class PostprocessSpec:
    """All of it is in the key: the chain, the segmentation of `segment` or `adopt`, and whose voxels rules see."""

    stage: ClassVar[str] = "postprocess"
    version: ClassVar[int] = 1

    chain: tuple[Mapping[str, Any], ...]
    segmentation: Ref
    rules_on: RulesOn = "scan"

    @property
    def identity(self) -> dict[str, Any]:
        """Give the chain, and whose voxels it sees where that is not the scan's."""
        where = {} if self.rules_on == "scan" else {"rules_on": self.rules_on}
        return {"chain": [dict(plugin) for plugin in self.chain]} | where

    @property
    def inputs(self) -> dict[str, Ref]:
        """Give the segmentation, under the name of the stage that made it."""
        return {self.segmentation.stage: self.segmentation}

    @property
    def files(self) -> dict[str, File]:
        """Give nothing."""
        return {}


def draft(draft: Draft, segmentation: Node, subject: Subject) -> Node:
    """Lay out the cleaning of a segmentation."""
    return draft.add(PostprocessSpec(tuple(draft.parts.chain), segmentation.ref, draft.parts.rules_on), subject)


def run(spec: PostprocessSpec, context: Context, folder: Path) -> dict[str, Any]:
    """Write the label map that the chain leaves, and how many of the scan's voxels each class has."""
    before = read_segmentation(context.store, spec.segmentation, spec.rules_on)
    segmentation = cleaned(before, spec.chain)
    like, labels = context.store.of(spec.segmentation) / LABELS, segmentation.labels
    if spec.rules_on == "network":
        write_network_labels(folder, labels, before.grid)
        own = read_grid(like)
        labels = labels if own.matches(before.grid) else labels_on(labels, before.grid, own)
    write_labels(folder / LABELS, labels, like=like)
    counts = np.bincount(labels.reshape(-1), minlength=len(CLASSES))
    write_json(folder / VOXELS, {name: int(count) for name, count in zip(CLASSES, counts, strict=True)})
    return {"removed_voxels": int((before.labels != segmentation.labels).sum())}


def read_voxels(store: Store | SmallFiles, ref: Ref) -> dict[str, int]:
    """Read the number of voxels of each class."""
    return {name: int(count) for name, count in store.json(ref, VOXELS).items()}


STAGE = Stage(PostprocessSpec.stage, run, is_small=True)
