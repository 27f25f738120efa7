"""Networks that see scans at a spacing: everything else is on the scan's own grid, in a run as in screening.

The network knows what it has to know without a training: what is brighter than 80 HU is pancreas, than 160 HU tumor.
"""

import csv
import json

import nibabel as nib
import numpy as np
import pytest
from safetensors.numpy import save_file

from pnetkit.cohort.check import LabelPolicy, check_case
from pnetkit.cohort.table import read_cohort
from pnetkit.errors import ModelError
from pnetkit.evaluation.overlap import dice
from pnetkit.imaging.nifti import read_grid, read_labels, read_scan
from pnetkit.imaging.spacing import grid_at
from pnetkit.method.parts import take_apart
from pnetkit.model.folder import RECIPE, FoldModel, Model, read_model
from pnetkit.pipeline.budget.disk import results_bytes, sample_of
from pnetkit.pipeline.engine.session import Listener
from pnetkit.pipeline.outcome.export import export_model
from pnetkit.pipeline.plan.graph import make_graph
from pnetkit.pipeline.plan.request import RunRequest
from pnetkit.pipeline.run import run as run_recipe
from pnetkit.pipeline.stages import classify, measure, postprocess, prepare, segment
from pnetkit.pipeline.stages.classify import ClassifySpec
from pnetkit.pipeline.stages.context import Context
from pnetkit.pipeline.stages.measure import MeasureSpec
from pnetkit.pipeline.stages.postprocess import PostprocessSpec
from pnetkit.pipeline.stages.prepare import PrepareSpec
from pnetkit.pipeline.stages.scans import Reading
from pnetkit.pipeline.stages.segment import SegmentSpec
from pnetkit.pipeline.stages.segmentation import read_segmentation
from pnetkit.pipeline.stages.train import BACKBONE, WEIGHTS
from pnetkit.recipe.check import load_recipe
from pnetkit.screening import screener as screener_module
from pnetkit.screening.gates import spacing_flags
from pnetkit.screening.screen import screen_cases
from pnetkit.screening.screener import load_screener, screen_scans
from pnetkit.screening.source import ScreeningCase, nifti_source
from pnetkit.store.node import File, Ref
from pnetkit.store.store import Store
from tests.system.conftest import Runner

BRIGHTNESS = """
import torch
from torch import nn
from pnetkit.interfaces import BackboneOutput
from pnetkit.types import BackboneSpec


class Brightness(nn.Module):
    def __init__(self, *, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.spec = BackboneSpec(in_channels, num_classes, (1, 1, 1))
        self.head = nn.Conv3d(in_channels, num_classes, 1)
        with torch.no_grad():
            self.head.weight.zero_()
            self.head.weight[:3, 0, 0, 0, 0] = torch.tensor([0.0, 1.0, 2.0])
            self.head.bias.copy_(torch.tensor([0.0, -80.0, -240.0, -999.0]))

    def forward(self, x):
        return BackboneOutput(self.head(x))
"""

RECIPE_TEXT = """\
name: bright
phases: [venous]
cohort: {folds: 2}
preprocess: {spacing_mm: [2, 2, 2]}
intensity: {normalization: none}
backbone: {plugin: brightness}
training: {patch_size: [16, 16, 16], batch_size: 1, iterations: 1, learning_rate: 1e-12, weight_decay: 0}
inference: {window_size: [24, 24, 24], stride: 12, batch_size: 4, precision: fp32, body: none}
postprocess: []
classifier: {plugin: voxel-count, params: {tumor_voxels: 5, duct_voxels: 5}}
fusion: {plugin: or}
"""

AFFINE = np.array([[-0.9, 0.1, 0, 40.0], [0.1, 0.9, 0.2, -30.0], [0, -0.1, 5.0, 600.0], [0, 0, 0, 1]])
"""Oblique, stored right to left, with slices five times as thick as pixels."""

SHAPE = (60, 50, 16)


