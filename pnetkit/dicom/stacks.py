"""Sort the images of a study: volumes of original axial images, one an acquisition, and all that is left out."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pnetkit.dicom.acquisitions import groupings
from pnetkit.dicom.geometry import places_along, stack
from pnetkit.dicom.image_kind import image_kind, in_words
from pnetkit.dicom.series import Instance, Series
from pnetkit.errors import ImageError

LEAST_OVERLAP = 0.5
"""Share of the shorter acquisition that lies beside the longer one: less is one volume that was scanned in pieces."""

_SAME_PLACE_MM = 0.01


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Hold the images of a series that no volume is made of, and what they are.

    `kind` is an image's, `single` for images that are repeated at one place, or `mixed` for one even stack whose images
    are of several kinds.
    """

    series: Series
    kind: str

    @property
    def may_be_volume(self) -> bool:
        """Tell whether the images may be a scan of the body in another form."""
        if self.kind in {"enhanced", "mixed"}:
            return True
        return self.kind in {"derived", "secondary"} and len(_distinct(self.series)) > 1


@dataclass(frozen=True, slots=True)
class Study:
    """Hold what volumes can be read from a study, and what was left out."""

    series: tuple[Series, ...]
    stacks: tuple[Series, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def left_out_in_words(self) -> str:
        """Count what was left out by its kind; empty where nothing was."""
        counts = Counter[str]()
        for left in self.left_out:
            counts[left.kind] += len(left.series.instances)
        return ", ".join(in_words(kind, count) for kind, count in sorted(counts.items()))


def sort_study(series: Sequence[Series]) -> Study:
    """Decide of every image what it is, and of every series what volumes it holds.

    A volume is made of original axial CT images. Images of one series UID are split where an attribute splits them into
    even stacks, each of one geometry, that lie beside each other, as the phases of one examination do.
    """
    stacks: list[Series] = []
    left: list[LeftOut] = []
    for of in series:
        kinds: dict[str, list[Instance]] = defaultdict(list)
        for instance in of.instances:
            kinds[image_kind(instance.header)].append(instance)
        axial = replace(of, instances=tuple(kinds.pop("axial", ())))
        if kinds and axial.instances and _is_volume(of):  # one stack: which of its images would be left out?
            left.append(LeftOut(of, "mixed"))
            continue
        others = [LeftOut(replace(of, instances=tuple(images)), kind) for kind, images in kinds.items()]
        parts, single = _split(axial) if axial.instances else ((), ())
        if single:
            others.append(LeftOut(replace(of, instances=single), "single"))
        said = tuple(in_words(other.kind, len(other.series.instances)) for other in others)
        stacks += [replace(part, left_out=said) for part in parts]
        left += others
    return Study(tuple(series), tuple(stacks), tuple(left))


def _split(series: Series) -> tuple[tuple[Series, ...], tuple[Instance, ...]]:
    """Give the volumes of a series, and the images that are repeated at one place, as for the timing of a bolus."""
    if len(_distinct(series)) < 2 and _is_placed(series):  # noqa: PLR2004
        return (), series.instances
    whole: bool | None = None
    for groups in groupings(series.instances):
        parts = [replace(series, instances=tuple(images), part=name) for name, images in groups]
        volumes = [part for part in parts if len(_distinct(part)) > 1]
        single = tuple(of for part in parts if len(_distinct(part)) < 2 for of in part.instances)  # noqa: PLR2004
        if not volumes or not _beside_each_other(volumes) or (len(volumes) == 1 and not single):
            continue
        whole = _is_volume(series) if whole is None else whole
        if whole and (single or not groups[0][0].startswith(("Acquisition", "Temporal"))):
            continue  # the images make one volume as they are, and little speaks against it
        if all(map(_is_volume, volumes)):
            return tuple(replace(of, part="") for of in volumes) if len(volumes) == 1 else tuple(volumes), single
    return (series,), ()


def _beside_each_other(volumes: Sequence[Series]) -> bool:
    extents = [(float(places.min()), float(places.max())) for places in map(_places, volumes) if places.size]
    if len(extents) < len(volumes):
        return False
    shared = [
        min(one[1], other[1]) - max(one[0], other[0]) - LEAST_OVERLAP * min(one[1] - one[0], other[1] - other[0])
        for one, other in pairwise(sorted(extents))
    ]
    return all(more >= 0 for more in shared)


def _is_volume(series: Series) -> bool:
    """Tell whether images make an even stack of one size, spacing and direction."""
    try:
        stack(series)
    except ImageError:
        return False
    return True


def _is_placed(series: Series) -> bool:
    return _places(series).size == len(series.instances)


def _distinct(series: Series) -> NDArray[np.float64]:
    """Give the places along the axis at which a series has images, each once; none where images say no place."""
    places = np.sort(_places(series))
    return places[np.diff(places, prepend=-np.inf) > _SAME_PLACE_MM]


def _places(series: Series) -> NDArray[np.float64]:
    try:
        return places_along(series)
    except ImageError:
        return np.array([])
