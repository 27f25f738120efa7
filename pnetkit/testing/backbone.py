"""Checks of a backbone: that its spec is true, and that it can be trained, stored, moved and trusted."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from pnetkit.errors import MissingExtraError, ModelError, PluginError
from pnetkit.interfaces import Backbone, BackboneOutput, FeatureBackbone
from pnetkit.networks import build_seeded, distinct_tensors, load_state
from pnetkit.onnx_export import onnx_of
from pnetkit.parameters import parameters_model
from pnetkit.registry import load_factory
from pnetkit.testing.checks import Check, SkippedCheck, builder, named_checks, require
from pnetkit.types import BackboneSpec, Triple

BATCH_TOLERANCE = 1e-4
"""How much a logit may change with the batch around it: other sizes take other kernels, which sum in another order."""

SMALLEST_EDGE, SMALLEST_DEPTH = 16, 2
"""Inputs are at least this wide, and so many divisors: one voxel at the deepest level cannot be normalized."""

OTHER_SIZES = ((1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1), (-1, 0, 0), (0, 0, -1), (-1, -1, -1))
"""What a network of one size is asked for beside it, in divisors more or less along each axis."""

Build = Callable[..., Any]


def backbone_checks(
    plugin: str | Callable[..., Any],
    *,
    params: Mapping[str, Any] | None = None,
    expected_failures: Mapping[str, str] | None = None,
) -> list[Check]:
    """Give the checks of a backbone, by its registered name or its callable, with its parameters as in a recipe.

    Narrow networks make quick checks. `expected_failures` documents deviations.
    """
    name, build = builder("backbone", plugin, params or {})

    @cache
    def network(in_channels: int = 1, num_classes: int = 4) -> Backbone:
        return build_seeded(lambda: build(in_channels=in_channels, num_classes=num_classes), 0)

    checks: dict[str, Callable[[], None]] = {
        "signature": partial(_signature, plugin),
        "meta": partial(_meta, build),
        "spec": lambda: _spec(network().spec),
        "sizes": lambda: _sizes(network()),
        "in_channels": lambda: _each(network(channels) for channels in (1, 2)),
        "num_classes": lambda: _each(network(1, classes) for classes in (2, 4)),
        "auxiliary_outputs": lambda: _auxiliary(network()),
        "features": lambda: _features(network()),
        "gradients": lambda: _gradients(network()),
        "batch_items_do_not_mix": lambda: _batch_items(network()),
        "evaluation_repeats": lambda: _evaluation_repeats(network()),
        "seeded_weights_repeat": lambda: _seeded(build),
        "random_state_is_left_alone": lambda: _random_state(network()),
        "input_is_left_alone": lambda: _input(network()),
        "state_round_trip": lambda: _state(network(), build),
        "finite_on_extreme_input": lambda: _finite(network()),
        "bf16": lambda: _bf16(network()),
        "onnx": lambda: _onnx(name, network()),
    }
    return named_checks(name, checks, expected_failures or {}, network)


def _each(networks: Iterable[Backbone]) -> None:
    for network in networks:
        _outputs(network, _edges(network), 1)


def _edges(network: Backbone, times: Triple = (1, 1, 1)) -> Triple:
    """Give the smallest admissible edges that are wide enough, and longer by some divisors; or the only ones."""
    if network.spec.only_size is not None:
        return network.spec.only_size
    least = (max(SMALLEST_DEPTH, -(-SMALLEST_EDGE // d)) * d for d in network.spec.divisor)
    x, y, z = (edge + (n - 1) * d for edge, d, n in zip(least, network.spec.divisor, times, strict=True))
    return x, y, z


def _patches(network: Backbone, edges: Triple, batch: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(batch, network.spec.in_channels, *edges, generator=generator)


def _evaluated(network: Backbone, x: Tensor) -> BackboneOutput:
    network.eval()
    with torch.inference_mode():
        return network(x)


def _signature(plugin: str | Callable[..., Any]) -> None:
    """Hold the parameters to what a recipe can say: keyword, annotation, default."""
    factory = load_factory("backbone", plugin) if isinstance(plugin, str) else plugin
    parameters_model("backbone", str(plugin), factory)


def _meta(build: Build) -> None:
    """Build on the device `meta`, where nothing has values, and answer there."""
    with torch.device("meta"):
        network = build_seeded(lambda: build(in_channels=1, num_classes=4), 0)
        real = [name for name, tensor in network.state_dict().items() if tensor.device.type != "meta"]
        require(not real, f"{real[:1]} has values when built on meta; create tensors without a device of their own")
        x = torch.empty(1, 1, *_edges(network))
    network.eval()
    with torch.no_grad():
        logits = network(x).logits
    require(tuple(logits.shape) == (1, 4, *x.shape[2:]), f"answers {tuple(logits.shape)} to {tuple(x.shape)} on meta")


def _spec(spec: Any) -> None:
    require(isinstance(spec, BackboneSpec), f"spec is a {type(spec).__name__}, wanted a BackboneSpec")
    built_for = (spec.in_channels, spec.num_classes)
    require(built_for == (1, 4), f"spec says {built_for} channels and classes; it was built for (1, 4)")
    divides = len(spec.divisor) == 3 and min(spec.divisor) >= 1  # noqa: PLR2004
    require(divides, f"divisor is {spec.divisor}, wanted three numbers from 1")
    _only_size(spec)
    weights = [spec.loss_weight, spec.lesion_loss_weight, *(head.loss_weight for head in spec.aux_heads)]
    require(
        min(weights) >= 0 and spec.loss_weight > 0, f"loss weights are {weights}; the main one is above 0, none below"
    )
    for name, found in spec.features.items():
        there = found.channels >= 1 and min(found.stride) >= 1
        require(there, f"the feature {name} has {found.channels} channels at stride {found.stride}")


def _only_size(spec: BackboneSpec) -> None:
    only: Any = spec.only_size
    if only is not None:
        three = isinstance(only, tuple) and len(only) == 3 and min(only) >= 1  # noqa: PLR2004
        require(three, f"only_size is {only}, wanted three numbers from 1, or None")
        multiple = not any(edge % d for edge, d in zip(only, spec.divisor, strict=True))
        require(multiple, f"only_size is {only}, which are no multiples of the divisor {spec.divisor}")


def _sizes(network: Backbone) -> None:
    """Hold the network to several sizes; one that takes a single size, to that and to a clear error for others."""
    if network.spec.only_size is not None:
        _outputs(network, network.spec.only_size, 2)
        _refuses_other_sizes(network, network.spec.only_size)
        return
    for times in ((1, 1, 1), (2, 1, 1), (1, 3, 2)):
        _outputs(network, _edges(network, times), 2)


def _refuses_other_sizes(network: Backbone, only: Triple) -> None:
    """Ask for sizes that are longer and shorter along one axis or all of them."""
    steps = network.spec.divisor
    for by in OTHER_SIZES:
        x, y, z = (edge + n * step for edge, n, step in zip(only, by, steps, strict=True))
        if min(x, y, z) < 1:
            continue
        try:
            _evaluated(network, _patches(network, (x, y, z), 1))
        except (ValueError, PluginError):
            continue
        except Exception as error:  # noqa: BLE001  # whatever comes is not the clear error that was asked for
            found = f"raises {type(error).__name__} ({error})"
        else:
            found = "answers"
        require(False, f"says that {only} is its only size, and {found} on {(x, y, z)}; wanted a ValueError in words")


def _outputs(network: Backbone, edges: Triple, batch: int) -> None:
    output = _evaluated(network, _patches(network, edges, batch))
    require(isinstance(output, BackboneOutput), f"answers a {type(output).__name__}, wanted a BackboneOutput")
    wanted = (batch, network.spec.num_classes, *edges)
    require(tuple(output.logits.shape) == wanted, f"answers {tuple(output.logits.shape)} to {edges}, wanted {wanted}")
    require(output.logits.is_floating_point(), f"logits are {output.logits.dtype}")
    require(output.aux_logits == (), "has auxiliary outputs in evaluation mode")


def _auxiliary(network: Backbone) -> None:
    edges = _edges(network)
    network.train()
    output = network(_patches(network, edges, 2))
    promised = len(network.spec.aux_heads)
    require(
        len(output.aux_logits) == promised, f"gives {len(output.aux_logits)} auxiliary outputs, promised {promised}"
    )
    for head, logits in zip(network.spec.aux_heads, output.aux_logits, strict=True):
        require(
            logits.shape == output.logits.shape, f"the auxiliary output {head.name} has shape {tuple(logits.shape)}"
        )
    if network.spec.lesion_loss_weight:
        found = output.lesion_logits
        require(
            found is not None and tuple(found.shape) == (2,), "promises a lesion score, one a patch, and gives none"
        )
    else:
        require(output.lesion_logits is None, "gives a lesion score with a weight of 0")


def _features(network: Backbone) -> None:
    """Hold feature maps to what was promised, and to what was asked for."""
    promised = network.spec.features
    if not isinstance(network, FeatureBackbone):
        require(not promised, f"promises the features {sorted(promised)}, and has no method encode")
        return
    edges = _edges(network)
    x = _patches(network, edges, 1)
    network.eval()
    with torch.inference_mode():
        for name, spec in promised.items():
            maps = network.encode(x, {name})
            require(set(maps) == {name}, f"asked for {name!r}, encode gives {sorted(maps)}")
            wanted = (1, spec.channels, *(edge // step for edge, step in zip(edges, spec.stride, strict=True)))
            require(tuple(maps[name].shape) == wanted, f"{name!r} has shape {tuple(maps[name].shape)}, wanted {wanted}")
        together = network.encode(x, set(promised))
        require(set(together) == set(promised), f"asked for all, encode gives {sorted(together)}")
        require(not network.encode(x, set()), "asked for nothing, encode gives maps")
        try:
            network.encode(x, {"no such feature"})
        except KeyError:
            return
    require(False, "asked for a feature that it does not have, encode raises no KeyError")


def _gradients(network: Backbone) -> None:
    """Give every parameter a gradient from the outputs that are trained."""
    network.train()
    output = network(_patches(network, _edges(network), 2))
    generator = torch.Generator().manual_seed(2)
    parts = [output.logits, *output.aux_logits, *([] if output.lesion_logits is None else [output.lesion_logits])]
    loss = torch.stack([(part * torch.randn(part.shape, generator=generator)).sum() for part in parts]).sum()
    parameters = dict(network.named_parameters())  # type: ignore[attr-defined]  # a Backbone is a Module
    loss.backward()
    without = [name for name, parameter in parameters.items() if parameter.requires_grad and parameter.grad is None]
    wrong = [name for name, of in parameters.items() if of.grad is not None and not torch.isfinite(of.grad).all()]
    for parameter in parameters.values():
        parameter.grad = None
    require(not without, f"{len(without)} parameters get no gradient, such as {without[:3]}; they are never trained")
    require(not wrong, f"{len(wrong)} parameters get a gradient that is not finite, such as {wrong[:3]}")


def _batch_items(network: Backbone) -> None:
    x = _patches(network, _edges(network), 3)
    x[1] *= 50
    together = _evaluated(network, x).logits
    alone = torch.cat([_evaluated(network, item[None]).logits for item in x])
    scale = max(1.0, float(alone.abs().max()))
    difference = float((together - alone).abs().max()) / scale
    require(difference <= BATCH_TOLERANCE, f"an item's logits change by {difference:.2g} with the batch around it")


def _evaluation_repeats(network: Backbone) -> None:
    x = _patches(network, _edges(network), 1)
    one, two = (_evaluated(network, x).logits for _ in range(2))
    require(torch.equal(one, two), "answers otherwise the second time in evaluation mode; is dropout left on?")


def _seeded(build: Build) -> None:
    one, two = (build_seeded(lambda: build(in_channels=1, num_classes=4), 7).state_dict() for _ in range(2))
    differing = [name for name in one if not torch.equal(one[name], two[name])]
    require(not differing, f"first weights differ under one seed: {differing[:3]}")


def _random_state(network: Backbone) -> None:
    before = torch.random.get_rng_state()
    kind, threads = torch.get_default_dtype(), torch.get_num_threads()
    _evaluated(network, _patches(network, _edges(network), 1))
    require(torch.equal(before, torch.random.get_rng_state()), "draws from the global random state in evaluation mode")
    require((kind, threads) == (torch.get_default_dtype(), torch.get_num_threads()), "changes torch's global settings")


def _input(network: Backbone) -> None:
    x = _patches(network, _edges(network), 1)
    kept = x.clone()
    _evaluated(network, x)
    require(torch.equal(x, kept), "changes its input in evaluation mode")
    network.train()
    x = _patches(network, _edges(network), 2)  # batch norms need more than one value a channel
    kept = x.clone()
    network(x)
    require(torch.equal(x, kept), "changes its input in training mode")


def _state(network: Backbone, build: Build) -> None:
    """Store the state as safetensors, and load it into a network of other first weights."""
    state = {name: tensor.detach().contiguous() for name, tensor in distinct_tensors(network.state_dict()).items()}
    other = build_seeded(lambda: build(in_channels=1, num_classes=4), 1)
    load_state(other, safetensors.torch.load(safetensors.torch.save(state)))
    x = _patches(network, _edges(network), 1)
    same = torch.equal(_evaluated(network, x).logits, _evaluated(other, x).logits)
    require(same, "answers otherwise after its state was stored and loaded: something is not in state_dict")


def _finite(network: Backbone) -> None:
    edges = _edges(network)
    for value in (0.0, 1.0, -1e3, 1e3):
        x = torch.full((1, network.spec.in_channels, *edges), value)
        require(bool(torch.isfinite(_evaluated(network, x).logits).all()), f"is not finite on nothing but {value:g}")
    network.train()
    with torch.no_grad():
        logits = network(torch.zeros(2, network.spec.in_channels, *edges)).logits
    require(bool(torch.isfinite(logits).all()), "is not finite on nothing but 0 in training mode")


def _bf16(network: Backbone) -> None:
    x = _patches(network, _edges(network), 1)
    network.eval()
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        logits = network(x).logits
    require(bool(torch.isfinite(logits).all()), "is not finite in bf16")


def _onnx(name: str, network: Backbone) -> None:
    try:
        onnx_of(name, network, _edges(network), {})
    except MissingExtraError as error:
        raise SkippedCheck(str(error)) from error
    except ModelError as error:
        require(False, str(error))
