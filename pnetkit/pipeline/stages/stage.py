"""What the engine has to know of a stage."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pnetkit.pipeline.stages.context import Context


@dataclass(frozen=True, slots=True)
class Stage:
    """Name a stage and the function that makes its results.

    `run` gets the stage's own spec and a folder, writes a result into it and gives what is worth recording beside it.
    `on_device` stages compute on the run's device; the others never begin to use a GPU in their process. One that
    `keeps_partial` goes on from what an interrupted call left in the folder.
    """

    name: str
    run: Callable[[Any, Context, Path], dict[str, Any]]
    on_device: bool = False
    keeps_partial: bool = False
