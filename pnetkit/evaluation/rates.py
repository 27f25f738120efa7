"""Rates with their confidence intervals."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """Hold a rate as counts, with a confidence interval; `low` and `high` are None when nothing was counted."""

    successes: int
    total: int
    low: float | None
    high: float | None

    @property
    def value(self) -> float | None:
        """Give the rate, or None of nothing."""
        return self.successes / self.total if self.total else None


def wilson_rate(successes: int, total: int, *, confidence: float = 0.95) -> Rate:
    """Give a rate with Wilson's score interval, without continuity correction (Wilson 1927)."""
    from scipy.stats import binomtest  # noqa: PLC0415  # slow to import, and not everyone who measures needs it

    if total == 0:
        return Rate(0, 0, None, None)
    interval = binomtest(successes, total).proportion_ci(confidence, method="wilson")
    return Rate(successes, total, float(interval.low), float(interval.high))
