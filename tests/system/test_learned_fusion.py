"""A fusion that learns, through everything: runs, predictions, comparisons, models, screening."""

import json
import math
import pickle
import shutil
from hashlib import sha256
from pathlib import Path

import pytest
from click.testing import CliRunner

from pnetkit.cli.main import cli
from pnetkit.cohort.phantom import PhantomSpec, write_cohort
from pnetkit.cohort.predictions import Predictions
from pnetkit.errors import ModelError, RecipeError, RunError
from pnetkit.imaging.nifti import read_scan
from pnetkit.model.folder import SUMS, read_model, write_sums
from pnetkit.pipeline.outcome.export import export_model
from pnetkit.pipeline.run import require_success
from pnetkit.screening.cases import Asked, cases_of
from pnetkit.screening.screen import screen_cases
from pnetkit.screening.screener import load_screener
from pnetkit.store.store import Store
from tests.system.conftest import results
from tests.system.written import edit, rows

LOGISTIC = ["fusion={plugin: logistic}", "name=learned"]
PHASES = ("arterial", "venous")


@pytest.fixture(scope="module")
def learned(finished):
    """A run with the logistic fusion, on the trainings of the finished one."""
    runner, _ = finished
    return runner("learned", sets=LOGISTIC)


def features(row):
    return [math.log((float(row[f"{phase}_score"]) + 0.01) / 1.01) for phase in PHASES]


def fitted_by_scikit_learn(cases):
    from sklearn.linear_model import LogisticRegression  # slow to import

    model = LogisticRegression(C=1.0, tol=1e-12, max_iter=10000, solver="newton-cholesky")
    return model.fit([features(row) for row in cases], [int(row["abnormal"]) for row in cases])


@pytest.mark.slow
def test_scores_are_those_of_scikit_learn_fitted_on_the_other_folds(finished, learned):
    assert learned.made == {}  # everything up to the fusion was there
    found = rows(learned.folder)
    assert [row["arterial_score"] for row in found] == [row["arterial_score"] for row in rows(finished[1].folder)]
    for fold in ("0", "1"):
        model = fitted_by_scikit_learn([row for row in found if row["fold"] != fold])
        for row in found:
            if row["fold"] == fold:
                odds = math.exp(model.decision_function([features(row)])[0])
                assert float(row["score"]) == pytest.approx(odds, rel=1e-6)
                assert row["called_abnormal"] == str(int(float(row["score"]) >= 1))
    assert {row["status"] for row in found} == {"ok"}


def test_what_was_learned_is_recorded_and_the_tables_say_where(learned):
    record = json.loads((learned.folder / "run.json").read_text())
    assert record["fusion"].keys() == {"0", "1"}
    for fold, of in record["fusion"].items():
        assert (of["cases"], of["abnormal"], of["fault"]) == (2, 1, "")
        assert of["files"].keys() == {"logistic.json"}
        assert 0 <= of["seed"] < 2**32  # what NumPy and scikit-learn take
        assert of["made_with"] == {"phase-fusion logistic": record["plugins"]["fusion"]["source"]}
        content = json.loads((learned.folder / "fusion" / f"fold_{fold}" / "logistic.json").read_text())
        assert content["phases"] == list(PHASES)
    tables = (learned.folder / "tables.md").read_text()
    assert (
        tables.count("learned for each fold from the findings and diagnoses of the other folds' cases (2 cases)") == 2
    )
    assert json.loads((learned.folder / "metrics.json").read_text())["fused"]["sensitivity"]["total"] == 2


@pytest.mark.slow
def test_the_same_run_gives_the_same_bytes_again_and_in_another_store(learned, finished, warm):
    before = results(learned.folder)
    assert any(name.startswith("fusion/fold_1") for name in before)
    assert results(finished[0]("learned", sets=LOGISTIC).folder) == before
    assert results(warm("other", sets=LOGISTIC, workers=1).folder) == before


def test_a_rule_leaves_no_folder_and_nothing_in_the_record(finished):
    folder = finished[1].folder
    assert not (folder / "fusion").exists()
    assert json.loads((folder / "run.json").read_text())["fusion"] == {}
    assert "Fusion:" not in (folder / "tables.md").read_text()


