"""`pnetkit compare` and `pnetkit runs` on real, tiny runs."""

import csv
import json
import shutil
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from pnetkit.cli import main as entry
from pnetkit.cli import run
from pnetkit.evaluation import comparison, further
from pnetkit.evaluation.bootstrap import bootstrap_interval
from tests.system.conftest import TINY, results
from tests.widths import WIDTHS, require_readable


@dataclass(frozen=True)
class Workplace:
    """A folder with the tiny recipe, and runs of it."""

    folder: Path

    def recipe(self, name, text):
        (self.folder / f"{name}.yaml").write_text(f"extends: tiny.yaml\nname: {name}\n{text}")
        return f"{name}.yaml"


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    folder = tmp_path_factory.mktemp("workplace")
    (folder / "tiny.yaml").write_text(TINY.replace("iterations: 20", "iterations: 1"))
    return Workplace(folder)


@pytest.fixture
def pnetkit(workplace, monkeypatch, capsys):
    for module in (comparison, further):  # four patients are drawn alike again and again
        monkeypatch.setattr(module, "bootstrap_interval", partial(bootstrap_interval, resamples=40))

    monkeypatch.setattr(
        run, "run_and_report", partial(run.run_and_report, report=False)
    )  # nor is an arm's page looked at

    def call(*arguments):
        monkeypatch.chdir(workplace.folder)
        monkeypatch.setattr(sys, "argv", ["pnetkit", *map(str, arguments)])
        code = 0
        try:
            entry.main()
        except SystemExit as ended:
            code = ended.code or 0
        out = capsys.readouterr()
        return code, out.out, out.err

    return call


def trained(workplace):
    return {path.name for path in (workplace.folder / "runs" / ".store" / "train").iterdir()}


@pytest.mark.slow
def test_recipes_are_run_first_and_arms_that_differ_downstream_share_the_trainings(pnetkit, workplace):
    strict = workplace.recipe("strict", "classifier: {plugin: voxel-count, params: {tumor_voxels: 100}}\n")
    both = workplace.recipe("both", "fusion: {plugin: and}\n")
    command = ("compare", strict, both, "--baseline", "tiny.yaml", "--workers", 0)
    code, out, err = pnetkit(*command)
    assert code == 0, err
    assert len(trained(workplace)) == 4  # two folds, two phases
    for words in (
        "By phase: arterial",
        "By phase: venous",
        "Lesions: venous",
        "Fused decision",
        "Against tiny: fused decision",
    ):
        assert words in out
    assert out.count("synthetic, not clinical data") == 8  # every table of one cohort says which
    assert "Trainings: 4 made, 4 distinct in 3 arms." in out
    said = [line for line in err.splitlines() if line.startswith("Arm ")]
    assert said == ["Arm 1 of 3: tiny.yaml", f"Arm 2 of 3: {strict}", f"Arm 3 of 3: {both}"]
    again = pnetkit(*command)[1]
    assert "Trainings: 0 made, 4 distinct in 3 arms." in again
    assert (
        again[again.index("By phase") : again.index("Trainings")] == out[out.index("By phase") : out.index("Trainings")]
    )


@pytest.mark.slow
def test_a_recipe_s_seeds_are_run_and_their_spread_is_shown(pnetkit, workplace):
    seeds = workplace.recipe("seeds", "training: {repeat_seeds: [5], iterations: 2}\n")
    code, out, err = pnetkit("compare", seeds, "--workers", 0, "--by", "fused")
    assert code == 0, err
    assert "Trainings: 8 made, 8 distinct in 1 arm." in out
    (line,) = [line for line in out.splitlines() if line.startswith("seeds ") and "0, 5" in line]
    assert " to " in line
    assert "Seed to seed: fused decision" in out
    single = workplace.recipe("single", "training: {seed: 5, iterations: 2}\n")
    assert "Trainings: 0 made, 4 distinct" in pnetkit("compare", single, "--workers", 0, "--by", "fused")[1]


@pytest.mark.slow
@pytest.mark.parametrize("style", ["markdown", "latex", "csv", "json", "html"])
def test_finished_runs_are_compared_in_every_format(pnetkit, workplace, style):
    runs = sorted(path for path in (workplace.folder / "runs").iterdir() if path.name != ".store")
    code, out, err = pnetkit("compare", *runs, "--format", style, "--out", f"table.{style}")
    assert code == 0, err
    assert out == f"Written: table.{style}\n"
    text = (workplace.folder / f"table.{style}").read_text()
    assert "strict" in text
    if style == "csv":
        rows = list(csv.DictReader(text.splitlines()))
        (found,) = [of for of in rows if of["method"] == "strict" and of["view"] == "fused" and of["figure"] == "auc"]
        assert 0 <= float(found["value"]) <= 1
        assert {of["method"] for of in rows if of["figure"] == "nsd A.Pancreas" and of["value"]} >= {"strict"}
        assert all(of["cohort"] for of in rows)
    if style in {"markdown", "json"}:
        assert "TRAINED OTHERWISE, so it is not the networks alone that are compared: iterations " in text
    if style == "html":
        assert "Who gets which case right: fused decision" in text
        assert text.count('class="wide matrix"') == 3
    assert "Research use only" in text or json.loads(text)["research_use_only"]


