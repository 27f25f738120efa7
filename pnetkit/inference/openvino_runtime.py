"""Run a network with OpenVINO instead of torch, on a CPU: an optional extra, and the same call."""

import sys
import warnings
from typing import Any

import torch
from torch import Tensor

from pnetkit.extras import require_extra
from pnetkit.interfaces import Backbone, BackboneOutput
from pnetkit.networks import Precision
from pnetkit.onnx_export import onnx_of
from pnetkit.types import Triple

NUMBER_TYPES = {"fp32": "f32", "tf32": "f32", "bf16": "bf16", "fp16": "f16"}
"""OpenVINO's names of each precision."""


class OpenVino:
    """A backbone whose evaluation is run by OpenVINO, for windows of one size.

    The network goes there as ONNX, held to torch's logits on the way. Sums are ordered otherwise than in torch, so
    labels can differ in single voxels; with the same processor and number of threads they are the same from call to
    call. It uses as many threads as torch has.

    Raises:
        MissingExtraError: OpenVINO, or what writes ONNX, is not installed.
        ModelError: the network has operators that ONNX does not.
    """

    def __init__(self, backbone: Backbone, window: Triple, precision: Precision) -> None:
        self.spec = backbone.spec
        data, _ = onnx_of(type(backbone).__name__, backbone, window, {})
        self._core = _openvino().Core()
        self._model = self._core.read_model(data)
        self._settings = {
            "INFERENCE_PRECISION_HINT": NUMBER_TYPES[precision],
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "NUM_STREAMS": 1,
        }
        self._requests: dict[tuple[int, ...], Any] = {}

    def __call__(self, x: Tensor) -> BackboneOutput:
        """Score every voxel of a batch of windows."""
        shape = tuple(x.shape)
        if shape not in self._requests:  # compiled for each size of batch: a size that is left open is slower
            self._model.reshape({"x": list(shape)})
            self._requests[shape] = self._core.compile_model(self._model, "CPU", self._settings).create_infer_request()
        answer = self._requests[shape].infer({"x": x.float().contiguous().numpy()})
        return BackboneOutput(torch.from_numpy(answer["logits"].copy()))


def _openvino() -> Any:
    """Import OpenVINO without its telemetry, which would report the import, and falls back to a stub of its own."""
    require_extra("openvino", "inference.runtime: openvino")
    if "openvino" not in sys.modules:
        sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None: it cannot be imported
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations inside OpenVINO's own modules
        import openvino  # noqa: PLC0415  # needs the extra
    return openvino