def truth(spacing=(0.9, 0.9, 5.0), shape=SHAPE):
    """An ellipsoid of a pancreas around a ball of a tumor, by millimeters from the middle."""
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    mm = (index - (np.array(shape) - 1) / 2) * np.array(spacing)
    labels = np.zeros(shape, np.uint8)
    labels[((mm / [18, 14, 24]) ** 2).sum(axis=-1) < 1] = 1
    labels[((mm - [4, 0, 0]) ** 2).sum(axis=-1) < 8**2] = 2
    return labels


def write_case(folder, labels, affine, name="P1"):
    """A scan that shows its labels, and these."""
    hu = np.full(labels.shape, 40, np.int16)
    hu[labels == 1], hu[labels == 2] = 120, 200
    hu[2:4] = -100  # fat
    hu[:2], hu[-2:], hu[:, :2], hu[:, -2:] = (-1000,) * 4
    image, label = folder / f"{name}.nii.gz", folder / f"{name}_label.nii.gz"
    nib.save(nib.Nifti1Image(hu, affine), image)
    nib.save(nib.Nifti1Image(labels, affine), label)
    return image, label


@pytest.fixture
def recipe(tmp_path, install):
    install("acme-brightness", "acme_brightness", BRIGHTNESS, backbone={"brightness": "acme_brightness:Brightness"})
    (tmp_path / RECIPE).write_text(RECIPE_TEXT)
    return load_recipe(tmp_path / RECIPE).recipe


@pytest.fixture
def network(recipe, tmp_path):
    """A folder as a training leaves it."""
    folder = tmp_path / "store" / "train" / "trained"
    folder.mkdir(parents=True)
    weights = {
        "head.weight": np.float32([0, 1, 2, 0]).reshape(4, 1, 1, 1, 1),
        "head.bias": np.float32([0, -80, -240, -999]),
    }
    save_file(weights, folder / WEIGHTS)
    (folder / BACKBONE).write_text(json.dumps({"backbone": take_apart(recipe, {}).backbone, "in_channels": 1}))
    return folder


@pytest.fixture
def case(tmp_path):
    return write_case(tmp_path, truth(), AFFINE)


def stages(parts, network, case, tmp_path, spacing=(2.0, 2.0, 2.0), rules_on="scan"):
    """Segment, clean, decide and measure a case; the store, and what each stage made."""
    image, label = (File(path, "digest") for path in case)
    context, trained = Context(tmp_path / "store", "cpu", 1), Ref("train", network.name)
    if not context.store.of(trained).exists():
        context.store.of(trained).parent.mkdir(parents=True)
        context.store.of(trained).symlink_to(network)
    reading = Reading((image,), parts.intensity, resample=False, spacing_mm=spacing)
    refs = {name: Ref(name, "it") for name in ("segment", "postprocess", "classify", "measure")}
    specs = {
        "segment": SegmentSpec(reading, parts.inference, trained, 4, SHAPE),
        "postprocess": PostprocessSpec(tuple(parts.chain), refs["segment"], rules_on),
        "classify": ClassifySpec(parts.classifier, "venous", refs["postprocess"], None, None, None, rules_on),
        "measure": MeasureSpec(label, parts.labels, refs["postprocess"], None),
    }
    for name, module in zip(specs, (segment, postprocess, classify, measure), strict=True):
        folder = context.store.of(refs[name])
        folder.mkdir(parents=True)
        module.run(specs[name], context, folder)
    return context.store, refs


def screened(network, tmp_path, monkeypatch, case, *spacings, overrides=()):
    monkeypatch.setattr(screener_module, "require_unchanged", lambda _: None)  # its files are in no model folder
    folds = tuple(FoldModel("venous", fold, network / WEIGHTS, None, of) for fold, of in enumerate(spacings))
    model = Model(tmp_path, "digest", {"operating_point": None}, folds, None, ())
    screener = load_screener(model, device="cpu", overrides=overrides)
    return screen_scans(screener, "P1", {"venous": read_scan(case[0])}).inputs["venous"]


