"""Progress where there is no terminal: plain lines, with the time left and the loss."""

import pytest

from pnetkit.cli import progress
from pnetkit.cli.progress import ProgressView
from tests.nodes import a_node


@pytest.fixture
def now(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    return clock


def test_a_line_comes_every_half_minute_and_at_the_end_with_time_left_and_loss(now, capsys):
    one, two = (a_node("train", folds=(fold,), weight=60, identity={"fold": fold}) for fold in (0, 1))
    view = ProgressView()
    view._counts.clock = lambda: now[0]
    view.plan([one, two])
    view.update(one, 0, reused=False)
    view.update(one, 20, reused=False, loss=0.5)
    now[0] = 29.0
    view.update(two, 20, reused=False, loss=1.0)
    assert capsys.readouterr().out == ""
    now[0] = 30.0
    view.update(two, 20, reused=False, loss=1.0)
    assert capsys.readouterr().out == "  training (iterations): 40 of 120, 30 s, 60 s left, loss 0.75\n"
    now[0] = 50.0
    view.update(one, 60, reused=False)
    view.update(two, 60, reused=False)
    assert capsys.readouterr().out == "  training (iterations): 120 of 120, 50 s\n"


def test_what_was_kept_is_said_when_a_stage_is_done(now, capsys):
    one, two = (a_node("segment", case, identity={"case": case}) for case in ("P1", "P2"))
    view = ProgressView()
    view._counts.clock = lambda: now[0]
    view.plan([one, two])
    view.update(one, 1, reused=True)
    view.update(two, 1, reused=False)
    assert capsys.readouterr().out == "  segmenting scans: 2 of 2, 0 s, 1 kept from before\n"
