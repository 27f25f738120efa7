"""A run that is followed while it goes: the page, the console, and that nothing in the run is another for it."""

import json
import re
import shutil

import pytest
from click.testing import CliRunner

from pnetkit.cli.main import cli
from pnetkit.pipeline.follow import page
from pnetkit.report.page import live
from tests.system.conftest import results

pytestmark = pytest.mark.slow


def run(tiny, *options):
    given = ["run", str(tiny.recipe), "--store", str(tiny.folder / "store"), "--workers", "0", "--device", "cpu"]
    return CliRunner().invoke(cli, [*given, "--out", str(tiny.folder / "out"), "--no-report", *options])


def test_a_run_that_is_followed_has_the_same_keys_and_results(tiny, trained_once):
    done = run(tiny, "--live", "--set", "phases=[venous]")
    assert done.exit_code == 0, done.output
    assert f"To follow: {tiny.folder / 'out' / 'live.html'}" in done.output.replace("\n", "")
    alone, followed = (folder / "out" for folder in (trained_once, tiny.folder))
    stages = [json.loads((folder / "run.json").read_text())["stages"] for folder in (alone, followed)]
    assert [of for of in stages[0] if of["input"] == "venous"] == stages[1]
    text = (followed / "live.html").read_text(encoding="utf-8")
    expected = {name: data for name, data in results(alone).items() if name.endswith("_venous.nii.gz")}
    assert len(expected) == 4
    assert expected.items() <= results(followed).items()
    assert "Is done, as of" in text
    trainings = re.findall(r'<tr><th scope="row">\w+, fold \d.*?</tr>', text)
    assert len(trainings) == 2
    done_in_full = r'max="(\d+)" value="\1".*<td>done</td>'
    assert all(re.search(done_in_full, of) for of in trainings)
    assert text.count("<polyline") == 2


def test_a_page_that_cannot_be_written_is_told_of_once_and_the_run_ends_well(warm, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(page, "write_atomically", full)
    done = run(warm, "--live")
    assert done.exit_code == 0, done.output
    assert done.output.count("The live page stopped (OSError") == 1
    assert (warm.folder / "out" / "run.json").is_file()


def test_an_extra_that_is_missing_is_told_before_anything_is_made(warm, monkeypatch):
    monkeypatch.setattr("pnetkit.extras.find_spec", lambda _: None)
    done = run(warm, "--tensorboard", str(warm.folder / "tb"))
    assert done.exit_code != 0
    assert "pip install 'pnetkit[tensorboard]'" in str(done.exception)
    assert not (warm.folder / "out").exists()


def test_a_page_loads_itself_anew_in_a_browser_and_says_nothing_on_its_console(tmp_path, monkeypatch):
    monkeypatch.setattr(live, "RELOAD_S", 0.5)
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("there is no Chromium")
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed")
    follower, said, asked = page.page_follower(tmp_path, report="report.html"), [], []
    follower.opened(tmp_path)
    follower.planned([])
    path = tmp_path / "live.html"
    with sync_api.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page()
        tab.on("console", lambda message: said.append(message.text))
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(path.as_uri())
        tab.get_by_label("Load this page anew").uncheck()
        found = axe.Axe().run(tab).response["violations"]
        follower.ended("done")
        tab.wait_for_timeout(900)
        assert tab.get_by_text("Goes on, as of").count() == 1  # the reader has stopped it
        tab.get_by_label("Load this page anew").click()
        tab.wait_for_selector("text=Is done", timeout=20_000)
        browser.close()
    assert found == []
    assert said == []
    assert {address.partition("#")[0] for address in asked} == {path.as_uri()}
