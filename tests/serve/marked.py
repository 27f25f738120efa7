"""A quick screening of DICOM: it writes real SEG and SR of the voxels that are marked in a study's images."""

import time
from functools import partial

import numpy as np

from pnetkit.dicom.refusal import write_refusal
from pnetkit.dicom.results import Said, write_report, write_segmentation
from pnetkit.dicom.series import find_series
from pnetkit.dicom.source_headers import Author
from pnetkit.dicom.succession import succeed
from pnetkit.dicom.volume import read_series
from pnetkit.serve.values import Finding, Refusal
from tests.dicom.synthetic import AFFINE, write_series

AUTHOR = Author("quick", "0123456789abcdef")

MARK_HU = 2000


def study(folder, number, *, phases=("arterial", "venous"), shape=(24, 20, 8), **options):
    """Write a study with a mark of its own: a bar of voxels whose places spell the number in both phases."""
    for place, phase in enumerate(phases):
        hu = np.full(shape, -1000.0, dtype=np.float32)  # air around a body
        hu[1:-1, 1:-1] = 40 + place
        for bit in range(16):
            hu[2 + bit, 3, 2] = MARK_HU if number >> bit & 1 else 0
        hu[2, 5, 2] = MARK_HU
        options.setdefault("description", f"Abd {phase}")
        write_series(folder / phase, hu, AFFINE, study=study_uid(number), number=place + 2, **options)
        options.pop("description")
    return sorted(path for path in folder.rglob("IM*"))


def study_uid(number):
    return f"1.2.826.0.1.99.{number + 1}"


def number_in(labels):
    """Give the number that a mark in labels (RAS+ order) spells."""
    return sum(int(labels[2 + bit, 3, 2] > 0) << bit for bit in range(16))


def refuse(task, reason):
    write_refusal(task.out / "refusal.dcm", task.study, reason, AUTHOR)
    return ["refusal.dcm"]


def open_marked(takes_s=0.0):
    return partial(marked, takes_s)


def marked(takes_s, task):
    """Answer with a segmentation of the marks of each series, and a report; a head is refused."""
    time.sleep(takes_s)
    files = []
    for series in find_series(task.study).series:
        if "Head" in series.description:
            refuse(task, "the field of view is a head")
            return Refusal("the field of view is a head", ("refusal.dcm",))
        found = read_series(series)
        labels = (found.scan.hu >= MARK_HU).astype(np.uint8)
        stem = series.description.split()[-1]
        seg = write_segmentation(task.out / f"{stem}_segmentation.dcm", labels, series, found.stack, AUTHOR)
        said = Said(abnormal=False, case_abnormal=False, volume_mm3={1: 1.0, 2: 0.0, 3: 0.0})
        write_report(task.out / f"{stem}_report.dcm", seg, series, found.stack, said, AUTHOR)
        files += [f"{stem}_segmentation.dcm", f"{stem}_report.dcm"]
    earlier = [] if task.earlier is None else sorted(task.earlier.glob("*.dcm"))
    succeed([task.out / name for name in files], earlier, f"{len(list(task.study.iterdir()))}")
    return Finding("normal", tuple(files))
