"""Damages of DICOM files, each drawn from a seed: attributes, bytes, and which image lies in which series.

A damage is a function of a random generator and the folder: it changes files and says in words what it did.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataelem import DataElement
from pydicom.tag import Tag

from pnetkit.dicom.attributes import DESCRIBING, RELIED_ON

Damage = Callable[[np.random.Generator, Path], str]

SERIES = ("A/arterial", "A/venous", "B/arterial", "B/venous")
FORGED = {"OB": b"\1\2\3", "US": 7, "FD": 1.5, "IS": "nine", "DS": "wide", "LO": "text", "UI": "1.2.x", "SQ": []}
"""Kinds of values that another attribute has, each with one that it may hold in a damaged file."""

KEYWORDS = tuple(dict.fromkeys((*RELIED_ON, *DESCRIBING)))


def images(folder: Path, series: str) -> list[Path]:
    return sorted((folder / series).iterdir())


def pick(rng, options):
    return options[int(rng.integers(len(options)))]


def change(path: Path, keyword: str, kind: str | None, value: object) -> None:
    """Give an attribute another value and, if wanted, another kind; None takes it out."""
    header = pydicom.dcmread(path)
    tag = Tag(keyword)
    if value is None:
        header.pop(tag, None)
    else:
        header[tag] = DataElement(tag, kind or pydicom.datadict.dictionary_VR(tag), value, already_converted=True)
    rewrite(path, header)


def rewrite(path: Path, header: pydicom.Dataset) -> None:
    path.unlink()  # it is a link to the sound file
    header.save_as(path)


def value_of(path: Path, keyword: str) -> object:
    header = pydicom.dcmread(path, stop_before_pixels=True)
    return header[keyword].value if keyword in header else None


def dropped_from_one(rng, folder):
    keyword, path = pick(rng, KEYWORDS), pick(rng, images(folder, pick(rng, SERIES)))
    change(path, keyword, None, None)
    return f"{keyword} taken out of {path.relative_to(folder)}"


def dropped_from_a_series(rng, folder):
    keyword, series = pick(rng, KEYWORDS), pick(rng, SERIES)
    for path in images(folder, series):
        change(path, keyword, None, None)
    return f"{keyword} taken out of all of {series}"


def exchanged(one: Path, other: Path, keyword: str):
    first, second = pydicom.dcmread(one), pydicom.dcmread(other)
    values = [header.pop(Tag(keyword), None) for header in (first, second)]
    for path, header, element in ((one, first, values[1]), (other, second, values[0])):
        if element is not None:
            header.add(element)
        rewrite(path, header)


def swapped_between_images(rng, folder):
    keyword, series = pick(rng, KEYWORDS), pick(rng, SERIES)
    one, other = (pick(rng, images(folder, of)) for of in (series, pick(rng, (series, *SERIES))))
    if one != other:
        exchanged(one, other, keyword)
    return f"{keyword} of {one.relative_to(folder)} and {other.relative_to(folder)} swapped"


def swapped_between_series(rng, folder):
    keyword, one = pick(rng, KEYWORDS), pick(rng, SERIES)
    other = pick(rng, [series for series in SERIES if series != one])
    for first, second in zip(images(folder, one), images(folder, other), strict=True):
        exchanged(first, second, keyword)
    return f"{keyword} of {one} and {other} swapped"


def swapped_within_an_image(rng, folder):
    path = pick(rng, images(folder, pick(rng, SERIES)))
    header = pydicom.dcmread(path)
    by_kind = {}
    for keyword in KEYWORDS:
        if keyword in header:
            by_kind.setdefault(header[keyword].VR, []).append(keyword)
    one, other = rng.permutation(pick(rng, [names for names in by_kind.values() if len(names) > 1]))[:2]
    first, second = header[one].value, header[other].value
    header[one].value, header[other].value = second, first
    rewrite(path, header)
    return f"{one} and {other} swapped in {path.relative_to(folder)}"


def forged(rng, paths, folder):
    keyword, kind = pick(rng, KEYWORDS), pick(rng, tuple(FORGED))
    for path in paths:
        change(path, keyword, kind, FORGED[kind])
    return f"{keyword} is {FORGED[kind]!r} ({kind}) in {paths[0].relative_to(folder)} and {len(paths) - 1} more"


def of_wrong_type_in_one(rng, folder):
    return forged(rng, [pick(rng, images(folder, pick(rng, SERIES)))], folder)


def of_wrong_type_in_a_series(rng, folder):
    return forged(rng, images(folder, pick(rng, SERIES)), folder)


def flipped(rng, path, begin, end, count):
    data = bytearray(path.read_bytes())
    places = rng.integers(begin, min(end, len(data)), size=count)
    for place in places:
        data[place] ^= int(rng.integers(1, 256))
    path.unlink()
    path.write_bytes(bytes(data))
    return f"bytes {', '.join(map(str, places))} of {path.parent.name}/{path.name} ({path.parent.parent.name})"


def flipped_in_a_header(rng, folder):
    path = pick(rng, images(folder, pick(rng, SERIES)))
    return flipped(rng, path, 128, 1100, int(rng.integers(1, 5)))


def flipped_anywhere(rng, folder):
    series = pick(rng, SERIES)
    chosen = [path for path in images(folder, series) if rng.random() < 0.5] or images(folder, series)[:1]
    return "; ".join(flipped(rng, path, 0, 10**6, int(rng.integers(1, 9))) for path in chosen)


def cut_or_filled(rng, folder):
    path = pick(rng, images(folder, pick(rng, SERIES)))
    data = path.read_bytes()
    at = int(rng.integers(len(data)))
    what, damaged = pick(rng, [
        ("cut", data[:at]), ("zeros from", data[:at] + bytes(len(data) - at)), ("text from", data[:at] + b"no " * 99),
        ("a hole of 64 at", data[:at] + data[at + 64 :]), ("twice from", data[:at] + data), ("empty, not", b""),
    ])  # fmt: skip
    path.unlink()
    path.write_bytes(damaged)
    return f"{path.relative_to(folder)}: {what} byte {at}"


def moved(rng, folder, from_series, to_series, keywords):
    """Give some images of a series what says that they are of another one; the first has the place of one of these."""
    sources, targets = images(folder, from_series), images(folder, to_series)
    count = int(rng.integers(1, len(sources) + 1))
    chosen = [int(i) for i in rng.choice(len(sources), size=count, replace=False)]
    for i in chosen:
        for keyword in keywords:
            change(sources[i], keyword, None, value_of(targets[i], keyword))
    if rng.random() < 0.5:  # in the place of the image there
        for i in chosen:
            targets[i].unlink()
    return f"{sorted(chosen)} of {from_series} say by {', '.join(keywords)} that they are of {to_series}"


def mixed_between_series(rng, folder):
    patient = pick(rng, ("A", "B"))
    one, other = (f"{patient}/{phase}" for phase in pick(rng, (("arterial", "venous"), ("venous", "arterial"))))
    keywords = pick(rng, (("SeriesInstanceUID",), ("SeriesInstanceUID", "SeriesDescription")))
    return moved(rng, folder, one, other, keywords)


def mixed_between_patients(rng, folder):
    one, other = pick(rng, (("A", "B"), ("B", "A")))
    phase, to_phase = pick(rng, ("arterial", "venous")), pick(rng, ("arterial", "venous"))
    keywords = pick(rng, (
        ("StudyInstanceUID", "SeriesInstanceUID"), ("StudyInstanceUID",), ("SeriesInstanceUID",),
        ("StudyInstanceUID", "SeriesInstanceUID", "SeriesDescription", "FrameOfReferenceUID"),
    ))  # fmt: skip
    return moved(rng, folder, f"{one}/{phase}", f"{other}/{to_phase}", keywords)
