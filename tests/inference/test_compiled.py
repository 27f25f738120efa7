"""A network compiled by torch."""

import os
import shutil
import subprocess
import sys

import pytest

from pnetkit.errors import PnetkitError
from pnetkit.inference.compiled import require_compiler

COMPILE = """
import torch
from torch import nn
from pnetkit.acceleration import accelerated
from pnetkit.inference.compiled import Compiled
from pnetkit.interfaces import BackboneOutput
from pnetkit.types import BackboneSpec

class Small(nn.Module):  # what is compiled takes its time by the kinds of layers
    def __init__(self):
        super().__init__()
        self.spec = BackboneSpec(1, 4, (2, 2, 2))
        self.first, self.norm = nn.Conv3d(1, 4, 3, stride=2, padding=1, bias=False), nn.BatchNorm3d(4)
        self.head = nn.Conv3d(4, 4, 1)

    def forward(self, x):
        y = torch.relu(self.norm(self.first(x)))
        return BackboneOutput(self.head(nn.functional.interpolate(y, scale_factor=2)))

torch.manual_seed(0)
quick = accelerated(Small().eval(), device="cpu", precision="fp32")
compiled = Compiled(quick)
x = torch.randn(1, 1, 8, 8, 8).to(memory_format=torch.channels_last_3d)
with torch.inference_mode():
    first, again = compiled(x).logits, compiled(x).logits
    assert torch.equal(first, again)
    torch.testing.assert_close(first, quick(x).logits, rtol=1e-3, atol=1e-4)
assert compiled.spec is quick.spec
print("the same")
"""


QUICK = {
    "TORCHINDUCTOR_COMPILE_THREADS": "1",  # without processes that compile, each of which imports torch
    "TORCHINDUCTOR_CPP_CACHE_PRECOMPILE_HEADERS": "0",  # which pays for many kernels; here are two
    "TORCHINDUCTOR_VEC_ISA_OK": "1",  # torch need not try what the processor can do
}


@pytest.mark.slow
@pytest.mark.skipif(not any(map(shutil.which, ("g++", "clang++"))), reason="there is no C++ compiler here")
def test_a_compiled_network_answers_the_same_up_to_rounding_and_always_the_same():
    """In a process of its own: the tests' type checks at run time cannot be compiled."""
    command = [sys.executable, "-c", COMPILE]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | QUICK)
    assert done.stdout == "the same\n", done.stderr[-2000:]


def test_a_recipe_that_compiles_is_refused_where_there_is_no_compiler(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(PnetkitError, match="needs a C\\+\\+ compiler"):
        require_compiler()
