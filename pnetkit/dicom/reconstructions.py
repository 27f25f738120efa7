"""Choose among reconstructions of one acquisition: by thickness, kernel, number of images."""

import re
from collections.abc import Sequence
from typing import Literal

import numpy as np

from pnetkit.dicom.acquisitions import seconds
from pnetkit.dicom.geometry import places_along
from pnetkit.dicom.series import Series
from pnetkit.errors import ImageError

SAME_START_S = 5.0
"""Series whose acquisitions begin within this time are of one: two phases lie at least ten seconds apart."""

SAME_THICKNESS = 1.1
"""Thicknesses within a tenth of each other, and within a tenth of what networks learned from, are equal."""

SHARP_FROM = 50
"""Siemens numbers its kernels by sharpness: B30f, Br40, I31f are for soft tissue, Bl57 and B70f for lung and bone."""

Kernel = Literal["soft", "sharp", "unknown"]

_SHARP = re.compile(r"bone|lung|edge|sharp|chst|os\b", re.IGNORECASE)
_SOFT = re.compile(r"soft|stand|stnd|smooth", re.IGNORECASE)


def of_one_acquisition(found: Sequence[Series]) -> bool:
    """Tell whether series say of themselves that they are of one acquisition: the same number, frame and start."""
    uids = [series.uid for series in found]
    if any(series.part and uids.count(series.uid) > 1 and series.part not in _kernels(found) for series in found):
        return False
    for keyword in ("AcquisitionNumber", "TemporalPositionIdentifier", "FrameOfReferenceUID"):
        if len({series.text(keyword) for series in found} - {""}) > 1:
            return False
    starts = [seconds(series.acquired) for series in found]
    known = [start for start in starts if start is not None]
    return len(known) == len(starts) and max(known) - min(known) <= SAME_START_S


def best_reconstruction(found: Sequence[Series], learned_mm: tuple[float, float] | None) -> tuple[Series | None, str]:
    """Give the reconstruction that is to be read, and by what it was chosen; None where nothing decides.

    First the thickness nearest to what the networks learned from (`learned_mm`, where that is known), then a kernel for
    soft tissue before one for lung or bone, then the larger number of images.
    """
    if not of_one_acquisition(found):
        return None, ""
    left, by = list(found), ""
    if learned_mm is not None:
        away = [_away(thickness_mm(series), learned_mm) for series in left]
        kept = [series for series, far in zip(left, away, strict=True) if far <= min(away) * SAME_THICKNESS]
        left, by = kept, "thickness" if len(kept) < len(left) else by
    soft = [series for series in left if kernel_kind(series.text("ConvolutionKernel")) != "sharp"]
    if len(left) > 1 and any(kernel_kind(series.text("ConvolutionKernel")) == "soft" for series in soft):
        left, by = soft, "kernel" if len(soft) < len(left) else by
    if len(left) > 1:
        most = max(len(series.instances) for series in left)
        left, by = [series for series in left if len(series.instances) == most], "number of images"
    return (left[0], by) if len(left) == 1 else (None, "")


def thickness_mm(series: Series) -> float:
    """Give how thick the images of a series are: as they say, or as they are apart, whichever is more."""
    try:
        said = float(series.text("SliceThickness") or 0)
    except ValueError:
        said = 0.0
    try:
        apart = np.diff(np.sort(places_along(series)))
    except ImageError:
        return said
    return max(said, float(np.median(apart[apart > 0])) if (apart > 0).any() else 0.0)


def kernel_kind(kernel: str) -> Kernel:
    """Tell a kernel for soft tissue from one for lung and bone, as far as vendors' names are known."""
    name = kernel.strip().upper()
    canon = re.match(r"FC(\d\d)", name)
    if canon:
        return "soft" if int(canon[1]) < 30 else "sharp"  # noqa: PLR2004  # body and head below, bone and lung above
    siemens = re.match(r"[A-Z]{1,2}(\d\d)[A-Z]?(\b|/|\\)", name)
    if siemens:
        return "soft" if int(siemens[1]) < SHARP_FROM else "sharp"
    if name in {"A", "B", "C", "UA", "UB"}:  # Philips
        return "soft"
    if _SHARP.search(name):
        return "sharp"
    return "soft" if _SOFT.search(name) else "unknown"


def _kernels(found: Sequence[Series]) -> list[str]:
    """Give the names of parts that are told apart by their kernel: these are of one acquisition."""
    return [series.part for series in found if series.part.startswith("ConvolutionKernel")]


def _away(thickness: float, learned_mm: tuple[float, float]) -> float:
    """Give by which factor a thickness misses a range; 1 within it, by a tenth more or less."""
    low, high = learned_mm
    if thickness <= 0:
        return np.inf
    factor = max(low / thickness, thickness / high)
    return factor if factor > SAME_THICKNESS else 1.0
