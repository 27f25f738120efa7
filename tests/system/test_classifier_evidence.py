"""What a case classifier is given, in training, in testing and in a model: what networks say, maps, scans."""

import json

import numpy as np
import pytest

from pnetkit.imaging.nifti import read_labels, read_scan
from pnetkit.model.folder import read_model
from pnetkit.pipeline.outcome.export import export_model
from pnetkit.screening.screener import load_screener, screen_scans
from pnetkit.store.store import Store

LOOKS = '''
"""Notes what it is given, and decides by the mean HU of what was found."""

import json

import numpy as np

from pnetkit.types import FeatureNeeds, PhaseFinding


def mean_hu(evidence):
    image = evidence.images[evidence.phase]
    assert image.grid.matches(evidence.segmentation.grid)
    inside = image.hu[evidence.segmentation.labels > 0]
    return float(inside.mean()) if inside.size else -1000.0


def of_map(evidence):
    grid, image = evidence.feature_grids["pool3"], evidence.images[evidence.phase]
    assert evidence.features["pool3"].shape[1:] == grid.shape
    to_voxels = np.linalg.inv(image.grid.affine) @ grid.affine
    return {"shape": list(grid.shape), "to_voxels": np.round(to_voxels, 6).tolist()}


class Looks:
    def __init__(self) -> None:
        self.needs = FeatureNeeds(("pool3",), images=True)
        self.seen = []

    def fit(self, evidence, abnormal, *, seed, device):
        for of in evidence:
            tumor = int((of.segmentation.labels == 2).sum())
            note = {"case": of.case_id, "tumor": tumor, "hu": mean_hu(of), "map": of_map(of)}
            self.seen.append(note)

    def save(self, folder):
        (folder / "seen.json").write_text(json.dumps(self.seen))

    def load(self, folder):
        self.seen = json.loads((folder / "seen.json").read_text())

    def classify(self, evidence):
        hu = mean_hu(evidence)
        flags = () if evidence.features else ("no pancreas found",)
        return PhaseFinding(evidence.phase, max(hu + 1000, 0), 1000.0, {"hu": hu}, flags)
'''


@pytest.fixture
def looked(warm, install):
    """A run of one phase with a classifier that notes what it sees, and the files of its cohort by case."""
    install("acme-looks", "acme_looks", LOOKS, case_classifier={"looks": "acme_looks:Looks"})
    result = warm(sets=["phases=[venous]", "classifier={plugin: looks}", "postprocess=[]"])
    record = json.loads((result.folder / "run.json").read_text())
    assert record["failed"] == []
    table = next((warm.folder / "store").rglob("cohort.csv")).parent
    return result, record, Store(warm.folder / "store"), table


def made(record, stage, **of):
    """The keys of a stage's results by case: of a run's tested cases, or of those in a fold's training."""
    wanted = of.get("folds", [])
    return {node["case"]: node["key"] for node in record["stages"] if (node["stage"], node["folds"]) == (stage, wanted)}


def scan_of(table, case):
    return read_scan(table / "images" / f"{case}_venous.nii.gz")


@pytest.mark.slow
def test_a_classifier_sees_what_a_network_says_the_scan_and_where_a_map_lies_in_training_testing_and_models(
    looked, tmp_path
):
    result, record, store, table = looked
    reference = {case: read_labels(table / "labels" / f"{case}_venous.nii.gz")[0] for case in record["cases"]}
    differs = 0
    for (fold,), key in {tuple(n["folds"]): n["key"] for n in record["stages"] if n["stage"] == "fit"}.items():
        seen = json.loads((store.folder("fit", key) / "model" / "seen.json").read_text())
        said = made(record, "postprocess", folds=[fold])
        learned_from = [case for case, of in sorted(record["cases"].items()) if of["fold"] != fold]
        for case, of in zip(learned_from, seen, strict=True):
            assert case not in of["case"]  # what a case is called decides nothing
            labels = read_labels(store.folder("postprocess", said[case]) / "labels.nii.gz")[0]
            assert of["tumor"] == (labels == 2).sum()
            differs += of["tumor"] != (reference[case] == 2).sum()
            scan = scan_of(table, case)
            assert of["hu"] == (pytest.approx(float(scan.hu[labels > 0].mean())) if labels.any() else -1000.0)
            where = np.argwhere(reference[case] > 0)  # the box of the reference, on a lattice of 8 voxels
            low, high = where.min(axis=0) // 8 * 8, -(-(where.max(axis=0) + 1) // 8) * 8
            assert of["map"]["shape"] == ((high - low) // 8).tolist()
            assert of["map"]["to_voxels"] == [
                [8, 0, 0, low[0] + 3.5], [0, 8, 0, low[1] + 3.5], [0, 0, 8, low[2] + 3.5], [0, 0, 0, 1]
            ]  # fmt: skip
    assert differs  # a network of 20 iterations is not the truth
    model = read_model(export_model(result.folder, tmp_path / "model", store))
    for case, key in made(record, "classify").items():
        finding = json.loads((store.folder("classify", key) / "finding.json").read_text())
        screener = load_screener(model, device="cpu", folds=[record["cases"][case]["fold"]])
        again = screen_scans(screener, case, {"venous": scan_of(table, case)}).inputs["venous"].finding
        assert (again.score, dict(again.measurements)) == (finding["score"], finding["measurements"])


PICKLES = '''
import pickle

from pnetkit.types import FeatureNeeds, PhaseFinding


class Pickles:
    """Keeps what it learned as a pickle, under a harmless name."""

    def __init__(self) -> None:
        self.needs = FeatureNeeds()

    def fit(self, evidence, abnormal, *, seed, device):
        self.seen = list(abnormal)

    def save(self, folder):
        (folder / "model.txt").write_bytes(pickle.dumps(self.seen, 0))

    def load(self, folder):
        self.seen = pickle.loads((folder / "model.txt").read_bytes())

    def classify(self, evidence):
        return PhaseFinding(evidence.phase, 0.0, 1.0)
'''


@pytest.mark.slow
def test_a_classifier_that_saves_a_pickle_fails_in_words_and_none_gets_into_the_store(finished, install):
    install("acme-pickles", "acme_pickles", PICKLES, case_classifier={"pickles": "acme_pickles:Pickles"})
    runner, _ = finished
    result = runner("pickled", sets=["phases=[venous]", "classifier={plugin: pickles}"])
    failed = [of for of in json.loads((result.folder / "run.json").read_text())["failed"] if of["stage"] == "fit"]
    assert len(failed) == 2
    assert "'pickles' (from acme-pickles) saves what may hold code" in failed[0]["reason"]
    assert "model.txt is a pickle, whatever its name says" in failed[0]["reason"]
    assert not failed[0].get("traceback")  # said in words
    assert not list((runner.folder / "store").rglob("model.txt"))
