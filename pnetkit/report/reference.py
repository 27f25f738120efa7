"""The figures that the paper publishes: its Tables 1 and 2 (arXiv 2004.02021), with Wilson intervals of the counts.

They are of the authors' cohort (228 abnormal, 148 normal cases, in-house), so they are never mixed with other rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pnetkit.evaluation.comparison import OVERLAPS
from pnetkit.evaluation.rates import Rate, wilson_rate
from pnetkit.report.tables import RATES, Table, rate_text

ABNORMAL, NORMAL = 228, 148

COHORT = f"the paper's own ({ABNORMAL} abnormal, {NORMAL} normal; arXiv 2004.02021), another cohort than that above"

NO_SPREAD = "Published Dice are means; the paper gives no spread of them, so they stand without ± and cannot be tested."
"""Stands below every table that shows them."""


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """Hold one published row: the view (a phase, or `fused`), the method, its misses and wrong calls.

    `dice` are means in percent, by overlap; a fused decision has none.
    """

    view: str
    method: str
    misses: int
    wrong_calls: int
    dice: Mapping[str, float] = field(default_factory=dict)

    @property
    def sensitivity(self) -> Rate:
        """Give the sensitivity with its interval."""
        return wilson_rate(ABNORMAL - self.misses, ABNORMAL)

    @property
    def specificity(self) -> Rate:
        """Give the specificity with its interval."""
        return wilson_rate(NORMAL - self.wrong_calls, NORMAL)


def _dice(normal: float, abnormal: float, tumor: float) -> Mapping[str, float]:
    return dict(zip(OVERLAPS, (normal, abnormal, tumor), strict=True))


PUBLISHED = (
    PublishedRow("venous", "S4C", 40, 12, _dice(87.41, 84.69, 43.11)),
    PublishedRow("venous", "3D UNet", 42, 16, _dice(87.70, 83.84, 41.43)),
    PublishedRow("venous", "VNet", 49, 20, _dice(86.76, 83.90, 40.67)),
    PublishedRow("arterial", "S4C", 44, 21, _dice(81.78, 83.34, 42.49)),
    PublishedRow("arterial", "3D UNet", 44, 20, _dice(82.47, 83.33, 42.58)),
    PublishedRow("arterial", "VNet", 43, 31, _dice(83.85, 82.79, 39.22)),
    PublishedRow("fused", "S4C", 24, 28),
    PublishedRow("fused", "3D UNet", 26, 31),
    PublishedRow("fused", "VNet", 28, 37),
    PublishedRow("fused", "Classification", 24, 23),
)
"""All rows of both tables that give counts."""


def smallest_p(errors: int, other_errors: int) -> float:
    """Give the least p-value that an exact McNemar test can have for two error counts on the same cases.

    It is reached when one method's errors contain the other's: 2 * 0.5^difference, at most 1. So errors that differ by
    five or fewer cannot be significant at 5 %, whatever the cases.
    """
    return min(2 * 0.5 ** abs(errors - other_errors), 1.0)


def possible_significance(view: str) -> Mapping[tuple[str, str], tuple[float, float]]:
    """Give for every two methods of a view the least possible p of sensitivity and of specificity."""
    rows = [row for row in PUBLISHED if row.view == view]
    return {
        (one.method, two.method): (smallest_p(one.misses, two.misses), smallest_p(one.wrong_calls, two.wrong_calls))
        for i, one in enumerate(rows)
        for two in rows[i + 1 :]
    }


def published_table(view: str) -> Table:
    """Make the paper's own rows of one view, alone."""
    published = [row for row in PUBLISHED if row.view == view]
    overlaps = published[0].dice
    columns = ("Method", *(f"{name} %" for name in overlaps), *RATES)
    notes = [f"Cohort: the paper's own ({ABNORMAL} abnormal, {NORMAL} normal). Published counts, intervals by pnetkit."]
    notes += [NO_SPREAD] if overlaps else []
    for (one, two), (sensitivity, specificity) in possible_significance(view).items():
        verdicts = [
            f"{what} {'cannot differ significantly' if p > 0.05 else f'p at least {p:.2g}'}"  # noqa: PLR2004
            for what, p in (("sensitivity", sensitivity), ("specificity", specificity))
        ]
        notes.append(f"{one} and {two}: {', '.join(verdicts)} (exact McNemar, whatever the cases).")
    return Table(f"Published: {view}", columns, tuple(map(published_cells, published)), tuple(notes))


def published_cells(row: PublishedRow) -> tuple[str, ...]:
    """Give a published row as text: the method, its overlaps where it has them, and its calls as in `RATES`."""
    return (
        f"{row.method} (published)",
        *(f"{mean:.2f}" for mean in row.dice.values()),
        f"{row.misses}/{ABNORMAL}",
        rate_text(row.sensitivity),
        f"{row.wrong_calls}/{NORMAL}",
        rate_text(row.specificity),
    )
