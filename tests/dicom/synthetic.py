"""Write CT series as DICOM, easy ones and hard ones."""

from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

STUDY = generate_uid(entropy_srcs=["a study"])


def write_series(
    folder: Path,
    hu,
    affine,
    *,
    description="portal venous",
    number=2,
    study=STUDY,
    time="101500",
    change=None,
    syntax=None,
    name="IM{:04d}",
):
    """Write a volume (RAS+ order) slice by slice, head first, supine; `change(dataset, index)` may spoil each image."""
    folder.mkdir(parents=True, exist_ok=True)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    series = generate_uid(entropy_srcs=["a series", study, description, str(number)])
    for k in range(hu.shape[2]):
        corner = affine @ [hu.shape[0] - 1, hu.shape[1] - 1, k, 1]
        stored = (hu[::-1, ::-1, k].T + 1024).astype(np.uint16)
        dataset = pydicom.Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.SOPClassUID = CTImageStorage
        dataset.SOPInstanceUID = generate_uid(entropy_srcs=["an image", series, str(k)])
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, series
        dataset.FrameOfReferenceUID = generate_uid(entropy_srcs=["a frame", study])
        dataset.PatientName, dataset.PatientID = "Doe^Jane", "secret-4711"
        dataset.PatientBirthDate, dataset.PatientSex = "19500101", "F"
        dataset.StudyID, dataset.AccessionNumber, dataset.ReferringPhysicianName = "1", "", ""
        dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = "20200102"
        dataset.StudyTime, dataset.SeriesTime, dataset.AcquisitionTime = "100000", "100500", time
        dataset.Modality, dataset.SeriesDescription, dataset.SeriesNumber = "CT", description, number
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        dataset.Manufacturer, dataset.PatientPosition = "Test", "HFS"
        dataset.InstanceNumber, dataset.SliceThickness = hu.shape[2] - k, float(spacing[2])
        dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        dataset.ImagePositionPatient = [float(-corner[0]), float(-corner[1]), float(corner[2])]
        dataset.PixelSpacing = [float(spacing[1]), float(spacing[0])]
        dataset.PositionReferenceIndicator = ""
        dataset.Rows, dataset.Columns = stored.shape
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
        dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = -1024, 1, "HU"
        dataset.PixelData = stored.tobytes()
        if change is not None:
            change(dataset, k)
        if syntax is not None:
            dataset.compress(syntax, generate_instance_uid=False)
        dataset.save_as(folder / name.format(k), enforce_file_format=True)
    return series


def some_hu(shape=(7, 6, 5), seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(-1000, 1000, size=shape).astype(np.float32)


AFFINE = np.array([[0.8, 0, 0, -30.0], [0, 0.7, 0, 11.0], [0, 0, 2.5, -900.0], [0, 0, 0, 1.0]])
