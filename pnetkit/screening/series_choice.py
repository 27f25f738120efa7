"""Choose the series of each phase in a DICOM study: by UID, description, time or image; ambiguity is refused.

Of several reconstructions of one acquisition one is chosen by a rule. A phase is missing only where nothing that was
left out could be it.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from pnetkit.dicom.image_kind import in_words
from pnetkit.dicom.reconstructions import best_reconstruction, of_one_acquisition
from pnetkit.dicom.series import Series
from pnetkit.dicom.stacks import LeftOut, Study
from pnetkit.errors import Fault, ImageError, SeriesError
from pnetkit.imaging.landmarks import find_landmarks
from pnetkit.screening.contrast_phase import contrast_phase, expected_phase
from pnetkit.screening.phase_words import described_phase
from pnetkit.types import Scan

By = Literal["description", "time", "image"]


@dataclass(frozen=True, slots=True)
class SeriesRules:
    """Say how series are chosen: UIDs and descriptions (regular expressions) by phase; `by` decides for the others.

    `learned_mm` is by phase how far apart the slices were that the networks learned from.
    """

    uids: Mapping[str, str]
    descriptions: Mapping[str, str]
    by: By = "description"
    learned_mm: Mapping[str, tuple[float, float]] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Choice:
    """Name the series of a phase, by which rule it was chosen, and what a reader has to know of that."""

    series: Series
    by: str
    flags: tuple[str, ...] = ()


def choose_series(
    study: Study, phases: Sequence[str], rules: SeriesRules, read: Callable[[Series], Scan]
) -> dict[str, Choice]:
    """Choose a series for each phase of a study; a phase that none fits is missing.

    First come UIDs, then what `rules.by` says. Descriptions that decide nothing leave the phase to the image, of the
    series whose description names no phase; so do those of acquisitions that share a series UID. By time, the
    candidates have the phases' order.

    Raises:
        SeriesError: several series fit a phase, none fits any, times do not order them, or what was left out, or cannot
            be read, could be the phase that is missing; candidates are listed.
    """
    chosen = {phase: _by_uid(study, uid, phase) for phase, uid in rules.uids.items()}
    taken = {choice.series.name for choice in chosen.values()}
    candidates = [series for series in study.stacks if series.name not in taken]
    open_phases = [phase for phase in phases if phase not in chosen]
    if open_phases and rules.by == "time":
        _require_in_time(study)
        chosen |= _by_time(candidates, open_phases, rules)
    elif open_phases and not rules.uids:
        whole = [series for series in candidates if not series.part]
        named: dict[str, list[Series]] = {}
        if rules.by == "description":
            named = _by_description(whole, open_phases, rules.descriptions)
            for phase, found in named.items():
                chosen[phase] = _only(found, phase, candidates, "description", rules)
        unnamed = [series for series in candidates if not any(series in found for found in named.values())]
        if rules.by == "description":
            unnamed = [series for series in unnamed if series.part or described_phase(series.description) is None]
        left_open = [phase for phase in open_phases if phase not in named]
        by_image, untold, problems = _by_image(unnamed, left_open, read, rules)
        chosen |= by_image
        missing = [phase for phase in open_phases if phase not in chosen]
        if missing and problems:
            raise SeriesError("Phases cannot be told from the images, as series cannot be read:", problems)
        if missing:
            _require_missing(study, missing, phases, chosen, rules, untold if chosen else ())
    if not chosen:
        raise SeriesError(f"No series fits {' or '.join(phases)}. Name them with --series PHASE=UID.", _listed(study))
    return chosen


def _require_missing(
    study: Study,
    missing: Sequence[str],
    phases: Sequence[str],
    chosen: Mapping[str, Choice],
    rules: SeriesRules,
    untold: Sequence[Series],
) -> None:
    """Refuse to call a phase missing while something may be it: what was left out, or a scan of untold phase."""
    taken = {choice.series.name for choice in chosen.values()}
    parts = [series for series in study.stacks if series.part and series.name not in taken]
    suspects = [
        Fault(f"series {series.in_words}", "names no phase, and the image does not tell one")
        for series in untold
        if not series.part
    ]
    for left in [*study.left_out, *(LeftOut(series, "unclear") for series in parts)]:
        named = _by_description([left.series], phases, rules.descriptions)
        silent = not named and described_phase(left.series.description) is None
        if any(phase in named for phase in missing) or (silent and (left.may_be_volume or left.kind == "unclear")):
            suspects.append(Fault(f"series {left.series.in_words}", _why_left_out(left)))
    if suspects:
        raise SeriesError(
            f"{' and '.join(missing)} cannot be called missing, as what was left out may be it. Put it right, or name "
            f"the scans that are to be taken with --series PHASE=UID:",
            suspects,
        )


def _require_in_time(study: Study) -> None:
    """Refuse an order of scans while there is one that cannot be read."""
    enhanced = [left for left in study.left_out if left.kind == "enhanced"]
    if enhanced:
        faults = [Fault(f"series {left.series.in_words}", _why_left_out(left)) for left in enhanced]
        raise SeriesError("Time decides nothing, as these may be of any phase:", faults)


def _why_left_out(left: LeftOut) -> str:
    if left.kind == "enhanced":
        return "is enhanced (multi-frame) CT; convert it to single images, or to NIfTI"
    if left.kind == "mixed":
        return "is one stack whose images say that they are of several kinds; mend their headers, or export it again"
    if left.kind == "unclear":
        return "is one acquisition of several with one UID, and the image does not tell its phase"
    said = left.series.text("ImageType")
    return (
        f"{in_words(left.kind, len(left.series.instances))}{f' (ImageType {said})' if said else ''}, no original scan"
    )


def _by_uid(study: Study, name: str, phase: str) -> Choice:
    """Find a series by its UID, or an acquisition by UID/PART; derived images are taken where they are named."""
    found = [series for series in study.stacks if name in {series.uid, series.name}]
    if len(found) > 1:
        raise SeriesError(
            f"The series {name} holds {len(found)} acquisitions. Choose with --series {phase}=UID, as it stands here:",
            [Fault("series", series.in_words) for series in found],
        )
    if found:
        return Choice(found[0], "uid")
    for left in study.left_out:
        if left.series.uid == name:
            if left.kind not in {"derived", "secondary", "reformatted"}:
                raise SeriesError(f"The series {name} is no scan.", [Fault("series", _why_left_out(left))])
            return Choice(left.series, "uid", (f"its images are {left.kind}, not original ones",))
    raise SeriesError(f"There is no series with the UID {name}.", _listed(study))


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


def _by_time(candidates: Sequence[Series], phases: Sequence[str], rules: SeriesRules) -> dict[str, Choice]:
    ordered = sorted(candidates, key=lambda series: series.acquired)
    times = [series.acquired for series in ordered]
    acquisitions: list[list[Series]] = []
    for series in ordered:
        if acquisitions and of_one_acquisition([*acquisitions[-1], series]):
            acquisitions[-1].append(series)
        else:
            acquisitions.append([series])
    if len(acquisitions) != len(phases) or "" in times:
        raise SeriesError(
            f"Time decides nothing: {len(candidates)} series for {len(phases)} phases ({', '.join(phases)}), with the "
            f"times {', '.join(time or 'none' for time in times)}. Name them with --series PHASE=UID.",
            [Fault("series", series.in_words) for series in candidates],
        )
    return {phase: _only(of, phase, of, "time", rules) for phase, of in zip(phases, acquisitions, strict=True)}


def _by_image(
    candidates: Sequence[Series], phases: Sequence[str], read: Callable[[Series], Scan], rules: SeriesRules
) -> tuple[dict[str, Choice], list[Series], list[Fault]]:
    """Choose by the image; also give the series whose image does not tell the phase, and those that cannot be read."""
    wanted = {phase: expected_phase(phase) for phase in phases}
    if not any(wanted.values()) or not candidates:
        return {}, [], []
    seen: dict[str, list[Series]] = {}
    problems = []
    for series in candidates:
        try:
            seen.setdefault(contrast_phase(find_landmarks(read(series))), []).append(series)
        except ImageError as error:
            problems.append(Fault(series.description or "no description", str(error)))
    chosen = {}
    for phase, kind in wanted.items():
        if kind is not None and kind in seen:
            chosen[phase] = _only(seen[kind], phase, candidates, "image", rules)
    return chosen, seen.get("unclear", []), problems


def _only(found: Sequence[Series], phase: str, candidates: Sequence[Series], by: str, rules: SeriesRules) -> Choice:
    """Choose the one that fits, or the best of several reconstructions of one acquisition."""
    if len(found) == 1:
        return Choice(found[0], by)
    best, rule = best_reconstruction(found, rules.learned_mm.get(phase))
    if best is not None:
        return Choice(best, f"{by}, {rule}", (f"one of {len(found)} reconstructions, chosen by its {rule}",))
    raise SeriesError(
        f"{len(found)} series fit {phase} by their {by}. Choose with --series {phase}=UID, or --description "
        f"{phase}=PATTERN. Candidates:",
        [Fault("series", series.in_words) for series in (found if len(found) > 1 else candidates)],
    )


def _listed(study: Study) -> list[Fault]:
    return [
        *(Fault("series", series.in_words) for series in study.stacks),
        *(Fault(f"series {left.series.in_words}", _why_left_out(left)) for left in study.left_out),
    ]
