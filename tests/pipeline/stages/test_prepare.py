"""Preparing: patches are those of the scan itself, to the bit; the file is small; older ones are read."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from pnetkit.files import file_digest, write_json
from pnetkit.imaging.boxes import Box
from pnetkit.imaging.intensity import Intensity
from pnetkit.label_sets import IGNORED, any_of, in_file
from pnetkit.pipeline.stages import prepare
from pnetkit.pipeline.stages.context import Context
from pnetkit.pipeline.stages.prepare import CASE, INTENSITY, PrepareSpec
from pnetkit.pipeline.stages.scans import Reading
from pnetkit.store.node import File, Ref
from pnetkit.store.store import Store
from pnetkit.training.bricks import cut_bricks
from pnetkit.training.sampling import Sampling, TrainingCase, draw_batch, foreground_indices

SHAPE = (40, 36, 20)
SAMPLING = Sampling((16, 16, 16), 6, 0.3, 0.5, "uniform")


@pytest.fixture
def scan(tmp_path):
    """A body in air, with fat, bone and noise; its files and labels as a stage reads them."""
    rng = np.random.default_rng(0)
    hu = rng.normal(-1000, 20, SHAPE)
    hu[8:32, 8:28] = rng.normal(50, 15, (24, 20, 20))
    hu[10:12, 10:12], hu[20:24, 9:12] = 900, -110
    labels = np.zeros(SHAPE, np.uint8)
    labels[14:20, 14:20, 6:12], labels[16:18, 16:18, 8:10] = 1, 2
    return hu.round().clip(-1024, 3000), labels, tmp_path


def prepared(scan, window, *, steps=1.0, mapping=None, annotated=None, spacing_mm=None):
    hu, labels, folder = scan
    files = {}
    for name, array in {"image": (hu / steps).astype(np.int16), "label": labels}.items():
        path = folder / f"{name}.nii"
        image = nib.Nifti1Image(array, np.eye(4))
        image.header.set_slope_inter(steps if name == "image" else 1.0, 0.0)
        nib.save(image, path)
        files[name] = File(path, file_digest(path))
    reading = Reading((files["image"],), {"window_hu": list(window), "normalization": "z-score"}, False, spacing_mm)
    spec = PrepareSpec(reading, files["label"], {"mapping": mapping, "unmapped": "error"}, annotated)
    (folder / "prepare" / "k").mkdir(parents=True)
    prepare.run(spec, Context(folder, "cpu", 1), folder / "prepare" / "k")
    return folder / "prepare" / "k"


@pytest.mark.parametrize("window", [(-100, 240), (-100.5, 239.75), (-5000, 40000)])
@pytest.mark.parametrize("steps", [1.0, 0.5])
def test_patches_are_those_of_the_whole_scan_to_the_bit(scan, window, steps):
    folder = prepared(scan, window, steps=steps)
    case = prepare.read(Store(folder.parents[1]), Ref("prepare", "k"), case_id="P", abnormal=True)
    image = np.asanyarray(nib.load(folder.parents[1] / "image.nii").dataobj)
    hu = image.astype(np.int16 if np.array_equal(image, image.round()) else np.float32)
    labels = scan[1]
    plain = TrainingCase("P", hu[None], labels, *foreground_indices(labels), case.intensities, True)
    for seed in range(8):
        one, two = (draw_batch([of], SAMPLING, np.random.default_rng(seed)) for of in (case, plain))
        assert one.x.tobytes() == two.x.tobytes()
        assert one.y.tobytes() == two.y.tobytes()


def test_air_takes_nothing_and_most_of_a_body_a_byte_a_voxel(scan):
    hu = np.full((128, 128, 64), -1000.0)
    hu[32:96, 32:96] = np.random.default_rng(0).normal(50, 15, (64, 64, 64)).round()
    hu[32:34, 32:96] = -90  # fat
    labels = np.zeros(hu.shape, np.uint8)
    labels[60:64, 60:64, 30:34] = 1
    folder = prepared((hu, labels, scan[2]), (-100, 240))
    body = 64**3
    assert body < (folder / CASE).stat().st_size < 1.1 * body  # it was three bytes a voxel of 128 x 128 x 64


def test_a_case_that_an_earlier_release_prepared_is_read_as_it_is(tmp_path):
    folder = tmp_path / "prepare" / "k"
    folder.mkdir(parents=True)
    labels = np.zeros(SHAPE, np.uint8)
    labels[5, 6, 7] = 2
    foreground, lesion = foreground_indices(labels)
    hu = np.arange(labels.size, dtype=np.int16).reshape(1, *SHAPE)
    for name, array in {"hu": hu, "labels": labels, "foreground": foreground, "lesion": lesion}.items():
        np.save(folder / f"{name}.npy", array)
    write_json(folder / INTENSITY, [{"low_hu": -100.0, "high_hu": 240.0, "shift": 1.0, "scale": 2.0}])
    case = prepare.read(Store(tmp_path), Ref("prepare", "k"), case_id="P", abnormal=None)
    assert case.intensities == (Intensity(-100.0, 240.0, 1.0, 2.0),)
    assert np.array_equal(case.hu, hu)
    assert Path(case.labels.filename).name == "labels.npy"


def test_foreground_is_what_the_file_says_and_labels_say_what_a_voxel_may_be(scan):
    labels = scan[1]
    labels[0, 0, :3] = 7
    folder = prepared(scan, (-100, 240), mapping={"1": 1, "2": 2, "7": IGNORED}, annotated=("pancreas", "tumor"))
    case = prepare.read(Store(folder.parents[1]), Ref("prepare", "k"), case_id="P", abnormal=None).mapped()
    assert case.foreground.tolist() == np.flatnonzero((labels == 1) | (labels == 2)).tolist()
    assert case.lesion.tolist() == np.flatnonzero(labels == 2).tolist()
    stored = cut_bricks(case.labels, Box((0, 0, 0), SHAPE), fill=0)
    for value, said in {0: any_of([0, 3]), 1: any_of([1, 3]), 2: 2, 7: IGNORED}.items():
        assert set(stored[labels == value].tolist()) == {said}
    assert (in_file(stored) == np.where(labels == 7, 0, labels)).all()


def test_what_is_ignored_is_ignored_at_another_spacing_too(scan):
    _hu, labels, folder = scan
    labels[24:32] = 7
    folder = prepared(scan, (-100, 240), mapping={"1": 1, "2": 2, "7": IGNORED}, spacing_mm=(2.0, 2.0, 2.0))
    case = prepare.read(Store(folder.parents[1]), Ref("prepare", "k"), case_id="P", abnormal=None).mapped()
    x, y, z = (n // 2 for n in SHAPE)
    stored = cut_bricks(case.labels, Box((0, 0, 0), (x, y, z)), fill=0)
    assert case.labels.shape == (x, y, z)
    assert (stored[12:16] == IGNORED).all()
    assert {0, 1} <= set(np.unique(stored[:12]).tolist()) <= {0, 1, 2}
    assert case.foreground.size == np.count_nonzero((stored == 1) | (stored == 2))
