"""Check of how a backbone starts from weights: it takes all of its own, and knows its parts where it says so."""

from collections.abc import Callable
from typing import Any

import torch

from pnetkit.interfaces import Backbone, TransferBackbone
from pnetkit.networks import build_seeded, without_values
from pnetkit.testing.checks import require
from pnetkit.transfer.filling import fill
from pnetkit.transfer.fit import How, anatomy, fit

PARTS = {"encoder", "decoder", "head"}


def require_transfer(network: Backbone, build: Callable[..., Any]) -> None:
    """Let a network of other first weights start from this one, under its own names."""
    with without_values():
        others = [
            build_seeded(lambda c=c, n=n: build(in_channels=c, num_classes=n), 0)  # type: ignore[misc]
            for c, n in ((1, 5), (2, 4))
        ]
    of, state = anatomy(network, *others), network.state_dict()
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    require(bool(of.heads), "no tensor depends on the number of classes, so outputs cannot be matched or drawn anew")
    if isinstance(network, TransferBackbone):
        named = network.own_names(shapes)
        lost = [name for name in of.shapes if named.get(name) != name]
        require(not lost, f"own_names makes {named.get(lost[0]) if lost else None!r} of its own name {lost[:1]}")
        strange = {part for name in of.shapes if (part := network.part_of(name)) not in PARTS}
        require(not strange, f"part_of says {strange}, wanted one of {sorted(PARTS)}")
        require(bool(of.encoder), "part_of calls nothing the encoder")
    found = fit(network, of, shapes, How(head="keep"))
    require(found.is_complete, f"takes {found.of_all:.1%} of its own weights; what does not fit: {found.misfits[:3]}")
    other = build_seeded(lambda: build(in_channels=1, num_classes=4), 1)
    fill(other, found, state)
    taken = other.state_dict()
    differing = [name for name in found.taken if not torch.equal(taken[name], state[name])]
    require(not differing, f"has other values after it took its own weights: {differing[:3]}")
