"""Stack the images of a series: their order, where they lie in the patient, and what does not fit."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pnetkit.dicom.acquisitions import varying
from pnetkit.dicom.series import Instance, Series
from pnetkit.errors import ImageError

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])

POSITION_TOLERANCE = 0.1
"""How far an image may lie from its place in an even stack, in slice distances: positions are often written rounded to
a tenth of a millimeter, which is that much of 0.5 mm. Errors do not add up, as each is measured from the even stack."""

SAME_PLACE = 0.01
"""Two images closer than this share of the slice distance are at one place."""

TILT_DEGREES = 0.5
"""From this angle between the stack's axis and the images' normal on, a gantry was tilted."""

DIRECTION_TOLERANCE = 1e-3
"""How much the directions of two images of a stack may differ, in direction cosines."""


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """Order the images of a series along their axis.

    `affine` (4, 4) takes (column, row, image) to RAS+ mm; it is sheared where the gantry was tilted by `tilt_degrees`.
    """

    instances: tuple[Instance, ...]
    shape: tuple[int, int, int]
    affine: NDArray[np.float64]
    tilt_degrees: float


def stack(series: Series) -> Stack:
    """Give the stack that a series' images make.

    Raises:
        ImageError: an image has no place or another size or direction than the first; two lie at one place; some are
            missing; they are unevenly spaced; there are fewer than two. The text names the images.
    """
    _require_uniform(series)
    _require_one_rescaling(series)
    first = series.instances[0].header
    row, column = _numbers(series.instances[0], "ImageOrientationPatient", 6).reshape(2, 3)
    normal = np.cross(row, column)
    positions = np.array([_numbers(of, "ImagePositionPatient", 3) for of in series.instances])
    order = np.argsort(positions @ normal, kind="stable")
    instances = tuple(series.instances[i] for i in order)
    positions = positions[order]
    _require_even(series, instances, positions, positions @ normal)
    step = (positions[-1] - positions[0]) / (len(positions) - 1)
    spacing = _numbers(series.instances[0], "PixelSpacing", 2)
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = row * spacing[1], column * spacing[0], step
    affine[:3, 3] = positions[0]
    cosine = abs(step @ normal) / (np.linalg.norm(step) * np.linalg.norm(normal))
    tilt = float(np.degrees(np.arccos(min(1.0, cosine))))
    shape = (int(first.Columns), int(first.Rows), len(instances))
    return Stack(instances, shape, _LPS_TO_RAS @ affine, tilt if tilt >= TILT_DEGREES else 0.0)


def places_along(series: Series) -> NDArray[np.float64]:
    """Give where each image lies along the normal of the first, in mm.

    Raises:
        ImageError: an image does not say where it lies.
    """
    row, column = _numbers(series.instances[0], "ImageOrientationPatient", 6).reshape(2, 3)
    positions = np.array([_numbers(of, "ImagePositionPatient", 3) for of in series.instances])
    along: NDArray[np.float64] = positions @ np.cross(row, column)
    return along


def _require_uniform(series: Series) -> None:
    """Hold all images to the size, spacing and direction of the first."""
    if len(series.instances) < 2:  # noqa: PLR2004
        raise ImageError(f"{_called(series)}: has one image; a volume has at least two.")
    first = series.instances[0]
    for of in series.instances:
        if int(of.header.get("NumberOfFrames") or 1) != 1:
            raise ImageError(f"{of.path}: holds several frames; convert enhanced CT to single images, or to NIfTI.")
        if int(of.header.get("SamplesPerPixel") or 1) != 1:
            raise ImageError(f"{of.path}: is a color image, no CT.")
        size, wanted = (tuple(of.header.get(keyword) for keyword in ("Rows", "Columns")) for of in (of, first))
        if None in size:
            missing = "Rows" if size[0] is None else "Columns"
            raise ImageError(f"{of.path}: has no {missing}, so its voxels have no place. Export the image again.")
        if size != wanted:
            raise ImageError(
                f"{of.path}: is of {size} rows and columns, {first.path.name} of {wanted}; not one volume."
            )
        for keyword, count, tolerance in (
            ("ImageOrientationPatient", 6, DIRECTION_TOLERANCE),
            ("PixelSpacing", 2, DIRECTION_TOLERANCE),
            ("ImagePositionPatient", 3, np.inf),
        ):
            got, expected = _numbers(of, keyword, count), _numbers(first, keyword, count)
            if not np.abs(got - expected).max() <= tolerance:
                raise ImageError(
                    f"{of.path}: its {keyword} is {got.tolist()}, that of {first.path.name} {expected.tolist()}; the "
                    f"series is not one volume."
                )


def _require_one_rescaling(series: Series) -> None:
    """Hold all images to one way from stored values to HU; that one has none is said when it is read."""
    first = series.instances[0]
    for keyword in ("RescaleSlope", "RescaleIntercept"):
        wanted = first.header.get(keyword)
        for of in series.instances:
            got = of.header.get(keyword)
            if None not in (got, wanted) and got != wanted:
                raise ImageError(
                    f"{of.path}: its {keyword} is {got}, that of {first.path.name} {wanted}; one of them would not be "
                    f"in HU. Export the series again."
                )


def _require_even(
    series: Series, instances: tuple[Instance, ...], positions: NDArray[np.float64], along: NDArray[np.float64]
) -> None:
    """Name images at one place, gaps, and uneven distances."""
    gaps = np.diff(along)
    usual = float(np.median(gaps[gaps > 0])) if (gaps > 0).any() else 0.0
    same = np.flatnonzero(gaps <= SAME_PLACE * usual)
    if same.size:
        pairs = [f"{_two(instances[i], instances[i + 1])} at {along[i]:g} mm" for i in same[:5]]
        raise ImageError(
            f"{_called(series)}: {same.size} images lie where another one does: {'; '.join(pairs)}{_more(same.size)}. "
            f"{_what_differs(series)}Is it two acquisitions, or a copy? Take the surplus images out."
        )
    wide = np.flatnonzero(gaps > 1.5 * usual)
    whole = np.abs(gaps / usual - np.round(gaps / usual)) <= 2 * POSITION_TOLERANCE
    if wide.size and whole[wide].all():
        places = [
            f"{round(gaps[i] / usual) - 1} between {_two(instances[i], instances[i + 1])} "
            f"({along[i]:g} to {along[i + 1]:g} mm)"
            for i in wide[:5]
        ]
        raise ImageError(
            f"{_called(series)}: images are missing: {'; '.join(places)}{_more(wide.size)}. Export it again."
        )
    even = np.linspace(positions[0], positions[-1], len(positions))
    away = np.linalg.norm(positions - even, axis=1)
    if away.max() > POSITION_TOLERANCE * usual:
        raise ImageError(
            f"{_called(series)}: images are unevenly spaced, {gaps.min():g} to {gaps.max():g} mm apart; "
            f"{instances[int(away.argmax())].path.name} lies {away.max():.2g} mm from its place in an even stack. "
            f"{_what_differs(series)}Resample the series, or take an evenly spaced reconstruction."
        )


def _numbers(of: Instance, keyword: str, count: int) -> NDArray[np.float64]:
    value: Any = of.header.get(keyword)
    try:
        numbers = np.array([float(part) for part in value], dtype=np.float64)
    except (TypeError, ValueError):
        numbers = np.array([])
    if numbers.size != count or not np.isfinite(numbers).all():
        raise ImageError(f"{of.path}: {keyword} is {value!r}, wanted {count} numbers; it cannot be placed in a volume.")
    return numbers


def _two(one: Instance, other: Instance) -> str:
    """Name two files, with their folders where they lie in two."""
    if one.path.parent == other.path.parent:
        return f"{one.path.name} and {other.path.name}"
    return " and ".join(f"{of.path.parent.name}/{of.path.name}" for of in (one, other))


def _what_differs(series: Series) -> str:
    """Say what might have told acquisitions apart, and does not."""
    differing = varying(series.instances)
    return f"{differing}; none splits the series into even stacks. " if differing else ""


def _called(series: Series) -> str:
    return f"{series.instances[0].path.parent}, series {series.description!r}"


def _more(count: int) -> str:
    return f" and {count - 5} more" if count > 5 else ""  # noqa: PLR2004
