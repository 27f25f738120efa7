"""Write and read checkpoints: one safetensors file, complete or not there.

It holds the network's state, the optimizer's, the average of weights where there is one, and in its header, as JSON,
the iteration, the loss so far, what made the network: one entry, or several where a training was taken up by something
else than what had begun it, and each attempt at it: from which iteration, with which torch, on what.
The iteration's number *is* the state of sampler and random numbers: both are derived from it and the seed (see
pnetkit.training.sampling), so there is nothing else to keep.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from pnetkit.errors import StoreError
from pnetkit.files import write_atomically
from pnetkit.networks import distinct_tensors

_MODEL, _OPTIMIZER, _AVERAGE = "model.", "optimizer.", "average."


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """Hold a training after `iteration` steps: tensors of the network and of the optimizer, and a JSON-able record.

    `makers` say what made the network up to here, in their order: plugin, distribution, version, source. `attempts` say
    of each start of the training from which iteration it went on, and where it ran. `average` is that of the network's
    tensors, empty without one.
    """

    iteration: int
    model: Mapping[str, Tensor]
    optimizer: Mapping[str, Tensor]
    record: Mapping[str, Any]
    makers: Sequence[Mapping[str, str]] = ()
    attempts: Sequence[Mapping[str, Any]] = ()
    average: Mapping[str, Tensor] = field(default_factory=dict)


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint so that a kill at any moment leaves the old one or the new one."""
    tensors = {_MODEL + key: value for key, value in distinct_tensors(checkpoint.model).items()}
    tensors |= {_OPTIMIZER + key: value for key, value in checkpoint.optimizer.items()}
    tensors |= {_AVERAGE + key: value for key, value in checkpoint.average.items()}
    makers = [dict(maker) for maker in checkpoint.makers]
    attempts = [dict(attempt) for attempt in checkpoint.attempts]
    said = {"record": dict(checkpoint.record), "makers": makers, "attempts": attempts}
    header = {"iteration": checkpoint.iteration} | said
    write_atomically(path, save(_plain(tensors), {"pnetkit": json.dumps(header, sort_keys=True)}))


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint, onto the CPU.

    Raises:
        StoreError: the file is damaged or is not a checkpoint; delete it to train from the start.
    """
    try:
        with safe_open(path, framework="pt") as stored:
            header = json.loads(stored.metadata()["pnetkit"])
            iteration, record = int(header["iteration"]), header["record"]
            tensors = {key: stored.get_tensor(key) for key in stored.keys()}  # noqa: SIM118  # not a dict
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise StoreError(
            f"{path}: is not a readable checkpoint ({error}). Delete it to train from the start."
        ) from error
    model, optimizer, average = (
        {key.removeprefix(part): value for key, value in tensors.items() if key.startswith(part)}
        for part in (_MODEL, _OPTIMIZER, _AVERAGE)
    )
    makers = tuple(header.get("makers", ()))  # not in checkpoints of earlier releases
    attempts = tuple(header.get("attempts", ()))
    return Checkpoint(iteration, model, optimizer, record, makers, attempts, average)


def with_maker(makers: Sequence[Mapping[str, str]], maker: Mapping[str, str]) -> tuple[Mapping[str, str], ...]:
    """Add who goes on with a training to those who brought it so far, unless it is the last of them."""
    return tuple(makers) if makers and dict(makers[-1]) == dict(maker) else (*makers, maker)


def write_weights(path: Path, state: Mapping[str, Tensor]) -> None:
    """Write a trained network's state as safetensors."""
    write_atomically(path, save(_plain(distinct_tensors(state))))


def _plain(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key: value.detach().cpu().contiguous() for key, value in sorted(tensors.items())}
