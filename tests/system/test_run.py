"""Whole runs: what they write, that they repeat to the byte, what they do about bad cases and failing plugins."""

import contextlib
import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from pnetkit.cohort.phantom import PhantomSpec, write_cohort
from pnetkit.errors import CohortError, RecipeError, StoreError
from pnetkit.pipeline.run import require_success
from pnetkit.recipe.check import load_recipe, resolved
from tests.system.conftest import copy_store, results

RECIPES = Path(__file__).parents[2] / "recipes"


def rows(folder):
    return list(csv.DictReader((folder / "cases.csv").read_text().splitlines()))


def stages(folder):
    return json.loads((folder / "run.json").read_text())["stages"]


@pytest.fixture
def cohort(tmp_path):
    return write_cohort(tmp_path / "cohort", PhantomSpec(cases=4, seed=1, shape=(32, 32, 24), difficulty=0))


def edit(table, change):
    lines = list(csv.DictReader(table.read_text().splitlines()))
    for line in lines:
        change(line)
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, lines[0])
        writer.writeheader()
        writer.writerows(lines)


@pytest.mark.slow
def test_a_run_writes_recipe_record_cases_figures_tables_and_segmentations(finished):
    runner, result = finished
    folder = result.folder
    written, given = load_recipe(folder / "recipe.yaml").recipe, load_recipe(runner.recipe, "demo").recipe
    assert resolved(written) == resolved(given)
    record = json.loads((folder / "run.json").read_text())
    assert record["backbone_parameters"] > 0
    assert record["plugins"]["backbone"]["distribution"] == "pnetkit-s4c"
    assert {"versions", "hardware", "device", "seconds", "stages", "failed"} <= record.keys()
    assert [row["case_id"] for row in rows(folder)] == ["P000", "P001", "P002", "P003"]
    assert {row["status"] for row in rows(folder)} == {"ok"}
    assert {row["fold"] for row in rows(folder)} == {"0", "1"}
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["cases"] == 4
    assert metrics["fused"]["sensitivity"]["total"] == 2


def test_every_table_says_that_phantoms_are_no_patients(finished):
    text = (finished[1].folder / "tables.md").read_text()
    assert text.count("generated phantoms, seed 0 (synthetic, not clinical data)") == 3
    assert text.count("Research use only") == 3


def test_segmentations_lie_on_the_original_grids(finished):
    runner, result = finished
    tables = list((runner.folder / "store").rglob("cohort.csv"))
    for row in csv.DictReader(tables[0].read_text().splitlines()):
        for phase in ("arterial", "venous"):
            image = nib.load(tables[0].parent / row[f"{phase}_image"])
            found = nib.load(result.folder / "segmentations" / f"{row['case_id']}_{phase}.nii.gz")
            assert found.shape == image.shape
            assert np.array_equal(found.affine, image.affine)
            assert np.asarray(found.dataobj).dtype == np.uint8
            assert set(np.unique(found.dataobj)) <= {0, 1, 2, 3}


def test_lesions_agree_with_the_reference_labels(finished):
    runner, result = finished
    lesions = list(csv.DictReader((result.folder / "lesions.csv").read_text().splitlines()))
    table = next((runner.folder / "store").rglob("cohort.csv"))
    for row in csv.DictReader(table.read_text().splitlines()):
        for phase in ("arterial", "venous"):
            reference = int((np.asarray(nib.load(table.parent / row[f"{phase}_label"]).dataobj) == 2).sum())
            for criterion in ("any", "iou"):
                place = (row["case_id"], phase, criterion, "lesion")
                own = [x for x in lesions if (x["case_id"], x["phase"], x["criterion"], x["kind"]) == place]
                assert sum(int(x["voxels"]) for x in own) == reference


def test_cases_agree_with_the_segmentations_and_the_rule(finished):
    folder = finished[1].folder
    seen = 0
    for row in rows(folder):
        calls = []
        for phase in ("arterial", "venous"):
            labels = np.asarray(nib.load(folder / "segmentations" / f"{row['case_id']}_{phase}.nii.gz").dataobj)
            tumor, duct = int((labels == 2).sum()), int((labels == 3).sum())
            assert (int(row[f"{phase}_tumor_voxels"]), int(row[f"{phase}_duct_voxels"])) == (tumor, duct)
            assert float(row[f"{phase}_score"]) == max(tumor / 5, duct / 5)
            calls.append(max(tumor, duct) >= 5)
            seen += int((labels > 0).sum())
        assert row["called_abnormal"] == str(int(any(calls)))
    assert seen > 0  # a network that finds nothing would make this test an empty one


