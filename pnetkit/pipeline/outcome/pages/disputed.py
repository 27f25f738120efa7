"""The cases on which methods disagree, as the page of a comparison shows them: all outlines on the same slice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from pnetkit.evaluation.agreement import Standing
from pnetkit.pipeline.outcome.pages.cases import (
    NO_PANCREAS,
    Line,
    Told,
    absent,
    case_why,
    group_of,
    why_of,
)
from pnetkit.pipeline.outcome.pages.phases import phase_found
from pnetkit.pipeline.outcome.pages.scans import Shown, shown_by_all
from pnetkit.report.comparison import FUSED
from pnetkit.report.page.budget import CaseMaker
from pnetkit.report.page.findings import PhaseFound, measured_rows, phase_sentence
from pnetkit.report.page.pictures import chosen_position_mm, still
from pnetkit.report.page.values import CaseView, Panel

GROUPS = {
    True: ("Tumors that some missed", "Abnormal cases. Those that the fewest have right first."),
    False: ("Normal cases that some called", "Those that the fewest have right first."),
    None: ("Diagnosis unknown", "In no rate, and not in the matrix."),
}
"""What is shown, in this order, by diagnosis: titles, and what they mean."""


@dataclass(frozen=True, slots=True)
class Arm:
    """Hold one method of a comparison: what it is called, what its cases are told from, and their lines by id."""

    name: str
    told: Told
    lines: Mapping[str, Line]


def disputed_makers(arms: Sequence[Arm], views: Mapping[str, Sequence[Standing]]) -> dict[str, CaseMaker]:
    """Give what makes each case on which the arms disagree in one of some views, by id, in the order of the page.

    `views` give the standings of all cases, with one call for each of the arms, by the view's name.
    """
    by_case: dict[str, dict[str, Standing]] = {}
    for view, cases in views.items():
        for of in cases:
            by_case.setdefault(of.case_id, {})[view] = of
    disputed = [of for of in by_case.values() if any(standing.is_disputed for standing in of.values())]
    places = list(GROUPS)
    disputed.sort(key=lambda of: places.index(next(iter(of.values())).abnormal))  # else as the first view has them
    makers = {}
    for number, standing in enumerate(disputed, start=1):
        first = next(iter(standing.values()))
        make = partial(_case, arms, standing, number)
        makers[first.case_id] = CaseMaker(GROUPS[first.abnormal][0], make)
    return makers


def _case(arms: Sequence[Arm], standing: Mapping[str, Standing], number: int, _volumes: bool) -> CaseView:
    """Make one case: by input a row of panels, one for each arm, all at one place along the patient's axis."""
    first = next(iter(standing.values()))
    case_id = first.case_id
    there = [arm for arm in arms if case_id in arm.lines]
    panels: list[tuple[Panel, Shown | None]] = []
    for name in dict.fromkeys(name for arm in there for name in arm.told.run.record["inputs"]):
        panels += _row(there, case_id, name)
    crops = {str(place): of.crop for place, (_, of) in enumerate(panels) if of is not None}
    position = chosen_position_mm(crops)
    truth = {True: "abnormal", False: "normal", None: "diagnosis unknown"}[first.abnormal]
    return CaseView(
        number=number,
        name=case_id,
        group=GROUPS[first.abnormal][0],
        truth=truth,
        call="",
        verdict=" ".join(_calls(arms, of, view) for view, of in standing.items()),
        score=None,
        facts=(("Diagnosis", truth), *_sides(arms, standing)),
        panels=tuple(_pictured(panel, of, position) for panel, of in panels),
        why=tuple(f"{arm.name}: {why}" for arm in there for why in case_why(arm.told, arm.lines[case_id])),
    )


def _row(arms: Sequence[Arm], case_id: str, name: str) -> list[tuple[Panel, Shown | None]]:
    """Make the panels of one input, with what is shown of each: for each of its phases a row of all arms."""
    tellers = [arm for arm in arms if name in arm.told.run.record["inputs"]]
    pictures = shown_by_all([(of.told.run, of.told.found, of.told.files) for of in tellers], case_id, name)
    rows: list[list[tuple[Panel, Shown | None]]] = []
    for arm, shown in zip(tellers, pictures, strict=True):
        line = arm.lines[case_id]
        found = None if line["status"] == "quarantined" else phase_found(arm.told.run, arm.told.found, line, name)
        panel = Panel(name, absent(arm.told, line, name)) if found is None else _panel(arm, line, found, shown)
        panel = replace(panel, of=arm.name)
        by_phase: Mapping[str, Shown | None] = {name: None} if found is None or isinstance(shown, str) else shown
        for place, (phase, of) in enumerate(by_phase.items()):
            said = replace(panel, phase=phase) if place == 0 else Panel(phase, f"Stacked in {name}.", of=arm.name)
            if place == len(rows):
                rows.append([])
                said = replace(said, begins_row=True)
            rows[place].append((said, of))
    return [found for row in rows for found in row]


def _panel(arm: Arm, line: Line, found: PhaseFound, shown: dict[str, Shown] | str) -> Panel:
    """Say what one arm found in one input, and why it has that wrong."""
    name = found.name
    group = group_of(line, list(arm.told.run.record["inputs"]))
    return Panel(
        name,
        phase_sentence(found, arm.told.classifier),
        measured_rows(found, arm.told.classifier),
        why_of(arm.told, group, found, shown, line["case_id"], name),
        lacks=arm.told.names.safe(shown) if isinstance(shown, str) else "",
    )


def _pictured(panel: Panel, of: Shown | None, position_mm: float | None) -> Panel:
    if of is None:
        return panel
    index = of.crop.hu.shape[2] // 2 if position_mm is None else of.crop.slice_at(position_mm)
    return replace(panel, still=still(of.crop, index), lacks=NO_PANCREAS if of.crop.is_whole else "")


def _calls(arms: Sequence[Arm], of: Standing, view: str) -> str:
    """Say which arms called a case in one view."""
    names = {call: [arm.name for arm, it in zip(arms, of.called, strict=True) if it is call] for call in (True, False)}
    undecided = [arm.name for arm, it in zip(arms, of.called, strict=True) if it is None]
    said = [f"called by {_and(names[True]) or 'nobody'}", f"not called by {_and(names[False]) or 'nobody'}"]
    said += [f"not decided by {_and(undecided)}"] if undecided else []
    words = "; ".join(said)
    return f"{words[0].upper()}{words[1:]}." if view == FUSED else f"{view.capitalize()}: {words}."


def _sides(arms: Sequence[Arm], standing: Mapping[str, Standing]) -> list[tuple[str, str]]:
    """Give who has a case right and who wrong, by view where there are several."""
    sides = []
    for view, of in standing.items():
        where = "" if len(standing) == 1 else f", {view}"
        for name, it in (("Right", True), ("Wrong", False)):
            who = [arm.name for arm, right in zip(arms, of.right, strict=True) if right is it]
            sides += [(f"{name}{where}", ", ".join(who))] if who else []
    return sides


def _and(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
