"""Results as DICOM: SEG and SR are read back by highdicom and lie on the images that they speak of."""

from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
from pydicom import config
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.sr.codedict import codes

from pnetkit.dicom.page import write_page
from pnetkit.dicom.place import Place
from pnetkit.dicom.results import (
    ANSWERS,
    DECISION,
    OVERRULED,
    PATIENT,
    SEGMENTS,
    Said,
    write_report,
    write_segmentation,
)
from pnetkit.dicom.series import find_series
from pnetkit.dicom.source_headers import MAY_BE_EMPTY, Author
from pnetkit.dicom.stacks import sort_study
from pnetkit.dicom.volume import on_images, read_series
from tests.dicom.synthetic import AFFINE, some_hu, write_series
from tests.unpacking import unpack

REAL = Path(__file__).parents[3] / "shared" / "data" / "totalsegmentator_tests"
AUTHOR = Author("tiny", "ab" * 32)


def some_labels(shape):
    labels = np.zeros(shape, np.uint8)
    labels[1:5, 1:4, 1:4] = 1
    labels[2:4, 2, 2] = 2
    labels[4, 1:3, 1] = 3
    return labels


def tilted(dataset, k):
    x, y, z = (float(v) for v in dataset.ImagePositionPatient)
    dataset.ImagePositionPatient = [x, y + 0.5 * k, z]


def prone(dataset, _):
    dataset.ImageOrientationPatient = [-1, 0, 0, 0, -1, 0]


def written(folder, labels=None, out=None):
    (series,) = find_series(folder).series
    found = read_series(series)
    labels = some_labels(found.scan.hu.shape) if labels is None else labels
    out = out or folder
    seg = write_segmentation(out / "seg.dcm", labels, series, found.stack, AUTHOR)
    said = Said(True, False, {1: 50.4, 2: 2.8, 3: 2.8})
    write_report(out / "sr.dcm", seg, series, found.stack, said, AUTHOR)
    return series, found, labels


@pytest.mark.parametrize("change", [None, tilted, prone])
def test_each_frame_of_a_segmentation_lies_on_its_source_image(tmp_path, change):
    write_series(tmp_path / "ct", some_hu(), AFFINE, change=change)
    series, found, labels = written(tmp_path / "ct", out=tmp_path)
    seg = highdicom.seg.segread(tmp_path / "seg.dcm")
    uids = [of.uid for of in found.stack.instances]
    back = seg.get_pixels_by_source_instance(
        uids, combine_segments=True, ignore_spatial_locations=True, assert_missing_frames_are_empty=True
    )
    assert np.array_equal(back, on_images(labels, found.stack))
    for image in found.stack.instances:
        source = pydicom.dcmread(image.path)
        frame = back[uids.index(image.uid)]
        assert frame.shape == source.pixel_array.shape
    assert seg.StudyInstanceUID == series.study_uid
    assert seg.PatientID == "secret-4711"  # a PACS files it under the patient


def test_a_segmentation_s_volume_is_the_scan_s_own(tmp_path):
    write_series(tmp_path / "ct", some_hu(), AFFINE)
    _, found, labels = written(tmp_path / "ct", out=tmp_path)
    volume = highdicom.seg.segread(tmp_path / "seg.dcm").get_volume(combine_segments=True)
    ras = volume.to_patient_orientation("RAS")
    corner = np.linalg.solve(found.scan.grid.affine, ras.get_affine("RAS")[:, 3])[:3]
    start = np.round(corner).astype(int)
    assert np.allclose(corner, start, atol=1e-4)
    inside = tuple(slice(a, a + n) for a, n in zip(start, ras.array.shape, strict=True))
    assert np.array_equal(ras.array, labels[inside])
    assert ras.array.astype(bool).sum() == (labels > 0).sum()  # nothing lies outside of the frames that were kept


def test_segments_have_codes_numbers_and_say_that_a_machine_made_them_for_research(tmp_path):
    write_series(tmp_path / "ct", some_hu(), AFFINE)
    written(tmp_path / "ct", out=tmp_path)
    seg = highdicom.seg.segread(tmp_path / "seg.dcm")
    assert seg.number_of_segments == 3
    for number, (label, category, kind) in SEGMENTS.items():
        described = seg.get_segment_description(number)
        assert described.segment_label == label
        assert described.segmented_property_category == category
        assert described.segmented_property_type == kind
        assert kind.scheme_designator == "SCT"
        assert described.algorithm_type.value == "AUTOMATIC"
    assert "RESEARCH USE ONLY" in seg.SeriesDescription


def test_a_segmentation_without_a_voxel_is_written_and_read(tmp_path):
    write_series(tmp_path / "ct", some_hu(), AFFINE)
    written(tmp_path / "ct", np.zeros((7, 6, 5), np.uint8), out=tmp_path)
    volume = highdicom.seg.segread(tmp_path / "seg.dcm").get_volume(combine_segments=True)
    assert not volume.array.any()


