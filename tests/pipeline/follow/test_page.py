"""The page of a run that goes on: what it says, how often it is written, and that it asks for nothing."""

import json
import re

import pytest

from pnetkit.pipeline.engine.schedule import Progress
from pnetkit.pipeline.follow.page import in_words, page_follower, thinned
from pnetkit.store.node import Node, Subject
from tests.nodes import AnySpec


def node(stage, subject, weight=1):
    return Node(AnySpec(stage, identity={"name": subject.label}), subject, weight)


ONE, TWO = (node("train", Subject("venous", folds=(fold,)), 60) for fold in (0, 1))
SCAN = node("segment", Subject("venous", "<b>P1"))


@pytest.fixture
def run(tmp_path):
    """The folder of a run, its follower, and the clock that it looks at."""
    now, folder = [0.0], tmp_path / "s4c_dual-1234"
    folder.mkdir()
    follower = page_follower(tmp_path / "store", report="report.html", clock=lambda: now[0])
    follower.opened(folder)
    follower.planned([ONE, TWO, SCAN])
    return folder, follower, now


def text_of(folder):
    return (folder / "live.html").read_text(encoding="utf-8")


def cells(text, row):
    (line,) = re.findall(rf'<tr><th scope="row">{row}.*?</tr>', text)
    return re.findall(r'<td(?: class="n")?>([^<]*)</td>', line)


def test_the_page_says_how_far_stages_and_trainings_are_and_what_is_left(run):
    folder, follower, now = run
    assert cells(text_of(folder), "venous, fold 0") == ["0", "60", "", "waits"]
    follower.progress(Progress(ONE, 0))
    now[0] = 10.0
    follower.progress(Progress(ONE, 20, loss=0.5))
    text = text_of(folder)
    assert cells(text, r"training \(iterations\)") == ["20", "120", "10 s", "50 s"]
    assert cells(text, "venous, fold 0") == ["20", "60", "0.5000", "trains"]
    assert cells(text, "venous, fold 1") == ["0", "60", "", "waits"]
    assert "<b>50 s</b> <span>for training (iterations); 1 stage not in it</span>" in text
    assert "fold 0 is at 0.5" in text


def test_the_page_shows_the_dice_of_held_back_cases_where_a_training_holds_any_back(run):
    folder, follower, now = run
    assert "Held-back" not in text_of(folder)
    seen = {"iteration": 20, "loss": 0.5, "dice": {"pancreas": 0.5, "tumor": 0.25, "duct": None}}
    now[0] = 10.0
    follower.progress(Progress(ONE, 20, loss=0.5, watched=seen))
    text = text_of(folder)
    assert cells(text, "venous, fold 0") == ["20", "60", "0.5000", "0.375", "trains"]
    assert cells(text, "venous, fold 1") == ["0", "60", "", "", "waits"]
    assert "on which nothing is trained: fold 0 is at 0.375." in text


def test_the_page_is_written_no_oftener_than_every_two_seconds_and_when_nothing_is_told_too(run):
    folder, follower, now = run
    follower.progress(Progress(ONE, 10, loss=0.7))
    assert "0.7000" not in text_of(folder)
    now[0] = 2.0
    follower.idle()
    assert "0.7000" in text_of(folder)


def test_the_page_loads_itself_anew_while_the_run_goes_on_and_asks_for_nothing_else(run):
    folder, follower, _ = run
    text = text_of(folder)
    assert '<meta http-equiv="refresh" content="3">' in text
    assert re.findall(r"""(?:src|href)=["'](?!#)[^"']*|https?://|@import|url\(""", text) == []
    policy = text.replace("&#39;", "'")
    assert "default-src 'none'; style-src 'sha256-" in policy
    assert "script-src 'sha256-" in policy
    follower.ended("done")
    assert "refresh" not in text_of(folder)
    assert "<script" not in text_of(folder)
    assert "Is done, as of" in text_of(folder)


def test_the_end_leads_to_the_report_where_there_is_one(run):
    folder, follower, _ = run
    follower.ended("done")
    assert "report.html" not in text_of(folder)
    (folder / "report.html").write_text("x")
    follower.ended("done")
    assert '<a href="report.html">' in text_of(folder)
    follower.ended("interrupted")
    assert "Was interrupted, as of" in text_of(folder)


def test_what_failed_is_told_and_is_no_markup(run):
    folder, follower, now = run
    now[0] = 5.0
    follower.progress(Progress(SCAN, 0, error="the <i>disk</i> is full"))
    assert "segment of &lt;b&gt;P1 venous: the &lt;i&gt;disk&lt;/i&gt; is full" in text_of(folder)


def test_a_training_that_was_kept_shows_its_whole_course(run, tmp_path):
    folder, follower, now = run
    kept = tmp_path / "store" / "train" / TWO.key[:32]
    kept.mkdir(parents=True)
    (kept / "losses.json").write_text(json.dumps([0.9, 0.8, 0.7, 0.6, 0.5, 0.4]))
    now[0] = 5.0
    follower.progress(Progress(TWO, 60, reused=True))
    text = text_of(folder)
    assert cells(text, "venous, fold 1") == ["60", "60", "0.4000", "kept from before"]
    (points,) = re.findall(r'<polyline class="line c1" points="([^"]*)"', text)
    assert len(points.split()) == 6


def test_points_are_thinned_evenly_and_the_last_one_stays():
    assert thinned([(n, 0.0) for n in range(5)], most=5) == [(n, 0.0) for n in range(5)]
    assert [x for x, _ in thinned([(n, 0.0) for n in range(10)], most=5)] == [1, 3, 5, 7, 9]
    assert thinned([]) == []


def test_times_are_told_as_people_say_them():
    assert [in_words(of) for of in (None, 0.0, 59.6, 121.0, 7260.0)] == ["", "", "60 s", "2 min", "2.0 h"]