def test_labels_come_back_on_the_scans_own_grid_and_mean_what_they_should(recipe, network, case, tmp_path):
    store, refs = stages(take_apart(recipe, {}), network, case, tmp_path)
    found, grid = read_labels(store.of(refs["segment"]) / "labels.nii.gz")
    assert np.array_equal(nib.load(store.of(refs["segment"]) / "labels.nii.gz").affine, nib.load(case[0]).affine)
    assert grid.matches(read_grid(case[0]))
    overlaps = measure.read(store, refs["measure"]).dice
    assert overlaps["pancreas"] > 0.93  # slices of 5 mm, a network of 2 mm, and the border is where HU are halfway
    assert overlaps["tumor"] > 0.8
    # at the scanner's voxels the same network says what its labels are made of
    assert dice(found > 0, truth()[::-1] > 0) == overlaps["pancreas"]


def test_a_network_at_the_scans_own_spacing_says_what_it_says_of_the_scan(recipe, network, case, tmp_path):
    parts = take_apart(recipe, {})
    own = read_grid(case[0])
    native, refs = stages(parts, network, case, tmp_path, spacing=None)
    labels = read_segmentation(native, refs["segment"]).labels
    image = File(case[0], "digest")
    spec = SegmentSpec(
        Reading((image,), parts.intensity, False, own.spacing_mm), parts.inference, Ref("train", "trained"), 4, SHAPE
    )
    segment.run(spec, Context(tmp_path / "store", "cpu", 1), tmp_path)
    assert np.array_equal(read_labels(tmp_path / "labels.nii.gz")[0], labels)
    assert dice(labels == 2, truth()[::-1] == 2) == 1


@pytest.mark.parametrize("combine", ["vote", "mean-softmax"])
def test_rules_see_the_voxels_that_the_recipe_says(recipe, network, case, tmp_path, combine):
    inference = recipe.inference.model_copy(update={"combine": combine})
    parts = take_apart(recipe.model_copy(update={"inference": inference}), {})
    voxels = {}
    for rules_on in ("scan", "network"):
        store, refs = stages(parts, network, case, tmp_path / rules_on, rules_on=rules_on)
        finding = classify.read(store, refs["classify"])
        voxels[rules_on] = finding.measurements["tumor_voxels"]
        labels = read_segmentation(store, refs["postprocess"], rules_on).labels
        assert voxels[rules_on] == (labels == 2).sum()
        assert read_segmentation(store, refs["postprocess"]).grid.matches(read_grid(case[0]))
        assert measure.read(store, refs["measure"]).dice["tumor"] > 0.75
    own, network_voxel = 0.9 * 0.9 * 5, 8.0  # near enough: the affine is oblique
    assert voxels["scan"] * own == pytest.approx(4 / 3 * np.pi * 8**3, rel=0.25)
    assert voxels["network"] * network_voxel == pytest.approx(4 / 3 * np.pi * 8**3, rel=0.25)


@pytest.mark.parametrize("rules_on", ["scan", "network"])
def test_a_folds_network_says_in_screening_what_it_said_in_its_run(
    recipe, network, case, tmp_path, monkeypatch, rules_on
):
    store, refs = stages(take_apart(recipe, {}), network, case, tmp_path, rules_on=rules_on)
    found = screened(
        network, tmp_path, monkeypatch, case, (2.0, 2.0, 2.0), overrides=[f"preprocess.rules_on={rules_on}"]
    )
    assert np.array_equal(found.segmentation.labels, read_segmentation(store, refs["postprocess"]).labels)
    assert found.segmentation.grid.matches(read_grid(case[0]))
    assert found.finding == classify.read(store, refs["classify"])


def test_networks_of_several_spacings_decide_together(network, case, tmp_path, monkeypatch):
    spacings = [(2.0, 2.0, 2.0), (1.5, 1.5, 4.0), (1.5, 1.5, 4.0)]
    found = screened(network, tmp_path, monkeypatch, case, *spacings)
    assert found.segmentation.grid.matches(read_grid(case[0]))
    assert dice(found.segmentation.labels == 2, truth()[::-1] == 2) > 0.8
    alone = [screened(network, tmp_path, monkeypatch, case, of) for of in spacings[:2]]
    assert found.windows == sum(of.windows for of in alone)


