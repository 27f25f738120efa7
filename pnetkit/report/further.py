"""Lay out what reviewers ask for beside rates and Dice: surfaces, lesion-wise F1, calibration."""

from collections.abc import Mapping, Sequence

from pnetkit.evaluation.calibration import BINS, Calibration
from pnetkit.evaluation.comparison import Estimate
from pnetkit.evaluation.further import STRUCTURES, Further, FurtherAgainst
from pnetkit.evaluation.lesions import LEAST_DIAMETER_MM, LEAST_MM3, LesionF1
from pnetkit.evaluation.summary import Metrics
from pnetkit.evaluation.surfaces import TOLERANCE_MM, SurfaceSummary
from pnetkit.report.comparison import FUSED, RESEARCH, difference_text
from pnetkit.report.tables import NOTHING, Table

SURFACE_WORDS = (
    f"NSD: normalized surface Dice at a tolerance of {TOLERANCE_MM:g} mm, mean; HD95: the 95th percentile of surface "
    f"distances, the larger of both directions, median. Surface voxels count once each, as in MONAI. Where only one of "
    f"prediction and reference has a structure, NSD is 0 and HD95 infinite."
)
F1_WORDS = (
    f"Lesion F1: over all scans with a reference label; lesions and candidates below {LEAST_MM3:.0f} mm³ (a sphere of "
    f"{LEAST_DIAMETER_MM:g} mm) do not count."
)
CALIBRATION_WORDS = (
    f"ECE: expected calibration error over {BINS} bins of equal width. Slope and intercept: of a logistic regression "
    f"of the diagnosis on the probability's logit (1 and 0 are right; the intercept with the slope held at 1). A "
    f"cohort that was put together has its own share of tumors, so calibration in it is not calibration in a clinic."
)


def run_further_tables(metrics: Metrics, *, method: str, cohort: str) -> list[Table]:
    """Make a run's tables beside the paper's: surfaces and lesions by phase, calibration, reliability."""
    by_phase = {phase: dict(zip(STRUCTURES, of.surfaces.values(), strict=True)) for phase, of in metrics.phases.items()}
    calibrations = {phase: of.calibration for phase, of in metrics.phases.items()} | {FUSED: metrics.fused_calibration}
    without = no_probability(calibrations)
    about = f"Cohort: {cohort}. {RESEARCH}"
    tables = []
    if any(of.cases or of.undefined for surfaces in by_phase.values() for of in surfaces.values()):
        rows = [
            (
                phase,
                method,
                *surface_cells(surfaces),
                *(_f1(metrics.phases[phase].lesions.get(c)) for c in ("any", "iou")),
            )
            for phase, surfaces in by_phase.items()
        ]
        counts = [line for phase, surfaces in by_phase.items() for line in _counted(phase, surfaces)]
        tables.append(
            Table(
                "Table 3. Surfaces and lesions by phase",
                ("Phase", "Method", *_SURFACES, "Lesion F1 %, any overlap", "Lesion F1 %, IoU ≥ 0.1"),
                tuple(rows),
                (
                    about,
                    SURFACE_WORDS,
                    F1_WORDS,
                    *counts,
                    *([] if len(without) < len(calibrations) else [_without(without)]),
                ),
                names=2,
            )
        )
    known = {view: of for view, of in calibrations.items() if of is not None}
    if known:
        cells = [(view, method, *calibration_cells(of)) for view, of in known.items()]
        notes = (about, CALIBRATION_WORDS, *([_without(without)] if without else []))
        tables += [
            Table("Table 4. Calibration", ("Phases", "Method", *_CALIBRATION), tuple(cells), notes, names=2),
            reliability_table(known, notes=(about,)),
        ]
    return tables


def reliability_table(by_name: Mapping[str, Calibration], *, of: str = "", notes: Sequence[str] = ()) -> Table:
    """Make the table of reliability bins; bins without a case are left out."""
    rows = [
        (
            name,
            f"{bin_.low:g} to {bin_.high:g}",
            str(bin_.cases),
            str(bin_.abnormal),
            f"{100 * bin_.abnormal / bin_.cases:.1f}",
            f"{100 * bin_.mean:.1f}",
        )
        for name, found in by_name.items()
        for bin_ in found.bins
    ]
    columns = ("Of", "Probability", "Cases", "Abnormal", "Abnormal %", "Mean probability %")
    return Table(f"Reliability{f': {of}' if of else ''}", columns, tuple(rows), tuple(notes), names=2)


def further_table(found: Further, view: str, *, cohort: str, warnings: Sequence[str] = ()) -> Table:
    """Make the table of the arms' surfaces and lesion-wise F1 in one phase."""
    rows = [(of.arm, *surface_cells(of.surfaces), _f1(of.f1)) for of in found.arms]
    counts = [line for of in found.arms for line in _counted(of.arm, of.surfaces)]
    notes = (*warnings, f"Cohort: {cohort}. {RESEARCH}", SURFACE_WORDS, f"{F1_WORDS} Found is any overlap.", *counts)
    return Table(f"Surfaces and lesions: {view}", ("Method", *_SURFACES, "Lesion F1 %"), tuple(rows), notes)


