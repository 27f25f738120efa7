"""The figures that the paper publishes: counts of its Tables 1 and 2 (arXiv 2004.02021), with Wilson intervals.

They are of the authors' cohort (228 abnormal, 148 normal cases, in-house), so they are never mixed with other rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pnetkit.evaluation.rates import Rate, wilson_rate

ABNORMAL, NORMAL = 228, 148

COHORT = f"the paper's own ({ABNORMAL} abnormal, {NORMAL} normal; arXiv 2004.02021), another cohort than that above"


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """Hold one published row: the view (a phase, or `fused`), the method, its misses and wrong calls."""

    view: str
    method: str
    misses: int
    wrong_calls: int

    @property
    def sensitivity(self) -> Rate:
        """Give the sensitivity with its interval."""
        return wilson_rate(ABNORMAL - self.misses, ABNORMAL)

    @property
    def specificity(self) -> Rate:
        """Give the specificity with its interval."""
        return wilson_rate(NORMAL - self.wrong_calls, NORMAL)


PUBLISHED = (
    PublishedRow("venous", "S4C", 40, 12),
    PublishedRow("venous", "3D UNet", 42, 16),
    PublishedRow("venous", "VNet", 49, 20),
    PublishedRow("arterial", "S4C", 44, 21),
    PublishedRow("arterial", "3D UNet", 44, 20),
    PublishedRow("arterial", "VNet", 43, 31),
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
