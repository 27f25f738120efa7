"""Screen what came of a study, exactly as `pnetkit screen` does, in a process that holds the model.

A study is a folder of DICOM, or of NIfTI files that are named by their phases: `arterial.nii.gz`.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch

from pnetkit.errors import CohortError
from pnetkit.files import digest
from pnetkit.model.folder import read_model
from pnetkit.process_memory import keep_freed_memory
from pnetkit.screening.cases import Asked, cases_of
from pnetkit.screening.gates import GatePolicy
from pnetkit.screening.pages import WRAPPED, Pages
from pnetkit.screening.screen import Screened, screen_cases
from pnetkit.screening.screener import Screener, load_screener, warm_up
from pnetkit.screening.source import ScreeningCase
from pnetkit.serve.child import Screen, Task
from pnetkit.serve.values import Failure, Finding, Outcome, Refusal

NIFTI = (".nii.gz", ".nii")

_SENT = ("_segmentation.dcm", "_report.dcm", WRAPPED, ".dcm")
"""What is sent, in this order: a report refers to its segmentation."""

FINDINGS = "findings"
"""The folder, below a task's own, in which `screen_cases` works."""


@dataclass(frozen=True, slots=True)
class Screening:
    """Say which model screens and how; what of this changes findings is in `model_key`.

    With `dicom` SEG and SR are written of DICOM, and a finding that lacks one is a failure. `pdf` asks for a page.
    """

    model: Path
    device: str = "auto"
    folds: tuple[int, ...] = ()
    threads: int | None = None
    gates: GatePolicy = "error"
    by: Literal["description", "time", "image"] = "description"
    descriptions: tuple[tuple[str, str], ...] = ()
    dicom: bool = True
    pdf: bool = False
    warm: bool = True


def model_key(screening: Screening) -> str:
    """Name what decides findings: a study is known by it and by itself. Raises ModelError for what is no model."""
    return digest({"model": read_model(screening.model).digest, **_asked(screening)})


def _asked(screening: Screening) -> dict[str, Any]:
    """Give the settings that change findings."""
    asked = {"gates": screening.gates, "by": screening.by, "descriptions": list(screening.descriptions)}
    return {"folds": list(screening.folds), **asked}


def open_screening(screening: Screening, refuse: Callable[[Task, str], Sequence[str]] | None = None) -> Screen:
    """Load a model, and give what screens with it; `refuse` writes why there is no finding. Raises ModelError."""
    keep_freed_memory()
    if screening.threads is not None:
        torch.set_num_threads(screening.threads)
    screener = load_screener(read_model(screening.model), device=screening.device, folds=screening.folds or None)
    if screening.warm:
        warm_up(screener)
    return partial(screen_task, screener, screening, refuse)


def screen_task(
    screener: Screener,
    screening: Screening,
    refuse: Callable[[Task, str], Sequence[str]] | None,
    task: Task,
) -> Outcome:
    """Screen a study into a task's folder.

    Raises:
        StoreError: the disk takes no more; the study can be screened later.
    """
    try:
        cases = _cases(screener, screening, task.study)
        if len(cases) != 1:
            return _refused(task, refuse, Refusal(f"{len(cases)} studies came as one; wanted one"))
        pages = Pages(pdf=screening.pdf)
        (done,) = screen_cases(screener, cases, task.out / FINDINGS, gates=screening.gates, say=_nothing, pages=pages)
    except CohortError as error:
        return _refused(task, refuse, Refusal(str(error)))
    outcome = _outcome(done, screening)
    if not isinstance(outcome, Finding):
        return _refused(task, refuse, outcome)
    made = task.out / FINDINGS / done.case_id
    for path in made.iterdir():
        path.rename(task.out / path.name)
    shutil.rmtree(task.out / FINDINGS)
    files = sorted(task.out.glob("*.dcm"), key=lambda path: (_SENT.index(_kind(path)), path.name))
    if files:
        _let_succeed(task, files, done.record, screening)
    return Finding(outcome.decision, tuple(path.name for path in files), outcome.about)


def _kind(path: Path) -> str:
    return next(kind for kind in _SENT if path.name.endswith(kind))


def _let_succeed(task: Task, files: Sequence[Path], record: Mapping[str, Any], screening: Screening) -> None:
    """Give results UIDs that follow from what they are made of, by which settings, and what they replace.

    An archive that got another finding under a UID that it has would keep the one that it has.
    """
    from pnetkit.dicom.succession import succeed  # noqa: PLC0415  # needs the extra

    earlier = sorted(task.earlier.glob("*.dcm")) if task.earlier is not None and task.earlier.is_dir() else []
    mark = {"images": {name: of["sha256"] for name, of in record["images"].items()}, "asked": _asked(screening)}
    succeed(files, earlier, digest(mark if task.earlier is None else mark | {"instead": task.number}))


def _cases(screener: Screener, screening: Screening, study: Path) -> list[ScreeningCase]:
    content = screener.model.content
    learned_mm = {phase: tuple(seen["spacing_mm"][2]) for phase, seen in content["grid"]["seen"].items()}
    asked: dict[str, Any] = {"descriptions": dict(screening.descriptions), "by": screening.by}
    given = Asked(write_dicom=screening.dicom, learned_mm=learned_mm, **asked)
    scans = {
        path.name.removesuffix(end): path
        for path in sorted(study.iterdir())
        for end in NIFTI
        if path.name.endswith(end)
    }
    if scans:
        inputs = [f"{phase}={path}" for phase, path in scans.items()]
        return cases_of(inputs, content["phases"], Asked(case_id="study", learned_mm=learned_mm), _nothing)
    return cases_of([str(study)], content["phases"], given, _nothing)


def _outcome(done: Screened, screening: Screening) -> Outcome:
    if done.status == "failed":
        reason = done.record["reason"]
        ours = "traceback" in done.record or reason.startswith("memory ran out")
        return Failure(reason) if ours else Refusal(reason)
    if screening.dicom and done.record.get("unwritten"):
        return Failure("; ".join(f"{name}: {why}" for name, why in done.record["unwritten"].items()))
    about = {name: done.record[name] for name in ("case_id", "score", "fired", "missing")}
    return Finding(done.record["decision"], (), about)


def _refused(task: Task, refuse: Callable[[Task, str], Sequence[str]] | None, outcome: Refusal | Failure) -> Outcome:
    """Give an outcome that is no finding, with what says so; nothing else is left of the try."""
    shutil.rmtree(task.out / FINDINGS, ignore_errors=True)
    files = () if refuse is None else tuple(refuse(task, outcome.reason))
    return type(outcome)(outcome.reason, files)


def _nothing(_said: str) -> None:
    """Say nothing: notes name what identifies patients."""
