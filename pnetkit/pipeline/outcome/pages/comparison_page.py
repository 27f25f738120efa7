"""Make the page of a comparison: tables, a forest of differences, curves, who gets which case right, and pictures."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pnetkit import __version__
from pnetkit.errors import counted
from pnetkit.evaluation.agreement import standings
from pnetkit.evaluation.comparison import OVERLAPS, Call, CaseTruth, Comparison
from pnetkit.pipeline.outcome.finished import FinishedRun, shared_truth
from pnetkit.pipeline.outcome.pages.parts import scored
from pnetkit.pipeline.outcome.pages.run_page import PHANTOMS, recipe_of
from pnetkit.report.comparison import FUSED
from pnetkit.report.figures.curves import roc_figure
from pnetkit.report.figures.differences import differences_figure
from pnetkit.report.methods import is_phantom, recipe_in_a_sentence
from pnetkit.report.page.budget import BUDGET
from pnetkit.report.page.matrix import matrix_of
from pnetkit.report.page.values import RESEARCH, LeftOut, Page, Part
from pnetkit.report.page.write import page_within, what_is_left_out
from pnetkit.report.tables import Table


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
    budget: int = BUDGET,
) -> tuple[bytes, LeftOut]:
    """Give the page of a comparison as one HTML file of no more than `budget` bytes, and what was left out.

    `others` are the tables that are of no view. Without any run the page holds these alone.

    Raises ReportError where even the page without a picture is larger than the budget.
    """
    page = _page(runs, views, others, warnings)
    data, cases = page_within(page, (), {}, budget=budget)
    return data, what_is_left_out(page, cases)


def _page(
    runs: Mapping[str, FinishedRun],
    views: Sequence[ComparedView],
    others: Sequence[Table],
    warnings: Sequence[str],
) -> Page:
    truth = shared_truth(list(runs.values())) if runs else {}
    fused_first = sorted(views, key=lambda of: of.view != FUSED)
    parts = [_arms_part(runs)] if runs else []
    parts += [_view_part(of, truth) for of in fused_first]
    if others:
        parts.append(Part("others", "Seeds and costs" if views else "Published", tables=tuple(others)))
    return Page(
        title="Comparison",
        subtitle="; ".join(dict.fromkeys(run.cohort for run in runs.values())),
        warning=PHANTOMS if any(is_phantom(run.record) for run in runs.values()) else "",
        summary=_summary(fused_first[0], truth) if fused_first else (),
        parts=tuple(parts),
        flow=(),
        groups=(),
        closing=(),
        notes=(f"{RESEARCH}, not for diagnosis.", *warnings),
        made=f"Made by pnetkit {__version__} on {time.strftime('%Y-%m-%d')}",
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


def _view_part(of: ComparedView, truth: Mapping[str, CaseTruth]) -> Part:
    overlaps = () if of.view == FUSED else tuple(OVERLAPS)
    first = sorted(of.calls, key=lambda arm: arm != of.found.baseline)  # the baseline's curve has the band
    curves = roc_figure([scored(arm, truth, of.calls[arm]) for arm in first])
    figures = (differences_figure(of.found, overlaps), curves)
    name = "Fused decision" if of.view == FUSED else of.view.capitalize()
    matrix = matrix_of(f"Who gets which case right: {name.lower()}", list(of.calls), standings(truth, of.calls))
    return Part(
        f"view-{of.view}",
        "Fused decision" if of.view == FUSED else f"By phase: {of.view}",
        figures=tuple(figure for figure in figures if figure is not None),
        tables=of.tables,
        matrices=() if matrix is None else (matrix,),
    )


def _summary(of: ComparedView, truth: Mapping[str, CaseTruth]) -> tuple[tuple[str, str, str], ...]:
    """Give what a reader sees first: how many methods and cases, and about how many they disagree."""
    cases = standings(truth, of.calls)
    disputed = [case for case in cases if case.is_disputed]
    tumors = sum(case.abnormal is True for case in disputed)
    against = f"against {of.found.baseline}" if of.found.baseline else "side by side"
    counts = f"{sum(t.abnormal is True for t in truth.values())} abnormal, "
    counts += f"{sum(t.abnormal is False for t in truth.values())} normal"
    return (
        ("Methods", str(len(of.calls)), against),
        ("Cases", str(len(truth)), counts),
        ("Disputed", str(len(disputed)), f"{counted(tumors, 'tumor')} that some found and some missed"),
    )
