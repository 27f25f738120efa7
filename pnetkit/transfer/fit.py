"""What of foreign weights a network takes: by names and shapes alone, before anything is copied.

A tensor is taken whole where its shape is the network's. Two kinds may differ: the first layer in its channels, and the
heads in their outputs, of which those rows are taken whose labels have the same names. Everything else that has no
equal is a misfit, and stays as the network's seed made it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, Literal

from torch import nn

from pnetkit.errors import WeightsError
from pnetkit.interfaces import Backbone, TransferBackbone
from pnetkit.transfer.outputs import rows_by_name
from pnetkit.types import CLASSES

Shape = tuple[int, ...]

WRAPPERS = ("", "module.", "model.", "network.", "net.", "backbone.")
"""What may stand before all names of one side and not of the other."""


STATISTICS = (".running_mean", ".running_var")
"""The buffers that a network learns."""


@dataclass(frozen=True, slots=True)
class Anatomy:
    """Describe a network's state: shapes by name, each tensor once, and which of them are what.

    `learned` are parameters, the others are buffers. `aliases` map further names to the first. `heads` and `firsts`
    name what depends on the number of classes and of channels, each with the axis that does. `encoder` is None where
    the network does not say.
    """

    shapes: Mapping[str, Shape]
    learned: frozenset[str]
    aliases: Mapping[str, str]
    heads: Mapping[str, int]
    firsts: Mapping[str, int]
    encoder: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class How:
    """Say what is taken, as a recipe's `training.start_from` does; `theirs` name the foreign outputs in their order."""

    part: Literal["all", "encoder"] = "all"
    head: Literal["drop", "match-labels", "keep"] = "match-labels"
    first_layer: Literal["repeat", "error"] = "error"
    labels: Mapping[str, str] = field(default_factory=dict)
    theirs: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """Say from which foreign tensor a tensor is filled, and how; `rows` map our outputs to theirs."""

    foreign: str
    how: Literal["whole", "repeat", "rows"] = "whole"
    axis: int = 0
    rows: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fit:
    """Hold what a network takes, by its own names, what does not fit, in words, and two shares of its parameters.

    `share` is of the parameters of the part that was asked for, heads left out unless they are kept; `of_all` of all.
    `frozen` names what was taken whole and is no head. `is_complete` tells whether nothing of the network is left to
    its seed, `is_all_frozen` whether nothing is left to learn while `frozen` is.
    """

    taken: Mapping[str, Taken]
    misfits: tuple[str, ...]
    share: float
    of_all: float
    frozen: tuple[str, ...]
    is_complete: bool
    is_all_frozen: bool


def anatomy(network: Backbone, other_classes: Backbone, other_channels: Backbone) -> Anatomy:
    """Find what is what in a network, of itself and of two like it that differ in classes and in channels.

    All three may be on the device `meta`. Raises WeightsError where it is no torch module.
    """
    shapes, learned, aliases = _state(network)
    heads = _differing(shapes, _state(other_classes)[0])
    encoder = None
    if isinstance(network, TransferBackbone):
        parts = {name: network.part_of(name) for name in shapes}
        encoder = frozenset(name for name, part in parts.items() if part == "encoder")
        heads = {name: heads.get(name, 0) for name, part in parts.items() if part == "head"}
    return Anatomy(shapes, learned, aliases, heads, _differing(shapes, _state(other_channels)[0]), encoder)


def fit(network: Backbone, of: Anatomy, foreign: Mapping[str, Shape], how: How) -> Fit:
    """Say what a network takes of foreign tensors, of which names and shapes are given.

    Raises:
        WeightsError: the encoder is asked for and the network has none that it names; or labels are to be matched, and
            the foreign outputs have no names, or not those that `how` names.
    """
    if how.part == "encoder" and not of.encoder:
        raise WeightsError(
            f"The backbone {type(network).__name__} does not say which of its parts are the encoder. Choose "
            f"part: all, with a least_share below 1 where not all of it fits."
        )
    places = _places(network, of, foreign)
    wanted = [name for name in of.shapes if how.part == "all" or name in (of.encoder or ())]
    rows = _rows(how) if how.part == "all" and how.head == "match-labels" and of.heads else {}
    taken: dict[str, Taken] = {}
    misfits: list[str] = []
    for name in wanted:
        if name in of.heads and (how.head == "drop" or how.part == "encoder"):
            continue
        found = _taken(name, of, foreign, places.get(name), how, rows)
        if isinstance(found, Taken):
            taken[name] = found
        elif name in of.learned or name in places or name.endswith(STATISTICS):  # others are what they were built
            misfits.append(found)
    counted = [name for name in wanted if name in of.learned and (name not in of.heads or how.head == "keep")]
    whole = [name for name, filled in taken.items() if filled.how != "rows"]
    frozen = tuple(name for name in whole if name not in of.heads)
    of_all = sum(_held(of.shapes[name], filled) for name, filled in taken.items() if name in of.learned)
    share = _numbers(of, [name for name in whole if name in counted]) / max(1, _numbers(of, counted))
    every = _numbers(of, of.learned)
    return Fit(
        taken,
        tuple(misfits),
        share,
        of_all / max(1, every),
        frozen,
        of_all == every and not misfits,
        of.learned <= set(frozen),
    )


