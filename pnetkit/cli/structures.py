"""What `pnetkit cohort import` does for sets with a folder for each case and a file for each structure."""

from pathlib import Path
from typing import Any

import click

FILES_OF_CASES = ("nnunet", "msd", "monai", "panorama", "pattern")
FOLDERS_OF_CASES = ("pants", "abdomenatlas", "totalsegmentator")
"""Layouts: files of cases beside each other, or a folder for each case with a file for each structure."""

WITH_METADATA = ("panorama", *FOLDERS_OF_CASES)
"""Layouts that a table belongs to."""


def require_fitting(layout: str, metadata: Path | None, combined: Path | None, structures: tuple[str, ...]) -> None:
    """Refuse options that a layout has no use for."""
    given = {"--metadata": metadata is not None, "--combined": combined is not None, "--structure": bool(structures)}
    fitting = {"--metadata": WITH_METADATA, "--combined": FOLDERS_OF_CASES, "--structure": FOLDERS_OF_CASES}
    for option, layouts in fitting.items():
        if given[option] and layout not in layouts:
            raise click.UsageError(f"{option} is of the layouts {', '.join(layouts)}, not of {layout}.")
    if structures and combined is None:
        raise click.UsageError("--structure says what goes into label maps; say where to write them with --combined.")


def of_structures(
    layout: str,
    source: Path,
    phases: dict[str, str],
    metadata: Path | None,
    combined: Path | None,
    structures: dict[str, int],
    workers: int | None,
) -> tuple[list[Any], list[str]]:
    """Find the cases of a set with a file for each structure, and make their label maps where that is asked for."""
    from pnetkit.cohort.combining import Job, combine
    from pnetkit.cohort.structures import structure_cases, with_labels
    from pnetkit.errors import CohortError, Fault
    from pnetkit.pipeline.engine.workers import WorkerPool
    from pnetkit.processors import usable_processors

    found = structure_cases(layout, source, phases, metadata, structures)
    if combined is None:
        return found.entries, [
            *found.notes,
            "no case has a label: --combined FOLDER makes label maps of the structures",
        ]
    images = {entry.case_id: next(iter(entry.images.values())) for entry in found.entries}
    jobs = {
        case: Job(image, found.masks[case], combined / f"{case}.nii.gz")
        for case, image in images.items()
        if found.masks[case]
    }
    with WorkerPool(usable_processors() if workers is None else workers, threads=1) as pool:
        said = dict(zip(jobs, pool.map(combine, jobs.values()), strict=True))
    faults = [Fault(f"case {case}", wrong) for case, wrong in said.items() if wrong]
    if faults:
        raise CohortError("Label maps cannot be made of the structures:", faults)
    without = len(images) - len(jobs)
    notes = [*found.notes, f"{len(jobs)} label maps in {combined}"]
    notes += [f"{without} cases have a file of none of the structures, and no label map"] if without else []
    return with_labels(found, {case: job.target for case, job in jobs.items()}), notes


def labels_of(structures: tuple[str, ...]) -> dict[str, int]:
    """Read NAME=LABEL, each name once."""
    from pnetkit.types import BACKGROUND, CLASSES

    found = {}
    for text in structures:
        name, _, label = text.partition("=")
        if not name or label not in CLASSES[BACKGROUND + 1 :] or name in found:
            wanted = f"wanted NAME=LABEL with {', '.join(CLASSES[1:])}, each name once"
            raise click.BadParameter(f"{wanted}, got {text!r}", param_hint="--structure")
        found[name] = CLASSES.index(label)
    return found
