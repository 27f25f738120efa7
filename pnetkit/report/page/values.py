"""What a page is made of: plain values, made by whoever knows the run, the screening or the comparison."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pnetkit.report.page.pictures import Still, Volume
from pnetkit.report.tables import Table

RESEARCH = "Research use only"


@dataclass(frozen=True, slots=True)
class Figure:
    """Hold a figure: an SVG, its title, and in words what is to be seen on it. `is_wide` gives it a line of its own."""

    svg: str
    title: str
    says: str
    is_wide: bool = False


Mark = Literal["right", "wrong", "undecided"]


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """Hold one case of a matrix: its diagnosis, a mark for each column, and the place on the page that shows it."""

    name: str
    truth: str
    marks: tuple[Mark, ...]
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class MatrixGroup:
    """Hold the cases of a matrix that have something in common."""

    title: str
    rows: tuple[MatrixRow, ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    """Hold who gets which case right: columns with a name and what is below it, rows in groups."""

    title: str
    columns: tuple[tuple[str, str], ...]
    groups: tuple[MatrixGroup, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """Hold a part of a page under a heading: sentences, facts, tables, figures, matrices, and what it lacks."""

    anchor: str
    title: str
    sentences: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    lacks: tuple[str, ...] = ()
    matrices: tuple[Matrix, ...] = ()


@dataclass(frozen=True, slots=True)
class FlowStep:
    """Hold one step of the way of the cases: how many came here, and who left on the way, with the reasons."""

    title: str
    count: int
    details: tuple[str, ...] = ()
    left: int = 0
    left_title: str = ""
    reasons: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Panel:
    """Hold one phase of a case: a picture, and in words what was found and measured; or what it lacks."""

    phase: str
    sentence: str
    measured: tuple[tuple[str, str], ...] = ()
    why: tuple[str, ...] = ()
    still: Still | None = None
    volume: Volume | None = None
    lacks: str = ""
    of: str = ""
    """Whose finding it is, of a page of several methods."""
    begins_row: bool = False


@dataclass(frozen=True, slots=True)
class CaseView:
    """Hold a case as it is shown: to which group it belongs, what is true, what was called, and why.

    `number` counts the cases of a page from 1 and names its place; `name` is what the cohort's table calls it.
    """

    number: int
    name: str
    group: str
    truth: str
    call: str
    verdict: str
    score: float | None
    facts: tuple[tuple[str, str], ...]
    panels: tuple[Panel, ...]
    why: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """Hold cases of one kind, in the order in which they matter."""

    title: str
    says: str
    cases: tuple[CaseView, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """Hold a whole page. `warning` is what nobody may overlook, as that the cases are phantoms.

    `gallery` and `gallery_says` stand above the groups of cases. `has_slices` says that there are more slices to go
    through than those that are shown.
    """

    title: str
    subtitle: str
    warning: str
    summary: tuple[tuple[str, str, str], ...]
    parts: tuple[Part, ...]
    flow: tuple[FlowStep, ...]
    groups: tuple[Group, ...]
    closing: tuple[Part, ...]
    notes: tuple[str, ...] = ()
    made: str = ""
    gallery: str = "Gallery"
    """What the part with the cases is called."""
    gallery_says: str = ""
    has_slices: bool = True

    @property
    def has_reference(self) -> bool:
        """Tell whether a picture shows what is true, beside what is found."""
        stills = [panel.still for case in self.cases for panel in case.panels if panel.still is not None]
        return any(outline.who == "reference" for still in stills for outline in still.outlines)

    @property
    def cases(self) -> Sequence[CaseView]:
        """Give all cases, in their order."""
        return [case for group in self.groups for case in group.cases]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Count what did not fit into the budget."""

    stills: int = 0
    volumes: int = 0
