"""Write what was found in a case: its segmentations, and the formats that its scans have of their own."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pnetkit.imaging.nifti import write_labels
from pnetkit.screening.finding import places_of
from pnetkit.screening.screener import CaseResult, InputResult, Screener
from pnetkit.screening.source import Answer, Loaded, ScreeningCase
from pnetkit.types import CLASSES


def write_results(
    screener: Screener, case: ScreeningCase, loaded: Mapping[str, Loaded], result: CaseResult, folder: Path
) -> dict[str, str]:
    """Write segmentations, and what was found in the format of its source; say by input why that could not be."""
    unwritten = {}
    for seen in screener.parts.inputs:
        if seen.name not in result.inputs:
            continue
        found, first = result.inputs[seen.name], seen.phases[0]
        labels = found.segmentation.labels
        write_labels(folder / f"{seen.name}_segmentation.nii.gz", labels, like=loaded[first].like)
        write = case.scans[first].write_results
        if write is not None:
            answer = _answer(screener, case, result, found)
            try:
                write(folder / seen.name, labels, answer)
            except OSError:
                raise  # the disk, not the images
            except Exception as error:  # noqa: BLE001  # headers hold anything; the finding is made, and must not be lost
                unwritten[seen.name] = f"not written as {case.scans[first].about['kind']} ({said(error)})"
    return unwritten


def _answer(screener: Screener, case: ScreeningCase, result: CaseResult, found: InputResult) -> Answer:
    counts = np.bincount(found.segmentation.labels.reshape(-1), minlength=len(CLASSES))
    volumes = {label: float(counts[label] * found.segmentation.grid.voxel_mm3) for label in range(1, len(CLASSES))}
    abnormal, model = (found.finding.abnormal, result.finding.abnormal), screener.model
    return Answer(*abnormal, volumes, model.name, model.digest, bool(case.overruled), places_of(found.segmentation))


def said(error: Exception) -> str:
    """Give the first line of an error, after its kind."""
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
