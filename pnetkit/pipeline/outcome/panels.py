"""Make a paper's figure of finished runs: what each said of some cases, phase by phase, beside the reference."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pnetkit.errors import RunError, did_you_mean
from pnetkit.imaging.boxes import bounding_box
from pnetkit.pipeline.outcome.finished import FinishedRun
from pnetkit.pipeline.outcome.pages.names import Names
from pnetkit.pipeline.outcome.pages.scans import Volumes, cohort_files, is_same, read_volumes
from pnetkit.pipeline.outcome.pages.stored import stored
from pnetkit.report.methods import is_phantom
from pnetkit.report.page.cropping import shown_box
from pnetkit.report.page.pictures import Crop, as_seen, chosen_position_mm, windowed
from pnetkit.report.panel import Cell, Panel, Row
from pnetkit.types import BACKGROUND

Labels = NDArray[np.uint8]

BESIDE = ("Image", "Reference")
"""The columns before those of the runs."""


@dataclass(frozen=True, slots=True, eq=False)
class _Phase:
    """Hold one phase of a case: the image, what is true, and what each run found (None: it has nothing there)."""

    name: str
    volumes: Volumes
    found: tuple[Labels | None, ...]
    said: tuple[str, ...]

    def crop(self, found: Labels | None) -> Crop:
        """Cut out what all runs and the reference mark, with the labels of one of them."""
        marked = [bounding_box(labels > BACKGROUND) for labels in self.found if labels is not None]
        box, is_whole = shown_box([*marked, self.volumes.organ], self.volumes.grid)
        return self.volumes.crop(self.name, found, box, is_whole=is_whole)


def panel_of(
    runs: Sequence[FinishedRun],
    cases: Sequence[str],
    *,
    table: Path | None = None,
    store: Path | None = None,
    pseudonyms: bool = False,
) -> Panel:
    """Make the figure of some cases of several runs, the first of which decides where along the patient they are shown.

    Raises:
        RunError: a run lacks a case, or has other images of it; a case's images are not to be found.
        CohortError: `table` cannot be read.
    """
    _require_cases(runs, cases)
    rows = []
    for number, case in enumerate(cases, start=1):
        phases = _phases(runs, case, table, store)
        place = chosen_position_mm({of.name: of.crop(of.found[0]) for of in phases})
        name = f"Case {number}" if pseudonyms else case
        rows += [_row(of, place, f"{name}\n{of.name}") for of in phases]
    foot = str(runs[0].record["cohort"]) if is_phantom(runs[0].record) else "Research use only"
    return Panel((*BESIDE, *_titles(runs)), tuple(rows), foot)


def _row(of: _Phase, place: float | None, title: str) -> Row:
    plain = of.crop(None)
    index = plain.hu.shape[2] // 2 if place is None else plain.slice_at(place)

    def seen(labels: Labels | None) -> Labels | None:
        return None if labels is None else np.ascontiguousarray(as_seen(labels[:, :, index])).astype(np.uint8)

    said = "" if plain.truth is not None else "no reference"
    cells = [Cell(None), Cell(seen(plain.truth), said)]
    cells += [Cell(seen(of.crop(found).found), words) for found, words in zip(of.found, of.said, strict=True)]
    gray = windowed(np.ascontiguousarray(as_seen(plain.hu[:, :, index])), plain.window_hu)
    return Row(title, gray, plain.spacing_mm[:2], tuple(cells))


def _phases(runs: Sequence[FinishedRun], case: str, table: Path | None, store: Path | None) -> list[_Phase]:
    """Read every phase of a case of which an image is there, and what each run found in it."""
    read, reasons = [], []
    results = [(run, of := stored(run, store), cohort_files(run, of, table)) for run in runs]
    for phase in runs[0].record["phases"]:
        if phase not in runs[0].record["cases"][case]["files"]:
            continue
        there: list[Volumes | str] = []
        for run, found, files in results:
            name = next((of for of, phases in run.record["inputs"].items() if phase in phases), None)
            there.append(f"{run.name} has no {phase}" if name is None else read_volumes(run, found, files, case, name))
        image = next((of for of in there if isinstance(of, Volumes) and phase in of.hu), None)
        if image is None:
            reasons += [f"{phase}: {of}" for of in there if isinstance(of, str)]
            continue
        on_it = [of.found if isinstance(of, Volumes) and is_same(of.grid, image.grid) else None for of in there]
        said = [_said(run, case, phase, labels) for run, labels in zip(runs, on_it, strict=True)]
        read.append(_Phase(phase, image, tuple(on_it), tuple(said)))
    if not read:
        hidden = Names({case: case}).safe("; ".join(dict.fromkeys(reasons)))
        raise RunError(f"{case}: none of its images is to be found ({hidden}).")
    return read


def _said(run: FinishedRun, case: str, phase: str, labels: Labels | None) -> str:
    """Say what a run made of a phase: whether it called it."""
    line = next(of for of in run.lines if of["case_id"] == case)
    name = next((of for of, phases in run.record["inputs"].items() if phase in phases), "")
    if labels is None or not name or line[f"{name}_score"] == "":
        return "no finding"
    return "called" if line[f"{name}_called_abnormal"] == "1" else "not called"


def _require_cases(runs: Sequence[FinishedRun], cases: Sequence[str]) -> None:
    """Raise RunError for a case that a run lacks, or of which it has other images than the first run."""
    for case in cases:
        for run in runs:
            if case not in run.record["cases"]:
                said = did_you_mean(case, run.record["cases"])
                raise RunError(f"{run.folder}: has no case {case!r}.{said} What is no run is taken for a case.")
        first = _images(runs[0].record["cases"][case]["files"])
        for run in runs[1:]:
            if _images(run.record["cases"][case]["files"]) != first:
                raise RunError(
                    f"{case}: its images in {run.folder} are others than in {runs[0].folder}; they are two cases of "
                    "one name. Choose runs on one cohort."
                )


def _images(files: Mapping[str, Mapping[str, object]]) -> dict[str, object]:
    return {phase: of["image"] for phase, of in files.items()}


def _titles(runs: Sequence[FinishedRun]) -> list[str]:
    """Call runs by their recipes; by their folders where two have one."""
    names = [run.name for run in runs]
    return [run.folder.name if names.count(run.name) > 1 else run.name for run in runs]
