"""What a Dask worker does with a task, and what it says of itself.

Dask starts a task again when the worker is gone that had it. So a task begins by writing a mark into the store, and
deletes it when it ends; one that finds its mark there is one whose worker has died. It says so, and does nothing.
"""

import json
import os
import platform
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch

from pnetkit.errors import PnetkitError
from pnetkit.files import digest, read_json, write_first
from pnetkit.pipeline.engine.lanes import Work
from pnetkit.pipeline.engine.workers import Death, WorkerDiedError
from pnetkit.pipeline.stages.context import Context
from pnetkit.process_memory import keep_freed_memory
from pnetkit.provenance import versions
from pnetkit.sources import source_digest
from pnetkit.store.store import refresh

Plugins = tuple[tuple[str, str], ...]
"""Kinds and names."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a worker is handed: the work, where it runs, its mark, and the digest of what has to be installed there."""

    work: Work
    context: Context
    mark: Path
    plugins: Plugins
    installed: str


@dataclass(frozen=True, slots=True)
class Ended:
    """How a task ended: what its work gave, or the death of the worker that had it, or why it cannot be done."""

    given: Any = None
    death: Death | None = None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What a worker says of itself: its host, whether it sees a file, what is installed there, or what is missing."""

    host: str
    sees: bool
    installed: Mapping[str, str]
    fault: str | None = None


def carry_out(task: Task) -> Ended:
    """Do a task in a worker, unless another worker died of it."""
    here = {"host": platform.node(), "process": os.getpid(), "token": secrets.token_hex(8)}
    try:
        if digest(dict(installed(task.plugins))) != task.installed:
            return Ended(fault=f"the Dask worker on {here['host']} does not have the versions that the run has")
        write_first(task.mark, json.dumps(here).encode())
        begun = read_json(task.mark)
    except (OSError, ValueError, PnetkitError) as error:
        return Ended(fault=f"the Dask worker on {here['host']} cannot begin ({error})")
    if begun != here:
        return Ended(death=death_of(begun))
    try:
        torch.set_num_threads(task.context.threads)  # of this thread, whatever the worker did before
        keep_freed_memory()
        return Ended(given=task.work(task.context))
    except WorkerDiedError as error:  # a process that helped it
        return Ended(death=error.death)
    finally:
        task.mark.unlink(missing_ok=True)


def death_of(begun: Mapping[str, Any]) -> Death:
    """Say of what a mark tells how its worker died: nothing is known but where."""
    return Death(f"ended on {begun['host']} (process {begun['process']}), and Dask's log of it may say why")


def look(seen: Path, plugins: Plugins) -> Seen:
    """Say what a worker sees and has."""
    refresh(seen.parent)
    try:
        return Seen(platform.node(), seen.is_file(), dict(installed(plugins)))
    except PnetkitError as error:
        return Seen(platform.node(), seen.is_file(), {}, str(error))


@cache
def installed(plugins: Plugins) -> Mapping[str, str]:
    """Give what results depend on of what is installed here: versions, and the digests of plugins' sources."""
    return versions() | {f"{kind} {name}": source_digest(kind, name) for kind, name in plugins}
