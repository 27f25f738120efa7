"""Check a backbone as inference runs it: a folded copy, channels last, all of it in one number type."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from pnetkit.acceleration import NUMBER_TYPES, accelerated
from pnetkit.interfaces import Backbone
from pnetkit.networks import Precision, build_seeded, is_emulated, multiply_adds
from pnetkit.testing.checks import ConformanceError, SkippedCheck, require
from pnetkit.testing.probes import edges_of, evaluated, patches

LARGEST_CHANGE = 1e-3
"""How far logits may lie apart, of their largest: other kernels change some 1e-5, a wrong answer changes much more."""

MOST_EMULATED = 1e9
"""Multiply-adds that a processor without arithmetic in bf16 is asked for: they take it some seconds."""


def require_inference(build: Callable[..., Any]) -> None:
    """Hold the copy that inference runs to the network, in fp32; in bf16 it has to give finite logits."""
    network = build_seeded(lambda: build(in_channels=1, num_classes=4), 0)
    edges = edges_of(network)
    x = patches(network, edges, 2)
    network.train()
    with torch.no_grad():
        network(x)  # so that batch norms have something to fold
    wanted = evaluated(network, x).logits
    found = _answered(network, x, "fp32")
    shape = tuple(found.shape)
    require(shape == tuple(wanted.shape), f"answers {shape} channels last, and {tuple(wanted.shape)} otherwise")
    difference = float((found - wanted).abs().max()) / max(1.0, float(wanted.abs().max()))
    said = f"logits change by {difference:.2g} in fp32 when batch norms are folded and tensors lie channels last"
    require(difference <= LARGEST_CHANGE, said)
    if is_emulated("cpu", "bf16") and multiply_adds(network, edges) > MOST_EMULATED:
        raise SkippedCheck(
            "passes in fp32; this processor has no bf16 and is too slow for it: choose a narrower network"
        )
    finite = bool(torch.isfinite(_answered(network, x, "bf16")).all())
    require(finite, "is not finite in bf16 throughout, as with inference.precision: bf16")


def _answered(network: Backbone, x: Tensor, precision: Precision) -> Tensor:
    quick, kind = accelerated(network, device="cpu", precision=precision), NUMBER_TYPES[precision]
    try:
        with torch.inference_mode():
            logits: Tensor = quick(x.to(dtype=kind, memory_format=torch.channels_last_3d)).logits
    except Exception as error:
        raised = f"raises {type(error).__name__} ({error})"
        hint = "make tensors in the input's type, and reshape instead of viewing"
        raise ConformanceError(f"{raised} with all of it in {kind}, channels last; {hint}") from error
    return logits
