"""Checks of what a backbone promises: its parameters, spec, sizes, outputs and feature maps."""

import json
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from math import lcm
from typing import Any

import torch
from torch import Tensor

from pnetkit.errors import PluginError
from pnetkit.interfaces import Backbone, BackboneOutput, FeatureBackbone, UsuallyTrainedBackbone
from pnetkit.networks import build_seeded, sizes_in_words
from pnetkit.parameters import parameters_model
from pnetkit.registry import load_factory
from pnetkit.testing.backbone_context import context_fault, require_context
from pnetkit.testing.checks import ConformanceError, require
from pnetkit.testing.probes import edges_of, evaluated, in_own_words, patches
from pnetkit.types import BackboneSpec, FeatureSpec, Triple

OTHER_SIZES = ((1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1), (-1, 0, 0), (0, 0, -1), (-1, -1, -1))
"""What a network of one size is asked for beside it, in divisors more or less along each axis."""

SHARES_WITHIN = 1e-3
"""How far the sum of probabilities may lie from 1."""

Build = Callable[..., Any]


def require_outputs_of(networks: Iterable[Backbone]) -> None:
    """Hold each network to the shape and kind of what it gives."""
    for network in networks:
        _outputs(network, edges_of(network), 1)


def require_signature(name: str, plugin: str | Callable[..., Any]) -> None:
    """Hold the parameters to what a recipe can say: keyword, annotation, default."""
    factory = load_factory("backbone", plugin) if isinstance(plugin, str) else plugin
    parameters_model("backbone", name, factory)


def require_meta(build: Build, spec: BackboneSpec) -> None:
    """Build on the device `meta`, where nothing has values, and answer there as the spec of a real network says."""
    with torch.device("meta"):
        network = build_seeded(lambda: build(in_channels=1, num_classes=4), 0)
        real = [name for name, tensor in network.state_dict().items() if tensor.device.type != "meta"]
        require(not real, f"{real[:1]} has values when built on meta; create tensors without a device of their own")
        require(
            network.spec == spec, f"has the spec {network.spec} when built on meta, and {spec} when built on the CPU"
        )
        x = torch.empty(2, 1, *edges_of(network))
    wanted = (2, 4, *x.shape[2:])
    with torch.no_grad():
        network.eval()
        found = tuple(network(x).logits.shape)
        maps = network.encode(x, set(spec.features)) if isinstance(network, FeatureBackbone) else {}
        network.train()
        trained = network(x)
    require(found == wanted, f"answers {found} to {tuple(x.shape)} on meta")
    beside = [tuple(of.shape) for of in (trained.logits, *trained.aux_logits)]
    require(beside == [wanted] * (1 + len(spec.aux_heads)), f"answers {beside} to {tuple(x.shape)} in training on meta")
    scored = None if trained.lesion_logits is None else tuple(trained.lesion_logits.shape)
    require(scored == ((2,) if spec.lesion_loss_weight else None), f"has a lesion score of shape {scored} on meta")
    shapes = {name: tuple(of.shape) for name, of in maps.items()}
    promised = {name: _map_shape(of, 2, edges_of(network)) for name, of in spec.features.items()}
    require(shapes == promised, f"has feature maps of shapes {shapes} on meta, promised {promised}")


def require_spec(network: Backbone) -> None:
    """Hold the spec to itself and to what the network was built for; what it is usually trained with to plain data."""
    spec: Any = network.spec
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
        wrong = context_fault(found.context_voxels)
        require(not wrong, f"the feature {name} {wrong}")
    if isinstance(network, UsuallyTrainedBackbone):
        _plain_settings(network.usual_training)


def _plain_settings(usual: Any) -> None:
    """Refuse what could not stand in a recipe's section `training`."""
    named = isinstance(usual, Mapping) and all(isinstance(key, str) for key in usual)
    require(named, f"usual_training is {usual!r}, wanted a mapping from keys of the section training to values")
    try:
        same = json.loads(json.dumps(dict(usual), allow_nan=False)) == dict(usual)
    except (TypeError, ValueError):
        same = False
    require(same, f"usual_training is {dict(usual)}, wanted plain values: finite numbers, text, yes or no, lists")


def _only_size(spec: BackboneSpec) -> None:
    only: Any = spec.only_size
    if only is not None:
        three = isinstance(only, tuple) and len(only) == 3 and min(only) >= 1  # noqa: PLR2004
        require(three, f"only_size is {only}, wanted three numbers from 1, or None")
        multiple = not any(edge % d for edge, d in zip(only, spec.divisor, strict=True))
        require(multiple, f"only_size is {only}, which are no multiples of the divisor {spec.divisor}")


def require_sizes(network: Backbone) -> None:
    """Hold the network to several sizes; one that takes a single size, to that and to a clear error for others."""
    if network.spec.only_size is not None:
        _require_logits(_outputs(network, network.spec.only_size, 2), "answers")
        _refuses_other_sizes(network, network.spec.only_size)
        return
    for times, batch in (((1, 1, 1), 2), ((2, 1, 1), 1), ((1, 3, 2), 1)):
        _require_logits(_outputs(network, edges_of(network, times), batch), "answers")
    _or_refused(lambda: _outputs(network, network.spec.divisor, 1), network.spec.divisor, "a window")


