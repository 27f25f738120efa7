"""The rule on the joint network's lesion score."""

import numpy as np
import pytest
from pnetkit_s4c_joint.classifier import NO_PANCREAS, LesionScore

from pnetkit.interfaces import FeatureCaseClassifier, TrainedCaseClassifier
from pnetkit.types import Evidence, FeatureNeeds, Grid, Segmentation


def evidence(logits):
    labels = np.array([0, 1, 2, 2, 3, 0, 0, 0], np.uint8).reshape(2, 2, 2)
    features = {} if logits is None else {"lesion_score": np.array(logits, np.float32).reshape(1, -1, 1, 1)}
    return Evidence("P1", "venous", Segmentation(labels, Grid((2, 2, 2), np.eye(4))), features)


def test_it_asks_for_a_map_and_for_no_fitting():
    rule = LesionScore(margin_voxels=3)
    assert isinstance(rule, FeatureCaseClassifier)
    assert not isinstance(rule, TrainedCaseClassifier)
    assert rule.needs == FeatureNeeds(("lesion_score",), margin_voxels=3, channels=1)


@pytest.mark.parametrize(("logits", "score"), [([-3, 0, -5], 0.5), ([2, 1], 0.880797), ([-2], 0.119203), ([-999], 0)])
def test_the_score_is_the_largest_probability(logits, score):
    found = LesionScore().classify(evidence(logits))
    assert found.score == pytest.approx(score, abs=1e-6)
    assert found.abnormal == (score >= 0.5)
    assert found.measurements == {"lesion_probability": found.score, "tumor_voxels": 2, "duct_voxels": 1}


@pytest.mark.parametrize("empty", ["normal", "abnormal"])
def test_a_case_without_a_pancreas_is_decided_as_said_and_flagged(empty):
    found = LesionScore(empty_pancreas=empty).classify(evidence(None))
    assert found.abnormal == (empty == "abnormal")
    assert found.flags == (NO_PANCREAS,)