def own_names(foreign: Collection[str], own: Collection[str]) -> dict[str, str]:
    """Give the own name of each foreign tensor that has one, where nothing but a word before all names differs."""
    heads = sorted({name.partition(".")[0] + "." for name in own})
    best: dict[str, str] = {}
    for less in WRAPPERS:
        for more in ("", *heads):
            found = {name: more + name.removeprefix(less) for name in foreign if name.startswith(less)}
            found = {name: mine for name, mine in found.items() if mine in own}
            if len(found) > len(best):
                best = found
    return best


def _places(network: Backbone, of: Anatomy, foreign: Mapping[str, Shape]) -> dict[str, str]:
    """Give the foreign name for each own one; a backbone's own rule goes first where it knows these names."""
    known = {**{name: name for name in of.shapes}, **of.aliases}
    named = dict(network.own_names(foreign)) if isinstance(network, TransferBackbone) else {}
    if not any(mine in known for mine in named.values()):
        named = own_names(foreign, known)
    return {known[mine]: theirs for theirs, mine in sorted(named.items(), reverse=True) if mine in known}


def _taken(
    name: str, of: Anatomy, foreign: Mapping[str, Shape], theirs: str | None, how: How, rows: Mapping[int, int]
) -> Taken | str:
    """Say how a tensor is filled, or in words why it is not."""
    own = of.shapes[name]
    if theirs is None:
        return f"{name} {list(own)}: has no equal there"
    shape = foreign[theirs]
    if name in of.heads and how.head == "match-labels":
        return _taken_by_rows(name, own, of.heads[name], shape, Taken(theirs, "rows", of.heads[name], rows), how)
    if own == shape:
        return Taken(theirs)
    axis = of.firsts.get(name)
    if axis is None or len(own) != len(shape) or _without(own, axis) != _without(shape, axis):
        return f"{name} {list(own)}: is {list(shape)} there"
    if how.first_layer == "repeat":
        return Taken(theirs, "repeat", axis)
    return f"{name} {list(own)}: is {list(shape)} there, of other channels (first_layer: repeat takes it all the same)"


def _taken_by_rows(name: str, own: Shape, axis: int, shape: Shape, filled: Taken, how: How) -> Taken | str:
    theirs = -1 if how.theirs is None else len(how.theirs)
    is_ours = own[axis] == len(CLASSES) and len(own) == len(shape) and shape[axis] == theirs
    if is_ours and _without(own, axis) == _without(shape, axis):
        return filled
    return f"{name} {list(own)}: is {list(shape)} there, and outputs cannot be matched by labels (head: keep or drop)"


def _rows(how: How) -> dict[int, int]:
    if how.theirs is None:
        raise WeightsError(
            "The weights' card does not name their outputs, so labels cannot be matched. Choose head: drop."
        )
    try:
        return rows_by_name(how.theirs, how.labels)
    except KeyError as error:
        raise WeightsError(
            f"The weights have no output {error.args[0]!r}; theirs are {', '.join(how.theirs)}."
        ) from error


def _state(network: Backbone) -> tuple[dict[str, Shape], frozenset[str], dict[str, str]]:
    """Give a network's tensors once each by their first name, which of them are learned, and their further names."""
    if not isinstance(network, nn.Module):
        raise WeightsError(
            f"The backbone {type(network).__name__} is no torch.nn.Module, so it cannot start from weights."
        )
    kept: Mapping[str, Any] = network.state_dict(keep_vars=True)
    first = {id(of): name for name, of in reversed([*network.named_parameters(), *network.named_buffers()])}
    known = {id(of): first.get(id(of), name) for name, of in kept.items()}
    shapes = {name: tuple(of.shape) for name, of in kept.items() if known[id(of)] == name}
    aliases = {name: known[id(of)] for name, of in kept.items() if known[id(of)] != name}
    learned = frozenset(name for name, of in network.named_parameters() if of.requires_grad)
    return shapes, learned & frozenset(shapes), aliases


def _differing(one: Mapping[str, Shape], other: Mapping[str, Shape]) -> dict[str, int]:
    """Give the first axis along which a tensor of two networks differs, by name; only of those that both have."""
    pairs = {name: (shape, other[name]) for name, shape in one.items() if name in other and other[name] != shape}
    return {
        name: next(axis for axis, (a, b) in enumerate(zip(*shapes, strict=True)) if a != b)
        for name, shapes in pairs.items()
        if len(shapes[0]) == len(shapes[1])
    }


def _held(shape: Shape, filled: Taken) -> int:
    return prod(shape) if filled.how != "rows" else prod(_without(shape, filled.axis)) * len(filled.rows)


def _numbers(of: Anatomy, names: Collection[str]) -> int:
    return sum(prod(of.shapes[name]) for name in names)


def _without(shape: Sequence[int], axis: int) -> tuple[int, ...]:
    return (*shape[:axis], *shape[axis + 1 :])
