"""Lay a cohort out as nnU-Net's raw data, so that it can be trained on there."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from pnetkit.cohort.check import CheckedCase, LabelPolicy, grid_faults
from pnetkit.errors import CohortError, Fault, counted
from pnetkit.files import write_atomically
from pnetkit.imaging.gz import as_gzip, packing
from pnetkit.imaging.nifti import read_labels, write_labels
from pnetkit.label_sets import IGNORED
from pnetkit.types import CLASSES


def export_nnunet(cases: Sequence[CheckedCase], folder: Path, phases: Sequence[str], policy: LabelPolicy) -> int:
    """Write images, labels (0-3, 4 for what is to be ignored) and `dataset.json`; give the number of training cases.

    Phases are channels, in their order. Cases without a label in the first phase become test cases; those that lack a
    phase are left out, as nnU-Net needs every channel.

    Raises:
        CohortError: the folder is there already, phases lie on different grids, no case has a label, or one has labels
            of some classes only.
    """
    if folder.exists() and any(folder.iterdir()):
        raise CohortError("Nothing was written:", [Fault(str(folder), "is there already, and not empty")])
    whole = [item for item in cases if all(phase in item.scans for phase in phases)]
    faults = [fault for item in whole for fault in grid_faults(item, phases)]
    if faults:
        raise CohortError("nnU-Net's channels share one grid; export one phase, or resample:", faults)
    labeled = [item for item in whole if item.scans[phases[0]].label_digest is not None]
    partly = [item.case.id for item in labeled if item.case.labeled is not None]
    if partly:
        reason = (
            f"labeled says that {counted(len(partly), 'case')} have no label of a class, which nnU-Net cannot be told"
        )
        raise CohortError("Nothing was written:", [Fault(partly[0], f"{reason}; leave them out")])
    ignores = policy.mapping is not None and IGNORED in policy.mapping.values()
    if not labeled:
        raise CohortError("Nothing to train on:", [Fault(phases[0], "no case has a label")])
    for item in whole:
        train = item in labeled
        images = folder / ("imagesTr" if train else "imagesTs")
        images.mkdir(parents=True, exist_ok=True)
        for channel, phase in enumerate(phases):
            _copy(item.case.scans[phase].image, images / f"{item.case.id}_{channel:04}.nii.gz")
        source = item.case.scans[phases[0]]
        if train and source.label is not None:
            (folder / "labelsTr").mkdir(exist_ok=True)
            labels, _ = read_labels(source.label, policy.mapping, unmapped=policy.unmapped)
            labels[labels == IGNORED] = len(CLASSES)  # nnU-Net asks for the number after the last class
            write_labels(folder / "labelsTr" / f"{item.case.id}.nii.gz", labels, like=source.image)
    dataset = {
        "channel_names": {str(channel): phase for channel, phase in enumerate(phases)},
        "labels": {name: value for value, name in enumerate(CLASSES)} | ({"ignore": len(CLASSES)} if ignores else {}),
        "numTraining": len(labeled),
        "file_ending": ".nii.gz",
    }
    write_atomically(folder / "dataset.json", (json.dumps(dataset, indent=2) + "\n").encode())
    return len(labeled)


def _copy(source: Path, target: Path) -> None:
    if packing(source) == "gzip":
        shutil.copyfile(source, target)
    else:
        write_atomically(target, as_gzip(source))
