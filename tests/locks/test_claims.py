"""Tests of pnetkit.locks.claims: held by one, given up, taken over once and only from who shows no life."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from pnetkit.locks import claims
from pnetkit.locks.claims import Pace, delete_leftovers, take
from pnetkit.locks.way import NOTE
from tests.two_hosts import two_hosts

SLOW = Pace(beat_s=60, stale_s=600)
FAST = Pace(beat_s=0.05, stale_s=0.3)


@pytest.fixture
def place(tmp_path):
    return tmp_path / "locks" / "one.claim"


def foreign(place, token="ab" * 8, **owner):
    """A claim of another machine, whose process nobody here can ask after."""
    place.mkdir(parents=True)
    owner = {"host": "elsewhere", "boot": "x", "processes": "1", "pid": 1, "started": "1"} | owner
    (place / token).write_bytes(b"%020d\n" % 0 + json.dumps(owner).encode())
    return place / token


def until_taken(place, pace, seconds=10.0):
    until = time.monotonic() + seconds
    while (claim := take(place, pace)) is None and time.monotonic() < until:
        time.sleep(0.01)
    return claim


def test_one_has_it_until_it_is_given_up_and_nothing_is_left_behind(place):
    first = take(place, SLOW)
    assert first.is_ours()
    assert take(place, SLOW) is None
    first.release()
    second = take(place, SLOW)
    assert second.token != first.token
    assert not first.is_ours()
    second.release()
    assert list(place.parent.iterdir()) == []


def test_an_empty_folder_and_what_was_to_be_a_claim_are_nobody_s(place):
    place.mkdir(parents=True)
    (place.parent / ".ab.staged").mkdir()
    claim = take(place, SLOW)
    assert claim is not None
    (place.parent / "two.claim").mkdir()
    delete_leftovers(place.parent)
    assert [path.name for path in place.parent.iterdir()] == ["one.claim"]
    assert claim.is_ours()


def test_who_shows_life_keeps_it_and_who_shows_none_loses_it(place):
    file, count = foreign(place), iter(range(1, 1000))
    for _ in range(20):
        file.write_bytes(b"%020d\n" % next(count) + file.read_bytes()[21:])
        assert take(place, FAST) is None
        time.sleep(0.05)
    begun = time.monotonic()
    claim = until_taken(place, FAST)
    assert claim is not None
    assert time.monotonic() - begun >= FAST.stale_s - FAST.beat_s
    assert not file.exists()


def test_the_thread_shows_life_while_the_holder_computes(place):
    held = take(place, FAST)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(until_taken, place, FAST, 1.0).result() is None
    assert held.is_ours()


def test_a_holder_that_was_stopped_finds_its_claim_gone_and_leaves_the_next_one_s_alone(place):
    stopped = take(place, FAST)
    claims._HEART.forget(stopped)  # as if the process had been stopped
    following = until_taken(place, FAST)
    assert following is not None
    assert not stopped.is_ours()
    stopped.release()
    assert following.is_ours()
    assert take(place, FAST) is None


def test_time_in_which_nobody_looked_is_not_held_against_a_holder(place, monkeypatch):
    """The one who looks was stopped itself: between two looks the holder may have been stopped as well."""
    now = [100.0]
    monkeypatch.setattr(claims.time, "monotonic", lambda: now[0])
    foreign(place)
    pace = Pace(beat_s=5, stale_s=15)
    assert take(place, pace) is None
    for _ in range(2):
        now[0] += 3600
        assert take(place, pace) is None
    now[0] += 3600
    assert take(place, pace) is not None


def test_clocks_of_machines_are_not_compared(place):
    file = foreign(place)
    for wrong in (0, 2_000_000_000):
        os.utime(file, (wrong, wrong))
        assert take(place, SLOW) is None


def test_a_process_of_this_machine_that_is_gone_need_not_be_waited_for(place):
    def hold(place, told):
        take(place, SLOW)
        told.set()
        time.sleep(60)

    context = multiprocessing.get_context("fork")
    told = context.Event()
    process = context.Process(target=hold, args=(place, told))
    process.start()
    assert told.wait(30)
    assert take(place, SLOW) is None
    os.kill(process.pid, signal.SIGKILL)
    claim = until_taken(place, SLOW)  # also while nobody has asked after it, and its number is still there
    process.join()
    assert claim is not None


def test_another_process_with_the_number_of_one_that_is_gone_does_not_hold_its_claim(place):
    foreign(place, **claims._here(), pid=os.getpid(), started="1")
    assert take(place, SLOW) is not None


def test_what_a_machine_that_lost_its_power_left_half_written_is_taken_over_too(place):
    foreign(place).write_bytes(b"")
    assert take(place, FAST) is None
    assert until_taken(place, FAST) is not None


def test_of_many_that_wait_for_one_that_is_gone_one_takes_over(place):
    pace = Pace(beat_s=0.1, stale_s=0.5)
    for _ in range(2):
        foreign(place)
        start, over = threading.Barrier(8), threading.Event()

        def contend(start=start, over=over):
            start.wait()
            until = time.monotonic() + 60
            while time.monotonic() < until:
                if (claim := take(place, pace)) is not None:
                    over.set()
                    return claim
                if over.is_set():
                    until = min(until, time.monotonic() + 0.2)
                time.sleep(0.01)
            return None

        with ThreadPoolExecutor(8) as pool:
            won = [of for of in [pool.submit(contend) for _ in range(8)] if of.result() is not None]
        assert len(won) == 1
        won[0].result().release()


HOLDER = """
import os, random, sys, time
from pathlib import Path
from pnetkit.locks.holding import hold_if_free
from pnetkit.locks.way import way_of

root, processes, times = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
way, until, held, violations = way_of(root), time.monotonic() + 90, 0, 0
(root / f"begun {os.getpid()}").touch()
while len(list(root.glob("begun *"))) < processes:
    time.sleep(0.01)
while held < times and time.monotonic() < until:
    hold = hold_if_free(root / "locks" / "one", way)
    if hold is None:
        time.sleep(0.001)
        continue
    held += 1
    try:
        (root / "inside").mkdir()
    except FileExistsError:
        violations += 1
    else:
        time.sleep(random.uniform(0, 0.004))
        (root / "inside").rmdir()
    hold.release()
    time.sleep(random.uniform(0, 0.002))
print(held, violations)
"""


def contended(hosts, kind, times=30, each=2):
    """Let processes of several hosts hold one thing in turn; give how often it was held, and by two at once.

    All begin at once, when the last one is there.
    """
    (hosts[0] / NOTE).write_text(json.dumps({"locks": kind, "asked": True, "beat_s": 0.5, "stale_s": 5.0}))
    command = [sys.executable, "-c", textwrap.dedent(HOLDER)]
    processes = [
        subprocess.Popen([*command, str(host), str(len(hosts) * each), str(times)], stdout=subprocess.PIPE, text=True)
        for host in hosts * each
    ]
    said = [process.communicate(timeout=120)[0].split() for process in processes]
    return sum(int(held) for held, _ in said), sum(int(violations) for _, violations in said)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["flock", "claims"])
def test_claims_hold_between_machines_where_flock_does_not(tmp_path, kind):
    with two_hosts(tmp_path) as hosts:
        held, violations = contended(hosts, kind)
        assert held == 4 * 30
        assert (violations > 0) == (kind == "flock")
