"""An exponential moving average of a network's weights, which then is what is tested."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from pnetkit.interfaces import Backbone
from pnetkit.networks import distinct_tensors, load_state


class Average:
    """The average of a network's state: of weights and of running statistics; what counts is taken over as it is."""

    def __init__(self, backbone: Backbone, decay: float) -> None:
        self._decay = decay
        state = distinct_tensors(backbone.state_dict())
        self.tensors = {name: tensor.detach().clone() for name, tensor in state.items()}

    def take(self, backbone: Backbone, steps: int) -> None:
        """Move by the state after so many steps, counted from 1."""
        kept = decay_after(self._decay, steps)
        state = backbone.state_dict()
        with torch.no_grad():
            for name, average in self.tensors.items():
                if average.is_floating_point():
                    average.lerp_(state[name], 1 - kept)
                else:
                    average.copy_(state[name])

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on with the tensors of a checkpoint. Raises ValueError where they are not those of this network."""
        if {name: of.shape for name, of in tensors.items()} != {name: of.shape for name, of in self.tensors.items()}:
            raise ValueError("its average is of other tensors than the network's")
        for name, average in self.tensors.items():
            average.copy_(tensors[name])

    @contextmanager
    def in_place(self, backbone: Backbone) -> Iterator[None]:
        """Let a network have the average until the block ends, and then what it had, to the bit."""
        state = distinct_tensors(backbone.state_dict())
        before = {name: tensor.detach().clone() for name, tensor in state.items()}
        load_state(backbone, self.tensors)
        try:
            yield
        finally:
            load_state(backbone, before)


def decay_after(decay: float, steps: int) -> float:
    """Give the share of the average that stays at a step: little at first, so that first weights are soon forgotten."""
    return min(decay, (1 + steps) / (10 + steps))
