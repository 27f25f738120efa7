"""Make the page of a comparison: tables, a forest of differences, curves, who gets which case right, and pictures."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pnetkit import __version__
from pnetkit.errors import counted
from pnetkit.evaluation.agreement import Standing, standings
from pnetkit.evaluation.comparison import OVERLAPS, Call, CaseTruth, Comparison
from pnetkit.pipeline.outcome.finished import FinishedRun, shared_truth
from pnetkit.pipeline.outcome.pages.cases import Told
from pnetkit.pipeline.outcome.pages.disputed import GROUPS, Arm, disputed_makers
from pnetkit.pipeline.outcome.pages.names import names_of
from pnetkit.pipeline.outcome.pages.parts import scored
from pnetkit.pipeline.outcome.pages.run_page import PHANTOMS, recipe_of
from pnetkit.pipeline.outcome.pages.scans import cohort_files
from pnetkit.pipeline.outcome.pages.stored import stored
from pnetkit.report.comparison import FUSED
from pnetkit.report.figures.curves import roc_figure
from pnetkit.report.figures.differences import differences_figure
from pnetkit.report.methods import is_phantom, recipe_in_a_sentence
from pnetkit.report.page.budget import BUDGET, CaseMaker
from pnetkit.report.page.matrix import matrix_of
from pnetkit.report.page.values import RESEARCH, Group, LeftOut, Page, Part
from pnetkit.report.page.write import page_within, what_is_left_out
from pnetkit.report.tables import Table

DISPUTED = "Cases on which methods disagree"

DISPUTED_SAYS = (
    "Cases whose fused decision is not the same for all methods that decided. All outlines of a case are shown on the "
    "same slice of the patient, cropped to what all methods found: each method's are solid, the reference's dashed."
)

BY_PHASE = ("Cases whose fused decision is", "Cases whose call in one of the phases is")


@dataclass(frozen=True, slots=True)
class ComparedView:
    """Hold one view of a comparison, a phase or `fused`: its figures, its tables, and the calls by arm and case."""

    view: str
    found: Comparison
    tables: tuple[Table, ...]
    calls: Mapping[str, Mapping[str, Call]]


def comparison_page(
    runs: Mapping[str, FinishedRun],
    views: Sequence[ComparedView],
    others: Sequence[Table],
    *,
    warnings: Sequence[str] = (),
    store: Path | None = None,
    table: Path | None = None,
    budget: int = BUDGET,
) -> tuple[bytes, LeftOut]:
    """Give the page of a comparison as one HTML file of no more than `budget` bytes, and what was left out.

    `others` are the tables that are of no view. Without any run the page holds these alone. `store` is asked for the
    results of runs whose own store is gone, `table` is the cohort's, where images are in no store.

    Raises:
        CohortError: the table cannot be read.
        ReportError: even the page without a picture is larger than the budget.
    """
    truth = shared_truth(list(runs.values())) if runs else {}
    arms = [_arm(name, run, store, table) for name, run in runs.items()]
    makers = disputed_makers(arms, _pictured_views(runs, views, truth))
    page = _page(arms, views, others, warnings, makers)
    places = {title: place for place, (title, _) in enumerate(GROUPS.values())}
    data, cases = page_within(page, list(makers.values()), places, budget=budget)
    return data, what_is_left_out(page, cases)


def _arm(name: str, run: FinishedRun, store: Path | None, table: Path | None) -> Arm:
    found = stored(run, None)
    if found.store is None and store is not None and store.is_dir():
        found = stored(run, store)
    lines = {line["case_id"]: line for line in run.lines}
    names = names_of(list(run.record["cases"]), pseudonyms=False)
    return Arm(name, Told(run, found, cohort_files(run, found, table), names), lines)


def _pictured_views(
    arms: Mapping[str, FinishedRun], views: Sequence[ComparedView], truth: Mapping[str, CaseTruth]
) -> dict[str, list[Standing]]:
    """Give every arm's standing in the views whose disputed cases are shown."""
    return {of.view: standings(truth, {arm: of.calls.get(arm, {}) for arm in arms}) for of in _pictured(views)}


def _pictured(views: Sequence[ComparedView]) -> Sequence[ComparedView]:
    """Give the views whose disputed cases are shown: the fused decision, or every phase where that is not compared."""
    return [of for of in views if of.view == FUSED] or views


