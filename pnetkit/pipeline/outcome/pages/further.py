"""The part of a finished run's page with surfaces, lesion-wise F1 and calibration."""

from dataclasses import replace

from pnetkit.evaluation.further import compare_further
from pnetkit.pipeline.outcome.finished import FinishedRun
from pnetkit.report.comparison import FUSED
from pnetkit.report.further import F1_WORDS, SURFACE_WORDS, further_table, probabilities_tables
from pnetkit.report.page.values import Part
from pnetkit.report.tables import Table


def further_part(run: FinishedRun) -> Part | None:
    """Give surfaces and lesion-wise F1 by phase, and calibration of what is a probability; None of neither."""
    tables: list[Table] = []
    calibration: list[Table] = []
    for view in [*run.by_phase, FUSED]:
        calls = run.fused if view == FUSED else run.by_phase[view]
        matches = dict(zip(run.labeled.get(view, ()), run.lesions.get(view, {}).get("any", ()), strict=True))
        found = compare_further(run.truth, {run.name: calls}, {run.name: matches})
        if found.is_empty:
            continue
        if view != FUSED and found.arms[0].tells_of_surfaces:
            tables.append(replace(further_table(found, view, cohort=run.cohort), notes=()))
        of_view = probabilities_tables(found, view, cohort=run.cohort)
        tables += of_view
        calibration += of_view
    if not tables:
        return None
    said = f"{SURFACE_WORDS} {F1_WORDS} Found is any overlap."
    title = "Surfaces, lesions' F1 and calibration" if calibration else "Surfaces and lesions' F1"
    return Part("further", title, (said,), tables=tuple(tables))