@pytest.mark.slow
def test_runs_of_other_folds_are_refused_unless_asked_for(pnetkit, workplace):
    pnetkit("run", "tiny.yaml", "--workers", 0, "--no-report", "--set", "cohort.folds=4")
    other = max((workplace.folder / "runs").glob("tiny-demo-*"), key=lambda path: path.stat().st_mtime)
    (first,) = (workplace.folder / "runs").glob("both-demo-*")
    code, _, err = pnetkit("compare", first, other)
    assert code == 8
    assert "the folds of" in err
    assert "--anyway" in err
    code, out, _ = pnetkit("compare", first, other, "--anyway")
    assert code == 0
    assert "COMPARED ANYWAY" in out


@pytest.mark.slow
def test_a_run_of_an_earlier_release_is_compared_by_what_it_tells(pnetkit, workplace):
    (first,) = (workplace.folder / "runs").glob("both-demo-*")
    old = shutil.copytree(first, workplace.folder / "old")
    for name, drop in (("cases.csv", ("nsd", "hd95_mm", "probability")), ("lesions.csv", ("volume_mm3",))):
        lines = list(csv.DictReader((old / name).read_text().splitlines()))
        with (old / name).open("w", newline="") as file:
            writer = csv.DictWriter(file, [of for of in lines[0] if not of.endswith(drop)], extrasaction="ignore")
            writer.writeheader()
            writer.writerows(lines)
    code, out, err = pnetkit("compare", first, old, "--baseline", first, "--format", "json")
    assert code == 0, err
    (now, before) = json.loads(out)["views"]["venous"]["further"]["arms"]
    assert (now["surfaces"]["A.Pancreas"]["cases"], before["surfaces"]["A.Pancreas"]["cases"]) == (2, 0)
    assert before["f1"] is None
    assert json.loads(out)["views"]["venous"]["against"][0]["identical"]
    assert pnetkit("runs", "show", old)[0] == 0


def test_a_budget_is_of_the_page_alone(pnetkit):
    code, _, err = pnetkit("compare", "--reference", "paper", "--budget", "1MB")
    assert (code, "--budget is of the page that --format html writes" in err) == (2, True)
    code, out, _ = pnetkit("compare", "--reference", "paper", "--format", "html", "--budget", "1MB")
    assert (code, out.startswith("<!doctype html>"), "24/228" in out) == (0, True, True)
    code, _, err = pnetkit("compare", "--reference", "paper", "--format", "html", "--budget", "1kB")
    assert (code != 0, "Give a larger --budget." in err) == (True, True)


def test_what_is_no_run_is_refused(pnetkit, workplace):
    (workplace.folder / "empty").mkdir(exist_ok=True)
    code, _, err = pnetkit("compare", "empty")
    assert code == 7
    assert "holds no finished run (run.json is missing)" in err
    assert pnetkit("compare")[0] == 2


def test_the_paper_s_rows_are_shown_alone_or_beside(pnetkit, workplace):
    code, out, _ = pnetkit("compare", "--reference", "paper")
    assert code == 0
    assert "24/228" in out
    assert "cannot differ significantly" in out
    (run,) = (workplace.folder / "runs").glob("both-demo-*")
    out = pnetkit("compare", run, "--reference", "paper", "--by", "fused")[1]
    assert "both" in out
    assert "S4C (published)" in out
    assert "another cohort" in out


def test_runs_are_listed_and_their_numbers_traced(pnetkit, workplace):
    code, out, _ = pnetkit("runs", "list")
    assert code == 0
    assert "strict" in out
    (run,) = (workplace.folder / "runs").glob("strict-demo-*")
    out = pnetkit("runs", "show", run)[1]
    assert pnetkit("runs", "show", run.name) == pnetkit("runs", "show", "strict-demo") == pnetkit("runs", "show", run)
    assert pnetkit("compare", run.name, "--by", "fused") == pnetkit("compare", run, "--by", "fused")
    code, _, err = pnetkit("runs", "show", "tiny")
    assert (code, "runs are called so (tiny-demo-" in err) == (7, True)
    assert "no-such: holds no finished run" in pnetkit("runs", "show", "no-such")[2]
    for words in ("backbone: s4c from pnetkit-s4c", "source sha256", "torch", "seeds: cohort 0, training 0", "train 4"):
        assert words in out
    out = pnetkit("runs", "show", run, "--case", "P001")[1]
    for words in (
        "arterial image: sha256",
        "arterial voxels: ",
        "train arterial fold",
        "segment P001 venous",
        "threads",
    ):
        assert words in out.replace(" x 1;", " x 1 threads;")
    assert pnetkit("runs", "show", run, "--case", "P999")[0] == 7


