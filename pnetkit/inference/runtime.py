"""Choose what runs a trained network: torch as it is, torch's compiler, or OpenVINO."""

from typing import Literal

from pnetkit.acceleration import accelerated
from pnetkit.extras import require_extra
from pnetkit.inference.compiled import Compiled, require_compiler
from pnetkit.inference.openvino_runtime import OpenVino
from pnetkit.interfaces import Backbone
from pnetkit.networks import Network, Precision
from pnetkit.types import Triple

Runtime = Literal["torch", "compiled", "openvino"]


def require_runtime(runtime: Runtime) -> None:
    """Raise PnetkitError where a runtime cannot be used, saying what it needs."""
    if runtime == "compiled":
        require_compiler()
    elif runtime == "openvino":
        require_extra("openvino", "inference.runtime: openvino")


def runnable(backbone: Backbone, *, device: str, precision: Precision, runtime: Runtime, window: Triple) -> Network:
    """Give the network that inference runs, for windows of one size; the backbone stays as it is.

    Raises as `OpenVino` does.
    """
    if runtime == "openvino":
        return OpenVino(accelerated(backbone, device="cpu", precision="fp32"), window, precision)
    quick = accelerated(backbone, device=device, precision=precision)
    return Compiled(quick) if runtime == "compiled" else quick


def largest_batch(runtime: Runtime, batch_size: int) -> int:
    """Give the windows to run at once: one where each size of batch would be compiled anew."""
    return batch_size if runtime == "torch" else 1
