"""Find out what a machine has and what will hurt: the facts that a bug report needs."""

import os
import platform
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

import torch

from pnetkit import cuda
from pnetkit.errors import PluginError
from pnetkit.parameters import parameters_model
from pnetkit.processors import usable_processors
from pnetkit.provenance import versions
from pnetkit.registry import list_plugins, load_factory

LOW_DISK_GIB = 5
LOW_MEMORY_GIB = 4
GIB = 2**30


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Hold facts, the state of each plugin, and problems as sentences that say what to do."""

    facts: Mapping[str, str]
    plugins: Mapping[str, str]
    problems: tuple[str, ...]
    broken: bool


def diagnose() -> Diagnosis:
    """Look at Python, torch, GPUs, cores, memory, disk, and load every plugin."""
    states: dict[str, str] = {}
    problems: list[str] = []
    broken = False
    for info in list_plugins():
        try:
            parameters_model(info.kind, info.name, load_factory(info.kind, info.name))
            state = "fine"
        except PluginError as error:
            state, broken = "broken", True
            problems.append(str(error))
        states[f"{info.kind} {info.name} ({info.distribution} {info.version})"] = state
    if not states:
        problems.append("No plugin is installed; install pnetkit's own: pip install -r plugins/requirements.txt")
    memory, disk = _memory_gib(), shutil.disk_usage(Path.cwd()).free / GIB
    problems += torch_problems(torch.__version__)
    if disk < LOW_DISK_GIB:
        problems.append(f"Only {disk:.1f} GiB of disk are free here; prepared scans take some hundred MB each.")
    if memory is not None and memory < LOW_MEMORY_GIB:
        problems.append(f"Only {memory:.1f} GiB of memory; use --workers 1.")
    build, unusable = cuda.described()
    if unusable:
        problems.append(f"torch is a CUDA build, but {unusable}.")
    gpus = [] if unusable else cuda.names()
    facts = {
        "pnetkit": versions()["pnetkit"],
        "python": f"{platform.python_version()} ({sys.platform}, {platform.machine()})",
        "torch": f"{torch.__version__} ({build})",
        "libraries": ", ".join(f"{name} {version}" for name, version in versions().items() if name != "python"),
        "GPUs": ", ".join(gpus) or "none",
        "cores": f"{os.cpu_count()}, of which this process may use {usable_processors()}",
        "memory": "unknown" if memory is None else f"{memory:.1f} GiB",
        "free disk": f"{disk:.1f} GiB",
    }
    return Diagnosis(facts, states, tuple(problems), broken)


def torch_problems(version: str) -> list[str]:
    """Say what is known to hurt with a release of torch, and whether packages of CUDA lie about without a GPU."""
    problems = []
    if version.split("+", maxsplit=1)[0].startswith("2.9."):
        problems.append(
            f"torch {version} has slow, memory-hungry 3-D convolutions (pytorch issue 166122). Install another release."
        )
    cuda = sorted(n for d in distributions() for n in d.metadata.get_all("Name") or () if n.startswith("nvidia-"))
    if cuda and not torch.version.cuda:
        problems.append(
            f"{len(cuda)} CUDA packages are installed beside a torch that does not use them ({cuda[0]}, …)."
        )
    return problems


def _memory_gib() -> float | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    except (AttributeError, ValueError, OSError):
        return None  # not known on this system
