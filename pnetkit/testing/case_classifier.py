"""Checks of a case classifier, trained or not."""

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from pnetkit.interfaces import CaseClassifier, FeatureCaseClassifier, TrainedCaseClassifier
from pnetkit.testing.checks import Check, builder, named_checks, require, require_stored
from pnetkit.testing.samples import an_abdomen, finer, samples, segmentation
from pnetkit.types import Evidence, PhaseFinding, Segmentation

FEATURE_CHANNELS = 8
"""Channels of the made-up maps, where neither `feature_channels` nor the classifier's needs say otherwise."""


def case_classifier_checks(
    plugin: str | Callable[..., Any],
    *,
    params: Mapping[str, Any] | None = None,
    feature_channels: int | None = None,
    expected_failures: Mapping[str, str] | None = None,
) -> list[Check]:
    """Give the checks of a case classifier, by its registered name or its callable, with its parameters.

    One that looks at feature maps gets made-up ones of `feature_channels` channels, or as many as its needs say; one
    that learns is fitted on them first. `scale_in_mm` asks for the same decision on the same tissue in finer voxels.
    """
    name, build = builder("case-classifier", plugin, params or {})
    case = _Cases(build, feature_channels)
    checks: dict[str, Callable[[], None]] = {
        "interface": lambda: require(isinstance(build(), CaseClassifier), "has no method classify"),
        "findings": lambda: _findings(case),
        "empty_is_flagged": lambda: _empty(case),
        "argument_is_left_alone": lambda: _argument(case),
        "repeats": lambda: _repeats(case),
        "scale_in_mm": lambda: _scale(case),
        "fit_repeats": lambda: _fit_repeats(case),
        "save_and_load": lambda: _save(case),
    }
    return named_checks(name, checks, expected_failures or {}, build)


class _Cases:
    """Builds the classifier, fitted where it learns, and evidence for it."""

    def __init__(self, build: Callable[..., Any], channels: int | None) -> None:
        self.build, self.channels = build, channels

    def ready(self) -> CaseClassifier:
        classifier: CaseClassifier = self.build()
        if isinstance(classifier, TrainedCaseClassifier):
            self.fitted(classifier)
        return classifier

    def fitted(self, classifier: TrainedCaseClassifier) -> None:
        evidence = [self.evidence(segmentation(an_abdomen(seed)), seed) for seed in range(4)]
        classifier.fit(evidence, [False, True, False, True], seed=3, device="cpu")

    def evidence(self, found: Segmentation, seed: int = 0) -> Evidence:
        needs = getattr(self.build(), "needs", None)
        rng = np.random.default_rng(seed)
        names = () if needs is None or not found.labels.any() else needs.names
        channels = self.channels or (needs and needs.channels) or FEATURE_CHANNELS
        maps = {name: rng.random((channels, 6, 6, 4), dtype=np.float32) + seed % 2 for name in names}
        return Evidence(f"case {seed}", "venous", found, maps)


def _findings(case: _Cases) -> None:
    classifier = case.ready()
    for name, given in samples().items():
        found: Any = classifier.classify(case.evidence(given))
        require(isinstance(found, PhaseFinding), f"{name}: gives a {type(found).__name__}, wanted a PhaseFinding")
        require(
            found.phase == "venous", f"{name}: gives a finding of the phase {found.phase!r}, was asked about 'venous'"
        )
        require(found.abnormal == (found.score >= found.threshold), f"{name}: the decision is not score >= threshold")
        wrong = [key for key, value in found.measurements.items() if not np.isfinite(value)]
        require(not wrong, f"{name}: the measurements {wrong} are not finite")


def _empty(case: _Cases) -> None:
    found = case.ready().classify(case.evidence(samples()["empty"]))
    require(bool(found.flags), "an empty segmentation is decided without a flag that tells a reader")


def _argument(case: _Cases) -> None:
    classifier = case.ready()
    for name, given in samples().items():
        evidence = case.evidence(given)
        labels = given.labels.copy()
        maps = {key: value.copy() for key, value in evidence.features.items()}
        classifier.classify(evidence)
        same = all(np.array_equal(evidence.features[key], value) for key, value in maps.items())
        require(np.array_equal(given.labels, labels) and same, f"{name}: changes the evidence that it was given")


def _repeats(case: _Cases) -> None:
    classifier = case.ready()
    for name, given in samples().items():
        one, two = (classifier.classify(case.evidence(given)) for _ in range(2))
        require(_same(one, two), f"{name}: decides otherwise the second time")


def _scale(case: _Cases) -> None:
    """Compare score in units of the threshold, on the same tissue and the same maps, in voxels half as wide."""
    classifier, given = case.ready(), samples()["an abdomen"]
    coarse = classifier.classify(case.evidence(given))
    fine = classifier.classify(case.evidence(finer(given)))
    same = np.isclose(coarse.relative_score, fine.relative_score, rtol=1e-6)
    said = f"{coarse.relative_score:.3g} and {fine.relative_score:.3g} times the threshold"
    require(bool(same), f"scores {said} on the same tissue in voxels half as wide: it counts voxels, not mm³")


def _fit_repeats(case: _Cases) -> None:
    if not isinstance(case.build(), TrainedCaseClassifier):
        return
    one, two = case.ready(), case.ready()
    given = case.evidence(samples()["an abdomen"], 1)
    same = _same(one.classify(given), two.classify(given))
    require(same, "the same evidence and seed give two models that decide otherwise")


def _save(case: _Cases) -> None:
    """Store a fitted classifier and load it: the same to the bit, in files that hold no code."""
    classifier = case.build()
    if not isinstance(classifier, TrainedCaseClassifier):
        require(not isinstance(classifier, FeatureCaseClassifier) or hasattr(classifier, "needs"), "has no needs")
        return
    case.fitted(classifier)
    with TemporaryDirectory() as folder:
        classifier.save(Path(folder))
        require_stored(Path(folder))
        other = case.build()
        other.load(Path(folder))
        for name, given in samples().items():
            evidence = case.evidence(given)
            same = _same(classifier.classify(evidence), other.classify(evidence))
            require(same, f"{name}: decides otherwise after it was saved and loaded")


def _same(one: PhaseFinding, two: PhaseFinding) -> bool:
    scores = (one.score, one.threshold) == (two.score, two.threshold)
    return scores and dict(one.measurements) == dict(two.measurements) and one.flags == two.flags
