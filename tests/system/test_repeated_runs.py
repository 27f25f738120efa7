"""Runs that repeat to the byte: with other workers, after kills, two at once."""

import contextlib
import signal
import time

import pytest

from tests.forked import begin_module
from tests.system.conftest import Runner, results

SHORT = ["phases=[venous]", "training.iterations=8", "training.checkpoint_every=2"]


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """A run in this process of one phase, and of short trainings."""
    return Runner(tmp_path_factory.mktemp("short"))(sets=SHORT)


@pytest.mark.slow
def test_equal_runs_give_equal_bytes_whatever_the_workers(short, tiny):
    expected = results(short.folder)
    assert any(name.endswith("_venous.nii.gz") for name in expected)
    found = results(tiny(workers=2, sets=SHORT).folder)  # of a single one: test_phases.py
    assert found.keys() == expected.keys()
    assert [name for name in expected if found[name] != expected[name]] == []


@pytest.mark.slow
def test_another_seed_gives_another_run(short, tiny):
    other = tiny(sets=[*SHORT, "training.seed=1"])
    assert results(other.folder)["cases.csv"] != results(short.folder)["cases.csv"]


def command(tiny, *, out="out"):
    """Begin a run in a process of its own."""
    return begin_module(
        tiny.folder / f"{out}.txt", "pnetkit", "run", str(tiny.recipe), "--store", str(tiny.folder / "store"),
        "--out", str(tiny.folder / out), "--workers", "0", "--device", "cpu", "--no-report",
        *(word for value in SHORT for word in ("--set", value)),
    )  # fmt: skip


def ended(process, said):
    """Wait for a run to end, and hold it to have ended well."""
    process.join()
    assert process.exitcode == 0, said.read_text()


def made_when(store):
    """When each finished result was made: a result that is made again has another time."""
    found = {}
    for path in store.glob("*/*/stage.json"):
        with contextlib.suppress(FileNotFoundError):  # what is being made moves away while one looks
            found[path] = path.stat().st_mtime_ns
    return {path: made for path, made in found.items() if "partial" not in path.parts}


def a_few_are_made(store):
    return len(made_when(store)) >= 3


def a_training_has_a_checkpoint(store):
    return any(store.glob("partial/train*/checkpoint.safetensors"))


def a_scan_is_segmented(store):
    return any(store.glob("segment/*/stage.json"))


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_ends_with_the_same_bytes_and_redoes_nothing(short, tiny):
    """By what is made and not by the clock: a slow machine would still be at its first scan."""
    expected, store, made = results(short.folder), tiny.folder / "store", {}
    for comes in (a_few_are_made, a_training_has_a_checkpoint, a_scan_is_segmented):
        process = command(tiny)
        while process.is_alive() and not comes(store):
            time.sleep(0.01)
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        now = made_when(store)
        assert {path: now.get(path) for path in made} == made
        assert len(now) < sum(short.made.values())  # it was not done
        made = now
    ended(command(tiny), tiny.folder / "out.txt")
    assert results(tiny.folder / "out") == expected
    assert {path: made_when(store)[path] for path in made} == made


@pytest.mark.slow
def test_two_runs_at_once_share_a_store_and_make_each_result_once(short, tiny):
    pair = {out: command(tiny, out=out) for out in ("one", "two")}
    for out, process in pair.items():
        ended(process, tiny.folder / f"{out}.txt")
    expected = results(short.folder)
    assert results(tiny.folder / "one") == results(tiny.folder / "two") == expected
    assert not list((tiny.folder / "store" / "partial").iterdir())