@pytest.mark.slow
def test_equal_runs_give_equal_bytes_whatever_the_workers(finished, tiny):
    expected = results(finished[1].folder)
    assert any(name.endswith("_venous.nii.gz") for name in expected)
    for workers in (1, 2):
        found = results(tiny(f"out{workers}", store=f"store{workers}", workers=workers).folder)
        assert found.keys() == expected.keys()
        assert [name for name in expected if found[name] != expected[name]] == []


@pytest.mark.slow
def test_another_seed_gives_another_run(finished, tiny):
    other = tiny(sets=["training.seed=1"])
    assert results(other.folder)["cases.csv"] != results(finished[1].folder)["cases.csv"]


def test_a_second_call_makes_nothing_anew(finished):
    runner, first = finished
    before = results(first.folder)
    again = runner()
    assert again.made == {}
    assert results(again.folder) == before


@pytest.mark.parametrize(
    ("change", "anew"),
    [
        ("classifier.params.tumor_voxels=9", {"classify"}),
        ("fusion.plugin=and", set()),
        ("postprocess.0.params.gap_voxels=3", {"postprocess", "classify", "measure"}),
        ("inference.stride=8", {"segment", "postprocess", "classify", "measure"}),
        ("inference.batch_size=2", set()),
        ("training.checkpoint_every=7", set()),
        ("training.repeat_seeds=[7]", set()),
        ("name=another", set()),
        ("cohort.phantom.cases=4", set()),
        ("training.iterations=21", {"train", "segment", "postprocess", "classify", "measure"}),
        ("intensity.normalization=unit", {"prepare", "train", "segment", "postprocess", "classify", "measure"}),
    ],
)
def test_a_change_makes_anew_what_depends_on_it_and_nothing_else(finished, change, anew):
    from pnetkit.pipeline.plan.graph import make_graph

    runner, result = finished
    known = {node["key"] for node in stages(result.folder)}
    changed = load_recipe(runner.recipe, "demo", [change]).recipe
    plan = make_graph(changed, *_as_planned(runner))
    assert {node.stage for node in plan.nodes if node.key not in known} == anew


@pytest.mark.parametrize(
    ("plugin", "anew"),
    [
        (("phase-fusion", "or"), set()),
        (("case-classifier", "voxel-count"), {"classify"}),
        (("postprocessor", "components"), {"postprocess", "classify", "measure"}),
        (("backbone", "s4c"), {"train", "segment", "postprocess", "classify", "measure"}),
        (("backbone", "unet3d"), set()),
    ],
)
def test_another_source_of_a_plugin_makes_anew_what_depends_on_it(finished, plugin, anew):
    from pnetkit.pipeline.plan.graph import make_graph

    runner, result = finished
    known = {node["key"] for node in stages(result.folder)}
    recipe = load_recipe(runner.recipe, "demo").recipe
    plan = make_graph(recipe, *_as_planned(runner), {plugin: "edited"})
    assert {node.stage for node in plan.nodes if node.key not in known} == anew


def a_checked_case(i, *, held_out=False):
    from pnetkit.cohort.check import CheckedCase, CheckedScan
    from pnetkit.types import Case, Grid, ScanFiles

    scan = CheckedScan(f"image{i}", f"label{i}", Grid((16, 16, 16), np.eye(4)), f"voxels{i}")
    files = ScanFiles(Path(f"{i}.nii.gz"), Path(f"{i}_label.nii.gz"))
    case = Case(f"P{i}", f"P{i}", {"venous": files}, bool(i % 2), held_out=held_out)
    return CheckedCase(case, {"venous": scan}, ())


