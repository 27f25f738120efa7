"""What the engine has to know of a stage."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pnetkit.pipeline.stages.context import Context
from pnetkit.pipeline.stages.needs import CPU, Needs


@dataclass(frozen=True, slots=True)
class Stage:
    """Name a stage and the function that makes its results.

    `run` gets the stage's own spec and a folder, writes a result into it and gives what is worth recording beside it.
    Which lane a result is made in follows from what the stage `needs`. One that `keeps_partial` goes on from what an
    interrupted call left in the folder. What `is_small` runs in one task with what follows it of the same subject.
    """

    name: str
    run: Callable[[Any, Context, Path], dict[str, Any]]
    needs: Needs = CPU
    keeps_partial: bool = False
    is_small: bool = False
