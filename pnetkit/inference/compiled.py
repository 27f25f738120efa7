"""Run a network compiled by torch for this processor."""

import os
import shutil

import torch

from pnetkit.errors import PnetkitError
from pnetkit.interfaces import Backbone, BackboneOutput


class Compiled:
    """A backbone whose evaluation is compiled to machine code for this processor and one size of batch and window.

    The first call takes half a minute and more. Sums are ordered otherwise than in the uncompiled network, so labels
    can differ in single voxels; from call to call they are the same.
    """

    def __init__(self, backbone: Backbone) -> None:
        self.spec = backbone.spec
        self.network = backbone

        def logits(x: torch.Tensor) -> torch.Tensor:
            return backbone(x).logits

        self._logits = torch.compile(logits, dynamic=False, options={"freezing": True})

    def __call__(self, x: torch.Tensor) -> BackboneOutput:
        """Score every voxel."""
        with torch.no_grad():
            return BackboneOutput(self._logits(x))


def require_compiler() -> None:
    """Raise PnetkitError where torch finds no C++ compiler."""
    names = (os.environ.get("CXX", ""), "g++", "clang++", "c++", "cl")
    if not any(name and shutil.which(name) for name in names):
        raise PnetkitError(
            "inference.runtime: compiled needs a C++ compiler (g++ or clang++), and there is none here. Install one, "
            "or set inference.runtime: torch."
        )