@pytest.mark.parametrize("method", ["s4c_dual", "roi_classifier_dual"])
def test_one_more_case_that_is_held_out_costs_that_case_alone(method):
    from pnetkit.pipeline.plan.graph import make_graph

    recipe = load_recipe(RECIPES / f"{method}.yaml", overrides=["phases=[venous]"]).recipe
    folds = {f"P{i}": i % 2 for i in range(4)}
    before = make_graph(recipe, [a_checked_case(i) for i in range(4)], folds)
    cases = [*(a_checked_case(i) for i in range(4)), a_checked_case(4, held_out=True)]
    after = make_graph(recipe, cases, folds | {"P4": 0})
    known = {node.key for node in before.nodes}
    new = {(node.stage, node.label) for node in after.nodes if node.key not in known}
    steps = {node.stage for node in before.nodes} - {"prepare", "train", "fit"}
    assert new == {(step, "P4 venous") for step in steps}  # it has figures too: its label is measured against


def test_one_more_case_costs_that_case_and_the_folds_it_enters():
    from pnetkit.pipeline.plan.graph import make_graph

    case = a_checked_case
    recipe = load_recipe(RECIPES / "s4c_dual.yaml", overrides=["phases=[venous]"]).recipe
    folds = {"P0": 0, "P1": 1, "P2": 2}
    before = make_graph(recipe, [case(i) for i in range(3)], folds)
    after = make_graph(recipe, [case(i) for i in range(4)], folds | {"P3": 0})
    known = {node.key for node in before.nodes}
    new = {(node.stage, node.label) for node in after.nodes if node.key not in known}
    steps = ("segment", "postprocess", "classify", "measure")
    assert new == {("prepare", "P3 venous"), ("train", "venous fold 1"), ("train", "venous fold 2")} | {
        (step, f"P{i} venous")
        for step in steps
        for i in (1, 2, 3)  # fold 0's network is as it was, so P0 is too
    }


@pytest.mark.slow
def test_another_device_name_folder_or_number_of_workers_makes_nothing_anew(finished):
    runner, _ = finished
    renamed = runner("renamed", workers=1, sets=["name=another"])
    assert renamed.made == {}


def _as_planned(runner):
    from pnetkit.cohort.check import LabelPolicy, check_case
    from pnetkit.cohort.folds import assign_folds
    from pnetkit.cohort.table import read_cohort

    table = next((runner.folder / "store").rglob("cohort.csv"))
    cases = read_cohort(table, ("arterial", "venous"))[0].cases
    checked = [check_case(case, labels=LabelPolicy()) for case in cases]
    return checked, assign_folds(cases, folds=2, seed=0)


def command(tiny, *, out="out"):
    return [sys.executable, "-m", "pnetkit", "run", str(tiny.recipe), "--store", str(tiny.folder / "store"),
            "--out", str(tiny.folder / out), "--workers", "1", "--device", "cpu"]  # fmt: skip


def made_when(store):
    """When each finished result was made: a result that is made again has another time."""
    found = {}
    for path in store.glob("*/*/stage.json"):
        with contextlib.suppress(FileNotFoundError):  # what is being made moves away while one looks
            found[path] = path.stat().st_mtime_ns
    return {path: made for path, made in found.items() if "partial" not in path.parts}