def test_a_model_is_not_run_at_another_spacing_than_its_networks_were_trained_at(network, case, tmp_path, monkeypatch):
    with pytest.raises(ModelError, match="cannot be run at another"):
        screened(network, tmp_path, monkeypatch, case, (2.0, 2.0, 2.0), overrides=["preprocess.spacing_mm=1"])


def test_a_prepared_case_has_the_spacing_and_says_which_lesions_have_no_voxel_left(recipe, tmp_path):
    parts = take_apart(recipe, {})
    labels = truth()
    labels[5, 5, 3] = 2  # 4 mm³ where voxels have 8
    image, label = write_case(tmp_path, labels, AFFINE, "P2")
    reading = Reading((File(image, "i"),), parts.intensity, resample=False, spacing_mm=(2.0, 2.0, 2.0))
    said = prepare.run(PrepareSpec(reading, File(label, "l"), parts.labels), Context(tmp_path, "cpu", 1), tmp_path)
    assert said["lesions"] == {"tumor": [2, 1], "duct": [0, 0]}
    assert said["spacing_mm"] == [2.0, 2.0, 2.0]
    seen = grid_at(read_grid(image), (2.0, 2.0, 2.0))
    (tmp_path / "prepare" / "it").mkdir(parents=True)
    for name in (prepare.CASE, prepare.INTENSITY):
        (tmp_path / name).rename(tmp_path / "prepare" / "it" / name)
    stored = prepare.read(Context(tmp_path, "cpu", 1).store, Ref("prepare", "it"), case_id="P2", abnormal=True)
    assert stored.mapped().labels.shape == seen.shape


@pytest.fixture
def cohort(tmp_path):
    """Four patients of three scanners, two of them with a tumor."""
    lines = ["case_id,patient_id,abnormal,fold,venous_image,venous_label"]
    for number, (edge, slices) in enumerate([(0.9, 5.0), (0.8, 4.0), (0.9, 4.5), (1.0, 2.5)]):
        labels = truth((edge, edge, slices), (60, 50, round(80 / slices)))
        labels[labels == 2] = 1 + number % 2
        labels[8, 8, 4] = 1 + number % 2  # a piece of a voxel
        image, label = write_case(tmp_path, labels, np.diag([edge, edge, slices, 1.0]), f"P{number}")
        lines.append(f"P{number},{number},{number % 2},{number // 2},{image.name},{label.name}")
    (tmp_path / "cohort.csv").write_text("\n".join(lines))
    return tmp_path / "cohort.csv"


