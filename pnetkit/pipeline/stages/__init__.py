"""What each stage does: a function from a node to files in a folder. They run in worker processes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pnetkit.pipeline.context import Context
from pnetkit.pipeline.node import Node
from pnetkit.pipeline.stages.adopt import adopt
from pnetkit.pipeline.stages.classify import classify
from pnetkit.pipeline.stages.measure import measure
from pnetkit.pipeline.stages.postprocess import postprocess
from pnetkit.pipeline.stages.prepare import prepare
from pnetkit.pipeline.stages.roi import features, fit
from pnetkit.pipeline.stages.segment import segment
from pnetkit.pipeline.stages.train import train

Task = Callable[[Node, Context, Path], dict[str, Any]]
"""Writes a node's result into a folder and gives what is worth recording beside it."""

TASKS: dict[str, Task] = {
    "prepare": prepare,
    "train": train,
    "segment": segment,
    "adopt": adopt,
    "postprocess": postprocess,
    "features": features,
    "fit": fit,
    "classify": classify,
    "measure": measure,
}
"""The stages by name."""
