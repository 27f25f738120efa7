"""Imported weights as `pnetkit weights import` leaves them, made of a network that is at hand."""

from pathlib import Path

from safetensors.torch import save_file

from pnetkit.files import file_digest, write_json
from pnetkit.networks import distinct_tensors
from pnetkit.transfer.card import CARD, WEIGHTS, Card
from pnetkit.types import CLASSES


def write_imported(folder: Path, network, *, names=lambda name: name, **said) -> Path:
    """Write a network's state, under `names` of others, and a card that says `said`."""
    folder.mkdir(parents=True)
    tensors = {names(name): of.detach().contiguous() for name, of in distinct_tensors(network.state_dict()).items()}
    save_file(tensors, folder / WEIGHTS)
    content = {"name": "theirs", "kind": "state-dict", "source": {"file": "net.pth", "sha256": "ab" * 32}}
    content |= {"labels": CLASSES, "license": "CC BY-NC 4.0", "weights": file_digest(folder / WEIGHTS)}
    write_json(folder / CARD, Card(**(content | said)).as_json())
    return folder