def probabilities_tables(found: Further, view: str, *, cohort: str, warnings: Sequence[str] = ()) -> list[Table]:
    """Make the tables of calibration and of reliability bins; none where no arm's score is a probability."""
    known = {of.arm: of for of in found.arms if of.calibration is not None}
    if not known:
        return []
    rows = [(arm, *_with_interval(calibration_cells(of.calibration), of.brier)) for arm, of in known.items()]
    without = [of.arm for of in found.arms if of.calibration is None]
    what = "fused decision" if view == FUSED else view
    about = (*warnings, f"Cohort: {cohort}. {RESEARCH}")
    notes = (*about, CALIBRATION_WORDS, *([_without(without)] if without else []))
    by_arm = {arm: of.calibration for arm, of in known.items() if of.calibration is not None}
    columns = ("Method", _CALIBRATION[0], f"{_CALIBRATION[1]} [95 % CI]", *_CALIBRATION[2:])
    table = Table(f"Calibration: {what}", columns, tuple(rows), notes)
    return [table, reliability_table(by_arm, of=what, notes=about)]


def further_differences_table(found: Further, view: str) -> Table | None:
    """Make the table of each arm's differences from the baseline in further figures; None where there is none."""
    with_brier = any(of.brier.value is not None for of in found.against)
    names = () if view == FUSED else tuple(STRUCTURES)
    if not found.against or not (names or with_brier):
        return None
    columns = (
        "Method",
        *(f"{name} NSD, pp" for name in names),
        *(f"{name} HD95, mm" for name in names),
        *(["Lesion F1, pp"] if names else []),
        *(["Brier"] if with_brier else []),
    )
    rows = [(of.arm, *_difference_cells(of, names, with_brier=with_brier)) for of in found.against]
    what = "fused decision" if view == FUSED else view
    notes = (
        f"Each method minus {found.baseline}, on the scans that both tell: difference [95 % CI], p, Holm's p.",
        _DIFFERENCE_WORDS,
    )
    return Table(f"Further figures against {found.baseline}: {what}", columns, tuple(rows), notes)


def without_probabilities(found: Further) -> tuple[str, ...]:
    """Say that no arm's score is a probability, where none is."""
    told = any(of.calibration is not None for of in found.arms)
    return () if told else ("No score here is told as a probability, so there is no Brier score and no calibration.",)


def no_probability(by_name: Mapping[str, Calibration | None]) -> list[str]:
    """Name what has no calibration."""
    return [name for name, of in by_name.items() if of is None]


def surface_cells(of: Mapping[str, SurfaceSummary]) -> tuple[str, ...]:
    """Give NSD in percent and HD95 in mm of the structures of `STRUCTURES`."""
    found = [of[name] for name in STRUCTURES]
    nsd = [NOTHING if one.nsd is None else f"{100 * one.nsd:.2f}" for one in found]
    far = [f"{one.hd95_mm:.2f}" if one.hd95_mm is not None else "inf" if one.cases else NOTHING for one in found]
    return (*nsd, *far)


def calibration_cells(of: Calibration | None) -> tuple[str, ...]:
    """Give the columns of a calibration."""
    if of is None:
        return (NOTHING,) * len(_CALIBRATION)
    slope, intercept = (NOTHING if value is None else f"{value:.2f}" for value in (of.slope, of.intercept))
    return str(of.cases), f"{of.brier:.4f}", f"{of.expected_error:.4f}", slope, intercept


_SURFACES = (*(f"{name} NSD %" for name in STRUCTURES), *(f"{name} HD95 mm" for name in STRUCTURES))
_DIFFERENCE_WORDS = (
    "Means of differences, with intervals bootstrapped by patient; tests are Wilcoxon's signed rank, and Holm's "
    "correction is over those of this table. HD95 where both methods have one; F1 and Brier score have no test. HD95 "
    "and Brier: below 0 is better."
)
_CALIBRATION = ("Cases", "Brier", "ECE", "Slope", "Intercept")


def _f1(of: LesionF1 | None) -> str:
    if of is None or of.value is None:
        return NOTHING
    return f"{100 * of.value:.1f} ({of.found} found, {of.missed} missed, {of.wrong} wrong)"


def _with_interval(cells: Sequence[str], brier: Estimate) -> tuple[str, ...]:
    if brier.low is None or brier.high is None:
        return tuple(cells)
    return cells[0], f"{cells[1]} [{brier.low:.4f}, {brier.high:.4f}]", *cells[2:]


def _difference_cells(of: FurtherAgainst, names: Sequence[str], *, with_brier: bool) -> tuple[str, ...]:
    cells = [difference_text(of.nsd[name], of.adjusted.get(f"NSD {name}"), 100) for name in names]
    cells += [difference_text(of.hd95_mm[name], of.adjusted.get(f"HD95 {name}"), 1) for name in names]
    cells += [difference_text(of.f1, None, 100)] if names else []
    cells += [difference_text(of.brier, None, 1)] if with_brier else []
    return tuple(cells)


def _counted(what: str, surfaces: Mapping[str, SurfaceSummary]) -> list[str]:
    counts = [
        f"{name} {of.unbounded} infinite, {of.undefined} undefined (both empty)"
        for name, of in surfaces.items()
        if of.unbounded or of.undefined
    ]
    return [f"{what}, surfaces: {'; '.join(counts)}."] if counts else []


def _without(names: Sequence[str]) -> str:
    return f"The scores of {', '.join(names)} are not told as probabilities: they have no Brier score, no calibration."
