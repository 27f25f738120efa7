"""The values that flow through pnetkit: frozen, without I/O, without a device.

Conventions, stated here once and never varied: arrays are indexed `[x, y, z]` with the class or channel axis first;
world coordinates are RAS+ millimeters, as in NIfTI; units are part of the name (`_mm`, `_mm3`, `_voxels`, `_hu`).
Label values are 0 background, 1 pancreas, 2 tumor, 3 dilated duct.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

BACKGROUND, PANCREAS, TUMOR, DUCT = 0, 1, 2, 3
"""Label values of the paper (Section 3.1)."""

CLASSES = ("background", "pancreas", "tumor", "duct")
"""Names of the label values, in their order."""

GRID_TOLERANCE_MM = 1e-3
"""How far the corners of two grids may lie apart and still be called the same grid."""

GRID_TOLERANCE_VOXELS = 0.1
"""How far apart, in voxels, a corner of two files may lie that are used voxel by voxel: tools round spacings."""

Triple = tuple[int, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Say where the voxels of a volume lie in the patient.

    `affine` (4, 4) maps voxel indices to RAS+ mm. Raises ValueError on a singular, non-finite or projective affine
    and on an empty shape.
    """

    shape: Triple
    affine: NDArray[np.float64]

    def __post_init__(self) -> None:
        affine = np.array(self.affine, dtype=np.float64)
        if affine.shape != (4, 4) or not np.isfinite(affine).all():
            raise ValueError(f"a grid needs a finite 4x4 affine, got {affine.tolist()}")
        if not np.array_equal(affine[3], [0, 0, 0, 1]):
            raise ValueError(f"the last row of an affine is 0 0 0 1, got {affine[3].tolist()}")
        spacing = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
        if (spacing == 0).any() or abs(np.linalg.det(affine[:3, :3] / spacing)) < 1e-6:  # noqa: PLR2004
            raise ValueError(f"the affine is singular, its axes have lengths {spacing.tolist()} mm")
        if np.ndim(self.shape) != 1 or np.size(self.shape) != 3 or min(self.shape) < 1:  # noqa: PLR2004
            raise ValueError(f"a grid has three axes of at least one voxel, got shape {tuple(self.shape)}")
        affine.flags.writeable = False
        object.__setattr__(self, "affine", affine)
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Give the voxel's edge lengths: the column norms, right for oblique scans too."""
        x, y, z = np.sqrt((self.affine[:3, :3] ** 2).sum(axis=0))
        return float(x), float(y), float(z)

    @property
    def voxel_mm3(self) -> float:
        """Give the volume of one voxel: the triple product, exact where edges are (a determinant by LU is not)."""
        x, y, z = self.affine[:3, :3].T
        return float(abs(np.dot(x, np.cross(y, z))))

    def corner_distance_mm(self, other: "Grid") -> float:
        """Give the largest distance between corresponding corners; infinite when the shapes differ."""
        if self.shape != other.shape:
            return float("inf")
        ends = np.array(np.meshgrid(*[(0, n - 1) for n in self.shape], indexing="ij")).reshape(3, -1)
        corners = np.vstack([ends, np.ones((1, ends.shape[1]))])
        gaps = (self.affine - other.affine)[:3] @ corners
        return float(np.sqrt((gaps**2).sum(axis=0)).max())

    def corner_distance_voxels(self, other: "Grid") -> float:
        """Give the largest way between corresponding corners along an axis, in voxels; infinite when shapes differ."""
        if self.shape != other.shape:
            return float("inf")
        if np.array_equal(self.affine, other.affine):
            return 0.0
        ends = np.array(np.meshgrid(*[(0, n - 1) for n in self.shape], indexing="ij")).reshape(3, -1)
        corners = np.vstack([ends, np.ones((1, ends.shape[1]))])
        gaps = np.linalg.solve(self.affine[:3, :3], (self.affine - other.affine)[:3] @ corners)
        return float(np.abs(gaps).max())

    def matches(self, other: "Grid", tolerance_mm: float = GRID_TOLERANCE_MM) -> bool:
        """Tell whether both have one shape and no corner lies further than `tolerance_mm` from its twin."""
        return self.corner_distance_mm(other) <= tolerance_mm


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """Hold one phase of one case: `hu` (x, y, z) float32 in Hounsfield units, on `grid`."""

    hu: NDArray[np.float32]
    grid: Grid

    def __post_init__(self) -> None:
        if self.hu.shape != self.grid.shape:
            raise ValueError(f"the voxels have shape {self.hu.shape}, the grid {self.grid.shape}")


