"""One process and tracebacks: what an author of a plugin debugs with."""

import os
import sys
import threading

import pytest

from pnetkit.cli import main as entry

BREAKS = """
from pnetkit.errors import PluginError
class Breaks:
    def __init__(self, *, how: str = "bug") -> None:
        self._how = how
    def __call__(self, segmentation):
        if self._how == "pause":
            breakpoint()
            return segmentation
        if self._how == "said":
            raise PluginError("said in words")
        return segmentation.labels[self._how]
"""


@pytest.fixture
def run(warm, install, monkeypatch, capsys):
    """Run the tiny recipe, whose postprocessor is broken, in this process; gives exit code or error, and stderr."""
    install("acme-breaks", "acme_breaks", BREAKS, postprocessor={"breaks": "acme_breaks:Breaks"})

    def call(how, *more):
        broken = f"postprocess=[{{plugin: breaks, params: {{how: {how}}}}}]"
        arguments = ["run", warm.recipe, "--store", warm.folder / "store", "--out", warm.folder / how, "--no-report"]
        monkeypatch.setattr(sys, "argv", ["pnetkit", *map(str, arguments), "--set", broken, *more])
        ended = None
        try:
            entry.main()
        except (SystemExit, IndexError) as error:
            ended = error.code if isinstance(error, SystemExit) else error
        return ended, capsys.readouterr().err

    return call


def test_a_plugin_s_bug_ends_the_run_with_its_own_traceback(run):
    ended, _ = run("bug", "--workers", "0", "--traceback")
    assert isinstance(ended, IndexError)
    frame = ended.__traceback__
    while frame.tb_next is not None:
        frame = frame.tb_next
    assert frame.tb_frame.f_code.co_filename.endswith("acme_breaks.py")  # where a debugger stops after it
    ended, err = run("bug", "--workers", "0")
    assert ended == 8
    assert "Traceback" not in err
    assert "postprocess of" in err


def test_a_plugin_s_own_words_are_shown_with_where_they_were_said(run):
    ended, err = run("said", "--workers", "0", "--traceback")
    assert ended == 5
    assert "Traceback (most recent call last)" in err
    assert "acme_breaks.py" in err
    assert err.rstrip().endswith("said in words")


def test_a_breakpoint_stops_in_this_process_and_its_main_thread(run, monkeypatch):
    stopped = []
    monkeypatch.setattr(sys, "breakpointhook", lambda: stopped.append((os.getpid(), threading.current_thread())))
    ended, err = run("pause", "--workers", "0")
    assert ended == 0, err
    assert set(stopped) == {(os.getpid(), threading.main_thread())}


def test_tracebacks_of_other_processes_are_not_promised(run):
    ended, err = run("bug", "--traceback")
    assert ended == 2
    assert "give --workers 0 too" in err
