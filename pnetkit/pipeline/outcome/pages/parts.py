"""The figures and tables of a finished run's page: how well it did, as a whole, by phase, lesion, fold and score."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product

from pnetkit.evaluation.comparison import Call, CaseTruth, compare_arms
from pnetkit.evaluation.lesions import summarize_lesions
from pnetkit.evaluation.rates import Rate, wilson_rate
from pnetkit.pipeline.outcome.finished import FinishedRun
from pnetkit.pipeline.outcome.pages.names import Names
from pnetkit.report.comparison import FUSED, LESION_WORDS, arms_table, lesions_table
from pnetkit.report.figures.curves import Scored, froc_figure, roc_figure
from pnetkit.report.figures.spread import (
    Interval,
    boxes_figure,
    calibration_bins,
    forest_figure,
    rate_axis,
    scores_figure,
    share_axis,
)
from pnetkit.report.page.values import Figure, FlowStep, Part
from pnetkit.report.tables import Table

WORTH = (
    "Decided cases of known diagnosis. What one phase alone finds is what a second phase is worth; what one alone "
    "calls in normal cases is what it costs."
)
"""What stands below the joint table."""

SIZES = ("below 10 mm", "10 to 20 mm", "20 mm and more")


def flow_of(run: FinishedRun, names: Names) -> tuple[FlowStep, ...]:
    """Give the way of the cases from the table to the figures; what came and what left add up at every step."""
    lines, inputs = run.lines, run.record["inputs"]
    aside = [line for line in lines if line["status"] == "quarantined"]
    failed = [line for line in lines if line["status"] == "failed"]
    decided = [line for line in lines if line["status"] == "ok"]
    known = [line for line in decided if line["abnormal"]]
    by_phase = [
        f"{name}: {sum(line[f'{name}_score'] != '' for line in decided)} with a finding, "
        f"{sum(line[f'{name}_score'] == '' for line in decided)} without"
        for name in inputs
    ]
    return (
        FlowStep("Given", len(lines), _diagnoses(lines), len(aside), "Set aside", _reasons(aside, names)),
        FlowStep(
            "Analyzed",
            len(lines) - len(aside),
            _diagnoses([*failed, *decided]),
            len(failed),
            "Failed",
            _reasons(failed, names),
        ),
        FlowStep(
            "Decided",
            len(decided),
            tuple(by_phase),
            len(decided) - len(known),
            "Of unknown diagnosis",
            (("in no rate", len(decided) - len(known)),) if len(known) < len(decided) else (),
        ),
        FlowStep("In the rates", len(known), _diagnoses(known)),
    )


def results_part(run: FinishedRun) -> Part:
    """Give the paper's two tables, with intervals of rates and areas, and the curves."""
    thresholds = [str(run.record.get("thresholds", ""))]
    tables = []
    for view in [*run.by_phase, FUSED]:
        calls = run.fused if view == FUSED else run.by_phase[view]
        found = compare_arms(run.truth, {run.name: calls})
        tables.append((view, arms_table(found, view, cohort=run.cohort, warnings=thresholds)))
    by_phase = [(view, table) for view, table in tables if view != FUSED]
    first = replace(_stacked("Table 1. Segmentation and classification by phase", by_phase), notes=())
    second = _stacked("Table 2. Fused decision", [(" and ".join(run.by_phase), tables[-1][1])])
    views = [("fused", run.fused), *run.by_phase.items()] if len(run.by_phase) > 1 else list(run.by_phase.items())
    lesions = {
        f"{phase}, {words}": of[criterion]
        for phase, of in run.lesions.items()
        for criterion, words in (("any", "any overlap"), ("iou", "IoU ≥ 0.1"))
        if criterion in of
    }
    figures = (roc_figure([scored(name, run.truth, calls) for name, calls in views]), froc_figure(lesions))
    return Part("results", "How well it did", tables=(first, second), figures=_there(figures))


