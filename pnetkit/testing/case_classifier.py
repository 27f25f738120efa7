"""Checks of a case classifier, trained or not."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from pnetkit.interfaces import CaseClassifier, TrainedCaseClassifier
from pnetkit.testing.checks import (
    LARGEST_SEED,
    Check,
    SkippedCheck,
    builder,
    named_checks,
    require,
    require_json,
    require_stored,
)
from pnetkit.testing.samples import (
    an_abdomen,
    arrays_of,
    changed,
    finer,
    image_of,
    map_grid,
    samples,
    segmentation,
    voted,
)
from pnetkit.types import Evidence, FeatureNeeds, PhaseFinding, Segmentation

MAP_SHAPE = (6, 6, 4)
"""Cells of the made-up maps."""

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

    One that looks at feature maps or images gets made-up ones (maps have `feature_channels` channels, or as many as its
    needs say); one that learns is fitted on them first. `scale_in_mm` asks for the same decision on the same tissue in
    finer voxels. Where its needs cannot be read, `interface` says so, and the checks that make up evidence are
    skipped.
    """
    name, build = builder("case-classifier", plugin, params or {})
    case = _Cases(build, feature_channels)
    checks: dict[str, Callable[[], None]] = {
        "interface": lambda: _interface(build()),
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
        evidence, abnormal = self.training()
        classifier.fit(evidence, abnormal, seed=LARGEST_SEED, device="cpu")

    def training(self) -> tuple[list[Evidence], list[bool]]:
        found = [self.evidence(voted(segmentation(an_abdomen(seed)), seed), seed) for seed in range(4)]
        if not self.needs.training_segmentation:
            found = [replace(of, segmentation=_emptied(of.segmentation)) for of in found]
        return found, [False, True, False, True]

    def evidence(self, found: Segmentation, seed: int = 0) -> Evidence:
        needs = self.needs
        rng = np.random.default_rng(seed)
        names = needs.names if found.labels.any() else ()
        channels = self.channels or needs.channels or FEATURE_CHANNELS
        maps = {name: rng.random((channels, *MAP_SHAPE), dtype=np.float32) + seed % 2 for name in names}
        grids = {name: map_grid(found, MAP_SHAPE) for name in names}
        images = {"venous": image_of(found)} if needs.images else {}
        return Evidence(f"case {seed}", "venous", found, maps, grids, images)

    @property
    def needs(self) -> FeatureNeeds:
        needs = getattr(self.build(), "needs", FeatureNeeds())
        if _wrong_needs(needs):
            raise SkippedCheck("its needs cannot be read, as the check interface says")
        found: FeatureNeeds = needs
        return found


def _emptied(found: Segmentation) -> Segmentation:
    """Give what stands in for a segmentation in the training of one that does not look at it."""
    return Segmentation(np.zeros_like(found.labels), found.grid, found.classes)


def _interface(classifier: Any) -> None:
    require(isinstance(classifier, CaseClassifier), "has no method classify")
    wrong = _wrong_needs(getattr(classifier, "needs", FeatureNeeds()))
    require(not wrong, wrong)
    some = [method for method in ("fit", "save", "load") if hasattr(classifier, method)]
    whole = not some or isinstance(classifier, TrainedCaseClassifier)
    lacking = "lacks what else a TrainedCaseClassifier has (needs, fit, save, load)"
    require(whole, f"has {', '.join(some)}, and {lacking}: it would never be fitted")


def _wrong_needs(needs: Any) -> str:
    """Say what is wrong with a classifier's needs, in words; nothing where nothing is."""
    if not isinstance(needs, FeatureNeeds):
        return f"needs is a {type(needs).__name__}, wanted a FeatureNeeds"
    names: Any = needs.names
    if not isinstance(names, tuple) or not all(isinstance(name, str) for name in names):
        return f"the names of its needs are {names!r}, wanted a tuple of names of maps"
    if not (needs.training_segmentation or names or needs.images):
        return "its needs ask for no map, no image and no training segmentation, so there is nothing to learn from"
    return ""


def _findings(case: _Cases) -> None:
    classifier = case.ready()
    for name, given in samples().items():
        found: Any = classifier.classify(case.evidence(given))
        require(isinstance(found, PhaseFinding), f"{name}: gives a {type(found).__name__}, wanted a PhaseFinding")
        require(
            found.phase == "venous", f"{name}: gives a finding of the phase {found.phase!r}, was asked about 'venous'"
        )
        given_back = [found.phase, found.score, found.threshold, dict(found.measurements), list(found.flags)]
        require_json(f"{name}: the finding", given_back)
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
        kept = deepcopy(evidence)
        classifier.classify(evidence)
        now = _changed(evidence, kept)
        require(not now, f"{name}: changes the {' and '.join(now)} of the evidence that it was given")
    other = case.build()
    if isinstance(other, TrainedCaseClassifier):
        cases, abnormal = case.training()
        before, listed = deepcopy(cases), (list(cases), list(abnormal))
        other.fit(cases, abnormal, seed=LARGEST_SEED, device="cpu")
        same = [id(of) for of in cases] == [id(of) for of in listed[0]] and abnormal == listed[1]
        require(same, "changes the list of evidence or of diagnoses that it is fitted on")
        now = [name for one, two in zip(cases, before, strict=True) for name in _changed(one, two)]
        require(not now, f"changes the {' and '.join(sorted(set(now)))} of the evidence that it is fitted on")


def _changed(evidence: Evidence, kept: Evidence) -> list[str]:
    """Name the arrays of evidence that are not what they were."""
    now, before = (
        {
            **arrays_of(of.segmentation),
            **of.features,
            **{f"image of {name}": scan.hu for name, scan in of.images.items()},
        }
        for of in (evidence, kept)
    )
    return [*changed(now, before), *(name for name in now if name not in before)]


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
