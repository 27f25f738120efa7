"""Match predicted tumors to reference tumors, and count what was found: detection, false positives, FROC.

Candidates are the components of the predicted tumor label (26 neighbors), with their number of voxels as confidence;
lesions are the components of the reference label. Matching is that of picai_eval: as many pairs of sufficient overlap
as possible, and of these the largest overlap; a candidate of sufficient overlap that was not chosen is no false
positive (it is a second piece of a lesion that was found).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.optimize import linear_sum_assignment

from pnetkit.evaluation.rates import Rate, wilson_rate

LEAST_DIAMETER_MM = 5.0
"""Below it a neuroendocrine tumor is called a microtumor, which CT does not show for certain: smaller pieces do not
count for F1."""

LEAST_MM3 = math.pi / 6 * LEAST_DIAMETER_MM**3
"""The volume of a sphere of that diameter: F1's minimum."""

SIZES_MM = ((0.0, 10.0), (10.0, 20.0), (20.0, math.inf))
"""Classes of lesion size by diameter: below 10, 10 to below 20, 20 mm and more."""


@dataclass(frozen=True, slots=True)
class Lesion:
    """Hold a reference tumor: its size, and the confidence and overlap of its candidate (0 where it was missed).

    `diameter_mm` is that of a sphere of the same volume.
    """

    voxels: int
    diameter_mm: float
    confidence: float
    iou: float


@dataclass(frozen=True, slots=True)
class LesionMatch:
    """Hold the lesions of one scan, and the confidences of the candidates that match none.

    `voxel_mm3` is the volume of a voxel; None in results of earlier releases, of which there is no F1.
    """

    lesions: tuple[Lesion, ...]
    false_positives: tuple[float, ...]
    voxel_mm3: float | None = None


@dataclass(frozen=True, slots=True)
class LesionF1:
    """Hold what counts of lesions and candidates of a minimum volume, and F1 = 2 found / (2 found + missed + wrong).

    `value` is None where nothing counts.
    """

    found: int
    missed: int
    wrong: int
    value: float | None


@dataclass(frozen=True, slots=True)
class LesionFigures:
    """Hold what was found in a set of scans; `froc` gives the sensitivity at numbers of false positives a scan.

    `f1` is None where the volume of a voxel is not known.
    """

    detected: Rate
    by_size: tuple[Rate, ...]
    false_positives_per_scan: float | None
    froc: tuple[tuple[float, float | None], ...]
    f1: LesionF1 | None = None


def match_lesions(
    predicted: NDArray[np.bool_], reference: NDArray[np.bool_], *, least_iou: float, voxel_mm3: float
) -> LesionMatch:
    """Match the components of two tumor masks of one shape; with `least_iou` 0 any common voxel is enough."""
    if predicted.shape != reference.shape:
        raise ValueError(f"the masks differ in shape: prediction {predicted.shape} and reference {reference.shape}")
    neighbors = np.ones((3, 3, 3), dtype=bool)
    candidates, candidate_count = ndimage.label(predicted, neighbors)
    lesions, lesion_count = ndimage.label(reference, neighbors)
    candidate_sizes = np.bincount(candidates.reshape(-1), minlength=candidate_count + 1)[1:]
    lesion_sizes = np.bincount(lesions.reshape(-1), minlength=lesion_count + 1)[1:]
    pairs = np.bincount(
        (lesions.astype(np.int64) * (candidate_count + 1) + candidates).reshape(-1),
        minlength=(lesion_count + 1) * (candidate_count + 1),
    )
    common = pairs.reshape(lesion_count + 1, candidate_count + 1)[1:, 1:].astype(np.float64)
    iou = common / np.maximum(lesion_sizes[:, None] + candidate_sizes[None, :] - common, 1)
    iou[(common == 0) | (iou < least_iou)] = 0.0
    rows, columns = linear_sum_assignment(iou + (iou > 0), maximize=True)
    chosen = {int(row): int(column) for row, column in zip(rows, columns, strict=True) if iou[row, column] > 0}
    found = tuple(
        Lesion(
            voxels=int(lesion_sizes[i]),
            diameter_mm=_diameter_mm(lesion_sizes[i] * voxel_mm3),
            confidence=float(candidate_sizes[chosen[i]]) if i in chosen else 0.0,
            iou=float(iou[i, chosen[i]]) if i in chosen else 0.0,
        )
        for i in range(lesion_count)
    )
    hit: NDArray[np.bool_] = np.any(iou > 0, axis=0)
    unmatched = tuple(float(size) for size in candidate_sizes[~hit])
    return LesionMatch(found, unmatched, voxel_mm3)