def phases_part(run: FinishedRun) -> Part | None:
    """Give which phases fired together, on which the fusion rests; None of a run of one phase."""
    inputs = list(run.by_phase)
    if len(inputs) < 2:  # noqa: PLR2004
        return None
    decided = [line for line in run.lines if line["status"] == "ok"]
    rows = []
    for fired in product((True, False), repeat=len(inputs)):
        counts = [
            sum(_fired(line, inputs) == fired and line["abnormal"] == truth for line in decided) for truth in "10"
        ]
        rows.append((*("fired" if of else "not" for of in fired), *map(str, counts), str(sum(counts))))
    complete = [line for line in decided if None not in _fired(line, inputs) and line["abnormal"]]
    others = [line for line in decided if None in _fired(line, inputs) and line["abnormal"]]
    counts = [sum(line["abnormal"] == truth for line in others) for truth in "10"]
    rows.append(("a phase missing", *[""] * (len(inputs) - 1), *map(str, counts), str(len(others))))
    sums = [sum(line["abnormal"] == truth for line in [*complete, *others]) for truth in "10"]
    rows.append(("all", *[""] * (len(inputs) - 1), *map(str, sums), str(sum(sums))))
    table = Table(
        "Joint table of the phases",
        (*inputs, "abnormal", "normal", "cases"),
        tuple(rows),
        (WORTH,),
        rules=(len(rows) - 1,),
        names=len(inputs),
    )  # fmt: skip
    return Part("phases", "Which phase fired", tables=(table,))


def lesions_part(run: FinishedRun) -> Part | None:
    """Give sensitivity by size of lesion; None without a lesion."""
    rows = []
    for number, (phase, by_criterion) in enumerate(run.lesions.items()):
        found = summarize_lesions(by_criterion["any"])
        rows += [
            _interval(f"{phase}, {size}", rate, number + 1) for size, rate in zip(SIZES, found.by_size, strict=True)
        ]
    figure = forest_figure(
        "Lesions found, by diameter", [row for row in rows if row.value is not None], rate_axis("Found, %")
    )
    if figure is None:
        return None
    tables = []
    for phase, by_criterion in run.lesions.items():
        figures = {run.name: {criterion: summarize_lesions(of) for criterion, of in by_criterion.items()}}
        tables.append(replace(lesions_table(figures, phase, cohort=run.cohort), notes=()))
    return Part("lesions", "Lesions by size", (f"Found is any overlap. {LESION_WORDS}",), (), (figure,), tuple(tables))


def overlap_part(run: FinishedRun) -> Part | None:
    """Give the distributions of Dice; None without a reference label."""
    figures = []
    for phase, calls in run.by_phase.items():
        groups: dict[str, list[float]] = {}
        undefined: Counter[str] = Counter()
        for case, call in calls.items():
            truth = {True: "abnormal", False: "normal"}.get(run.truth[case].abnormal, "unknown")  # type: ignore[arg-type]
            for structure, value in call.dice.items():
                name = f"{structure}, {truth}"
                if value is None:
                    undefined[name] += 1
                elif structure == "pancreas" or truth == "abnormal":
                    groups.setdefault(name, []).append(value)
        order = sorted(groups, key=lambda name: (("pancreas", "tumor", "duct").index(name.split(",")[0]), name))
        css = {name: name.split(",")[0] for name in groups}
        figure = boxes_figure(f"Dice, {phase}", {name: groups[name] for name in order}, share_axis("Dice"), css)
        figures.append(figure)
    drawn = _there(figures)
    words = (
        "Each dot is a scan; boxes are quartiles, the line is the median. Overlaps of two empty masks are undefined."
    )
    return Part("dice", "Overlap with the reference", (words,), figures=drawn) if drawn else None


