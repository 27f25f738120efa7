"""Import torchvision where its binary does not fit the installed torch.

PyPI has CUDA builds of torchvision only. Beside a CPU build of torch its binary cannot be loaded, which torchvision
tolerates; but it then registers shape functions for two operators of that binary, and its import dies with `operator
torchvision::nms does not exist`. Declaring these operators, without an implementation, lets the import go through. What
needs the binary (`torchvision.ops.nms`, `roi_align`, ...) goes on refusing with torchvision's own "Couldn't load custom
C++ ops"; no network of this plugin uses it. Where torchvision imports by itself nothing is declared.
"""

import re
import sys
from importlib import import_module
from types import ModuleType

import torch

SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
"""The operators whose shape functions torchvision registers on import, as its binary declares them."""

_declared: dict[str, torch.library.Library] = {}  # a library that is collected takes its operators with it


def import_repaired() -> ModuleType:
    """Import torchvision, declaring the operators that its import misses; nothing more where it misses none.

    Every error that is not about an operator of `SCHEMAS` is passed on.
    """
    while True:
        try:
            return import_module("torchvision")
        except RuntimeError as error:
            operator = _missing_operator(error)
            if operator not in SCHEMAS or operator in _declared:
                raise
        _forget_torchvision()
        _declared[operator] = torch.library.Library("torchvision", "FRAGMENT")
        _declared[operator].define(SCHEMAS[operator])


def _missing_operator(error: RuntimeError) -> str:
    """Name the operator that an import misses; empty when the error is about something else."""
    found = re.search(r"operator torchvision::(\w+) does not exist", str(error))
    return found.group(1) if found else ""


def _forget_torchvision() -> None:
    """Drop the submodules that a failed import leaves behind, or the next import would take them for complete."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
