"""A fusion that learns: logistic regression on the logarithms of the phases' scores."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from pnetkit.errors import StoreError, TrainingError
from pnetkit.types import CaseFinding, PhaseFinding
from pnetkit_fusion.regression import Regression, fit_regression
from pnetkit_fusion.rules import Missing, fuse_present

MODEL = "logistic.json"
"""The one file of a fitted fusion."""

LARGEST_LOGIT = 700.0
"""Beyond it the odds would no longer be a finite number."""


class Logistic:
    """Weigh the phases' scores by a logistic regression fitted on diagnosed cases of the other folds.

    A phase's feature is log((score + floor) / (1 + floor)), its score being in units of its threshold: 0 at the
    threshold, log(floor / (1 + floor)) at a score of 0, rising throughout. A missing phase has feature 0, as if it lay
    at its threshold: on this scale that speaks least, and needs no second model. It is named in the finding; or, with
    `missing: refuse`, the case is refused, and none like it is learned from.

    The case's score is the odds of `abnormal` over the odds at `threshold`, so it is abnormal from 1 on. Odds rise with
    the probability, and tell apart what is rounded to a probability of 1.
    """

    def __init__(
        self,
        *,
        l2: Annotated[float, Field(gt=0, description="Penalty on the squared weights; scikit-learn's 1 / C.")] = 1.0,
        floor: Annotated[
            float, Field(gt=0, le=1, description="Added to scores before the logarithm, in units of the threshold.")
        ] = 0.01,
        threshold: Annotated[float, Field(gt=0, lt=1, description="Least probability of an abnormal case.")] = 0.5,
        missing: Missing = "present",
    ) -> None:
        self._l2, self._floor, self._missing = l2, floor, missing
        self._threshold_logit = math.log(threshold) - math.log1p(-threshold)
        self._phases: tuple[str, ...] = ()
        self._fitted: Regression | None = None

    def fit(
        self,
        findings: Sequence[Mapping[str, PhaseFinding]],
        abnormal: Sequence[bool],
        *,
        expected: tuple[str, ...],
        seed: int,  # noqa: ARG002  # there is one minimum, whatever the seed
    ) -> None:
        """Fit weights and intercept. Raises TrainingError where the cases that count have one diagnosis only."""
        pairs = [
            (self._features(found, expected), called)
            for found, called in zip(findings, abnormal, strict=True)
            if self._missing == "present" or all(phase in found for phase in expected)
        ]
        if len({called for _, called in pairs}) < 2:  # noqa: PLR2004
            raise TrainingError(
                f"The logistic fusion needs normal and abnormal cases to learn from, it got {len(pairs)} that count, "
                f"{sum(called for _, called in pairs)} of them abnormal. Use fewer folds, or set its 'missing' to "
                f"'present'."
            )
        self._fitted = fit_regression(
            np.array([features for features, _ in pairs]), np.array([called for _, called in pairs]), l2=self._l2
        )
        self._phases = tuple(expected)

    def fuse(self, case_id: str, findings: Mapping[str, PhaseFinding], *, expected: tuple[str, ...]) -> CaseFinding:
        """Give the case's finding. Raises ValueError where nothing was fitted, or other phases than these."""
        fitted = self._fitted
        if fitted is None:
            raise ValueError("the logistic fusion was neither fitted nor loaded")
        if tuple(expected) != self._phases:
            raise ValueError(f"the fusion was fitted on {', '.join(self._phases)}, not on {', '.join(expected)}")

        def odds(_: Sequence[float]) -> float:
            features = self._features(findings, expected)
            logit = fitted.intercept + math.fsum(w * x for w, x in zip(fitted.weights, features, strict=True))
            return math.exp(min(max(logit - self._threshold_logit, -LARGEST_LOGIT), LARGEST_LOGIT))

        return fuse_present(case_id, findings, expected, self._missing, odds)

    def probability(self, finding: CaseFinding) -> float:
        """Give the probability of `abnormal`: the regression's, of the odds that the score is made of."""
        return 1 / (1 + math.exp(-self._threshold_logit) / finding.score)

    def save(self, folder: Path) -> None:
        """Write phases, weights, intercept and what the features were made with."""
        if self._fitted is None:
            raise ValueError("the logistic fusion was not fitted, so there is nothing to save")
        content = {
            "phases": list(self._phases),
            "weights": list(self._fitted.weights),
            "intercept": self._fitted.intercept,
            "floor": self._floor,
            "l2": self._l2,
        }
        (folder / MODEL).write_text(json.dumps(content, allow_nan=False) + "\n", encoding="utf-8")

    def load(self, folder: Path) -> None:
        """Read what `save` wrote. Raises StoreError where it is missing, damaged, or was fitted with another floor."""
        path = folder / MODEL
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            phases = tuple(str(phase) for phase in content["phases"])
            fitted = Regression(tuple(float(w) for w in content["weights"]), float(content["intercept"]))
            floor = float(content["floor"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(f"{path}: cannot be read ({error!r}). Fit the fusion again.") from error
        numbers = (*fitted.weights, fitted.intercept)
        if len(phases) != len(fitted.weights) or not all(math.isfinite(number) for number in numbers):
            raise StoreError(f"{path}: wanted one finite weight for each of {phases}, got {numbers}. Fit it again.")
        if floor != self._floor:
            raise StoreError(f"{path}: was fitted with floor {floor:g}, wanted {self._floor:g}. Fit the fusion again.")
        self._phases, self._fitted = phases, fitted

    def _features(self, findings: Mapping[str, PhaseFinding], expected: tuple[str, ...]) -> list[float]:
        whole = 1 + self._floor
        return [
            math.log((findings[phase].relative_score + self._floor) / whole) if phase in findings else 0.0
            for phase in expected
        ]