def folds_part(run: FinishedRun) -> Part | None:
    """Give the fused decision by fold; None where there is one fold."""
    folds = sorted({line["fold"] for line in run.lines if line["fold"]}, key=int)
    if len(folds) < 2:  # noqa: PLR2004
        return None
    rows: list[Interval] = []
    for what, truth, right in (("sensitivity", "1", "1"), ("specificity", "0", "0")):
        for fold in folds:
            of = [ln for ln in run.lines if ln["status"] == "ok" and ln["fold"] == fold and ln["abnormal"] == truth]
            rate = wilson_rate(sum(line["called_abnormal"] == right for line in of), len(of))
            rows.append(_interval(f"{what}, fold {fold}", rate, 0 if truth == "1" else 1))
    figure = forest_figure("Fused decision by fold", rows, rate_axis("%"))
    return Part("folds", "Spread over folds", figures=_there([figure])) if figure else None


def scores_part(run: FinishedRun) -> Part | None:
    """Give scores by diagnosis, and what share of cases is abnormal at which score; None without a known diagnosis."""
    known = [
        (call.score, bool(run.truth[case].abnormal))
        for case, call in run.fused.items()
        if run.truth[case].abnormal is not None
    ]
    if not known:
        return None
    rows = {
        name: [score for score, of in known if of is truth] for name, truth in (("abnormal", True), ("normal", False))
    }
    bins = calibration_bins([score for score, _ in known], [truth for _, truth in known])
    shares = [_interval(name, wilson_rate(count, total), 0) for name, count, total in bins]
    figures = (
        scores_figure(rows, {"abnormal": "tumor", "normal": "pancreas"}),
        forest_figure("Share of abnormal cases by score", shares, rate_axis("Abnormal, %")),
    )
    words = (
        "The fused score is in units of the threshold: 1 and more is called abnormal. It is no probability; the second "
        "figure shows what share of the cases was abnormal at which score, in this cohort with its share of tumors."
    )
    return Part("scores", "Calibration of the score", (words,), figures=_there(figures))


def scored(name: str, truth: Mapping[str, CaseTruth], calls: Mapping[str, Call]) -> Scored:
    """Give the scores of the decided cases of known diagnosis, for a curve."""
    known = [(case, call) for case, call in calls.items() if truth[case].abnormal is not None]
    return Scored(
        name,
        tuple(call.score for _, call in known),
        tuple(bool(truth[case].abnormal) for case, _ in known),
        tuple(call.abnormal for _, call in known),
        tuple(truth[case].patient for case, _ in known),
    )


def _stacked(title: str, tables: Sequence[tuple[str, Table]]) -> Table:
    """Join tables of one row and one set of columns into one, with what each is of in front."""
    first = tables[0][1]
    notes = dict.fromkeys(note for _, table in tables for note in table.notes if note)
    rows = tuple((view, *row) for view, table in tables for row in table.rows)
    return Table(title, ("Phases", *first.columns), rows, tuple(notes), names=2)


def _fired(line: Mapping[str, str], inputs: Sequence[str]) -> tuple[bool | None, ...]:
    return tuple(None if line[f"{of}_score"] == "" else line[f"{of}_called_abnormal"] == "1" for of in inputs)


def _interval(name: str, rate: Rate, css: int) -> Interval:
    words = f"{rate.successes}/{rate.total}" + ("" if rate.value is None else f", {100 * rate.value:.1f} %")
    return Interval(name, rate.value, rate.low, rate.high, words, f"c{css}")


def _diagnoses(lines: Sequence[Mapping[str, str]]) -> tuple[str, ...]:
    counts = Counter(line["abnormal"] for line in lines)
    names = {"1": "abnormal", "0": "normal", "": "of unknown diagnosis"}
    return tuple(f"{counts[of]} {name}" for of, name in names.items() if counts[of])


def _reasons(lines: Sequence[Mapping[str, str]], names: Names) -> tuple[tuple[str, int], ...]:
    """Count why cases left: each case stands under the first of its reasons, without its own name."""
    found: Counter[str] = Counter()
    for line in lines:
        reason = names.kind_of(line["reason"].split("; ")[0], line["case_id"])
        found[reason or "no reason is told"] += 1
    return tuple(found.most_common())


def _there(figures: Sequence[Figure | None]) -> tuple[Figure, ...]:
    return tuple(figure for figure in figures if figure is not None)
