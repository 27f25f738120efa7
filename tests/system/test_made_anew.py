"""What a second run makes anew: what depends on what has changed, and nothing else."""

from pathlib import Path

import numpy as np
import pytest

from pnetkit.recipe.check import load_recipe
from tests.system.conftest import results
from tests.system.written import stages

RECIPES = Path(__file__).parents[2] / "recipes"


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
