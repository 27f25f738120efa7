"""Let a recipe's networks start from weights: find out what fits before anything is made, and fill a network."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pnetkit.errors import Fault, RecipeError, WeightsError
from pnetkit.interfaces import Backbone
from pnetkit.method.plugins import build
from pnetkit.networks import build_seeded, without_values
from pnetkit.recipe.models import Recipe
from pnetkit.transfer.card import WEIGHTS, Card, read_card
from pnetkit.transfer.filling import fill, read_shapes, read_tensors
from pnetkit.transfer.fit import Anatomy, Fit, How, anatomy, fit
from pnetkit.types import CLASSES

SHOWN = 6
"""How many tensors that do not fit a refusal names."""


@dataclass(frozen=True, slots=True)
class Start:
    """Hold what networks start from: the file, its digest, what of a recipe decides what is taken, and its card.

    `taken` is the share of the network's parameters, of all of them, that comes from the file, by number of channels.
    """

    weights: Path
    digest: str
    how: Mapping[str, Any]
    card: Card
    taken: Mapping[int, float]

    def described(self, freeze_iterations: int) -> dict[str, Any]:
        """Give what a run's record and a model's say of it: no path, and the licenses."""
        return {
            "name": self.card.name,
            "kind": self.card.kind,
            "license": self.card.license,
            "sha256": self.digest,
            "source": dict(self.card.source),
            "share": min(self.taken.values()),
            "freeze_iterations": freeze_iterations,
            "started_from": [dict(of) for of in self.card.started_from],
        }


def find_start(recipe: Recipe, identity: Mapping[str, Any], channels: set[int]) -> Start | None:
    """Read what a recipe's networks start from, and hold it to them; None where it names no weights.

    Raises RecipeError where the weights cannot be read, less of them fits than the recipe asks for, nothing would be
    left to learn while they are frozen, or nothing is trained and not all of the network is there.
    """
    wanted = recipe.training.start_from
    if wanted is None:
        return None
    folder = Path(wanted.weights)
    try:
        card = read_card(folder)
        how = wanted.model_dump(mode="json", include={"part", "head", "first_layer", "labels", "freeze_iterations"})
        how |= {"outputs": None if card.labels is None else list(card.labels), "aliases": dict(card.aliases)}
        found = {count: fit_of(identity, count, folder / WEIGHTS, how) for count in channels}
    except WeightsError as error:
        raise _fault(recipe, str(error)) from error
    least = 1.0 if not recipe.training.iterations else wanted.least_share
    for of in found.values():
        short = of.share < least or (not recipe.training.iterations and not of.is_complete)
        if short:
            raise _fault(recipe, _too_little(recipe, of, least))
        if wanted.freeze_iterations and of.is_all_frozen:
            raise _fault(recipe, "freeze_iterations: all of the network was taken, so nothing would be left to learn")
    return Start(folder / WEIGHTS, card.weights, how, card, {count: of.of_all for count, of in found.items()})


def fit_of(identity: Mapping[str, Any], channels: int, weights: Path, how: Mapping[str, Any]) -> Fit:
    """Say what a network takes of a file, as a key's `start_from` asks for it."""
    network, of = anatomy_of(identity, channels)
    theirs = how["outputs"]
    asked = How(how["part"], how["head"], how["first_layer"], how["labels"], None if theirs is None else tuple(theirs))
    return fit(network, of, read_shapes(weights, how["aliases"]), asked)


def anatomy_of(identity: Mapping[str, Any], channels: int) -> tuple[Backbone, Anatomy]:
    """Give a network without values, and what is what in it."""
    counts = len(CLASSES)
    sizes = [(channels, counts), (channels, counts + 1), (channels + 1, counts)]
    with without_values():
        one, *others = [
            build_seeded(lambda c=c, n=n: build(identity, in_channels=c, num_classes=n), 0)  # type: ignore[misc]
            for c, n in sizes
        ]
    return one, anatomy(one, *others)


def begin(backbone: Backbone, identity: Mapping[str, Any], channels: int, weights: Path, how: Mapping[str, Any]) -> Fit:
    """Give a network what it takes of a file, and say what that was."""
    found = fit_of(identity, channels, weights, how)
    fill(backbone, found, read_tensors(weights, how["aliases"]))
    return found


def started_in_words(started: Mapping[str, Any], *, trained: bool) -> str:
    """Say under tables what networks started from, with the license of it."""
    of = f"{started['name']} ({started['kind']}, SHA-256 {started['sha256'][:12]}…; license: {started['license']})"
    behind = "".join(f" These started from {o['name']} (license: {o['license']})." for o in started["started_from"])
    if not trained:
        unknown = "whether their makers had seen these cases is not known"
        return f"The networks are those of {of}, as they are; {unknown}.{behind}"
    steps = started["freeze_iterations"]
    frozen = f", which stayed as they were for {steps} steps" if steps else ""
    return f"Networks started from {of}: {started['share']:.1%} of their parameters{frozen}.{behind}"


def _too_little(recipe: Recipe, of: Fit, least: float) -> str:
    shown = "; ".join(of.misfits[:SHOWN]) + (f"; and {len(of.misfits) - SHOWN} more" if len(of.misfits) > SHOWN else "")
    if not recipe.training.iterations:
        return (
            f"nothing is trained (iterations: 0), so all of {recipe.backbone.plugin} has to come from the weights, and "
            f"{of.of_all:.1%} of it does. What does not fit: {shown or 'outputs without a label of that name'}"
        )
    return (
        f"{of.share:.1%} of the parameters fit {recipe.backbone.plugin}, wanted {least:.1%} (least_share). What does "
        f"not fit: {shown}. Build the backbone as the weights' card says (pnetkit weights show), or lower least_share"
    )


def _fault(recipe: Recipe, message: str) -> RecipeError:
    return RecipeError(
        f"The recipe {recipe.name} cannot start from these weights:", [Fault("training.start_from", message)]
    )
