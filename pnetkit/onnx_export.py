"""Write a network as ONNX, for programs without torch, and hold it to what torch says."""

import io
import json
import re
import warnings
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pnetkit.errors import ModelError
from pnetkit.extras import require_extra
from pnetkit.interfaces import Backbone
from pnetkit.types import Triple

LARGEST_DIFFERENCE = 1e-3
"""How far logits may lie apart: sums in another order differ by some 1e-5, a wrong operator by much more."""


def onnx_of(name: str, backbone: Backbone, window: Triple, contract: Mapping[str, Any]) -> tuple[bytes, float]:
    """Give a network as an ONNX file (x -> logits, any batch, windows of one size), and the largest change of a logit.

    `contract` (intensity, labels, grid) goes into the file's metadata as JSON; `name` stands for it in messages.

    Raises:
        MissingExtraError: onnx, onnxscript or onnxruntime is not installed.
        ModelError: the network has operators that cannot be written, or the file says something else than torch.
    """
    require_extra("onnx", "Writing ONNX")
    channels = backbone.spec.in_channels
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, channels, *window, generator=generator)
    network = _Logits(backbone).eval()
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):  # the exporter talks to itself
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                network, (x,), dynamo=True, input_names=["x"], output_names=["logits"],
                dynamic_shapes={"x": {0: torch.export.Dim("batch")}}, verbose=False,
            )  # fmt: skip
        proto = program.model_proto  # type: ignore[union-attr]  # None only with the exporter's older signature
    except Exception as error:  # the exporter raises whatever its passes meet in a plugin's network
        raise ModelError(f"{name}: cannot be written as ONNX ({_root_in_words(error)}).") from error
    for key, value in contract.items():
        proto.metadata_props.add(key=f"pnetkit.{key}", value=json.dumps(value))
    data = proto.SerializeToString()
    with torch.inference_mode():
        wanted = network(x[:1])  # another batch than the one that was traced
    return data, _difference(data, x[:1], wanted, name)


def _root_in_words(error: BaseException) -> str:
    """Give type and first line of what an error goes back to: the exporter's own tells which of its steps failed."""
    while error.__cause__ is not None:
        error = error.__cause__
    said = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip()
    return ": ".join(filter(None, (type(error).__name__, said.partition("\n")[0])))


def _difference(data: bytes, x: Tensor, wanted: Tensor, name: str) -> float:
    import onnxruntime  # noqa: PLC0415  # needs the extra

    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    found = np.asarray(session.run(["logits"], {"x": x.numpy()})[0])
    expected = wanted.numpy()
    if found.shape != expected.shape:
        raise ModelError(f"{name}: ONNX gives logits of shape {found.shape}, torch {expected.shape}.")
    difference = float(np.abs(found - expected).max())
    if not difference <= LARGEST_DIFFERENCE:
        raise ModelError(f"{name}: ONNX and torch differ by {difference:.2g} in a logit; nothing was exported.")
    return difference


class _Logits(nn.Module):
    """A backbone that gives its logits alone."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.backbone(x).logits
        return output


def contract_of(content: Mapping[str, Any], phases: Sequence[str]) -> dict[str, Any]:
    """Give what a program has to know to use a network: of `model.json`, and the phases that are its channels."""
    keys = ("classes", "intensity", "grid", "research_use_only")
    return {key: content[key] for key in keys} | {"channels": list(phases)}
