"""Sending: what is due is tried until it arrives, over restarts, and given up with an alarm when its time is over."""

import logging

import pytest

from pnetkit.serve.deliverer import Deliverer, deliver
from pnetkit.serve.deliveries import Patience, due, due_count
from pnetkit.serve.metrics import metrics_text
from pnetkit.serve.values import Finding
from tests.serve.parts import Clock, open_queue, send

PATIENCE = Patience(first_s=30, most_s=3600, give_up_after_s=7200)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def queue(tmp_path, clock):
    made = open_queue(tmp_path / "state", clock)
    yield made
    made.close()


def with_result(queue, to=("pacs",), files=("seg.dcm", "sr.dcm")):
    send(queue, "s", b"1")
    queue.complete(0)
    job = queue.claim()
    work = queue.places.work(job.number, job.lease)
    work.mkdir()
    for name in files:
        (work / name).write_bytes(b"result")
    assert queue.finish(job, Finding("normal", files), send_to=to)
    return job.number


class Pacs:
    """A destination that is there or away, and may dislike some files."""

    def __init__(self):
        self.away, self.dislikes, self.tries, self.got = False, (), 0, []

    def __call__(self, files):
        self.tries += 1
        if self.away:
            raise ConnectionRefusedError("Jane Doe")
        self.got += [path.name for path in files if path.name not in self.dislikes]
        return {path.name: "status 0xA900" for path in files if path.name in self.dislikes}


def round_of(queue, pacs, name="pacs"):
    for found in due(queue, name):
        deliver(queue, found, pacs, PATIENCE)


def test_results_are_sent_in_their_order_and_once(queue):
    number, pacs = with_result(queue, files=("seg.dcm", "a_report.dcm")), Pacs()
    assert queue.get(number).state == "ready"
    round_of(queue, pacs)
    round_of(queue, pacs)
    assert (pacs.got, pacs.tries, queue.get(number).state) == (["seg.dcm", "a_report.dcm"], 1, "sent")
    assert queue.counters()["sent"] == 1


def test_a_pacs_that_is_away_for_an_hour_gets_everything_when_it_is_back(queue, clock, tmp_path, caplog):
    number, pacs = with_result(queue), Pacs()
    pacs.away, started, tried = True, clock.now, []
    while clock.now - started < 3600:
        before = pacs.tries
        round_of(queue, pacs)
        if pacs.tries > before:
            tried.append(clock.now - started)
        clock.now += 10
    assert tried == [0, 30, 90, 210, 450, 930, 1890]  # twice as long after each
    assert (queue.get(number).state, due_count(queue)) == ("ready", 2)
    queue.close()
    again = open_queue(tmp_path / "state", clock)  # and a restart changes nothing of it
    pacs.away = False
    round_of(again, pacs)
    assert pacs.got == []
    clock.now = started + 3810
    round_of(again, pacs)
    assert (pacs.got, again.get(number).state) == (["seg.dcm", "sr.dcm"], "sent")
    again.close()
    assert "Doe" not in caplog.text


def test_only_what_did_not_arrive_is_sent_again(queue, clock):
    number, pacs = with_result(queue), Pacs()
    pacs.dislikes = ("seg.dcm",)
    round_of(queue, pacs)
    pacs.dislikes = ()
    clock.now += 30
    round_of(queue, pacs)
    assert (pacs.got, queue.get(number).state) == (["sr.dcm", "seg.dcm"], "sent")


def test_what_never_arrives_is_given_up_with_an_alarm_in_log_and_metrics(queue, clock, caplog):
    caplog.set_level(logging.INFO, "pnetkit.serve")
    number, pacs, other = with_result(queue, to=("pacs", "archive")), Pacs(), Pacs()
    pacs.dislikes = ("seg.dcm",)
    round_of(queue, other, "archive")
    round_of(queue, pacs)
    assert queue.get(number).state == "ready"
    clock.now += 7200
    round_of(queue, pacs)
    assert (queue.get(number).state, due_count(queue)) == ("given up", 0)
    assert f"ALARM study {number}: given up: pacs did not take its results in time" in caplog.text
    assert "pnetkit_given_up_total 1\n" in metrics_text(queue, ready_workers=1)
    assert 'pnetkit_jobs{state="given_up"} 1\n' in metrics_text(queue, ready_workers=1)


def test_what_is_due_at_a_destination_that_is_not_configured_any_more_has_an_alarm(queue, caplog):
    with_result(queue, to=("old",))
    Deliverer(queue, {}, PATIENCE).start()
    assert "ALARM 2 files are due at 'old'" in caplog.text


def test_pauses_grow_to_their_bound():
    assert [Patience(30, 100, 1).pause_s(tries) for tries in (1, 2, 3, 500)] == [30, 60, 100, 100]