@pytest.mark.slow
def test_a_run_at_the_median_of_its_training_cases_ends_on_the_scans_own_grids(recipe, cohort, tmp_path):
    sets = ["preprocess.spacing_mm=median", "inference.keep_votes=true", "training.patch_size=[8, 8, 8]"]
    loaded = load_recipe(tmp_path / RECIPE, None, sets)
    assert loaded.recipe.name == recipe.name
    request = RunRequest(loaded, cohort, tmp_path / "store", tmp_path / "out", device="cpu", workers=0)
    result = run_recipe(request, Listener())
    record = json.loads((result.folder / "run.json").read_text())
    # fold 0 is tested by what learned from P2 and P3, fold 1 by what learned from P0 and P1
    assert [of["spacing_mm"] for of in record["networks"]] == [[0.95, 0.95, 3.5], [0.85, 0.85, 4.5]]
    rows = list(csv.DictReader((result.folder / "cases.csv").read_text().splitlines()))
    assert [row["status"] for row in rows] == ["ok"] * 4
    assert min(float(row["venous_pancreas_dice"]) for row in rows) > 0.9
    assert min(float(row["venous_tumor_dice"]) for row in rows if row["abnormal"] == "1") > 0.85
    for row in rows:
        for name in (f"{row['case_id']}_venous.nii.gz", f"{row['case_id']}_venous_agreement.nii.gz"):
            grid = read_grid(result.folder / "segmentations" / name)
            assert grid.matches(read_grid(tmp_path / f"{row['case_id']}.nii.gz"))
    assert "0.95 x 0.95 x 3.5 mm" in record["thresholds"]
    assert "have no voxel left" in record["thresholds"]
    assert (result.folder / "report.html").is_file()
    cases = [check_case(case, LabelPolicy()) for case in read_cohort(cohort, ("venous",))[0].cases]
    nodes = make_graph(loaded.recipe, cases, {f"P{number}": number // 2 for number in range(4)}).nodes
    for name in ("prepare", "segment", "postprocess"):
        took = sum(-(-of.stat().st_size // 4096) * 4096 for of in (tmp_path / "store" / name).rglob("*"))
        told = results_bytes([node for node in nodes if node.stage == name], nodes, sample_of(nodes))
        assert took / 1.25 <= told <= 1.25 * took, name

    model = read_model(export_model(result.folder, tmp_path / "model", Store(tmp_path / "store")))
    assert model.content["format_version"] == 2
    assert "0.95 x 0.95 x 3.5 mm" in (tmp_path / "model" / "README.md").read_text()
    screener = load_screener(model, device="cpu", folds=[0])
    scan = read_scan(tmp_path / "P0.nii.gz")
    found = screen_scans(screener, "P0", {"venous": scan}).inputs["venous"]
    assert found.segmentation.grid.matches(scan.grid)
    assert np.array_equal(found.segmentation.labels, read_labels(result.folder / "segmentations/P0_venous.nii.gz")[0])

    wide, _ = write_case(tmp_path, truth((1.4, 1.4, 7.0), (50, 45, 12)), np.diag([1.4, 1.4, 7.0, 1.0]), "P9")
    assert spacing_flags(model.content["grid"]["seen"], {"venous": read_scan(wide)})  # other voxels than were seen
    case = ScreeningCase("P9", {"venous": nifti_source(wide)})
    screened_case = screen_cases(screener, [case], tmp_path / "found", gates="flag", say=lambda _: None)[0]
    assert not [flag for flag in screened_case.record["flags"] if "learned from" in flag]
    assert read_grid(tmp_path / "found" / "P9" / "venous_segmentation.nii.gz").matches(read_grid(wide))


@pytest.mark.slow
def test_stacked_phases_and_maps_and_rules_on_the_networks_voxels_are_the_same_in_a_run_as_in_screening(tmp_path):
    sets = [
        "inputs={stacked: {phases: [venous, arterial], resample: true}}",
        "classifier={plugin: roi-classifier, params: {channels: [8], groups: 4, iterations: 1}}",
        "training.iterations=6",
        "preprocess.spacing_mm=[7, 7, 9]",
        "preprocess.rules_on=network",
    ]
    runner = Runner(tmp_path)
    result = runner(sets=sets, report=False)
    store = Store(tmp_path / "store")
    model = read_model(export_model(result.folder, tmp_path / "model", store))
    screener = load_screener(model, device="cpu", folds=[0])
    record = json.loads((result.folder / "run.json").read_text())
    case_id = next(name for name, of in record["cases"].items() if of["fold"] == 0)
    table = next((tmp_path / "store").rglob("cohort.csv"))
    case = next(case for case in read_cohort(table, ("arterial", "venous"))[0].cases if case.id == case_id)
    scans = {phase: read_scan(files.image) for phase, files in case.scans.items()}
    found = screen_scans(screener, case_id, scans).inputs["stacked"]
    refs = {of["stage"]: Ref(of["stage"], of["key"]) for of in record["stages"] if of["case"] == case_id}
    clean = read_segmentation(store, refs["postprocess"])
    assert clean.labels.any()
    assert np.array_equal(found.segmentation.labels, clean.labels)
    assert found.finding == classify.read(store, refs["classify"])
    grids = json.loads((store.of(refs["features"]) / "grids.json").read_text())
    edges = np.linalg.norm(np.array(next(iter(grids.values()))["affine"])[:3, :3], axis=0)
    assert edges == pytest.approx(8 * np.array([7, 7, 9]))  # cells of eight of the network's voxels