@pytest.mark.slow
def test_tables_of_real_runs_can_be_read_at_any_width(pnetkit, workplace, monkeypatch):
    first, *others = (next((workplace.folder / "runs").glob(f"{name}-demo-*")) for name in ("both", "strict", "seeds"))
    comparison = ["compare", *others, "--baseline", first, "--reference", "paper", "--by", "fused"]
    for command, widths in ((comparison, WIDTHS[:1]), (["runs", "list"], WIDTHS)):
        expected = pnetkit(*command)[1]
        with monkeypatch.context() as narrow:
            for width in widths:
                narrow.setenv("COLUMNS", str(width))
                require_readable(pnetkit(*command)[1], [expected], width)


@pytest.mark.slow
def test_the_last_table_says_what_each_arm_took(pnetkit, workplace):
    runs = [next((workplace.folder / "runs").glob(f"{name}-demo-*")) for name in ("both", "strict")]
    text = pnetkit("compare", *runs, "--format", "markdown")[1]
    table = text.partition("What it took")[2]
    assert "| Method | Parameters, M | Multiply-adds, G | Training, s |" in table
    costs = [json.loads((run / "run.json").read_text())["costs"] for run in runs]
    assert costs[0]["parameters"] == json.loads((runs[0] / "run.json").read_text())["backbone_parameters"]
    assert costs[0]["multiply_adds"] > 0
    assert costs[0]["training_seconds"] > 0
    assert costs[0]["scan_peak_mib"] > 0
    assert costs[0] == costs[1]  # they share their trainings and segmentations


def test_results_that_no_run_names_are_deleted_only_when_told(pnetkit, workplace):
    (run,) = (workplace.folder / "runs").glob("strict-demo-*")
    expected = results(next((workplace.folder / "runs").glob("both-demo-*")))
    shutil.rmtree(run)
    before = sorted((workplace.folder / "runs" / ".store" / "classify").iterdir())
    out = pnetkit("runs", "gc")[1]
    assert "8 results" in out
    assert sorted((workplace.folder / "runs" / ".store" / "classify").iterdir()) == before
    assert "8 results deleted" in pnetkit("runs", "gc", "--yes")[1]
    assert "Every result is needed" in pnetkit("runs", "gc")[1]
    assert pnetkit("run", "both.yaml", "--workers", 0, "--no-report")[0] == 0
    assert results(next((workplace.folder / "runs").glob("both-demo-*"))) == expected


@pytest.mark.slow
def test_a_dry_run_says_what_is_there_and_makes_nothing(pnetkit, workplace):
    names = sorted(path.name for path in (workplace.folder / "runs").iterdir())
    code, out, _ = pnetkit("run", "tiny.yaml", "--dry-run", "--workers", 0, "--set", "training.iterations=40")
    assert code == 0
    lines = {line.split("  ")[0]: line.split() for line in out.splitlines()}
    assert lines["preparing scans"][2:7] == ["CPU", "x", "1", "8", "0"]
    assert lines["training (iterations)"][5:7] == ["0", "4"]
    assert "Lanes: everything in this process, networks on cpu." in out
    assert "not known" not in out  # earlier runs have left their times
    assert sorted(path.name for path in (workplace.folder / "runs").iterdir()) == names
    assert not list((workplace.folder / "runs" / ".store" / "partial").iterdir())


BREAKS = """
class Breaks:
    \'\'\'Clean up all scans but those of one shape, or none.\'\'\'

    def __init__(self, *, depth: int = 0) -> None:
        self.depth = depth

    def __call__(self, segmentation):
        if self.depth in (0, segmentation.labels.shape[2]):
            raise ZeroDivisionError("oops")
        return segmentation
"""


@pytest.mark.parametrize(("depth", "row"), [(0, "4 of 4 cases failed"), (27, "4 of 4 cases failed")])
def test_an_arm_that_fails_has_its_row_its_reason_and_exit_code_8(pnetkit, workplace, install, depth, row):
    """Depth 27 is that of the arterial scans: the venous phase of every case is decided, and no case as a whole."""
    install("acme-breaks", "acme_breaks", BREAKS, postprocessor={"breaks": "acme_breaks:Breaks"})
    chain = f"postprocess: [{{plugin: breaks, params: {{depth: {depth}}}}}]\n"
    broken = workplace.recipe(f"broken{depth}", chain)
    code, out, err = pnetkit("compare", broken, "--baseline", "tiny.yaml", "--workers", 0)
    assert code == 8, err
    fused = out[out.index("Fused decision") :]
    assert f"broken{depth} ({row})" in fused
    assert f"FAILED: 4 of 4 cases of broken{depth}, in no figure of it (postprocess of P000 arterial: ZeroDiv" in fused
    assert "Against tiny: fused decision" not in out  # there is nothing to test
    assert ("Against tiny: venous" in out) is (depth == 27)
    assert f"broken{depth}: 4 cases, first P000: postprocess of P000 arterial" in err
