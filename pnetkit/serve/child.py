"""The process in which studies are screened: it holds the model, and what goes wrong in it goes wrong there alone.

Messages in both directions are JSON. A process that ends says why by how it ended.
"""

import json
import logging
import os
import sys
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from pnetkit.children import end_with_parent
from pnetkit.errors import PnetkitError, StoreError
from pnetkit.serve.log import kind_and_place
from pnetkit.serve.values import Failure, Outcome, outcome_to_json


@dataclass(frozen=True, slots=True)
class Task:
    """A study to be screened: its number, the folder of what came, and a folder for what comes of it.

    `earlier` is the folder of the results that this study's new ones replace, where there is one.
    """

    number: int
    study: Path
    out: Path
    earlier: Path | None = None


Screen = Callable[[Task], Outcome]

Opener = Callable[[], Screen]
"""Loads a model, once in a process, and gives what screens with it; travels there, so it is a function of a module."""


def serve_tasks(opener: Opener, connection: Connection) -> None:
    """Load a model, and screen what is asked for until nobody asks any more."""
    end_with_parent()
    _be_quiet()
    try:
        screen = opener()
    except PnetkitError as error:
        _send(connection, {"broken": str(error)})
        return
    except Exception as error:  # noqa: BLE001  # a plugin may raise anything; it is told, and this process ends
        _send(connection, {"broken": kind_and_place(error)})
        return
    _send(connection, {"ready": True})
    while True:
        try:
            said = json.loads(connection.recv_bytes())
        except EOFError:
            return
        _send(connection, _answer(screen, task_from_json(said)))


def task_to_json(task: Task) -> bytes:
    """Give a task as bytes."""
    return json.dumps(
        {name: value if name == "number" else _text(value) for name, value in asdict(task).items()}
    ).encode()


def task_from_json(said: dict[str, Any]) -> Task:
    """Read a task."""
    earlier = said["earlier"]
    return Task(said["number"], Path(said["study"]), Path(said["out"]), None if earlier is None else Path(earlier))


def _answer(screen: Screen, task: Task) -> dict[str, str]:
    try:
        return {"outcome": outcome_to_json(screen(task))}
    except (StoreError, OSError) as error:
        return {"later": kind_and_place(error)}  # the place of the results, not the study, is at fault
    except Exception as error:  # noqa: BLE001  # whatever it was, the next study has nothing to do with it
        return {"outcome": outcome_to_json(Failure(f"screening met an error ({kind_and_place(error)})"))}


def _send(connection: Connection, said: dict[str, Any]) -> None:
    connection.send_bytes(json.dumps(said).encode())


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _be_quiet() -> None:
    """Print nothing: what libraries print can name patients."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.close(nowhere)