def _or_refused(ask: Callable[[], object], size: Triple, what: str) -> None:
    """Ask for something of a single divisor, which the spec admits: it is given, or refused in words."""
    try:
        ask()
    except ConformanceError:
        raise
    except Exception as error:
        if not in_own_words(error):
            raise ConformanceError(
                f"raises {type(error).__name__} ({error}) on {what} of one divisor {size} in evaluation; wanted an "
                f"answer, or a ValueError of its own that names the size and what to choose"
            ) from error


def _refuses_other_sizes(network: Backbone, only: Triple) -> None:
    """Ask for sizes that are longer and shorter along one axis or all of them."""
    steps = network.spec.divisor
    for by in OTHER_SIZES:
        x, y, z = (edge + n * step for edge, n, step in zip(only, by, steps, strict=True))
        if min(x, y, z) < 1:
            continue
        try:
            evaluated(network, patches(network, (x, y, z), 1))
        except Exception as error:  # noqa: BLE001  # what is not the clear error that was asked for is reported
            if in_own_words(error):
                continue
            found = f"raises {type(error).__name__} ({error})"
        else:
            found = "answers"
        require(False, f"says that {only} is its only size, and {found} on {(x, y, z)}; wanted a ValueError in words")


def _outputs(network: Backbone, edges: Triple, batch: int) -> Tensor:
    x = patches(network, edges, batch)
    try:
        with sizes_in_words(network, x):
            output = evaluated(network, x)
    except PluginError as error:
        raise ConformanceError(str(error)) from error
    require(isinstance(output, BackboneOutput), f"answers a {type(output).__name__}, wanted a BackboneOutput")
    wanted = (batch, network.spec.num_classes, *edges)
    require(tuple(output.logits.shape) == wanted, f"answers {tuple(output.logits.shape)} to {edges}, wanted {wanted}")
    require(output.logits.is_floating_point(), f"logits are {output.logits.dtype}")
    require(output.aux_logits == (), "has auxiliary outputs in evaluation mode")
    return output.logits


def _require_logits(scores: Tensor, what: str) -> None:
    """Refuse probabilities: of a softmax of a softmax the loss learns next to nothing, and says nothing of it."""
    totals = scores.detach().float().sum(dim=1)
    shares = bool((scores >= 0).all()) and torch.allclose(totals, torch.ones_like(totals), atol=SHARES_WITHIN)
    said = f"{what} probabilities, which add up to 1 over the classes; wanted logits, as loss and vote take the softmax"
    require(not shares, said)


def require_auxiliary_outputs(network: Backbone) -> None:
    """Hold the outputs in training to the promised heads."""
    edges = edges_of(network)
    network.train()
    output = network(patches(network, edges, 2))
    promised = len(network.spec.aux_heads)
    require(
        len(output.aux_logits) == promised, f"gives {len(output.aux_logits)} auxiliary outputs, promised {promised}"
    )
    for head, logits in zip(network.spec.aux_heads, output.aux_logits, strict=True):
        require(
            logits.shape == output.logits.shape, f"the auxiliary output {head.name} has shape {tuple(logits.shape)}"
        )
        _require_logits(logits, f"the auxiliary output {head.name} gives")
    if network.spec.lesion_loss_weight:
        found = output.lesion_logits
        require(
            found is not None and tuple(found.shape) == (2,), "promises a lesion score, one a patch, and gives none"
        )
    else:
        require(output.lesion_logits is None, "gives a lesion score with a weight of 0")


def require_features(network: Backbone) -> None:
    """Hold feature maps to what was promised, and to what was asked for."""
    promised = network.spec.features
    if not isinstance(network, FeatureBackbone):
        require(not promised, f"promises the features {sorted(promised)}, and has no method encode")
        return
    edges = edges_of(network)
    x = patches(network, edges, 1)
    network.eval()
    with torch.inference_mode():
        for name in promised:
            _encodes(network, edges, name)
            if network.spec.only_size is None:
                x1, y1, z1 = (lcm(d, s) for d, s in zip(network.spec.divisor, promised[name].stride, strict=True))
                _or_refused(partial(_encodes, network, (x1, y1, z1), name), (x1, y1, z1), f"a box for {name!r}")
        together = network.encode(x, set(promised))
        require(set(together) == set(promised), f"asked for all, encode gives {sorted(together)}")
        require(not network.encode(x, set()), "asked for nothing, encode gives maps")
        try:
            network.encode(x, {"no such feature"})
        except KeyError:
            require_context(network)
            return
    require(False, "asked for a feature that it does not have, encode raises no KeyError")


def _encodes(network: FeatureBackbone, edges: Triple, name: str) -> None:
    maps = network.encode(patches(network, edges, 1), {name})
    require(set(maps) == {name}, f"asked for {name!r}, encode gives {sorted(maps)}")
    wanted = _map_shape(network.spec.features[name], 1, edges)
    require(tuple(maps[name].shape) == wanted, f"{name!r} has shape {tuple(maps[name].shape)}, wanted {wanted}")


def _map_shape(spec: FeatureSpec, batch: int, edges: Triple) -> tuple[int, ...]:
    return (batch, spec.channels, *(edge // step for edge, step in zip(edges, spec.stride, strict=True)))
