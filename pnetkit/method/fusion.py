"""Fit a fusion that learns, and say beforehand where it could not."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pnetkit.errors import Fault, TrainingError
from pnetkit.evaluation.operating_point import Findings
from pnetkit.files import file_digest
from pnetkit.interfaces import TrainedPhaseFusion
from pnetkit.method.plugins import build, save_plain

FUSION = "fusion"
"""The folder of a run, or of a model, in which a fitted fusion lies."""


def fit_fusion(
    identity: Mapping[str, Any], cases: Sequence[tuple[Findings, bool]], phases: tuple[str, ...], *, seed: int
) -> TrainedPhaseFusion:
    """Fit a fusion on findings with diagnoses.

    Raises TrainingError where there are no normal or no abnormal ones; and whatever the fusion raises.
    """
    fusion = build(identity)
    if not isinstance(fusion, TrainedPhaseFusion):
        raise TypeError(f"{identity['plugin']} is not a fusion that can be fitted")
    missing = _missing_diagnosis([abnormal for _, abnormal in cases])
    if missing:
        raise TrainingError(f"{identity['plugin']!r} learns from normal and abnormal cases, and {missing} was decided")
    fusion.fit([dict(found) for found, _ in cases], [called for _, called in cases], expected=phases, seed=seed)
    return fusion


def fold_faults(plugin: str, diagnoses: Mapping[str, bool | None], folds: Mapping[str, int]) -> list[Fault]:
    """Find the folds whose other folds lack a diagnosis, before anything is trained for them. By ids of cases."""
    faults = []
    for fold in sorted({folds[case] for case in diagnoses}):
        missing = _missing_diagnosis(
            [bool(d) for case, d in diagnoses.items() if d is not None and folds[case] != fold]
        )
        if missing:
            message = (
                f"{plugin!r} learns from the cases of the other folds, and {missing} is among them. Deal the cases out "
                f"otherwise (cohort.folds, a fold column), or choose a fusion that does not learn"
            )
            faults.append(Fault(f"fusion, fold {fold}", message))
    return faults


def saved(fusion: TrainedPhaseFusion, folder: Path, identity: Mapping[str, Any]) -> dict[str, str]:
    """Let a fusion save itself into a new folder, and give the digest of each file. Raises as `save_plain`."""
    save_plain(fusion, folder, identity)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): file_digest(path) for path in files}


def _missing_diagnosis(diagnoses: Sequence[bool]) -> str:
    """Name the diagnosis that is not there; empty where both are."""
    absent = [word for word, value in (("normal", False), ("abnormal", True)) if value not in diagnoses]
    return f"no {' and no '.join(absent)} case" if absent else ""