def _page(
    arms: Sequence[Arm],
    views: Sequence[ComparedView],
    others: Sequence[Table],
    warnings: Sequence[str],
    makers: Mapping[str, CaseMaker],
) -> Page:
    runs = {arm.name: arm.told.run for arm in arms}
    truth = shared_truth(list(runs.values())) if runs else {}
    places = {case: f"case-{number}" for number, case in enumerate(makers, start=1)}
    fused_first = sorted(views, key=lambda of: of.view != FUSED)
    parts = [_arms_part(runs)] if runs else []
    parts += [_view_part(of, truth, places) for of in fused_first]
    if len(views) and len(runs) > 1 and not makers:
        parts.append(
            Part("disputed", DISPUTED, ("There is none: all methods that decided say the same of every case.",))
        )
    if others:
        parts.append(Part("others", "Seeds and costs" if views else "Published", tables=tuple(others)))
    lacks = tuple(f"{arm.name}: {arm.told.names.safe(arm.told.found.lacks)}" for arm in arms if arm.told.found.lacks)
    return Page(
        title="Comparison",
        subtitle="; ".join(dict.fromkeys(run.cohort for run in runs.values())),
        warning=PHANTOMS if any(is_phantom(run.record) for run in runs.values()) else "",
        summary=_summary(_pictured(views), truth) if views else (),
        parts=tuple(parts),
        flow=(),
        groups=tuple(Group(*group, ()) for group in GROUPS.values()) if makers else (),
        closing=(Part("lacks", "What this page lacks", lacks=lacks),) if lacks else (),
        notes=(f"{RESEARCH}, not for diagnosis.", *warnings),
        made=f"Made by pnetkit {__version__} on {time.strftime('%Y-%m-%d')}",
        gallery=DISPUTED,
        gallery_says=DISPUTED_SAYS if FUSED in {of.view for of in views} else DISPUTED_SAYS.replace(*BY_PHASE),
        has_slices=False,
    )


def _arms_part(runs: Mapping[str, FinishedRun]) -> Part:
    """Say what each arm is, and where its thresholds come from."""
    facts = []
    for name, run in runs.items():
        recipe = recipe_of(run)
        said = recipe_in_a_sentence(recipe, run.record) if recipe else "Its recipe cannot be read."
        facts.append((name, f"{said} {run.record['thresholds']}".strip()))
    return Part("arms", "What was compared", facts=tuple(facts))


def _view_part(of: ComparedView, truth: Mapping[str, CaseTruth], places: Mapping[str, str]) -> Part:
    overlaps = () if of.view == FUSED else tuple(OVERLAPS)
    first = sorted(of.calls, key=lambda arm: arm != of.found.baseline)  # the baseline's curve has the band
    curves = roc_figure([scored(arm, truth, of.calls[arm]) for arm in first])
    figures = (differences_figure(of.found, overlaps), curves)
    name = "Fused decision" if of.view == FUSED else of.view.capitalize()
    title = f"Who gets which case right: {name.lower()}"
    matrix = matrix_of(title, list(of.calls), standings(truth, of.calls), places=places)
    return Part(
        f"view-{of.view}",
        "Fused decision" if of.view == FUSED else f"By phase: {of.view}",
        figures=tuple(figure for figure in figures if figure is not None),
        tables=of.tables,
        matrices=() if matrix is None else (matrix,),
    )


def _summary(views: Sequence[ComparedView], truth: Mapping[str, CaseTruth]) -> tuple[tuple[str, str, str], ...]:
    """Give what a reader sees first: how many methods and cases, and about how many they disagree in any of the views.

    `views` is not empty.
    """
    of = views[0]
    disputed = {case.case_id: case for view in views for case in standings(truth, view.calls) if case.is_disputed}
    tumors = sum(case.abnormal is True for case in disputed.values())
    against = f"against {of.found.baseline}" if of.found.baseline else "side by side"
    counts = f"{sum(t.abnormal is True for t in truth.values())} abnormal, "
    counts += f"{sum(t.abnormal is False for t in truth.values())} normal"
    return (
        ("Methods", str(len(of.calls)), against),
        ("Cases", str(len(truth)), counts),
        ("Disputed", str(len(disputed)), f"{counted(tumors, 'tumor')} that some found and some missed"),
    )