@dataclass(frozen=True, slots=True)
class ScanFiles:
    """Name the files of one phase of one case; `label` is None where nobody drew one."""

    image: Path
    label: Path | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """Describe one case of a cohort. Paths only, nothing is loaded.

    `scans` holds the phases that exist. `abnormal` is the diagnosis, None when unknown. A case that is `held_out` is
    tested as any other, and nothing is learned from it. `labeled` names the classes that its label maps have; None for
    all. Of the others nothing is learned or measured.
    """

    id: str
    patient: str
    scans: Mapping[str, ScanFiles]
    abnormal: bool | None
    site: str = ""
    fold: int | None = None
    held_out: bool = False
    labeled: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Segmentation:
    """Hold a label for each voxel.

    `labels` (x, y, z) uint8 holds values of `classes`. `votes` (x, y, z), when kept, counts the windows that voted for
    the winning label and `voters` the windows that saw the voxel; agreement is their ratio.
    """

    labels: NDArray[np.uint8]
    grid: Grid
    classes: tuple[str, ...] = CLASSES
    votes: NDArray[np.unsignedinteger[Any]] | None = None
    voters: NDArray[np.unsignedinteger[Any]] | None = None

    def __post_init__(self) -> None:
        if self.labels.shape != self.grid.shape or self.labels.dtype != np.uint8:
            raise ValueError(
                f"labels must be uint8 of shape {self.grid.shape}, got {self.labels.dtype} of {self.labels.shape}"
            )


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Hold all that a case classifier may look at. It has no diagnosis and no reference label, by construction.

    `case_id` tells cases apart in messages; a run makes it of the labels, so that no name can decide anything.
    `features` maps a feature name to its map (channels, x, y, z) over the region of interest; it is empty when the
    classifier asked for none, and when there is no pancreas to take a region around. `feature_grids` says where the
    cells of each map lie in the patient. `images` holds, where the classifier asked for them, the scans that the
    network saw, by phase, on the segmentation's grid.
    """

    case_id: str
    phase: str
    segmentation: Segmentation
    features: Mapping[str, NDArray[np.float32]] = field(default_factory=lambda: MappingProxyType({}))
    feature_grids: Mapping[str, Grid] = field(default_factory=lambda: MappingProxyType({}))
    images: Mapping[str, Scan] = field(default_factory=lambda: MappingProxyType({}))


def _words(values: Any, what: str) -> tuple[str, ...]:
    """Give texts as a tuple. Raises ValueError for one text in place of several, and for what is no text."""
    if isinstance(values, str) or not all(isinstance(value, str) for value in values):
        raise ValueError(f"{what} are a tuple of texts, got {values!r}")
    return tuple(str(value) for value in values)


def _plain(value: Any) -> Any:
    """Give a number of Python for one of NumPy or torch: findings are written as JSON."""
    return value.item() if hasattr(value, "item") else value


SAME_SCORE = 1e-9
"""A score and a measurement that differ by no more are one number: means are rounded."""


@dataclass(frozen=True, slots=True)
class PhaseFinding:
    """Give the answer for one phase: abnormal if `score` reaches `threshold`.

    `score` is finite and not negative, `threshold` positive. `measurements` are the numbers behind the score
    (`tumor_voxels`, ...), `flags` say in words what a reader has to know (`no pancreas found`).
    """

    phase: str
    score: float
    threshold: float
    measurements: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    flags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "score", _plain(self.score))
        object.__setattr__(self, "threshold", _plain(self.threshold))
        measured = {name: _plain(value) for name, value in self.measurements.items()}
        wrong = [name for name, of in measured.items() if not isinstance(of, int | float) or not np.isfinite(of)]
        if wrong:
            raise ValueError(f"measurements are finite numbers, got {wrong[0]} = {measured[wrong[0]]!r}")
        object.__setattr__(self, "measurements", measured)
        object.__setattr__(self, "flags", _words(self.flags, "flags"))
        if not (np.isfinite(self.score) and self.score >= 0 and np.isfinite(self.threshold) and self.threshold > 0):
            raise ValueError(
                f"a finding needs a finite score >= 0 and a threshold > 0, got {self.score} and {self.threshold}"
            )

    @property
    def abnormal(self) -> bool:
        """Tell whether the phase is called abnormal."""
        return self.score >= self.threshold

    @property
    def relative_score(self) -> float:
        """Give the score in units of its threshold, so that scores of different rules compare: abnormal from 1 on."""
        return self.score / self.threshold

    @property
    def probability(self) -> float | None:
        """Give the score where it is a probability: a measurement called `..._probability` has its value; else None."""
        said = [of for name, of in self.measurements.items() if name.endswith("_probability")]
        return self.score if self.score <= 1 and any(abs(of - self.score) < SAME_SCORE for of in said) else None


@dataclass(frozen=True, slots=True)
class CaseFinding:
    """Give the fused answer for one case, with its reasons.

    `score` is in units of the threshold: `abnormal` is `score >= 1`. `fired` names the phases called abnormal,
    `missing` the expected phases that were not there.
    """

    case_id: str
    abnormal: bool
    score: float
    fired: tuple[str, ...]
    findings: Mapping[str, PhaseFinding]
    missing: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "score", _plain(self.score))
        object.__setattr__(self, "abnormal", _plain(self.abnormal))
        object.__setattr__(self, "fired", _words(self.fired, "fired phases"))
        object.__setattr__(self, "missing", _words(self.missing, "missing phases"))
        if not np.isfinite(self.score):
            raise ValueError(f"a case needs a finite score, got {self.score}")
        if self.abnormal != (self.score >= 1):
            raise ValueError(f"a case is abnormal if its score reaches 1, got {self.abnormal} with {self.score}")


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """Describe a feature map that a backbone publishes: its channels, and image voxels per feature voxel (a cell).

    `context_voxels` says how far beyond a cell's own voxels the input decides its value, along each axis: half of what
    the receptive field is larger than the cell. The core encodes a region with that much of the scan around it, so
    that each cell is that of the whole scan. None where all of an input decides each value, as with instance norm,
    group norm or squeeze-and-excitation: such a map is that of the region's box with 16 voxels around it.
    `aligned` says that a channel means the same in every training of the network, as a class's probability does and a
    hidden layer's channel does not: only such maps of several networks can be looked at together.
    """

    channels: int
    stride: Triple
    aligned: bool = False
    context_voxels: Triple | None = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class AuxHead:
    """Describe an auxiliary output that is trained beside the main one and dropped afterwards."""

    name: str
    loss_weight: float


@dataclass(frozen=True, slots=True)
class BackboneSpec:
    """Say what a network promises before it has a weight.

    Every axis of an input must be a multiple of `divisor`. `only_size` is the one size of input that it takes, as a
    network with a learned position of each place does; None for every multiple of `divisor`. `loss_weight` is the
    weight of the main output beside those of `aux_heads`. `lesion_loss_weight` is that of the patch-level score "holds
    tumor or duct", 0 without one.
    """

    in_channels: int
    num_classes: int
    divisor: Triple
    features: Mapping[str, FeatureSpec] = field(default_factory=lambda: MappingProxyType({}))
    aux_heads: tuple[AuxHead, ...] = ()
    loss_weight: float = 1.0
    lesion_loss_weight: float = 0.0
    only_size: Triple | None = None


@dataclass(frozen=True, slots=True)
class FeatureNeeds:
    """Say what a case classifier looks at beside the segmentation: feature maps of some region, the images.

    The region is the bounding box of the pancreas set (labels 1-3), grown by a margin: of the reference label in
    training, of the prediction in testing. An empty `names` asks for no map. `channels` is the number that each map
    has to have; None for any. `images` asks for the scans. With `training_segmentation` off, `fit` looks at maps and
    images alone: it is given empty segmentations, and no scan is searched for the sake of its training.
    """

    names: tuple[str, ...] = ()
    training_margin_voxels: int = 0
    margin_voxels: int = 0
    channels: int | None = None
    images: bool = False
    training_segmentation: bool = True


Phase = Literal["arterial", "venous"]
"""The contrast phases of the paper; a cohort may name others."""
