"""Checks of how a backbone behaves: that it can be trained, repeated, stored, moved and trusted."""

from collections.abc import Callable
from typing import Any

import safetensors.torch
import torch

from pnetkit.errors import MissingExtraError, ModelError
from pnetkit.interfaces import Backbone
from pnetkit.networks import build_seeded, distinct_tensors, load_state
from pnetkit.onnx_export import onnx_of
from pnetkit.testing.checks import SkippedCheck, require
from pnetkit.testing.probes import edges_of, evaluated, patches

BATCH_TOLERANCE = 1e-4
"""How much a logit may change with the batch around it: other sizes take other kernels, which sum in another order."""

Build = Callable[..., Any]


def require_gradients(network: Backbone) -> None:
    """Give every parameter a gradient from the outputs that are trained: those whose loss has a weight."""
    network.train()
    output = network(patches(network, edges_of(network), 2))
    generator = torch.Generator().manual_seed(2)
    heads = zip(network.spec.aux_heads, output.aux_logits, strict=False)  # another check counts them
    parts = [output.logits, *(logits for head, logits in heads if head.loss_weight)]
    parts += [] if output.lesion_logits is None else [output.lesion_logits]
    loss = torch.stack([(part * torch.randn(part.shape, generator=generator)).sum() for part in parts]).sum()
    parameters = dict(network.named_parameters())  # type: ignore[attr-defined]  # a Backbone is a Module
    loss.backward()
    without = [name for name, parameter in parameters.items() if parameter.requires_grad and parameter.grad is None]
    wrong = [name for name, of in parameters.items() if of.grad is not None and not torch.isfinite(of.grad).all()]
    for parameter in parameters.values():
        parameter.grad = None
    require(not without, f"{len(without)} parameters get no gradient, such as {without[:3]}; they are never trained")
    require(not wrong, f"{len(wrong)} parameters get a gradient that is not finite, such as {wrong[:3]}")


def require_batch_items_apart(network: Backbone) -> None:
    """Hold what an item is answered to what it is answered alone."""
    x = patches(network, edges_of(network), 3)
    x[1] *= 50
    together = evaluated(network, x).logits
    alone = torch.cat([evaluated(network, item[None]).logits for item in x])
    scale = max(1.0, float(alone.abs().max()))
    difference = float((together - alone).abs().max()) / scale
    require(difference <= BATCH_TOLERANCE, f"an item's logits change by {difference:.2g} with the batch around it")


def require_repeated_evaluation(network: Backbone) -> None:
    """Ask twice in evaluation mode."""
    x = patches(network, edges_of(network), 1)
    one, two = (evaluated(network, x).logits for _ in range(2))
    require(torch.equal(one, two), "answers otherwise the second time in evaluation mode; is dropout left on?")


def require_seeded_weights(build: Build) -> None:
    """Build twice under one seed."""
    one, two = (build_seeded(lambda: build(in_channels=1, num_classes=4), 7).state_dict() for _ in range(2))
    differing = [name for name in one if not torch.equal(one[name], two[name])]
    require(not differing, f"first weights differ under one seed: {differing[:3]}")


def require_random_state_kept(network: Backbone) -> None:
    """Hold torch's global state to what it was before."""
    before = torch.random.get_rng_state()
    kind, threads = torch.get_default_dtype(), torch.get_num_threads()
    evaluated(network, patches(network, edges_of(network), 1))
    require(torch.equal(before, torch.random.get_rng_state()), "draws from the global random state in evaluation mode")
    require((kind, threads) == (torch.get_default_dtype(), torch.get_num_threads()), "changes torch's global settings")


def require_input_kept(network: Backbone) -> None:
    """Hold the input to what it was before, in evaluation and in training."""
    x = patches(network, edges_of(network), 1)
    kept = x.clone()
    evaluated(network, x)
    require(torch.equal(x, kept), "changes its input in evaluation mode")
    network.train()
    x = patches(network, edges_of(network), 2)  # batch norms need more than one value a channel
    kept = x.clone()
    network(x)
    require(torch.equal(x, kept), "changes its input in training mode")


def require_state_round_trip(network: Backbone, build: Build) -> None:
    """Store the state as safetensors, and load it into a network of other first weights."""
    state = {name: tensor.detach().contiguous() for name, tensor in distinct_tensors(network.state_dict()).items()}
    other = build_seeded(lambda: build(in_channels=1, num_classes=4), 1)
    load_state(other, safetensors.torch.load(safetensors.torch.save(state)))
    x = patches(network, edges_of(network), 1)
    same = torch.equal(evaluated(network, x).logits, evaluated(other, x).logits)
    require(same, "answers otherwise after its state was stored and loaded: something is not in state_dict")


def require_finite(network: Backbone) -> None:
    """Ask about nothing but one value, small and large, and about large contrasts, as metal in air makes them."""
    edges = edges_of(network)
    shape = (1, network.spec.in_channels, *edges)
    asked = {f"nothing but {value:g}": torch.full(shape, value) for value in (0.0, 1.0, -1e3, 1e3)}
    asked["a single 1000 among 0"] = torch.zeros(shape)
    asked["a single 1000 among 0"][:, :, edges[0] // 2, edges[1] // 2, edges[2] // 2] = 1e3
    asked["-1000 and 1000 at random"] = 1e3 * patches(network, edges, 1).sign()
    for what, x in asked.items():
        require(bool(torch.isfinite(evaluated(network, x).logits).all()), f"is not finite on {what}")
    network.train()
    with torch.no_grad():
        logits = network(torch.zeros(2, network.spec.in_channels, *edges)).logits
    require(bool(torch.isfinite(logits).all()), "is not finite on nothing but 0 in training mode")


def require_bf16(network: Backbone) -> None:
    """Run the network under autocast, as a training in bf16 does; inference has a check of its own."""
    x = patches(network, edges_of(network), 2)
    network.train()
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        output = network(x)
    parts = [output.logits, *output.aux_logits, *([] if output.lesion_logits is None else [output.lesion_logits])]
    require(all(bool(torch.isfinite(part).all()) for part in parts), "is not finite in training under bf16 autocast")


def require_onnx(name: str, network: Backbone) -> None:
    """Write the network as ONNX and hold that to torch."""
    try:
        onnx_of(name, network, edges_of(network), {})
    except MissingExtraError as error:
        raise SkippedCheck(str(error)) from error
    except ModelError as error:
        require(False, str(error))