@pytest.mark.slow
def test_a_run_that_is_killed_at_random_moments_ends_with_the_same_bytes_and_redoes_nothing(finished, tiny):
    expected, store = results(finished[1].folder), tiny.folder / "store"
    rng = random.Random(2004)  # not for secrets
    ends, made = [], {}
    for _ in range(5):
        process = subprocess.Popen(
            command(tiny), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
        )
        more = rng.randint(1, 7)  # by results and not by the clock: a slow machine would still be at its imports
        while process.poll() is None and len(made_when(store)) < len(made) + more:
            time.sleep(0.02)
        with contextlib.suppress(ProcessLookupError):  # it was faster
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        ends.append(process.returncode)
        now = made_when(store)
        assert {path: now.get(path) for path in made} == made
        made = now
    assert ends[:3] == [-signal.SIGKILL] * 3
    done = subprocess.run(command(tiny), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert results(tiny.folder / "out") == expected
    assert {path: made_when(store)[path] for path in made} == made


@pytest.mark.slow
def test_two_runs_at_once_share_a_store_and_make_each_result_once(finished, tiny):
    pair = [
        subprocess.Popen(command(tiny, out=out), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for out in ("one", "two")
    ]
    texts = [process.communicate()[0] for process in pair]
    assert [process.returncode for process in pair] == [0, 0], texts
    expected = results(finished[1].folder)
    assert results(tiny.folder / "one") == results(tiny.folder / "two") == expected
    assert not list((tiny.folder / "store" / "partial").iterdir())


def test_all_bad_cases_are_listed_and_the_run_stops(cohort, tiny):
    images = cohort.parent / "images"
    (images / "P000_venous.nii.gz").write_bytes((images / "P000_venous.nii.gz").read_bytes()[:2000])
    (images / "P002_arterial.nii.gz").unlink()
    with pytest.raises(CohortError) as caught:
        tiny(table=cohort)
    where = " ".join(fault.where for fault in caught.value.faults)
    assert "P000" in where
    assert "P002" in where
    assert not (tiny.folder / "out").exists()


@pytest.mark.slow
def test_bad_cases_can_be_set_aside_and_are_counted(tmp_path, tiny):
    table = write_cohort(tmp_path / "five", PhantomSpec(cases=5, seed=1, shape=(32, 32, 24), difficulty=0))
    (table.parent / "images" / "P000_venous.nii.gz").write_bytes(b"not an image")
    result = tiny(table=table, on_bad_case="skip")
    assert [row["status"] for row in rows(result.folder)] == ["quarantined", "ok", "ok", "ok", "ok"]
    assert rows(result.folder)[0]["reason"]
    assert result.metrics.quarantined == 1
    assert result.metrics.cases == 5
    assert "0 failed, 1 quarantined" in (result.folder / "tables.md").read_text()
    assert not list((result.folder / "segmentations").glob("P000*"))


@pytest.mark.slow
def test_a_missing_phase_is_decided_on_the_other_and_named(cohort, tiny):
    def drop(line):
        if line["case_id"] == "P001":
            line["venous_image"] = line["venous_label"] = ""

    edit(cohort, drop)
    result = tiny(table=cohort)
    row = rows(result.folder)[1]
    assert (row["status"], row["missing"], row["venous_score"]) == ("ok", "venous", "")
    assert row["called_abnormal"] == row["arterial_called_abnormal"]
    assert "Without a scan: 1 venous." in (result.folder / "tables.md").read_text()
    refused = tiny("refused", table=cohort, sets=["fusion.params.missing=refuse"])
    assert rows(refused.folder)[1]["status"] == "failed"
    assert "lacks venous" in rows(refused.folder)[1]["reason"]


@pytest.mark.slow
def test_given_folds_win(cohort, tiny):
    lines = list(csv.DictReader(cohort.read_text().splitlines()))
    folds = {line["case_id"]: str(i // 2) for i, line in enumerate(lines)}
    text = cohort.read_text().splitlines()
    cohort.write_text("\n".join([text[0] + ",fold", *(f"{t},{i // 2}" for i, t in enumerate(text[1:]))]) + "\n")
    result = tiny(table=cohort)
    assert {row["case_id"]: row["fold"] for row in rows(result.folder)} == folds


def test_a_cohort_without_labels_cannot_be_trained_on(cohort, tiny):
    edit(cohort, lambda line: line.update(arterial_label="", venous_label=""))
    with pytest.raises(RecipeError, match=r"arterial fold 0: no training case has a reference label"):
        tiny(table=cohort)


@pytest.mark.slow
def test_a_plugin_that_fails_on_some_scans_costs_these_only(warm, install):
    source = '''
    """A postprocessor that breaks on one shape."""

    class Picky:
        def __init__(self, *, depth: int = 0) -> None:
            self.depth = depth

        def __call__(self, segmentation):
            if segmentation.labels[0, 0, 0] == 0 and segmentation.labels.shape[2] == self.depth:
                raise RuntimeError("too picky")
            return segmentation
    '''
    install("acme-picky", "acme_picky", source, postprocessor={"picky": "acme_picky:Picky"})
    result = warm(sets=["postprocess.0.plugin=picky", "postprocess.0.params={depth: 27}"])  # arterial scans
    assert {row["status"] for row in rows(result.folder)} == {"failed"}
    assert all("postprocess of P" in row["reason"] and "too picky" in row["reason"] for row in rows(result.folder))
    assert all(row["venous_score"] for row in rows(result.folder))
    assert "acme_picky.py" in json.loads((result.folder / "run.json").read_text())["failed"][0]["traceback"]
    with pytest.raises(Exception, match="4 parts of the run failed"):
        require_success(result)


@pytest.mark.slow
def test_the_roi_classifier_runs_in_the_place_of_the_rule(warm, trained_once):
    sets = ["classifier.plugin=roi-classifier", "classifier.params={channels: [8], groups: 4, iterations: 20}"]
    result = warm(sets=sets)
    assert {"features", "fit"} <= {node["stage"] for node in stages(result.folder)}
    scores = [float(row[f"{phase}_score"]) for row in rows(result.folder) for phase in ("arterial", "venous")]
    assert all(0 <= score <= 1 for score in scores)
    assert {row["status"] for row in rows(result.folder)} == {"ok"}
    copy_store(trained_once, warm.folder / "other")
    again = warm("again", store="other", sets=sets)
    assert again.made.keys() == {"features", "fit", "classify"}
    assert results(again.folder) == results(result.folder)


ROI = ["phases=[venous]", "classifier.plugin=roi-classifier"]
ROI_PARAMS = "classifier.params={feature: class_shares, channels: [8], groups: 4, iterations: 20}"


@pytest.mark.slow
def test_a_classifier_can_learn_from_networks_that_have_not_seen_its_cases(tiny):
    sets = [*ROI, ROI_PARAMS, "cohort.folds=3", "cohort.phantom.cases=8", "classifier_evidence=out-of-fold"]
    result = tiny(sets=sets)
    record = json.loads((result.folder / "run.json").read_text())
    fold_of = {case: of["fold"] for case, of in record["cases"].items()}
    assert {row["reason"] for row in rows(result.folder)} == {""}
    assert "had not seen its training cases" in (result.folder / "tables.md").read_text()
    trained = {node["label"]: node["key"] for node in record["stages"] if node["stage"] == "train"}
    pairs = {f"venous folds {a} and {b}" for a in range(3) for b in range(a + 1, 3)}
    assert trained.keys() == pairs | {f"venous fold {fold}" for fold in range(3)}
    store = runner_store(tiny)
    seen = 0
    for node in record["stages"]:
        if node["stage"] != "features" or not node["folds"]:
            continue
        case, (tested,) = node["case"], node["folds"]
        network = store.record("features", node["key"])["inputs"]["train"]
        assert network == trained["venous folds {} and {}".format(*sorted([tested, fold_of[case]]))]
        assert not {case, *(c for c, f in fold_of.items() if f == tested)} & cases_behind(store, network, record)
        seen += 1
    assert seen == 8 * 2


def runner_store(runner):
    from pnetkit.store.store import Store

    return Store(runner.folder / "store")


def cases_behind(store, network, record):
    """Name the cases that a network was trained on, from the keys of its inputs."""
    prepared = {node["key"]: node["case"] for node in record["stages"] if node["stage"] == "prepare"}
    return {prepared[key] for key in store.record("train", network)["inputs"].values()}


@pytest.mark.slow
def test_tables_say_when_a_classifier_learned_from_networks_that_had_seen_its_cases(warm):
    result = warm(sets=[*ROI, ROI_PARAMS])
    assert "learned from networks that had seen its training cases" in (result.folder / "tables.md").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sets", "said"),
    [
        ([*ROI], "the channels of pool3 mean something else in each; 's4c' publishes class_shares"),
        ([], "'voxel-count' is not trained"),
        ([*ROI, ROI_PARAMS], "venous folds 0 and 1: no training case"),  # two folds leave nothing for a third
    ],
)
def test_out_of_fold_evidence_is_refused_where_it_cannot_be_had(tiny, sets, said):
    with pytest.raises(RecipeError) as caught:
        tiny(sets=[*sets, "classifier_evidence=out-of-fold"])
    assert any(said in str(fault) for fault in caught.value.faults), caught.value.faults


@pytest.mark.slow
def test_thresholds_are_chosen_on_the_other_folds_and_the_tables_say_so(tmp_path, tiny):
    table = write_cohort(tmp_path / "eight", PhantomSpec(cases=8, seed=1, shape=(32, 32, 24), difficulty=0))
    fixed = tiny("fixed", table=table)
    result = tiny(table=table, sets=["operating_point={target: sensitivity, at_least: 1}"])
    assert result.made == {}
    assert "Thresholds: the recipe's, the same for every fold." in (fixed.folder / "tables.md").read_text()
    assert "chosen for each fold on the other folds, for a sensitivity" in (result.folder / "tables.md").read_text()
    points = json.loads((result.folder / "run.json").read_text())["operating_points"]
    assert points.keys() == {"0", "1"}
    for row in rows(result.folder):
        factors = points[row["fold"]]["factors"]
        calls = [float(row[f"{p}_score"]) >= factors[p] for p in factors]
        assert row["called_abnormal"] == str(int(any(calls)))
    moved = [
        a["called_abnormal"] != b["called_abnormal"]
        for a, b in zip(rows(fixed.folder), rows(result.folder), strict=True)
    ]
    assert {row["fold"] for row in rows(fixed.folder)} == {"0", "1"}
    assert any(moved) or all(point["factors"] == {"arterial": 1.0, "venous": 1.0} for point in points.values())


@pytest.mark.slow
def test_one_network_can_see_both_phases_stacked(finished, tiny):
    stacked = "inputs.both={phases: [venous, arterial], resample: true}"
    result = tiny(sets=[stacked])
    assert {node["label"] for node in stages(result.folder) if node["stage"] == "train"} == {
        "both fold 0",
        "both fold 1",
    }
    decided = rows(result.folder)
    assert {row["status"] for row in decided} == {"ok"}
    assert "arterial_score" not in decided[0]
    for row in decided:
        found = nib.load(result.folder / "segmentations" / f"{row['case_id']}_both.nii.gz")
        venous = nib.load(finished[1].folder / "segmentations" / f"{row['case_id']}_venous.nii.gz")
        assert (found.shape, found.affine.tolist()) == (venous.shape, venous.affine.tolist())
    again = tiny("again", store="other", sets=[stacked], workers=1)
    assert results(again.folder) == results(result.folder)


@pytest.mark.slow
def test_a_stack_that_lacks_a_phase_is_missing_and_the_order_of_its_channels_matters(cohort, tiny):
    edit(cohort, lambda line: line.update(arterial_image="", arterial_label="") if line["case_id"] == "P001" else None)
    result = tiny(table=cohort, sets=["inputs.both={phases: [venous, arterial], resample: true}"])
    assert [row["status"] for row in rows(result.folder)] == ["ok", "failed", "ok", "ok"]
    assert "lacks both" in rows(result.folder)[1]["reason"]
    keys = {node["key"] for node in stages(result.folder)}
    turned = tiny("turned", table=cohort, sets=["inputs.both={phases: [arterial, venous], resample: true}"])
    assert not keys & {node["key"] for node in stages(turned.folder)}


@pytest.mark.slow
def test_phases_on_different_grids_are_not_stacked_unless_asked_for(cohort, tiny):
    with pytest.raises(CohortError) as caught:
        tiny(table=cohort, sets=["inputs.both={phases: [venous, arterial]}"])
    assert [fault.where for fault in caught.value.faults] == [f"case P00{i}" for i in range(4)]
    assert "arterial does not lie on the grid of venous" in str(caught.value.faults[0])


@pytest.mark.slow
def test_agreement_maps_are_written_when_asked_for(warm):
    result = warm(sets=["inference.keep_votes=true", "inference.stride=8"])
    maps = sorted((result.folder / "segmentations").glob("*_agreement.nii.gz"))
    assert len(maps) == 8
    values = np.asarray(nib.load(maps[0]).dataobj)
    asked = values[values > 0]
    assert 0.2 < asked.size / values.size < 1  # nobody is asked about what lies outside the body
    assert asked.min() >= 25  # of four classes one has at least a quarter of the votes
    assert asked.max() == 100


@pytest.mark.slow
def test_a_place_that_cannot_be_written_is_an_error_in_words(tiny):
    (tiny.folder / "file").write_text("I am a file")
    with pytest.raises(StoreError, match=r"not a folder|is a file"):
        tiny("file/out")
    with pytest.raises(StoreError, match="choose another place"):
        tiny(store="file/store")


@pytest.mark.slow
def test_a_folder_of_something_else_is_never_written_into(finished, tiny):
    (tiny.folder / "thesis").mkdir()
    (tiny.folder / "thesis" / "chapter.txt").write_text("mine")
    with pytest.raises(StoreError, match="is not empty, and no run has claimed it"):
        tiny("thesis")
    runner, result = finished
    with pytest.raises(StoreError, match="holds another run"):
        replace(runner)(result.folder.name, sets=["classifier.params.tumor_voxels=9"])