def test_a_report_refers_to_segments_and_images_and_gives_volumes_and_decisions(tmp_path):
    write_series(tmp_path / "ct", some_hu(), AFFINE)
    series, _, _ = written(tmp_path / "ct", out=tmp_path)
    seg = pydicom.dcmread(tmp_path / "seg.dcm")
    report = highdicom.sr.srread(tmp_path / "sr.dcm")
    groups = report.content.get_volumetric_roi_measurement_groups()
    assert len(groups) == 3
    for group, (kind, volume) in zip(
        groups, [(codes.SCT.Pancreas, 50.4), (codes.SCT.Neoplasm, 2.8), (codes.SCT.PancreaticDuct, 2.8)], strict=True
    ):
        assert group.finding_type == kind
        (measured,) = group.get_measurements()
        assert measured.name == codes.SCT.Volume
        assert (measured.value, measured.unit) == (volume, codes.UCUM.CubicMillimeter)
        assert group.referenced_segment.referenced_sop_instance_uid == seg.SOPInstanceUID
    (answers,) = report.content.get_image_measurement_groups()
    values = [evaluation.value for evaluation in answers.get_qualitative_evaluations()]
    assert values == [ANSWERS[True], ANSWERS[False]]
    assert answers.get_qualitative_evaluations(name=DECISION)[0].value == ANSWERS[True]
    referred = {
        item.ReferencedSOPInstanceUID
        for study in report.CurrentRequestedProcedureEvidenceSequence
        for of in study.ReferencedSeriesSequence
        for item in of.ReferencedSOPSequence
    }
    assert referred == {seg.SOPInstanceUID, *(of.uid for of in series.instances)}


def test_a_report_points_at_the_center_of_each_place_in_the_patient_s_coordinates_and_frame(tmp_path):
    """The tumor's voxels are (2, 2, 2) and (3, 2, 2): by hand the center is at index (2.5, 2, 2) of the RAS+ grid."""
    write_series(tmp_path / "ct", some_hu(), AFFINE)
    series, found, labels = written(tmp_path / "ct", out=tmp_path)
    assert np.argwhere(labels == 2).tolist() == [[2, 2, 2], [3, 2, 2]]
    right, front, up = -30.0 + 2.5 * 0.8, 11.0 + 2 * 0.7, -900.0 + 2 * 2.5
    said = Said(True, True, {1: 1.0, 2: 2.8, 3: 1.0}, places=(Place(2, 1, 2, (right, front, up), 2.8),))
    seg = pydicom.dcmread(tmp_path / "seg.dcm")
    write_report(tmp_path / "sr.dcm", seg, series, found.stack, said, AUTHOR)
    report = highdicom.sr.srread(tmp_path / "sr.dcm")
    (group,) = report.content.get_planar_roi_measurement_groups(graphic_type=highdicom.sr.GraphicTypeValues3D.POINT)
    source = pydicom.dcmread(found.stack.instances[0].path)
    assert group.finding_type == codes.SCT.Neoplasm
    assert group.roi.frame_of_reference_uid == source.FrameOfReferenceUID
    assert np.allclose(group.roi.value, [[28.0, -12.4, -895.0]])  # LPS: left is x, back is y
    assert [(of.name, of.value) for of in group.get_measurements()] == [(codes.SCT.Volume, 2.8)]
    image = next(of for of in found.stack.instances if abs(float(of.header.ImagePositionPatient[2]) + 895) < 1e-6)
    x, y, _ = (float(v) for v in image.header.ImagePositionPatient)
    column, row = (28.0 - x) / 0.8, (-12.4 - y) / 0.7  # and so it lies between two voxels of the image at its height
    drawn = on_images(labels, found.stack)[[of.uid for of in found.stack.instances].index(image.uid)]
    assert [drawn[round(row), int(column + side)] for side in (0, 1)] == [2, 2]


def test_a_page_is_wrapped_under_the_patient_and_comes_out_as_it_went_in(tmp_path):
    write_series(tmp_path / "a", some_hu(), AFFINE, description="arterial", number=1)
    write_series(tmp_path / "v", some_hu(seed=1), AFFINE, description="venous", number=2)
    series = find_series(tmp_path).series
    for pdf in (b"%PDF-1.4 odd", b"%PDF-1.4 even"):
        write_page(tmp_path / "page.dcm", pdf, series, AUTHOR)
        back = pydicom.dcmread(tmp_path / "page.dcm")
        assert back.EncapsulatedDocument[: back.EncapsulatedDocumentLength] == pdf
        assert len(back.EncapsulatedDocument) % 2 == 0
        assert (back.PatientID, back.PatientName, back.StudyInstanceUID) == (
            "secret-4711", "Doe^Jane", series[0].study_uid,
        )  # fmt: skip
        assert (back.Modality, back.MIMETypeOfEncapsulatedDocument) == ("DOC", "application/pdf")
        assert "RESEARCH USE ONLY" in back.DocumentTitle
        assert len(back.SourceInstanceSequence) == 10
        assert back.SeriesInstanceUID not in {of.uid for of in series}


def anonymized(dataset, _):
    for keyword in (*MAY_BE_EMPTY, "SliceThickness", "FrameOfReferenceUID"):
        delattr(dataset, keyword)


