"""Make the reporting sheets of a finished run, and write them."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pnetkit import __version__
from pnetkit.errors import PnetkitError
from pnetkit.files import disk_errors_in_words, read_json, write_atomically
from pnetkit.pipeline.outcome.finished import FinishedRun, read_run
from pnetkit.pipeline.outcome.folder import METRICS, RECIPE
from pnetkit.pipeline.outcome.pages.names import names_of
from pnetkit.pipeline.outcome.pages.parts import flow_of
from pnetkit.recipe.document import read_document
from pnetkit.report.sheet.values import RunValues
from pnetkit.report.sheet.write import CHECKLISTS, Sheet, filled_in


def write_sheets(
    folder: Path, checklists: Sequence[str] = tuple(CHECKLISTS), out: Path | None = None
) -> list[tuple[str, Path, Sheet]]:
    """Write one Markdown file for each checklist into the run's folder, or `out`; give title, place and text of each.

    Raises StoreError where the folder is no finished run.
    """
    values, target = run_values(read_run(folder)), out or folder
    made = f"Filled in by pnetkit {__version__} on {time.strftime('%Y-%m-%d')}"
    written = []
    with disk_errors_in_words(target):
        target.mkdir(parents=True, exist_ok=True)
        for name in checklists:
            sheet, path = filled_in(CHECKLISTS[name], values, made=made), target / f"sheet_{name}.md"
            write_atomically(path, sheet.text.encode())
            written.append((CHECKLISTS[name].title, path, sheet))
    return written


def run_values(run: FinishedRun) -> RunValues:
    """Give what a run's folder says as plain data; a file that cannot be read counts as empty."""
    names = names_of([line["case_id"] for line in run.lines], pseudonyms=True)  # a sheet names no case
    return RunValues(
        record=run.record,
        recipe=_recipe(run.folder),
        lines=run.lines,
        metrics=_metrics(run.folder),
        flow=flow_of(run, names),
        diameters_mm={
            phase: [lesion.diameter_mm for match in by_criterion.get("any", ()) for lesion in match.lesions]
            for phase, by_criterion in run.lesions.items()
        },
        beside=frozenset(path.name for path in run.folder.iterdir()),
    )


def _recipe(folder: Path) -> Mapping[str, Any]:
    try:
        return read_document(folder / RECIPE).data
    except PnetkitError:
        return {}


def _metrics(folder: Path) -> Mapping[str, Any]:
    try:
        found: Mapping[str, Any] = read_json(folder / METRICS)
    except (OSError, ValueError):
        return {}
    return found
