"""Tests of runs that share a store from several processes: as on one machine, and as on several."""

import json
import multiprocessing
import random
import time
from collections import Counter

import pytest

from pnetkit.locks import claims
from pnetkit.locks.way import NOTE
from pnetkit.pipeline.engine import schedule
from pnetkit.pipeline.engine.schedule import run_nodes
from pnetkit.pipeline.engine.task import attempt
from pnetkit.pipeline.engine.workers import SerialExecutor
from pnetkit.pipeline.stages.context import Context
from pnetkit.pipeline.stages.stage import Stage
from pnetkit.pipeline.stages.table import STAGES
from tests.forked import begin
from tests.nodes import a_node, make_numbers
from tests.two_hosts import two_hosts


def begun(root, *, count, seconds):
    """Start a process that waits for a word to begin; gives it, and where to say that word and hear of its outcome."""
    ours, its = multiprocessing.Pipe()
    process = begin(make_numbers, its, root, count, seconds)
    its.close()
    assert ours.recv() == "ready"
    return process, ours


def let_run(started):
    started[1].send("go")


def said_by(started):
    """Wait for a process to end, and give what it said of its outcome."""
    process, ours = started
    assert ours.poll(120)
    said = ours.recv()
    process.join()
    assert process.exitcode == 0
    return said


def kill(started):
    process, ours = started
    process.kill()
    process.join()
    ours.close()


def bytes_in(root):
    return {path.parent.name: path.read_bytes() for path in (root / "measure").glob("*/result")}


def noted(root):
    (root / NOTE).write_text(json.dumps({"locks": "claims", "asked": True, "beat_s": 0.5, "stale_s": 20}))


def test_what_a_machine_that_is_gone_left_is_taken_up_after_its_time_however_many_workers_there_are(
    tmp_path, monkeypatch
):
    """Each look of a worker would be the first one that it has of the claim: the run's own process looks."""
    monkeypatch.setattr(schedule, "POLL_S", 0.01)
    monkeypatch.setattr(schedule, "LONGEST_S", 0.05)
    (tmp_path / NOTE).write_text(json.dumps({"locks": "claims", "asked": True, "beat_s": 0.05, "stale_s": 0.5}))
    monkeypatch.setitem(STAGES, "measure", Stage("measure", lambda *_: {}))
    one = a_node()
    left = tmp_path / "locks" / f"measure-{one.key[:32]}.claim" / "gone"
    left.parent.mkdir(parents=True)
    left.write_text('0\n{"host": "another", "boot": "x", "processes": "1", "pid": 1, "started": "1"}')
    monkeypatch.setattr(schedule, "attempt", forgetful)
    started = time.monotonic()
    assert run_nodes([one], SerialExecutor(), Context(tmp_path, "cpu", 1)).made == {one.key}
    assert 0.4 < time.monotonic() - started < 20


def forgetful(node, context):
    """Make a node as a worker does that has never seen the claim before."""
    known = dict(claims._SEEN)
    claims._SEEN.clear()
    try:
        return attempt(node, context)
    finally:
        claims._SEEN.clear()
        claims._SEEN.update(known)


@pytest.mark.slow
@pytest.mark.parametrize("processes", [2, 4])
def test_work_of_equal_length_is_shared_evenly_and_each_result_made_once(tmp_path, processes):
    """Stages sleep, so that the time does not depend on the cores that the test has."""
    with two_hosts(tmp_path) as hosts:
        noted(hosts[0])
        started = [begun(hosts[number % 2], count=6, seconds=0.6) for number in range(processes)]
        for process in started:
            let_run(process)
        said = [said_by(process) for process in started]
        assert sorted((tmp_path / "disk" / "made.log").read_text().split()) == [str(number) for number in range(6)]
        assert sum(of["made"] for of in said) == 6
        assert all(of["made"] + of["others"] == 6 and not of["failed"] for of in said)
        rounds = {2: 3, 4: 2}[processes]  # six of them cannot be shared evenly among four
        assert max(of["made"] for of in said) == rounds
        assert rounds * 0.6 <= max(of["seconds"] for of in said) < rounds * 0.6 + 2.0
        assert sorted(bytes_in(hosts[0]).values()) == [str(number).encode() for number in range(6)]


@pytest.mark.slow
def test_processes_that_are_killed_at_any_moment_cost_only_what_they_were_at(tmp_path):
    rng = random.Random(5)
    with two_hosts(tmp_path) as hosts:
        noted(hosts[0])
        killed, there = 0, {}
        while killed < 4:
            started = [begun(host, count=40, seconds=0.05) for host in hosts]
            for process in started:
                let_run(process)
            time.sleep(rng.uniform(0.05, 0.6))
            victim, survivor = rng.sample(started, 2)
            kill(victim)
            time.sleep(rng.uniform(0, 0.2))
            kill(survivor)
            killed += 2
            now = bytes_in(hosts[0])
            assert now.items() >= there.items()
            there = now
        last = begun(hosts[0], count=40, seconds=0.0)
        let_run(last)
        assert not said_by(last)["failed"]
        assert sorted(map(int, bytes_in(hosts[1]).values())) == list(range(40))
        times = Counter((tmp_path / "disk" / "made.log").read_text().split())
        assert sum(times.values()) <= 40 + killed  # what was being put into its place may be made again, no more
        assert list((tmp_path / "disk" / "partial").iterdir()) == []
