"""Choose the series of each phase in a DICOM study: by UID, description, time or image; ambiguity is refused."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pnetkit.dicom.series import Series
from pnetkit.errors import Fault, ImageError, SeriesError
from pnetkit.imaging.landmarks import find_landmarks
from pnetkit.screening.contrast_phase import contrast_phase, expected_phase
from pnetkit.screening.phase_words import described_phase
from pnetkit.types import Scan

By = Literal["description", "time", "image"]

LEAST_AXIAL = 0.8
"""Cosine between the images' normal and the body's axis: reformats to other planes are no candidates."""


@dataclass(frozen=True, slots=True)
class SeriesRules:
    """Say how series are chosen: UIDs and descriptions (regular expressions) by phase; `by` decides for the others."""

    uids: Mapping[str, str]
    descriptions: Mapping[str, str]
    by: By = "description"


@dataclass(frozen=True, slots=True)
class Choice:
    """Name the series of a phase, and by which rule it was chosen."""

    series: Series
    by: str


def choose_series(
    study: Sequence[Series], phases: Sequence[str], rules: SeriesRules, read: Callable[[Series], Scan]
) -> dict[str, Choice]:
    """Choose a series for each phase of a study; a phase that none fits is missing.

    First come UIDs, then what `rules.by` says. Descriptions that decide nothing leave the phase to the image, of the
    series whose description names no phase. By time, the candidates have the phases' order.

    Raises:
        SeriesError: several series fit a phase, none fits any, or times do not order them; candidates are listed.
    """
    chosen = {phase: Choice(_by_uid(study, uid), "uid") for phase, uid in rules.uids.items()}
    taken = {choice.series.uid for choice in chosen.values()}
    candidates = [series for series in study if is_candidate(series) and series.uid not in taken]
    open_phases = [phase for phase in phases if phase not in chosen]
    if open_phases and rules.by == "time":
        chosen |= _by_time(candidates, open_phases)
    elif open_phases and not rules.uids:
        named: dict[str, list[Series]] = {}
        if rules.by == "description":
            named = _by_description(candidates, open_phases, rules.descriptions)
            for phase, found in named.items():
                chosen[phase] = Choice(_only(found, phase, candidates, "description"), "description")
        unnamed = [series for series in candidates if not any(series in found for found in named.values())]
        if rules.by == "description":
            unnamed = [series for series in unnamed if described_phase(series.description) is None]
        chosen |= _by_image(unnamed, [phase for phase in open_phases if phase not in named], read)
    if not chosen:
        raise SeriesError(f"No series fits {' or '.join(phases)}. Name them with --series PHASE=UID.", _listed(study))
    return chosen


def is_candidate(series: Series) -> bool:
    """Tell whether a series is a stack of axial CT images, and no localizer."""
    header = series.instances[0].header
    if header.get("Modality") != "CT" or "LOCALIZER" in (header.get("ImageType") or ()) or len(series.instances) < 2:  # noqa: PLR2004
        return False
    try:
        row, column = np.array([float(part) for part in header.get("ImageOrientationPatient")]).reshape(2, 3)
    except (TypeError, ValueError):
        return True  # that it cannot be placed is said when it is read
    return bool(abs(np.cross(row, column)[2]) > LEAST_AXIAL)


def _by_uid(study: Sequence[Series], uid: str) -> Series:
    for series in study:
        if series.uid == uid:
            return series
    raise SeriesError(f"There is no series with the UID {uid}.", _listed(study))


def _by_description(
    candidates: Sequence[Series], phases: Sequence[str], descriptions: Mapping[str, str]
) -> dict[str, list[Series]]:
    found = {}
    for phase in phases:
        wanted, pattern = expected_phase(phase), descriptions.get(phase)
        if pattern is not None:
            fitting = [series for series in candidates if re.search(pattern, series.description, re.IGNORECASE)]
        else:
            fitting = [of for of in candidates if wanted is not None and described_phase(of.description) == wanted]
        if fitting:
            found[phase] = fitting
    return found


def _by_time(candidates: Sequence[Series], phases: Sequence[str]) -> dict[str, Choice]:
    times = [series.acquired for series in candidates]
    if len(candidates) != len(phases) or "" in times or len(set(times)) != len(times):
        raise SeriesError(
            f"Time decides nothing: {len(candidates)} series for {len(phases)} phases ({', '.join(phases)}), with the "
            f"times {', '.join(time or 'none' for time in times)}. Name them with --series PHASE=UID.",
            _listed(candidates),
        )
    ordered = sorted(candidates, key=lambda series: series.acquired)
    return {phase: Choice(series, "time") for phase, series in zip(phases, ordered, strict=True)}


def _by_image(candidates: Sequence[Series], phases: Sequence[str], read: Callable[[Series], Scan]) -> dict[str, Choice]:
    wanted = {phase: expected_phase(phase) for phase in phases}
    if not any(wanted.values()) or not candidates:
        return {}
    seen: dict[str, list[Series]] = {}
    problems = []
    for series in candidates:
        try:
            seen.setdefault(contrast_phase(find_landmarks(read(series))), []).append(series)
        except ImageError as error:
            problems.append(Fault(series.description or "no description", str(error)))
    if problems:
        raise SeriesError("Phases cannot be told from the images, as series cannot be read:", problems)
    chosen = {}
    for phase, kind in wanted.items():
        if kind is not None and kind in seen:
            chosen[phase] = Choice(_only(seen[kind], phase, candidates, "image"), "image")
    return chosen


def _only(found: Sequence[Series], phase: str, candidates: Sequence[Series], by: str) -> Series:
    if len(found) == 1:
        return found[0]
    raise SeriesError(
        f"{len(found)} series fit {phase} by their {by}. Choose with --series {phase}=UID, or --description "
        f"{phase}=PATTERN. Candidates:",
        _listed(found if len(found) > 1 else candidates),
    )


def _listed(study: Sequence[Series]) -> list[Fault]:
    return [Fault("series", series.in_words) for series in study]
