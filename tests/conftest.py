"""What all tests share."""

import gc
import importlib
import os
import resource
import sys
import textwrap
from contextlib import chdir
from multiprocessing import forkserver
from multiprocessing.context import BaseContext
from pathlib import Path

import pytest
import torch
from beartype import BeartypeConf
from beartype.claw import beartype_package
from hypothesis import settings

gc.disable()  # until the tests begin: what is imported stays, and going through it time and again is a tenth of a run

beartype_package("pnetkit", conf=BeartypeConf(is_pep484_tower=True))  # every call is held to its annotations

if "PYTEST_XDIST_WORKER" in os.environ:  # test processes side by side: more threads than cores wait for each other
    torch.set_num_threads(1)
    torch.set_num_threads = lambda _: None  # commands as `screen` take all cores, and would keep them for later tests
    os.environ["OMP_NUM_THREADS"] = "1"  # of the processes that tests start

os.fsync = os.fstat  # no test pulls the plug: what is written need not be on the disk, and waiting for that is long

PLAIN_PRELOAD = BaseContext.set_forkserver_preload


def preload_more(context, names):
    """Let the server of this process import what its tests' processes need, whoever is the first to ask for it."""
    PLAIN_PRELOAD(context, [*names, "tests.preloaded"])
    if forkserver._forkserver._forkserver_pid is None:
        with chdir(Path(__file__).parents[1]):  # it finds modules from the folder in which it begins
            forkserver.ensure_running()


BaseContext.set_forkserver_preload = preload_more

os.environ.pop("COLUMNS", None)  # what commands print into a pipe is as wide as it is, wherever the tests run
os.unsetenv("COLUMNS")  # readline sets it for the processes that tests start, and os.environ does not know

# Examples are drawn from a fixed seed, so that a test fails for everyone or for no one; busy machines miss deadlines.
settings.register_profile("pnetkit", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("pnetkit")


LIMITS = [name for name in dir(resource) if name.startswith("RLIMIT_")]

TRAINED = {"tiny", "warm", "finished", "model", "workplace", "archive"}
"""Fixtures of tests/system that train networks."""


def pytest_collection_finish():
    """Look for garbage from now on, seldom, and not among what stays until the process ends."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    gc.enable()


def pytest_collection_modifyitems(items):
    """What trains is slow, whichever test of a module is the first to ask for it."""
    for item in items:
        if TRAINED & set(getattr(item, "fixturenames", ())):
            item.add_marker("slow")


@pytest.fixture(autouse=True)
def left_as_it_was():
    """Hold each test to leave the limits of its process, and how it computes, to the next one as they were.

    A limit of memory that one test set once ended browsers, and torch with a fault, in tests long after it.
    """
    before, threads = _process(), torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    after = _process()
    assert {name: after[name] for name in after if after[name] != before[name]} == {}


def _process():
    mask = os.umask(0o022)
    os.umask(mask)
    return {
        **{name: resource.getrlimit(getattr(resource, name)) for name in LIMITS},
        "umask": mask,
        "folder": Path.cwd(),
        "type of numbers": torch.get_default_dtype(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "precision": torch.get_float32_matmul_precision(),
    }


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put a distribution on the path: `install("acme-net", "acme_net", source, backbone={"acme": "acme_net:Net"})`."""
    made = []

    def put(distribution, module, source, *, requires=("pnetkit<0.2,>=0.1",), **groups):
        folder = tmp_path / f"site-{distribution}"
        info = folder / f"{module}-1.2.dist-info"
        info.mkdir(parents=True)
        (folder / f"{module}.py").write_text(textwrap.dedent(source), encoding="utf-8")
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\nSummary: A plugin for tests\n"
            + "".join(f"Requires-Dist: {requirement}\n" for requirement in requires),
            encoding="utf-8",
        )
        points = []
        for group, entries in groups.items():
            points.append(f"[pnetkit.{group}]")
            points += [f"{name} = {target}" for name, target in entries.items()]
        (info / "entry_points.txt").write_text("\n".join(points), encoding="utf-8")
        monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
        importlib.invalidate_caches()
        made.append(module)

    yield put
    for module in made:
        sys.modules.pop(module, None)