def with_words_in_place_of_values(dataset, _):
    for keyword in ("PatientBirthDate", "PatientSex", "StudyDate", "StudyTime"):
        dataset.add(DataElement(keyword, dictionary_VR(keyword), "REMOVED", validation_mode=config.IGNORE))


@pytest.mark.filterwarnings("ignore::UserWarning")  # of pydicom, about such values
@pytest.mark.parametrize("change", [anonymized, with_words_in_place_of_values])
def test_images_without_identity_get_results_without_one(tmp_path, change):
    write_series(tmp_path / "ct", some_hu(), AFFINE, change=change)
    written(tmp_path / "ct", out=tmp_path)
    write_page(tmp_path / "page.dcm", b"%PDF", find_series(tmp_path / "ct").series, AUTHOR)
    for name in ("seg.dcm", "sr.dcm", "page.dcm"):
        result = pydicom.dcmread(tmp_path / name)
        assert [str(result[keyword].value or "") for keyword in ("PatientBirthDate", "PatientSex", "StudyDate")] == [
            "", "", "",
        ]  # fmt: skip
    assert highdicom.seg.segread(tmp_path / "seg.dcm").get_volume(combine_segments=True).spacing[0] == 2.5


def test_a_report_on_images_that_contradict_each_other_about_the_patient_says_so(tmp_path):
    write_series(tmp_path / "ct", some_hu(), AFFINE)
    series, found, _ = written(tmp_path / "ct", out=tmp_path)
    seg = pydicom.dcmread(tmp_path / "seg.dcm")
    said = Said(True, True, {1: 1.0, 2: 1.0, 3: 1.0}, overruled=True)
    for name, says, expected in (("plain.dcm", Said(True, True, said.volume_mm3), []), ("both.dcm", said, [OVERRULED])):
        write_report(tmp_path / name, seg, series, found.stack, says, AUTHOR)
        (answers,) = highdicom.sr.srread(tmp_path / name).content.get_image_measurement_groups()
        assert [of.value for of in answers.get_qualitative_evaluations(name=PATIENT)] == expected


def test_results_have_the_same_uids_each_time_and_others_for_another_model(tmp_path):
    write_series(tmp_path / "ct", some_hu(), AFFINE)
    (series,) = find_series(tmp_path / "ct").series
    found = read_series(series)
    labels = some_labels(found.scan.hu.shape)
    uids = [
        write_segmentation(tmp_path / f"{i}.dcm", labels, series, found.stack, author).SOPInstanceUID
        for i, author in enumerate([AUTHOR, AUTHOR, Author("tiny", "cd" * 32)])
    ]
    assert uids[0] == uids[1] != uids[2]


@pytest.mark.skipif(not REAL.is_dir(), reason="no real CTs here")
def test_results_on_a_real_series_without_uids_read_back_on_its_slices(tmp_path):
    unpack(REAL / "example_ct_dicom.tar.gz", tmp_path / "ct")
    (series,) = find_series(tmp_path / "ct").series
    found = read_series(series)
    rng = np.random.default_rng(0)
    labels = np.zeros(found.scan.hu.shape, np.uint8)
    labels[200:260, 240:280, 5:15] = rng.integers(0, 4, (60, 40, 10))
    seg = write_segmentation(tmp_path / "seg.dcm", labels, series, found.stack, AUTHOR)
    write_report(tmp_path / "sr.dcm", seg, series, found.stack, Said(False, False, {1: 1.0, 2: 0.0, 3: 0.0}), AUTHOR)
    volume = highdicom.seg.segread(tmp_path / "seg.dcm").get_volume(combine_segments=True).to_patient_orientation("RAS")
    assert np.array_equal(volume.array, labels[:, :, 5:15])
    assert np.allclose(volume.get_affine("RAS")[:3, :3], found.scan.grid.affine[:3, :3])
    assert len(highdicom.sr.srread(tmp_path / "sr.dcm").content.get_volumetric_roi_measurement_groups()) == 3


def test_two_acquisitions_of_one_series_have_results_of_their_own(tmp_path):
    """UIDs follow from model and series; a PACS would take the second for the first."""
    for part in (1, 2):

        def change(dataset, k, part=part):
            dataset.SeriesInstanceUID, dataset.AcquisitionNumber = "1.2.77", part
            dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.77.{part}.{k + 1}"

        write_series(tmp_path / str(part), some_hu(seed=part), AFFINE, change=change)
    uids = []
    for series in sort_study(find_series(tmp_path).series).stacks:
        found = read_series(series)
        seg = write_segmentation(tmp_path / "seg.dcm", some_labels(found.scan.hu.shape), series, found.stack, AUTHOR)
        report = write_report(
            tmp_path / "sr.dcm", seg, series, found.stack, Said(True, False, {1: 1.0, 2: 1.0, 3: 1.0}), AUTHOR
        )
        uids += [seg.SOPInstanceUID, seg.SeriesInstanceUID, report.SOPInstanceUID, report.SeriesInstanceUID]
    assert len(set(uids)) == 8
