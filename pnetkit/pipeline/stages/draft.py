"""A plan in the making, for one input: what every stage is drafted from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pnetkit.cohort.check import CheckedCase
from pnetkit.errors import Fault
from pnetkit.imaging.spacing import Spacing, median_spacing
from pnetkit.label_sets import ANNOTATABLE
from pnetkit.method.parts import Input, Parts
from pnetkit.recipe.models import Recipe
from pnetkit.store.node import Node, Spec, Subject


@dataclass(frozen=True, slots=True)
class Draft:
    """Hold a plan in the making, for one input.

    `labeled` are the cases with a reference label that are not held out, `prepared` are nodes of these by case and
    spacing. `annotated` are the classes that the labels of one of these have at the least.
    """

    recipe: Recipe
    parts: Parts
    seen: Input
    folds: Mapping[str, int]
    nodes: dict[str, Node]
    faults: list[Fault]
    labeled: Sequence[CheckedCase]
    prepared: dict[tuple[str, Spacing | None], Node] = field(default_factory=dict)
    annotated: frozenset[str] = frozenset(ANNOTATABLE)

    def add(self, spec: Spec, subject: Subject, *, weight: int = 1) -> Node:
        """Take a piece of work in, or give the equal one that is there."""
        node = Node(spec, subject, weight)
        return self.nodes.setdefault(node.key, node)

    def outside(self, left_out: Sequence[int]) -> list[CheckedCase]:
        """Give the labeled cases of all folds but some: the only ones that a network without these may see."""
        return [item for item in self.labeled if self.folds[item.case.id] not in left_out]

    def spacing_without(self, left_out: Sequence[int]) -> Spacing | None:
        """Give the spacing of a network that is trained without some folds; a median is that of its own cases alone."""
        wanted = self.parts.spacing_mm
        if wanted != "median":
            return wanted
        first = self.seen.phases[0]
        return median_spacing([item.scans[first].grid for item in self.outside(left_out)])

    def annotated_of(self, item: CheckedCase) -> tuple[str, ...] | None:
        """Give the classes that a case's label is taken to have; None for all.

        One that no case has counts as had by all: a network that no scan speaks against could say it anywhere.
        """
        own = item.case.labeled
        if own is None:
            return None
        had = tuple(name for name in ANNOTATABLE if name in own or name not in self.annotated)
        return had if len(had) < len(ANNOTATABLE) else None

    @property
    def labels(self) -> dict[str, Any]:
        """Give the rule for label values, as it stands in keys."""
        return self.parts.labels