@pytest.mark.slow
def test_predictions_made_elsewhere_are_fused_by_what_was_learned_from_them(finished, learned, tmp_path):
    runner, _ = finished
    made = tmp_path / "made"
    made.mkdir()
    for node in json.loads((learned.folder / "run.json").read_text())["stages"]:
        if node["stage"] == "segment":
            case, phase = node["label"].split()
            source = runner.folder / "store" / "segment" / node["key"][:32] / "labels.nii.gz"
            shutil.copyfile(source, made / f"{case}_{phase}.nii.gz")
    again = runner("elsewhere", predictions=Predictions(made), sets=LOGISTIC)
    ours, theirs = results(again.folder), results(learned.folder)
    assert {name for name in ours if ours[name] != theirs[name]} == {"tables.md"}
    other = runner("dealt", predictions=Predictions(made), sets=[*LOGISTIC, "cohort.folds=3"])
    assert other.folder != again.folder
    keys = [json.loads((of.folder / "run.json").read_text())["run_key"] for of in (again, other)]
    assert keys[0] != keys[1]  # no network holds the folds here, and what is learned depends on them


@pytest.mark.slow
def test_it_is_an_arm_beside_the_rule_in_a_comparison(finished, learned):
    arguments = ["compare", str(learned.folder), "--baseline", str(finished[1].folder), "--format", "markdown"]
    called = CliRunner().invoke(cli, arguments)
    assert called.exit_code == 0, called.output
    assert "| learned" in called.output
    assert "Fusion: logistic, learned for each fold" in called.output


def test_an_operating_point_beside_it_is_refused(finished):
    with pytest.raises(RecipeError) as caught:
        finished[0]("tuned", sets=[*LOGISTIC, "operating_point={target: sensitivity, at_least: 1}"])
    (fault,) = caught.value.faults
    assert fault.where == "operating_point"
    assert "moves the phases' thresholds on the cases that 'logistic' has learned from" in fault.message


def edited(tmp_path, change):
    table = write_cohort(tmp_path / "cohort", PhantomSpec(cases=4, seed=1, shape=(32, 32, 24), difficulty=0))
    edit(table, change)
    return table


@pytest.mark.slow
def test_a_cohort_without_both_diagnoses_outside_a_fold_is_refused_before_anything_is_trained(tiny, tmp_path):
    table = edited(tmp_path, lambda line: line.update(abnormal="" if line["abnormal"] == "0" else "1"))
    with pytest.raises(RecipeError, match="no normal case is among them"):
        tiny(table=table, sets=LOGISTIC)
    assert not (tiny.folder / "store" / "train").exists()


@pytest.mark.slow
def test_a_fold_that_is_left_with_one_diagnosis_by_failures_fails_and_the_run_says_so(warm, install):
    images = next((warm.folder / "store").rglob("cohort.csv")).parent / "images"
    normal = [read_scan(images / f"{case}_{phase}.nii.gz") for case in ("P000", "P002") for phase in PHASES]
    source = f'''
    """Calls by the tumor's voxels, and breaks on the normal cases, which it knows by their scans."""

    from hashlib import sha256

    from pnetkit.types import FeatureNeeds, PhaseFinding

    NORMAL = {[sha256(scan.hu.tobytes()).hexdigest() for scan in normal]}

    class Breaks:
        def __init__(self):
            self.needs = FeatureNeeds(images=True)

        def classify(self, evidence):
            if sha256(evidence.images[evidence.phase].hu.tobytes()).hexdigest() in NORMAL:
                raise RuntimeError("not this one")
            return PhaseFinding(evidence.phase, float((evidence.segmentation.labels == 2).sum()), 5.0)
    '''
    install("acme-breaks", "acme_breaks", source, case_classifier={"breaks": "acme_breaks:Breaks"})
    result = warm(sets=[*LOGISTIC, "classifier={plugin: breaks}"])
    assert {row["status"] for row in rows(result.folder)} == {"failed"}
    reasons = [row["reason"] for row in rows(result.folder) if row["case_id"] in ("P001", "P003")]
    assert all(
        "has not learned: 'logistic' learns from normal and abnormal cases, and no normal case" in r for r in reasons
    )
    with pytest.raises(RunError, match="fusion of fold 0: 'logistic' learns from"):
        require_success(result)


@pytest.mark.slow
def test_a_missing_phase_is_decided_and_named_or_refused(tiny, tmp_path):
    def drop(line):
        if line["case_id"] == "P001":
            line["venous_image"] = line["venous_label"] = ""

    table = edited(tmp_path, drop)
    result = tiny(table=table, sets=[*LOGISTIC, "training.iterations=1"])
    assert [(row["status"], row["missing"]) for row in rows(result.folder)][1] == ("ok", "venous")


# --- models -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exported(finished, learned, tmp_path_factory) -> Path:
    runner, _ = finished
    return export_model(learned.folder, tmp_path_factory.mktemp("m") / "model", Store(runner.folder / "store"))


