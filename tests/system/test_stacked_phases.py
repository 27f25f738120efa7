"""Phases that one network sees as its channels: the body is that of the first, in a run as in screening."""

import json

import nibabel as nib
import numpy as np
import pytest
from safetensors.numpy import save_file

from pnetkit.imaging.body import body_mask
from pnetkit.imaging.nifti import read_labels, read_scan
from pnetkit.method.parts import take_apart
from pnetkit.model.folder import RECIPE, FoldModel, Model
from pnetkit.pipeline.stages import segment
from pnetkit.pipeline.stages.context import Context
from pnetkit.pipeline.stages.scans import Reading
from pnetkit.pipeline.stages.segment import SegmentSpec
from pnetkit.pipeline.stages.segmentation import LABELS
from pnetkit.pipeline.stages.train import BACKBONE, WEIGHTS
from pnetkit.recipe.check import load_recipe
from pnetkit.screening import screener as screener_module
from pnetkit.screening.screener import load_screener, screen_scans
from pnetkit.store.node import File, Ref

PANCREAS_EVERYWHERE = """
from torch import nn
from pnetkit.interfaces import BackboneOutput
from pnetkit.types import BackboneSpec


class Everywhere(nn.Module):
    def __init__(self, *, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.spec = BackboneSpec(in_channels, num_classes, (1, 1, 1))
        self.head = nn.Conv3d(in_channels, num_classes, 1)

    def forward(self, x):
        return BackboneOutput(self.head(x))
"""

RECIPE_TEXT = """\
name: stacked
inputs: {both: {phases: [arterial, venous]}}
backbone: {plugin: everywhere}
training: {patch_size: [16, 16, 16], batch_size: 2}
inference: {window_size: [16, 16, 16], stride: 16, batch_size: 4, precision: fp32}
classifier: {plugin: voxel-count}
fusion: {plugin: or}
"""


@pytest.fixture
def recipe(tmp_path, install):
    install(
        "acme-everywhere", "acme_everywhere", PANCREAS_EVERYWHERE, backbone={"everywhere": "acme_everywhere:Everywhere"}
    )
    (tmp_path / RECIPE).write_text(RECIPE_TEXT)
    return load_recipe(tmp_path / RECIPE).recipe


@pytest.fixture
def network(recipe, tmp_path):
    """A folder as a training leaves it, with a network that calls every voxel pancreas."""
    folder = tmp_path / "store" / "train" / "trained"
    folder.mkdir(parents=True)
    weights = {"head.weight": np.zeros((4, 2, 1, 1, 1), np.float32), "head.bias": np.float32([0, 1, 0, 0])}
    save_file(weights, folder / WEIGHTS)
    (folder / BACKBONE).write_text(json.dumps({"backbone": take_apart(recipe, {}).backbone, "in_channels": 2}))
    return folder


@pytest.fixture
def images(tmp_path):
    """A patient who lies to the left in the arterial scan and to the right in the venous one."""
    found = {}
    for phase, place in {"arterial": slice(4, 16), "venous": slice(32, 44)}.items():
        hu = np.full((48, 24, 16), -1000, np.int16)
        hu[place, 4:20] = 60
        hu[place, 4:6] = -100  # fat
        found[phase] = tmp_path / f"{phase}.nii.gz"
        nib.save(nib.Nifti1Image(hu, np.diag([2.0, 2.0, 3.0, 1.0])), found[phase])
    return found


@pytest.fixture
def body(images):
    """The body of the first phase, which has nothing in common with that of the other."""
    first, last = (body_mask(read_scan(images[phase]).hu) for phase in ("arterial", "venous"))
    assert first.any()
    assert not (first & last).any()
    return first


def test_a_run_segments_the_body_of_the_first_phase(recipe, network, images, body, tmp_path):
    parts = take_apart(recipe, {})
    files = File(images["arterial"], "one"), File(images["venous"], "other")
    reading = Reading(files, parts.intensity, resample=False)
    spec = SegmentSpec(reading, parts.inference, Ref("train", network.name), 4, (48, 24, 16))
    segment.run(spec, Context(tmp_path / "store", "cpu", 1), tmp_path)
    labels, _ = read_labels(tmp_path / LABELS)
    assert np.array_equal(labels, body)


def test_screening_segments_the_body_of_the_first_phase(network, images, body, tmp_path, monkeypatch):
    monkeypatch.setattr(screener_module, "require_unchanged", lambda _: None)  # its files are in no model folder
    folds = (FoldModel("both", 0, network / WEIGHTS, None),)
    screener = load_screener(Model(tmp_path, "digest", {"operating_point": None}, folds, None, ()), device="cpu")
    found = screen_scans(screener, "P1", {phase: read_scan(path) for phase, path in images.items()})
    assert np.array_equal(found.inputs["both"].segmentation.labels, body)
