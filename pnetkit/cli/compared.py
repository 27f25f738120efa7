"""What `pnetkit compare` shows of finished runs: figures and tables of each view, by arm."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any


def named(runs: Sequence[Any]) -> dict[str, Any]:
    """Name each run by its recipe, and by its folder too where two have one name."""
    names = [run.name for run in runs]
    return {run.name if names.count(run.name) == 1 else f"{run.name} ({run.folder.name})": run for run in runs}


def views_of(
    runs: dict[str, Any], baseline: str | None, by: str, warnings: Sequence[str], *, reference: bool
) -> tuple[list[Any], dict[str, Any]]:
    """Give what is compared in each view, and the same as plain data for JSON."""
    from pnetkit.evaluation.comparison import compare_arms
    from pnetkit.evaluation.further import compare_further
    from pnetkit.evaluation.lesions import summarize_lesions
    from pnetkit.pipeline.outcome.finished import shared_truth
    from pnetkit.pipeline.outcome.otherwise import told_apart, with_weights_named
    from pnetkit.pipeline.outcome.pages.comparison_page import ComparedView
    from pnetkit.pipeline.outcome.pages.run_page import recipe_of
    from pnetkit.report.comparison import FUSED, arms_table, differences_table, lesions_table
    from pnetkit.report.further import (
        further_differences_table,
        further_table,
        probabilities_tables,
        without_probabilities,
    )
    from pnetkit.report.methods import was_trained

    first = next(iter(runs.values()))
    truth = shared_truth(list(runs.values()))
    phases = list(dict.fromkeys(phase for run in runs.values() for phase in run.by_phase))
    views = [*(phases if by != "fused" else []), *([FUSED] if by != "phase" else [])]
    made, plain = [], {}
    recipes = {name: recipe_of(run) for name, run in runs.items() if was_trained(run.record)}
    apart = told_apart({name: with_weights_named(of, runs[name].record) for name, of in recipes.items() if of})
    for view in views:
        there = {name: run for name, run in runs.items() if view == FUSED or view in run.by_phase}
        calls = {name: run.fused if view == FUSED else run.by_phase[view] for name, run in there.items()}
        found = compare_arms(truth, calls, baseline=baseline if baseline is not None and calls.get(baseline) else None)
        notes = [*warnings, *_failures(there), *apart, *_thresholds(runs)]
        failed = {
            name: f"{len(run.failed)} of {len(run.truth)} cases failed" for name, run in there.items() if run.failed
        }
        tables = [arms_table(found, view, cohort=first.cohort, warnings=notes, failed=failed, reference=reference)]
        if found.against:
            tables.append(differences_table(found, view))
        plain[view] = asdict(found)
        matches = {name: run.lesions[view] for name, run in runs.items() if view in run.lesions}
        lesions = {name: {c: summarize_lesions(of) for c, of in by.items()} for name, by in matches.items()}
        if any(of.detected.total for by in lesions.values() for of in by.values()):
            tables.append(lesions_table(lesions, view, cohort=first.cohort, warnings=warnings))
            plain[view]["lesions"] = {name: {c: asdict(f) for c, f in by.items()} for name, by in lesions.items()}
        by_case = {name: _lesions_by_case(run, view) for name, run in there.items()}
        further = compare_further(truth, calls, by_case, baseline=found.baseline)
        tables[0] = replace(tables[0], notes=(*tables[0].notes, *without_probabilities(further)))
        if not further.is_empty:  # else runs of earlier releases, or nothing to tell
            about = {"cohort": first.cohort, "warnings": warnings}
            tables += [further_table(further, view, **about)] if view != FUSED else []
            tables += probabilities_tables(further, view, **about)
            against = further_differences_table(further, view)
            tables += [] if against is None else [against]
            plain[view]["further"] = asdict(further)
        made.append(ComparedView(view, found, tuple(tables), calls))
    said = {"cohort": first.cohort, "research_use_only": True, "warnings": list(warnings), "otherwise": apart}
    failures = {name: {"cases": len(run.failed), "of": len(run.truth)} for name, run in runs.items() if run.failed}
    return made, said | {"failed": failures, "views": plain}


def _lesions_by_case(run: Any, phase: str) -> dict[str, Any]:
    """Give what was matched by any overlap in one phase, by case."""
    matches = run.lesions.get(phase, {}).get("any", ())
    return dict(zip(run.labeled.get(phase, ()), matches, strict=True))


def _failures(runs: dict[str, Any]) -> list[str]:
    """Say of each arm whose cases failed how many they are and why, the commonest reason first."""
    said = []
    for name, run in runs.items():
        reasons = Counter(run.failed.values()).most_common()
        if reasons:
            first, more = reasons[0][0], len(reasons) - 1
            others = f" and {more} other reason{'s' * (more > 1)}" if more else ""
            said.append(
                f"FAILED: {len(run.failed)} of {len(run.truth)} cases of {name}, in no figure of it ({first}{others})."
            )
    return said


def seed_figures(arms: dict[str, list[Any]], by: str) -> dict[str, dict[str, list[tuple[int, Any]]]]:
    """Give the figures of every seed, by view and arm, where an arm was run with several."""
    from pnetkit.evaluation.comparison import compare_arms
    from pnetkit.report.comparison import FUSED

    if not arms:
        return {}
    first = next(iter(arms.values()))[0]
    views = [*(first.by_phase if by != "fused" else []), *([FUSED] if by != "phase" else [])]
    found: dict[str, dict[str, list[tuple[int, Any]]]] = {}
    for view in views:
        for name, runs in arms.items():
            figures = [
                compare_arms(run.truth, {name: run.fused if view == FUSED else run.by_phase.get(view, {})}).arms[0]
                for run in runs
            ]
            pairs = [(run.record["seeds"]["training"], of) for run, of in zip(runs, figures, strict=True)]
            found.setdefault(view, {})[name] = pairs
    return found


def _thresholds(runs: dict[str, Any]) -> list[str]:
    """Say where each arm's thresholds come from, arms of one kind together."""
    kinds: dict[str, list[str]] = {}
    for name, run in runs.items():
        kinds.setdefault(run.record["thresholds"], []).append(name)
    return [text if len(kinds) == 1 else f"{', '.join(names)}: {text}" for text, names in kinds.items()]


def published_views(by: str) -> tuple[str, ...]:
    """Name the views of which the paper published rows."""
    from pnetkit.report.comparison import FUSED

    return (*(("venous", "arterial") if by != "fused" else ()), *((FUSED,) if by != "phase" else ()))


def published_tables(by: str) -> list[Any]:
    """Give the published rows as tables, a view each."""
    from pnetkit.report.reference import published_table

    return [published_table(view) for view in published_views(by)]
