"""The paper's two tables, of a run.

Every table says which cohort it is of; figures of phantoms are never shown without that word.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pnetkit.evaluation.rates import Rate
from pnetkit.evaluation.summary import Decision, DiceSummary, Metrics

NOTHING = "-"
"""Stands where there is no value."""


@dataclass(frozen=True, slots=True)
class Table:
    """Hold a table as text: title, columns, rows, notes below it, and the rows above which a rule is drawn.

    The first `names` columns say what a row is of.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    rules: tuple[int, ...] = ()
    names: int = 1


def table_1(metrics: Metrics, *, method: str, cohort: str, thresholds: str = "") -> Table:
    """Make Table 1: each phase by itself. Dice in percent, mean ± standard deviation over cases."""
    rows = []
    for phase, figures in metrics.phases.items():
        rows.append(
            (
                phase,
                method,
                _dice(figures.pancreas_normal),
                _dice(figures.pancreas_abnormal),
                _dice(figures.tumor_abnormal),
                *_decision(figures.decision),
            )
        )
    columns = ("Phase", "Method", "N.Pancreas %", "A.Pancreas %", "Tumor %", *_DECISION)
    notes = [*_notes(metrics, cohort, thresholds), *_dice_notes(metrics)]
    return Table("Table 1. Segmentation and classification by phase", columns, tuple(rows), tuple(notes), names=2)


def table_2(metrics: Metrics, *, method: str, cohort: str, thresholds: str = "") -> Table:
    """Make Table 2: the fused decision, with the range over folds."""
    decision = metrics.fused
    spread = [_range(decision.sensitivity_by_fold.values()), _range(decision.specificity_by_fold.values())]
    columns = ("Phases", "Method", *_DECISION, "Sens. by fold", "Spec. by fold")
    row = (" & ".join(metrics.phases), method, *_decision(decision), *spread)
    return Table("Table 2. Fused decision", columns, (row,), tuple(_notes(metrics, cohort, thresholds)), names=2)


def run_tables(metrics: Metrics, *, method: str, cohort: str, thresholds: str) -> list[Table]:
    """Make both tables of a run; `thresholds` says where these come from."""
    return [make(metrics, method=method, cohort=cohort, thresholds=thresholds) for make in (table_1, table_2)]


def to_markdown(table: Table) -> str:
    """Give a table as Markdown."""

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    head = [f"**{table.title}**", "", line(table.columns), line(["---"] * len(table.columns))]
    return "\n".join([*head, *map(line, table.rows), "", *(f"{note}  " for note in table.notes), ""])


RATES = ("Misses", "Sensitivity % [95 % CI]", "Wrong calls", "Specificity % [95 % CI]")
"""Columns of a decision's two rates."""

_DECISION = (*RATES, "AUC")


def _decision(decision: Decision) -> tuple[str, ...]:
    return (
        f"{decision.misses}/{decision.sensitivity.total}",
        rate_text(decision.sensitivity),
        f"{decision.wrong_calls}/{decision.specificity.total}",
        rate_text(decision.specificity),
        NOTHING if decision.auc is None else f"{decision.auc:.3f}",
    )


def rate_text(rate: Rate) -> str:
    """Give a rate in percent with its interval."""
    if rate.value is None or rate.low is None or rate.high is None:
        return NOTHING
    return f"{100 * rate.value:.2f} [{100 * rate.low:.1f}, {100 * rate.high:.1f}]"


def _range(rates: Iterable[Rate]) -> str:
    values = [rate.value for rate in rates if rate.value is not None]
    return f"{100 * min(values):.0f} to {100 * max(values):.0f}" if values else NOTHING


def _dice(dice: DiceSummary) -> str:
    if dice.mean is None:
        return NOTHING
    return f"{100 * dice.mean:.2f}" + (f" ± {100 * dice.sd:.2f}" if dice.sd is not None else "")


def _notes(metrics: Metrics, cohort: str, thresholds: str) -> list[str]:
    counted = f"{metrics.abnormal} abnormal, {metrics.normal} normal"
    if metrics.unknown:
        counted += f", {metrics.unknown} of unknown diagnosis (in no rate)"
    notes = [f"Cohort: {cohort}. {metrics.cases} cases: {counted}. Research use only, not for diagnosis."]
    if thresholds:
        notes.append(thresholds)
    if metrics.failed or metrics.quarantined:
        notes.append(
            f"Not counted in the rates: {metrics.failed} failed, {metrics.quarantined} quarantined (see cases.csv)."
        )
    missing = {phase: figures.missing for phase, figures in metrics.phases.items() if figures.missing}
    if missing:
        notes.append("Without a scan: " + ", ".join(f"{count} {phase}" for phase, count in missing.items()) + ".")
    return notes


def _dice_notes(metrics: Metrics) -> list[str]:
    notes = []
    for phase, figures in metrics.phases.items():
        for name, dice in (
            ("N.Pancreas", figures.pancreas_normal),
            ("A.Pancreas", figures.pancreas_abnormal),
            ("Tumor", figures.tumor_abnormal),
        ):
            if dice.undefined or dice.without_reference:
                notes.append(
                    f"{phase} {name}: over {dice.cases} cases; {dice.undefined} undefined (both empty), "
                    f"{dice.without_reference} without a reference label."
                )
    return notes
