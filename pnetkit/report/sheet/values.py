"""What a reporting sheet is made of: a run's files as plain data, what they say of an item, and the items."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pnetkit.report.page.values import FlowStep

RECORD, RECIPE, CASES, METRICS, LESIONS = "run.json", "recipe.yaml", "cases.csv", "metrics.json", "lesions.csv"
"""The files of a run's folder that a sheet is made of, as it names them."""


@dataclass(frozen=True, slots=True)
class RunValues:
    """Hold what a run's folder says: its files as plain data, empty where one cannot be read.

    `flow` is the way of its cases, whose reasons name no case and no folder; `diameters_mm` are those of the reference
    tumors by phase; `beside` are the names of what else lies in the folder.
    """

    record: Mapping[str, Any]
    recipe: Mapping[str, Any] = field(default_factory=dict)
    lines: Sequence[Mapping[str, str]] = ()
    metrics: Mapping[str, Any] = field(default_factory=dict)
    flow: Sequence[FlowStep] = ()
    diameters_mm: Mapping[str, Sequence[float]] = field(default_factory=dict)
    beside: frozenset[str] = frozenset()

    @property
    def cases(self) -> Mapping[str, Any]:
        """Give what the record says of each case."""
        found: Mapping[str, Any] = self.record.get("cases", {})
        return found

    @property
    def is_phantom(self) -> bool:
        """Tell whether the cases are generated phantoms."""
        return str(self.record.get("cohort", "")).startswith("generated phantoms")

    @property
    def was_trained(self) -> bool:
        """Tell whether the run has networks of its own; segmentations made elsewhere have none."""
        return any(of["stage"] == "train" for of in self.record.get("stages", ()))

    @property
    def has_learned(self) -> bool:
        """Tell whether its networks learned in this run; of no steps they are those that it started from."""
        return self.was_trained and self.recipe.get("training", {}).get("iterations") != 0


@dataclass(frozen=True, slots=True)
class Said:
    """Hold one sentence about a run, and where it is known from: a file of the run's folder, and the place in it."""

    text: str
    file: str
    key: str


Answer = Callable[[RunValues], Sequence[Said]]
"""Says what a run's files hold of one matter; nothing where they hold nothing of it."""


@dataclass(frozen=True, slots=True)
class Item:
    """Hold an item of a checklist: its number, its heading, its matter in our own words, and what answers it.

    `rest` is what the tool cannot know of it, left to the authors; an item without answers is left to them as a whole.
    `is_often_left_out` puts it first.
    """

    number: str
    section: str
    topic: str
    answers: tuple[Answer, ...] = ()
    rest: str = ""
    is_often_left_out: bool = False


@dataclass(frozen=True, slots=True)
class Checklist:
    """Hold a checklist: what it is called, where it was published, and its items in their order."""

    name: str
    title: str
    published: str
    items: tuple[Item, ...]
