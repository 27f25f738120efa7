"""Give results UIDs that are their own, and let reports name those that they replace.

The same study, screened again with more images, has another result: an archive that got it under the UIDs of the first
would keep the first.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from pnetkit.dicom.files import read_file
from pnetkit.dicom.source_headers import save


def succeed(results: Sequence[Path], earlier: Sequence[Path], mark: str) -> None:
    """Write results anew, with UIDs that `mark` makes their own; reports name the `earlier` reports as replaced.

    The same results and mark have the same UIDs, always.
    """
    datasets = {path: read_file(path, voxels=True) for path in results}
    own = {
        str(uid): str(generate_uid(entropy_srcs=["succession", str(uid), mark]))
        for dataset in datasets.values()
        for uid in (dataset.SOPInstanceUID, dataset.SeriesInstanceUID)
    }
    before = [found for path in earlier if (found := read_file(path, voxels=False)).get("Modality") == "SR"]
    for path, dataset in datasets.items():
        _rename(dataset, own)
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        if dataset.Modality == "SR" and before:
            dataset.PredecessorDocumentsSequence = [_reference(of) for of in before]
        save(path, dataset)


def replaced_by(report: Dataset) -> list[str]:
    """Give the instance UIDs of the reports that a report replaces."""
    return [
        str(instance.ReferencedSOPInstanceUID)
        for study in report.get("PredecessorDocumentsSequence", [])
        for series in study.ReferencedSeriesSequence
        for instance in series.ReferencedSOPSequence
    ]


def _rename(dataset: Dataset, own: Mapping[str, str]) -> None:
    """Put UIDs in the place of others, at any depth."""
    for element in dataset:
        value: Any = element.value
        if element.VR == "SQ":
            for item in value:
                _rename(item, own)
        elif element.VR == "UI" and str(value) in own:
            element.value = own[str(value)]


def _reference(report: Dataset) -> Dataset:
    """Refer to a report, by study and series."""
    instance, series, study = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
    instance.ReferencedSOPClassUID, instance.ReferencedSOPInstanceUID = report.SOPClassUID, report.SOPInstanceUID
    series.SeriesInstanceUID, series.ReferencedSOPSequence = report.SeriesInstanceUID, [instance]
    study.StudyInstanceUID, study.ReferencedSeriesSequence = report.StudyInstanceUID, [series]
    return study