def test_the_model_s_fusion_is_fitted_on_all_cases_and_held_by_a_digest(learned, exported):
    content = json.loads((exported / "fusion" / "logistic.json").read_text())
    reference = fitted_by_scikit_learn(rows(learned.folder))
    assert content["weights"] == pytest.approx(reference.coef_[0].tolist(), abs=1e-7)
    assert content["intercept"] == pytest.approx(float(reference.intercept_[0]), abs=1e-7)
    described = json.loads((exported / "model.json").read_text())["fusion"]
    assert (described["folder"], described["cases"], described["abnormal"]) == ("fusion", 4, 2)
    assert "  fusion/logistic.json\n" in (exported / SUMS).read_text()
    assert "The fusion was fitted on 4 cases of the cohort, 2 of them abnormal" in (exported / "README.md").read_text()


def screened(model, table, out):
    cases = cases_of([str(table)], list(PHASES), Asked(), print)
    return screen_cases(load_screener(read_model(model), device="cpu"), cases, out, gates="off", say=lambda _: None)


@pytest.mark.slow
def test_screening_fuses_with_what_was_learned(exported, table, tmp_path):
    done = screened(exported, table, tmp_path / "out")
    content = json.loads((exported / "fusion" / "logistic.json").read_text())
    assert [found.status for found in done] == ["ok"] * 4
    for found in done:
        x = [math.log((of["score"] / of["threshold"] + 0.01) / 1.01) for of in found.record["inputs"].values()]
        logit = content["intercept"] + sum(w * value for w, value in zip(content["weights"], x, strict=True))
        assert found.record["score"] == pytest.approx(math.exp(logit))


@pytest.mark.slow
def test_a_damaged_missing_or_foreign_fusion_is_named(exported, tmp_path):
    copy = Path(shutil.copytree(exported, tmp_path / "model"))
    path = copy / "fusion" / "logistic.json"
    path.write_text(path.read_text().replace("1", "2", 1))
    with pytest.raises(ModelError, match=r"fusion/logistic\.json is not what was exported"):
        read_model(copy)
    path.write_text("{}")
    (copy / SUMS).write_bytes(write_sums(copy))
    with pytest.raises(ModelError, match=r"logistic\.json: cannot be read"):
        load_screener(read_model(copy), device="cpu")
    content = json.loads((copy / "model.json").read_text())
    del content["fusion"]
    (copy / "model.json").write_text(json.dumps(content))
    (copy / SUMS).write_bytes(write_sums(copy))
    with pytest.raises(ModelError, match="lacks what 'logistic' learned"):
        load_screener(read_model(copy), device="cpu")


@pytest.mark.slow
def test_a_pickle_in_place_of_what_a_fusion_learned_is_refused_before_any_plugin_opens_it(exported, tmp_path):
    copy = Path(shutil.copytree(exported, tmp_path / "model"))
    (copy / "fusion" / "logistic.json").write_bytes(pickle.dumps({"weights": [1.0]}))
    (copy / SUMS).write_bytes(write_sums(copy))  # made by somebody who means it
    with pytest.raises(ModelError, match=r"fusion/logistic\.json is a pickle, whatever its name says, which may hold"):
        read_model(copy)


PICKLES = """
import pickle

from pnetkit.interfaces import TrainedPhaseFusion
from pnetkit.types import CaseFinding


class Pickles:
    'Keeps its memory as a pickle.'

    def fit(self, findings, abnormal, *, expected, seed):
        self.abnormal = list(abnormal)

    def save(self, folder):
        (folder / "model.json").write_bytes(pickle.dumps(self.abnormal))

    def load(self, folder):
        self.abnormal = pickle.loads((folder / "model.json").read_bytes())

    def fuse(self, case_id, findings, *, expected):
        return CaseFinding(case_id, False, 0.0, (), findings)
"""


@pytest.mark.slow
def test_a_fusion_that_saves_a_pickle_fails_in_words_and_leaves_none_in_the_run(finished, install):
    install("acme-pickles", "acme_pickles", PICKLES, phase_fusion={"pickles": "acme_pickles:Pickles"})
    result = finished[0]("pickled", sets=["fusion={plugin: pickles}"])
    with pytest.raises(RunError, match=r"'pickles' \(from acme-pickles\) saves .*model\.json is a pickle"):
        require_success(result)
    assert not list(result.folder.rglob("model.json"))


def test_a_model_whose_fusion_is_a_rule_has_none_to_load(model):
    assert read_model(model).fusion is None
    assert not (model / "fusion").exists()
    assert json.loads((model / "model.json").read_text())["fusion"] is None
