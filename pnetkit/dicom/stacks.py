"""Sort the images of a study: volumes of original axial images, one an acquisition, and all that is left out."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

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
        if self.kind not in {"derived", "secondary"}:
            return False
        try:
            places = places_along(self.series)
        except ImageError:
            return False  # a picture of something
        return float(np.ptp(places)) >= _SAME_PLACE_MM


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
    try:
        along = dict(zip((of.uid for of in series.instances), places_along(series).tolist(), strict=True))
    except ImageError:
        return (series,), ()  # that an image cannot be placed is said when the series is read
    if _is_flat(series.instances, along):
        return (), series.instances
    whole: bool | None = None
    for groups in groupings(series.instances):
        volumes = [
            replace(series, instances=tuple(images), part=name)
            for name, images in groups
            if not _is_flat(images, along)
        ]
        single = tuple(of for _, images in groups if _is_flat(images, along) for of in images)
        if not volumes or not _beside_each_other(volumes, along) or (len(volumes) == 1 and not single):
            continue
        whole = _is_volume(series) if whole is None else whole
        if whole and (single or not groups[0][0].startswith(("Acquisition", "Temporal"))):
            continue  # the images make one volume as they are, and little speaks against it
        if all(map(_is_volume, volumes)):
            return tuple(replace(of, part="") for of in volumes) if len(volumes) == 1 else tuple(volumes), single
    return (series,), ()


def _is_flat(images: Sequence[Instance], along: Mapping[str, float]) -> bool:
    """Tell whether images lie at one place along the axis."""
    places = [along[of.uid] for of in images]
    return max(places) - min(places) < _SAME_PLACE_MM


def _beside_each_other(volumes: Sequence[Series], along: Mapping[str, float]) -> bool:
    places = [[along[of.uid] for of in volume.instances] for volume in volumes]
    extents = sorted((min(of), max(of)) for of in places)
    return all(
        min(one[1], other[1]) - max(one[0], other[0]) >= LEAST_OVERLAP * min(one[1] - one[0], other[1] - other[0])
        for one, other in pairwise(extents)
    )


def _is_volume(series: Series) -> bool:
    """Tell whether images make an even stack of one size, spacing and direction."""
    try:
        stack(series)
    except ImageError:
        return False
    return True
