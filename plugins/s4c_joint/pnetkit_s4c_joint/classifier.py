"""Decide on a phase by the lesion score that the joint network gives the pancreas region."""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field
from scipy.special import expit

from pnetkit.types import DUCT, TUMOR, Evidence, FeatureNeeds, PhaseFinding

NO_PANCREAS = "no pancreas found"
"""The flag of a case that has no region to look at."""


class LesionScore:
    """Call a phase abnormal when any cell of the pancreas region reaches a probability.

    Nothing is fitted here: the score was trained with the segmentation. A case without a pancreas is decided by
    `empty_pancreas`, and flagged.
    """

    def __init__(
        self,
        *,
        feature: Annotated[str, Field(min_length=1, description="The map of logits to look at.")] = "lesion_score",
        margin_voxels: Annotated[int, Field(ge=0, description="Margin around the predicted pancreas.")] = 8,
        threshold: Annotated[float, Field(gt=0, lt=1, description="Least probability of an abnormal phase.")] = 0.5,
        empty_pancreas: Annotated[
            Literal["normal", "abnormal"], Field(description="What a case without a pancreas is called.")
        ] = "normal",
    ) -> None:
        self.needs = FeatureNeeds((feature,), margin_voxels=margin_voxels, channels=1)
        self._feature, self._threshold, self._empty = feature, threshold, empty_pancreas

    def classify(self, evidence: Evidence) -> PhaseFinding:
        """Give the largest probability in the region."""
        labels = evidence.segmentation.labels
        measured = {"tumor_voxels": float((labels == TUMOR).sum()), "duct_voxels": float((labels == DUCT).sum())}
        logits = evidence.features.get(self._feature)
        if logits is None:
            score = 1.0 if self._empty == "abnormal" else 0.0
            return PhaseFinding(evidence.phase, score, self._threshold, measured, (NO_PANCREAS,))
        probability = float(expit(np.float64(logits.max())))
        measured = {"lesion_probability": probability, **measured}
        return PhaseFinding(evidence.phase, probability, self._threshold, measured)