def summarize_lesions(matches: Sequence[LesionMatch], *, at: Sequence[float] = (0.25, 0.5, 1.0, 2.0)) -> LesionFigures:
    """Count over scans; `at` are the false positives a scan at which the FROC is read."""
    lesions = [lesion for match in matches for lesion in match.lesions]
    by_size = []
    for low, high in SIZES_MM:
        of_size = [lesion.confidence > 0 for lesion in lesions if low <= lesion.diameter_mm < high]
        by_size.append(wilson_rate(sum(of_size), len(of_size)))
    wrong = sum(len(match.false_positives) for match in matches)
    return LesionFigures(
        detected=wilson_rate(sum(lesion.confidence > 0 for lesion in lesions), len(lesions)),
        by_size=tuple(by_size),
        false_positives_per_scan=wrong / len(matches) if matches else None,
        froc=tuple((rate, froc_sensitivity(matches, rate)) for rate in at),
        f1=lesion_f1(matches),
    )


def lesion_f1(matches: Sequence[LesionMatch], *, least_mm3: float = LEAST_MM3) -> LesionF1 | None:
    """Count lesions and candidates of a minimum volume over scans, and give their F1; None of unknown volumes."""
    counts = [counted_lesions(match, least_mm3=least_mm3) for match in matches]
    known = [of for of in counts if of is not None]
    if len(known) < len(counts) or not counts:
        return None
    found, missed, wrong = (sum(column) for column in zip(*known, strict=True))
    return LesionF1(found, missed, wrong, f1_of(found, missed, wrong))


def f1_of(found: int, missed: int, wrong: int) -> float | None:
    """Give F1 of counts, None of nothing."""
    total = 2 * found + missed + wrong
    return 2 * found / total if total else None


def counted_lesions(match: LesionMatch, *, least_mm3: float = LEAST_MM3) -> tuple[int, int, int] | None:
    """Count what is found, missed and wrong in one scan; None where volumes are not known.

    A lesion below the minimum is neither found nor missed, and what marks it is not wrong; a lesion is found by a
    candidate that has the minimum itself; a candidate below it that matches nothing is not wrong.
    """
    if match.voxel_mm3 is None:
        return None if match.lesions or match.false_positives else (0, 0, 0)
    least = least_mm3 / match.voxel_mm3 * (1 - 1e-9)  # in voxels; what has the minimum to the last bit counts
    large = [lesion for lesion in match.lesions if lesion.voxels >= least]
    found = sum(lesion.confidence >= least for lesion in large)
    return found, len(large) - found, sum(voxels >= least for voxels in match.false_positives)


def froc_sensitivity(matches: Sequence[LesionMatch], false_positives_per_scan: float) -> float | None:
    """Give the best sensitivity of any threshold on confidence that has at most so many false positives a scan.

    None without lesions. Where fewer false positives are made at any threshold, it is the sensitivity without one.
    """
    hits = np.array([lesion.confidence for match in matches for lesion in match.lesions], dtype=np.float64)
    wrong = np.sort([confidence for match in matches for confidence in match.false_positives])[::-1]
    if hits.size == 0:
        return None
    allowed = math.floor(false_positives_per_scan * len(matches) + 1e-9)
    limit = float(wrong[allowed]) if allowed < wrong.size else 0.0  # what is above it lets `allowed` through
    return float((hits > limit).mean())


def _diameter_mm(volume_mm3: float) -> float:
    return float((6 * volume_mm3 / math.pi) ** (1 / 3))
