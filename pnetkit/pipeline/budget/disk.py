"""Say what results will take on disk, before they are made.

What a scan takes once prepared, and its labels once packed, depends on what it shows: one scan of the run is prepared
here and now, in a folder that is deleted, and the others are taken to be like it, voxel by voxel. What trainings leave
follows from their networks. Everything is counted in blocks, as file systems give them out: of small results that is
the most.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from pnetkit.imaging.nifti import read_grid, write_labels
from pnetkit.imaging.spacing import shape_at
from pnetkit.method.trained_network import new_backbone
from pnetkit.networks import without_values
from pnetkit.pipeline.stages.adopt import AdoptSpec
from pnetkit.pipeline.stages.classify import ClassifySpec
from pnetkit.pipeline.stages.context import Context
from pnetkit.pipeline.stages.measure import MeasureSpec
from pnetkit.pipeline.stages.postprocess import PostprocessSpec
from pnetkit.pipeline.stages.prepare import CASE, PrepareSpec
from pnetkit.pipeline.stages.prepare import run as prepare
from pnetkit.pipeline.stages.scans import read_reference
from pnetkit.pipeline.stages.segment import SegmentSpec
from pnetkit.pipeline.stages.segmentation import LABELS
from pnetkit.pipeline.stages.train import TrainSpec, training_plan
from pnetkit.store.node import File, Node
from pnetkit.training.optimizer import copies_of_weights

BLOCK = 4096
"""Bytes that a file system gives out at a time, to a folder too."""

AGREEMENT_BYTES = 0.05
"""Bytes for a voxel of a packed map of agreement."""

MOST_HEADERS = 20
"""Headers of scans that are read where nothing else says how large scans are."""

SMALL_FILES = {PrepareSpec: 2, TrainSpec: 2, SegmentSpec: 1, AdoptSpec: 1, PostprocessSpec: 2, ClassifySpec: 2}
"""Files of a block that a result has beside what is counted here, its record among them."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Hold what one scan of a run takes on disk: bytes for a voxel of the prepared scan, and of its label map.

    The first is for a voxel that a network sees, the second for one of the scan.
    """

    prepared: float
    labels: float


def results_bytes(todo: Sequence[Node], nodes: Sequence[Node], sample: Sample | None) -> float | None:
    """Count what results of one stage that are to be made take; None for stages of which it is not known.

    `nodes` are all of the run, from which the sizes of scans are known.
    """
    shapes = _voxels(nodes)
    usual = sorted(shapes.values())[len(shapes) // 2] if shapes else (0, 0)
    total = 0.0
    for node in todo:
        voxels = shapes.get((node.subject.input, node.subject.case_id), usual)
        files = None if sample is None else _files(node, voxels, sample)
        if files is None:
            return None
        total += BLOCK + sum(math.ceil(size / BLOCK) * BLOCK for size in files)
    return total


def checkpoint_bytes(todo: Sequence[Node]) -> int:
    """Count what one training takes while it runs, and no more after it: two checkpoints, while one takes the place.

    A checkpoint holds weights, what the optimizer keeps, and an average, but no gradients; without steps there is none.
    """
    trained = [node.spec for node in todo if isinstance(node.spec, TrainSpec) and node.spec.training["iterations"]]
    return max((2 * _states_kept(spec) * state_bytes(spec) for spec in trained), default=0)


def _states_kept(spec: TrainSpec) -> int:
    return copies_of_weights(training_plan(spec.training, checkpoint_every=1)) - 1


def state_bytes(spec: TrainSpec) -> int:
    """Count the bytes of a network's tensors."""
    with without_values():
        network = new_backbone(dict(spec.backbone), in_channels=spec.in_channels, seed=0)
    return sum(tensor.numel() * tensor.element_size() for tensor in network.state_dict().values())


def sample_of(nodes: Sequence[Node]) -> Sample | None:
    """Prepare one scan of a run, and pack its labels; None where the run reads no labels."""
    preparing = [node.spec for node in nodes if isinstance(node.spec, PrepareSpec)]
    adopting = [node.spec for node in nodes if isinstance(node.spec, AdoptSpec)]
    with TemporaryDirectory() as place:
        folder = Path(place)
        if preparing:
            spec = preparing[len(preparing) // 2]
            prepare(spec, Context(folder, "cpu", 1), folder)
            packed = _packed(spec.label, spec.labels, spec.reading.images[0].path, folder)
            seen = math.prod(shape_at(read_grid(spec.reading.images[0].path), spec.reading.spacing_mm))
            return Sample((folder / CASE).stat().st_size / seen, packed)
        if adopting:
            adopted = adopting[len(adopting) // 2]
            return Sample(0.0, _packed(adopted.prediction, adopted.labels, adopted.image.path, folder))
    return None


def _packed(file: File, policy: Mapping[str, object], image: Path, folder: Path) -> float:
    labels = read_reference(file, policy)
    write_labels(folder / LABELS, labels, like=image)
    return (folder / LABELS).stat().st_size / labels.size


def _voxels(nodes: Sequence[Node]) -> dict[tuple[str, str | None], tuple[int, int]]:
    """Give the voxels of scans, and as networks see them, by input and case, as far as they are known without opening.

    A case that is seen at several spacings has those of one of them.
    """
    found = {
        (node.subject.input, node.subject.case_id): (
            math.prod(node.spec.own_shape or node.spec.shape),
            math.prod(node.spec.shape),
        )
        for node in nodes
        if isinstance(node.spec, SegmentSpec)
    }
    if found:
        return found
    adopting = [(node.subject, node.spec.image.path) for node in nodes if isinstance(node.spec, AdoptSpec)]
    some = adopting[:: max(len(adopting) // MOST_HEADERS, 1)]
    return {(of.input, of.case_id): (math.prod(read_grid(path).shape),) * 2 for of, path in some}


def _files(node: Node, voxels: tuple[int, int], sample: Sample) -> list[float] | None:
    """Give the bytes of the files of a result; None for a stage of which they are not known."""
    spec = node.spec
    if isinstance(spec, MeasureSpec):
        return [1.0] * 4
    if type(spec) not in SMALL_FILES:
        return None
    return [*_large_files(node, voxels, sample), *[1.0] * SMALL_FILES[type(spec)]]


def _large_files(node: Node, voxels: tuple[int, int], sample: Sample) -> Iterator[float]:
    spec, packed = node.spec, voxels[0] * sample.labels
    if isinstance(spec, PrepareSpec):
        yield voxels[1] * sample.prepared
    if isinstance(spec, TrainSpec):
        yield state_bytes(spec)
        yield 1000 + 100.0 * len(spec.prepared)  # its record names what it learned from
    if isinstance(spec, SegmentSpec | AdoptSpec | PostprocessSpec):
        yield packed
    if (isinstance(spec, SegmentSpec) and spec.reading.spacing_mm is not None) or (
        isinstance(spec, PostprocessSpec) and spec.rules_on == "network"
    ):
        yield voxels[1] * sample.labels
        yield BLOCK
    if isinstance(spec, SegmentSpec):
        if spec.is_coarse:
            yield packed
        if spec.inference["keep_votes"]:
            yield voxels[0] * AGREEMENT_BYTES
