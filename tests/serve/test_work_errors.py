"""When the queue itself cannot be written or read, no study is left running, and none has the answer of another."""

import json
import sqlite3
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from unittest.mock import Mock

import pytest

from pnetkit.serve import work as work_module
from pnetkit.serve.values import Finding, FullError, outcome_to_json
from pnetkit.serve.work import Work, Workers, _Child
from tests.serve.parts import open_queue, open_quick, send


@pytest.fixture
def queue(tmp_path, monkeypatch):
    monkeypatch.setattr(work_module, "POLL_S", 0.001)
    made = open_queue(tmp_path / "state")
    send(made, "s", b"1")
    made.complete(0)
    yield made
    made.close()


def child(*, answers):
    """A process that is there, and answers or computes on."""
    said = json.dumps({"outcome": outcome_to_json(Finding("normal"))}).encode()
    connection = Mock(spec=Connection)
    connection.poll.return_value, connection.recv_bytes.return_value = answers, said
    return _Child(Mock(spec=BaseProcess, pid=None), connection)


def worked(queue, monkeypatch, of):
    """Let a worker begin the study that waits, and end when it asks for the next."""
    workers, begun, claim = Workers(queue, Work(open_quick)), [], queue.claim

    def once():
        if begun:
            workers.stop()
            return None
        begun.append(claim())
        return begun[0]

    monkeypatch.setattr(queue, "claim", once)
    workers._work_on(0, of)


def test_a_study_whose_end_cannot_be_noted_waits_again(queue, monkeypatch):
    monkeypatch.setattr(queue, "finish", Mock(side_effect=FullError("the disk is full")))
    worked(queue, monkeypatch, child(answers=True))
    assert (queue.get(1).state, queue.get(1).deaths) == ("waiting", 0)


def test_a_process_that_was_not_heard_out_answers_for_no_other_study(queue, monkeypatch):
    monkeypatch.setattr(queue, "is_ours", Mock(side_effect=[sqlite3.OperationalError("disk I/O error"), True]))
    busy = child(answers=False)
    busy.process.is_alive.return_value = True
    seen = []
    monkeypatch.setattr(work_module, "_start", lambda *_: seen.append(busy.process.kill.call_count) or busy)
    monkeypatch.setattr(work_module, "_require_ready", lambda _: None)
    busy.process.kill.side_effect = lambda: setattr(busy.process.is_alive, "return_value", False)
    worked(queue, monkeypatch, busy)
    assert seen[0] == 1  # it was ended before there was another
    assert queue.get(1).state == "waiting"
