"""What is known of weights that were made elsewhere: a folder of `weights.safetensors` and `card.json`.

The card's text is data that somebody else wrote; nothing of it is run. Names of outputs, axes and architecture are what
the source says, and the license is what it states, or `not stated`.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pnetkit.errors import WeightsError
from pnetkit.files import file_digest

WEIGHTS, CARD = "weights.safetensors", "card.json"
"""The two files of imported weights."""

FORMAT, FORMAT_VERSION = "pnetkit-weights", 1
"""What a card says it is."""

NOT_STATED = "not stated"
"""Stands for a license that the source does not name: without one nobody may share what is made of it."""

UNREADABLE = "stated in a file that cannot be read"
"""What stands for a license whose file is too large, or no text."""


@dataclass(frozen=True, slots=True)
class Card:
    """Describe imported weights.

    `source` is the file that held the tensors: its name and SHA-256. `labels` name the outputs in their order. `axes`
    are the anatomical directions of the network's axes, `RAS` being pnetkit's own. `spacing_mm` is in x, y, z.
    `recipe` is what a recipe says to use the network as it is. `aliases` are further names of tensors, each with the
    name under which it is stored. `started_from` are licenses of what these weights started from themselves.
    """

    name: str
    kind: str
    source: Mapping[str, str]
    weights: str
    license: str = NOT_STATED
    license_from: str = ""
    architecture: Mapping[str, Any] | None = None
    labels: tuple[str, ...] | None = None
    axes: str = "RAS"
    spacing_mm: tuple[float, ...] | None = None
    intensity: Mapping[str, Any] | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    parameters: int = 0
    notes: tuple[str, ...] = ()
    started_from: tuple[Mapping[str, str], ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Give the card as plain data."""
        return {"format": FORMAT, "format_version": FORMAT_VERSION} | asdict(self)


def read_card(folder: Path) -> Card:
    """Read the card of imported weights, and hold the weights to the digest that it names.

    Raises:
        WeightsError: it is no such folder, a file is missing or was changed, or a later release wrote it.
    """
    card, weights = folder / CARD, folder / WEIGHTS
    if not card.is_file() or not weights.is_file():
        raise WeightsError(
            f"{folder}: holds no imported weights ({CARD} and {WEIGHTS}). Make them with: pnetkit weights import SRC "
            f"{folder}"
        )
    try:
        content = json.loads(card.read_text(encoding="utf-8"))
        if content.pop("format") != FORMAT:
            raise WeightsError(f"{card}: is no {FORMAT}. Import the weights again.")
        version = content.pop("format_version")
        if version > FORMAT_VERSION:
            raise WeightsError(f"{card}: is of format {version}; this pnetkit reads up to {FORMAT_VERSION}.")
        found = card_of(content)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{card}: cannot be read as a card ({error!r}). Import the weights again.") from error
    if file_digest(weights) != found.weights:
        raise WeightsError(f"{weights}: is not what was imported: it is damaged, or was changed. Import it again.")
    return found


def card_of(content: Mapping[str, Any]) -> Card:
    """Make a card of plain data; lists stand for tuples. Raises KeyError and TypeError where they are not a card's."""
    given: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in content.items()}
    return Card(**given)


def in_words(card: Card) -> list[str]:
    """Say what a card says, line by line."""
    architecture = card.architecture or {}
    network = architecture.get("plugin") or architecture.get("target") or "not said"
    spacing = "not said" if card.spacing_mm is None else " x ".join(f"{mm:g}" for mm in card.spacing_mm) + " mm"
    stated = f" (from {card.license_from})" if card.license_from else ""
    return [
        f"{card.name}: weights of the kind {card.kind}, {card.parameters:,} numbers in {WEIGHTS}",
        f"License: {card.license}{stated}",
        *(f"  which started from {of['name']}, license: {of['license']}" for of in card.started_from),
        f"Source: {card.source['file']}, SHA-256 {card.source['sha256']}",
        f"Network: {network}",
        f"Outputs: {', '.join(card.labels) if card.labels else 'not said'}",
        f"Voxels: {spacing}; axes: {card.axes}",
        *(f"note: {note}" for note in card.notes),
    ]
