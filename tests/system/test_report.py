"""The page of a run: at the end of every run, again by `pnetkit report`, and of runs that lack what it is made of."""

import json
import re
import shutil

import pytest
from click.testing import CliRunner

from pnetkit.cli.main import cli
from pnetkit.pipeline import run as run_module
from pnetkit.pipeline.outcome.pages.run_page import report_run
from tests.system.conftest import Runner, copy_store, results

pytestmark = pytest.mark.slow


def text_of(folder):
    return (folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def finished(tmp_path_factory, trained_once):
    """A run that is done, page and all."""
    folder = tmp_path_factory.mktemp("finished")
    copy_store(trained_once, folder / "store")
    runner = Runner(folder, report=True)
    return runner, runner()


@pytest.fixture
def copied(finished, tmp_path):
    """A finished run's folder that may be changed, beside a store that may go."""
    runner, result = finished
    shutil.copytree(result.folder, tmp_path / "out")
    shutil.copytree(runner.folder / "store", tmp_path / "store", ignore=shutil.ignore_patterns("runs"))
    return tmp_path / "out"


def change(folder, **changes):
    record = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(record | changes))
    return record


def test_a_run_ends_with_a_page_of_all_its_cases(finished):
    _, result = finished
    text = text_of(result.folder)
    assert text.count('<article class="case"') == 4
    assert (text.count('href="data:image/webp'), text.count('class="volume"')) == (8, 8)
    for words in ("Table 1", "Table 2", "Receiver operating", "Joint table", "Training: venous", "Time and memory",
                  "2-fold cross-validation", "generated phantoms: synthetic", "Research use only, not for diagnosis",
                  "components", "Tumor NSD %", "Surfaces and lesions"):  # fmt: skip
        assert words in text, words
    assert "F1 and calibration" not in text  # its scores are no probabilities
    assert "What this page lacks" not in text
    assert str(result.folder.parent) not in text


def test_every_abnormal_case_that_a_phase_did_not_call_says_why(finished):
    _, result = finished
    text = text_of(result.folder)
    cases = re.findall(r'<article class="case".*?</article>', text, re.DOTALL)
    silent = [of for of in cases if "</span> abnormal</span>" in of and "Not called:" in of and 'class="why"' not in of]
    assert silent == []


def test_a_page_is_left_alone_where_it_shows_what_the_run_s_folder_says(finished, monkeypatch):
    runner, first = finished
    page = first.folder / "report.html"
    kept = page.read_bytes()
    page.write_text("kept")
    runner(first.folder.name)
    assert page.read_text() == "kept"
    said = json.loads((first.folder / "run.json").read_text())
    (first.folder / "run.json").write_text(json.dumps(said | {"pictured": "of other results"}))
    runner(first.folder.name)
    assert page.read_text() != "kept"  # what it shows is not what the run's folder says
    page.unlink()
    monkeypatch.setattr("pnetkit.pipeline.run.MOST_PICTURED", 3)
    assert not (runner(first.folder.name).folder / "report.html").exists()
    page.write_bytes(kept)


def test_a_page_that_cannot_be_made_keeps_nothing_else_from_being_written(finished, monkeypatch):
    runner, first = finished

    def broken(*_, **__):
        raise RuntimeError("it broke")

    monkeypatch.setattr(run_module, "report_run", broken)
    result = runner("without a page")
    assert results(result.folder) == results(first.folder)
    assert result.failed == {"report": "RuntimeError: it broke (unexpected)"}
    (failed,) = json.loads((result.folder / "run.json").read_text())["failed"]
    assert (failed["stage"], failed["label"]) == ("after the stages", "report")
    assert not (result.folder / "report.html").exists()


def test_a_run_of_an_earlier_release_has_a_page_that_says_what_it_lacks(copied):
    record = change(copied)
    stages = [{key: of[key] for key in ("stage", "label", "key")} for of in record["stages"]]
    change(copied, stages=stages)
    for name in ("store", "costs", "hardware", "workers", "seeds"):
        record = json.loads((copied / "run.json").read_text())
        record.pop(name)
        (copied / "run.json").write_text(json.dumps(record))
    (copied / "recipe.yaml").unlink()
    report_run(copied)
    text = text_of(copied)
    assert "does not say where its store is; give --store" in text
    assert "The recipe of the run cannot be read" in text
    assert text.count("The image is not in the store") == 8
    report_run(copied, store=copied.parent / "store")
    assert text_of(copied).count('href="data:image/webp') == 8


def test_without_prepared_scans_the_pictures_come_from_the_cohort_and_from_no_other_images(copied, finished, tmp_path):
    shutil.rmtree(tmp_path / "store" / "prepare")
    change(copied, store="../store")
    report_run(copied)
    assert text_of(copied).count('href="data:image/webp') == 8  # of the phantoms in the store
    shutil.rmtree(tmp_path / "store" / "phantom")
    table = next((finished[0].folder / "store").rglob("cohort.csv"))
    report_run(copied, table=table)
    text = text_of(copied)
    assert text.count('href="data:image/webp') == 8
    assert "The store holds" in text
    record = change(copied)
    record["cases"]["P001"]["files"]["venous"]["image"] = "0" * 64
    change(copied, cases=record["cases"])
    report_run(copied, table=table)
    assert text_of(copied).count('href="data:image/webp') == 7


def test_pseudonyms_hide_every_id(copied):
    change(copied, store="../store")
    report_run(copied, pseudonyms=True)
    text = re.sub(r'base64,[^"]*"|<script type="text/plain".*?</script>', "", text_of(copied), flags=re.DOTALL)
    assert not re.search(r"P00\d", text)
    assert "Case 1" in text


def test_the_command_says_where_the_page_is_and_how_large(copied):
    change(copied, store="../store")
    answer = CliRunner().invoke(cli, ["report", str(copied), "--out", str(copied / "page.html"), "--budget", "100KB"])
    assert answer.exit_code == 0, answer.output
    assert "4 cases; left out: slices of" in answer.output
    assert (copied / "page.html").stat().st_size <= 100_000
    answer = CliRunner().invoke(cli, ["report", str(copied), "--folder", str(copied / "page")])
    assert answer.exit_code == 0, answer.output
    assert len(list((copied / "page" / "pictures").iterdir())) == 8
    answer = CliRunner().invoke(cli, ["report", str(copied), "--folder", "x", "--budget", "100KB"])
    assert answer.exit_code == 2
