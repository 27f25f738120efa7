"""Group the images of one series by what tells acquisitions apart: numbers, times, kernels."""

import datetime as dt
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from pydicom.multival import MultiValue

from pnetkit.dicom.series import Instance

NUMBERS = ("AcquisitionNumber", "TemporalPositionIdentifier")
TIMES = ("AcquisitionDateTime", "AcquisitionTime", "TriggerTime", "ContentTime")
OTHERS = ("ConvolutionKernel",)

MOST_PARTS = 12
"""An attribute with more values than this numbers images and no acquisitions."""

MOST_RUNS = 6
"""Into how many runs the times of images are cut at most, where each image has its own."""

Group = tuple[str, list[Instance]]


def groupings(instances: Sequence[Instance]) -> Iterator[list[Group]]:
    """Give each way in which an attribute groups images into several, with names such as `AcquisitionNumber=2`.

    Where each image has a time of its own, the times are cut at their largest gaps: into two runs, three, and so on;
    a run is named by the time that it begins with. An attribute that an image lacks groups nothing.
    """
    for keyword in (*NUMBERS, *TIMES, *OTHERS):
        values = _values(instances, keyword)
        if values is None:
            continue
        distinct = set(values)
        if 1 < len(distinct) <= MOST_PARTS:
            ordered = sorted(distinct, key=lambda text: (len(text), text) if text.isdigit() else (0, text))
            yield [(f"{keyword}={value}", [of for of, own in zip(instances, values, strict=True) if own == value])
                   for value in ordered]  # fmt: skip
        elif len(distinct) > MOST_PARTS and keyword in TIMES:
            yield from _runs(instances, values, keyword)


def varying(instances: Sequence[Instance]) -> str:
    """Say in which of these attributes images differ: `AcquisitionNumber has 2 values (1: 60 images, 2: 61)`."""
    said = []
    for keyword in (*NUMBERS, *TIMES, *OTHERS):
        values = _values(instances, keyword) or []
        distinct = sorted(set(values))
        if 1 < len(distinct) <= MOST_PARTS // 3:
            said.append(
                f"{keyword} has {len(distinct)} values "
                f"({', '.join(f'{value}: {values.count(value)} images' for value in distinct)})"
            )
        elif len(distinct) > 1:
            said.append(f"{keyword} has {len(distinct)} values")
    return ", ".join(said)


def seconds(text: str) -> float | None:
    """Give a DICOM time or date with time in seconds; None for what is neither."""
    digits = text.split("+", maxsplit=1)[0].split("-", maxsplit=1)[0].replace(":", "")
    whole, _, fraction = digits.partition(".")
    day = 0
    try:
        if len(whole) > len("HHMMSS"):
            day = dt.date(int(whole[:4]), int(whole[4:6]), int(whole[6:8])).toordinal()
            whole = whole[8:]
        if len(whole) != len("HHMMSS"):
            return None
        clock = int(whole[:2]) * 3600 + int(whole[2:4]) * 60 + int(whole[4:])
        return day * 86400.0 + clock + float(f"0.{fraction or 0}")
    except ValueError:
        return None


def _runs(instances: Sequence[Instance], values: Sequence[str], keyword: str) -> Iterator[list[Group]]:
    read = _number if keyword == "TriggerTime" else seconds
    times = [time for time in map(read, values) if time is not None]
    if len(times) < len(values):
        return
    ordered = sorted(range(len(instances)), key=times.__getitem__)
    gaps = [times[after] - times[before] for before, after in pairwise(ordered)]
    widest = sorted(range(len(gaps)), key=lambda i: -gaps[i])
    for count in range(2, MOST_RUNS + 1):
        cuts = [0, *sorted(i + 1 for i in widest[: count - 1]), len(ordered)]
        runs = [ordered[begin:end] for begin, end in pairwise(cuts)]
        yield [(f"{keyword}={values[run[0]]}", [instances[i] for i in run]) for run in runs]


def _values(instances: Sequence[Instance], keyword: str) -> list[str] | None:
    values = [_text(of, keyword) for of in instances]
    return values if all(values) else None


def _text(of: Instance, keyword: str) -> str:
    value: Any = of.header.get(keyword)
    if isinstance(value, MultiValue):  # kernels have several
        return ",".join(map(str, value))
    return "" if value is None else str(value).strip()


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
