"""Each check of a postprocessor, classifier and fusion catches a plugin that is broken in just that way."""

import json
import random
from dataclasses import replace
from itertools import count

import numpy as np
import pytest

from pnetkit.errors import MissingPhaseError
from pnetkit.interfaces import Deviating
from pnetkit.testing import (
    ConformanceError,
    case_classifier_checks,
    phase_fusion_checks,
    postprocessor_checks,
    run_checks,
)
from pnetkit.types import CaseFinding, FeatureNeeds, PhaseFinding

CALLS = count()


def failing(checks):
    return {result.name: result.reason for result in run_checks(checks) if result.outcome == "failed"}


# --- postprocessors ---------------------------------------------------------------------------------------------------


class Keep:
    """Leaves everything."""

    def __call__(self, segmentation):
        return segmentation


class NotCallable:
    pass


class CropsIt(Keep):
    def __call__(self, segmentation):
        return segmentation.labels


class Overwrites(Keep):
    def __call__(self, segmentation):
        segmentation.labels[segmentation.labels == 2] = 0
        return segmentation


class Forgets(Keep):
    def __call__(self, segmentation):
        labels = segmentation.labels.copy()
        labels.flat[next(CALLS) % labels.size] = 1
        return replace(segmentation, labels=labels)


class AtLeastSomeVoxels(Keep):
    def __call__(self, segmentation):
        tumor = segmentation.labels == 2
        few = tumor.sum() < 500
        return replace(segmentation, labels=np.where(few & tumor, 0, segmentation.labels).astype("u1"))


@pytest.mark.parametrize(
    ("plugin", "check"),
    [
        (NotCallable, "interface"),
        (CropsIt, "result"),
        (Overwrites, "argument_is_left_alone"),
        (Forgets, "repeats"),
        (AtLeastSomeVoxels, "scale_in_mm"),
    ],
)
def test_a_broken_postprocessor_is_caught(plugin, check):
    assert failing(postprocessor_checks(Keep)) == {}
    found = failing(postprocessor_checks(plugin))
    assert check in found
    assert plugin.__name__ in found[check]


# --- classifiers ------------------------------------------------------------------------------------------------------


class ByVolume:
    """Takes the tumor's volume."""

    def classify(self, evidence):
        found = evidence.segmentation
        volume = float((found.labels == 2).sum() * found.grid.voxel_mm3)
        return PhaseFinding(evidence.phase, volume, 10.0, {}, () if found.labels.any() else ("nothing found",))


class NoClassify:
    pass


class OtherPhase(ByVolume):
    def classify(self, evidence):
        return replace(super().classify(evidence), phase="arterial")


class Unflagged(ByVolume):
    def classify(self, evidence):
        return replace(super().classify(evidence), flags=())


class Erases(ByVolume):
    def classify(self, evidence):
        found = super().classify(evidence)
        evidence.segmentation.labels[:] = 0
        return found


class Moody(ByVolume):
    def classify(self, evidence):
        return replace(super().classify(evidence), score=random.random())


class ByVoxels(ByVolume):
    def classify(self, evidence):
        return replace(super().classify(evidence), score=float((evidence.segmentation.labels == 2).sum()))


class Learned(ByVolume):
    """Learns the mean of its map; sound."""

    def __init__(self) -> None:
        self.needs = FeatureNeeds(("map",))
        self.mean = 0.0

    def classify(self, evidence):
        base = super().classify(evidence)
        level = float(evidence.features["map"].mean()) if evidence.features else 0.0
        return replace(base, score=abs(level - self.mean), threshold=0.5)

    def fit(self, evidence, abnormal, *, seed, device):  # noqa: ARG002
        self.mean = float(np.mean([item.features["map"].mean() for item in evidence]))

    def save(self, folder):
        (folder / "model.json").write_text(json.dumps({"mean": self.mean}))

    def load(self, folder):
        self.mean = json.loads((folder / "model.json").read_text())["mean"]


class LearnsByChance(Learned):
    def fit(self, evidence, abnormal, *, seed, device):  # noqa: ARG002
        self.mean = random.random()


class Rounds(Learned):
    def save(self, folder):
        (folder / "model.json").write_text(json.dumps({"mean": round(self.mean, 2)}))


class Pickles(Learned):
    def save(self, folder):
        super().save(folder)
        (folder / "model.pkl").write_bytes(b"")


@pytest.mark.parametrize(
    ("plugin", "check"),
    [
        (NoClassify, "interface"),
        (OtherPhase, "findings"),
        (Unflagged, "empty_is_flagged"),
        (Erases, "argument_is_left_alone"),
        (Moody, "repeats"),
        (ByVoxels, "scale_in_mm"),
        (LearnsByChance, "fit_repeats"),
        (Rounds, "save_and_load"),
        (Pickles, "save_and_load"),
    ],
)
def test_a_broken_classifier_is_caught(plugin, check):
    assert failing(case_classifier_checks(ByVolume)) == {}
    assert failing(case_classifier_checks(Learned)) == {}
    found = failing(case_classifier_checks(plugin))
    assert check in found
    assert plugin.__name__ in found[check]


# --- fusions ----------------------------------------------------------------------------------------------------------


class Either:
    """Calls a case abnormal where any phase is; sound."""

    def fuse(self, case_id, findings, *, expected):
        if not findings:
            raise MissingPhaseError("no phase")
        score = max(finding.relative_score for finding in findings.values())
        fired = tuple(phase for phase in expected if phase in findings and findings[phase].abnormal)
        missing = tuple(phase for phase in expected if phase not in findings)
        return CaseFinding(case_id, score >= 1, score, fired, findings, missing)


class NoFuse:
    pass


class OtherCase(Either):
    def fuse(self, case_id, findings, *, expected):
        return replace(super().fuse(case_id, findings, expected=expected), case_id="other")


class Pops(Either):
    def fuse(self, case_id, findings, *, expected):
        found = super().fuse(case_id, dict(findings), expected=expected)
        findings.clear()
        return found


class TheFirst(Either):
    def fuse(self, case_id, findings, *, expected):
        found = super().fuse(case_id, findings, expected=expected)
        score = next(iter(findings.values())).relative_score
        return replace(found, score=score, abnormal=score >= 1)


class Raw(Either):
    def fuse(self, case_id, findings, *, expected):
        found = super().fuse(case_id, findings, expected=expected)
        score = max(finding.score for finding in findings.values())
        return replace(found, score=score, abnormal=score >= 1)


class Silent(Either):
    def fuse(self, case_id, findings, *, expected):
        return replace(super().fuse(case_id, findings, expected=expected), missing=())


class NormalWithoutAnything(Either):
    def fuse(self, case_id, findings, *, expected):
        if not findings:
            return CaseFinding(case_id, False, 0.0, (), {}, tuple(expected))
        return super().fuse(case_id, findings, expected=expected)


class AlwaysTwo(Either):
    def fuse(self, case_id, findings, *, expected):  # noqa: ARG002
        return super().fuse(case_id, findings, expected=("arterial", "venous"))


class LearnedFusion:
    """Learns the mean score of normal cases; sound."""

    level = 1.0

    def fit(self, findings, abnormal, *, expected, seed):  # noqa: ARG002
        normal = [found for found, called in zip(findings, abnormal, strict=True) if not called]
        self.level = 1 + float(np.mean([max(f.relative_score for f in found.values()) for found in normal])) / 7

    def fuse(self, case_id, findings, *, expected):
        found = Either().fuse(case_id, findings, expected=expected)
        score = found.score / self.level
        return replace(found, score=score, abnormal=score >= 1)

    def save(self, folder):
        (folder / "model.json").write_text(json.dumps({"level": self.level}))

    def load(self, folder):
        self.level = json.loads((folder / "model.json").read_text())["level"]


class FusionWithoutLoad(Either):
    def fit(self, findings, abnormal, *, expected, seed):
        pass

    def save(self, folder):
        pass


class FusesByChance(LearnedFusion):
    def fit(self, findings, abnormal, *, expected, seed):  # noqa: ARG002
        self.level = random.random()


class LearnsFromTheFirst(LearnedFusion):
    def fit(self, findings, abnormal, *, expected, seed):  # noqa: ARG002
        self.level = 1 + float(np.mean([next(iter(found.values())).relative_score for found in findings]))


class LearnsRaw(LearnedFusion):
    def fit(self, findings, abnormal, *, expected, seed):  # noqa: ARG002
        self.level = 0.5

    def fuse(self, case_id, findings, *, expected):
        found = super().fuse(case_id, findings, expected=expected)
        score = max(finding.score for finding in findings.values()) * self.level
        return replace(found, score=score, abnormal=score >= 1)


class TakesWhatItLearnedFrom(LearnedFusion):
    def fit(self, findings, abnormal, *, expected, seed):
        super().fit(findings, abnormal, expected=expected, seed=seed)
        abnormal.clear()


class NeedsAllPhases(LearnedFusion):
    def fit(self, findings, abnormal, *, expected, seed):
        super().fit(findings, abnormal, expected=expected, seed=seed)
        self.level += 0.0 * sum(found[phase].score for found in findings for phase in expected)


class RoundsFusion(LearnedFusion):
    def save(self, folder):
        (folder / "model.json").write_text(json.dumps({"level": round(self.level, 2)}))


class PicklesFusion(LearnedFusion):
    def save(self, folder):
        super().save(folder)
        (folder / "model.pkl").write_bytes(b"")


class SavesNoJson(LearnedFusion):
    def save(self, folder):
        (folder / "model.json").write_bytes(b"\x80\x04K\x01.")  # a pickle by another name


@pytest.mark.parametrize(
    ("plugin", "check"),
    [
        (NoFuse, "interface"),
        (OtherCase, "findings"),
        (Pops, "argument_is_left_alone"),
        (TheFirst, "order_of_phases"),
        (Raw, "units_of_thresholds"),
        (Silent, "missing_phase"),
        (NormalWithoutAnything, "no_phase"),
        (AlwaysTwo, "one_phase"),
        (FusionWithoutLoad, "interface"),
        (TakesWhatItLearnedFrom, "argument_is_left_alone"),
        (LearnsRaw, "units_of_thresholds"),
        (NeedsAllPhases, "missing_phase"),
        (FusesByChance, "fit_repeats"),
        (LearnsFromTheFirst, "fit_order_of_phases"),
        (RoundsFusion, "save_and_load"),
        (PicklesFusion, "save_and_load"),
        (SavesNoJson, "save_and_load"),
    ],
)
def test_a_broken_fusion_is_caught(plugin, check):
    assert failing(phase_fusion_checks(Either)) == {}
    assert failing(phase_fusion_checks(LearnedFusion)) == {}
    found = failing(phase_fusion_checks(plugin))
    assert check in found
    assert plugin.__name__ in found[check]


def test_every_check_of_a_rule_has_a_plugin_that_it_catches():
    names = {check.name for check in (*postprocessor_checks(Keep), *case_classifier_checks(ByVolume))}
    assert names == {
        "interface", "result", "argument_is_left_alone", "repeats", "scale_in_mm", "findings", "empty_is_flagged",
        "fit_repeats", "save_and_load",
    }  # fmt: skip
    assert {check.name for check in phase_fusion_checks(Either)} == {
        "interface", "findings", "argument_is_left_alone", "order_of_phases", "units_of_thresholds", "missing_phase",
        "no_phase", "one_phase", "fit_repeats", "fit_order_of_phases", "save_and_load",
    }  # fmt: skip
    with pytest.raises(ConformanceError, match="the checks are"):
        phase_fusion_checks(Either, expected_failures={"order": "none"})


# --- declared deviations ----------------------------------------------------------------------------------------------


class InVoxels(AtLeastSomeVoxels):
    """Says itself that it counts voxels."""

    deviations = {"scale_in_mm": "counts voxels"}  # noqa: RUF012


class InVoxelsAndWorse(Overwrites):
    deviations = {"scale_in_mm": "counts voxels"}  # noqa: RUF012


class NamesNoCheck(Keep):
    deviations = {"scale": "misspelled"}  # noqa: RUF012


class NoMapping(Keep):
    deviations = ("scale_in_mm",)


class ByParameter(AtLeastSomeVoxels):
    def __init__(self, *, counts: bool = True):
        self.deviations = {"scale_in_mm": "counts voxels"} if counts else {}


def outcomes(checks):
    return {result.name: (result.outcome, result.reason) for result in run_checks(checks)}


def test_a_deviation_that_a_plugin_declares_is_reported_as_such_with_its_reason():
    assert isinstance(InVoxels(), Deviating)
    assert not isinstance(Keep(), Deviating)
    assert outcomes(postprocessor_checks(InVoxels))["scale_in_mm"] == ("deviates as documented", "counts voxels")
    for check in postprocessor_checks(InVoxels):
        check()


def test_a_declared_deviation_covers_no_other_check():
    found = failing(postprocessor_checks(InVoxelsAndWorse))
    assert "argument_is_left_alone" in found
    assert "scale_in_mm" not in found


def test_a_declaration_may_depend_on_parameters():
    assert "scale_in_mm" not in failing(postprocessor_checks(ByParameter))
    assert "scale_in_mm" in failing(postprocessor_checks(ByParameter, params={"counts": False}))


def test_a_declared_deviation_that_is_not_seen_passes_and_a_test_s_expectation_of_it_fails():
    class Sound(Keep):
        deviations = {"scale_in_mm": "under other parameters"}  # noqa: RUF012

    assert outcomes(postprocessor_checks(Sound))["scale_in_mm"] == ("passed", "")
    expected = {"scale_in_mm": "counts voxels"}
    assert "passes, although" in failing(postprocessor_checks(Sound, expected_failures=expected))["scale_in_mm"]


def test_a_declaration_of_no_check_and_one_without_reasons_are_failures():
    assert "deviations names 'scale'; the checks are interface" in failing(postprocessor_checks(NamesNoCheck))["result"]
    assert "deviations is a tuple, wanted reasons" in failing(postprocessor_checks(NoMapping))["result"]


def test_maps_have_as_many_channels_as_a_classifier_s_needs_say():
    seen = set()

    class ThreeChannels:
        needs = FeatureNeeds(("map",), channels=3)

        def classify(self, evidence):
            seen.update(len(of) for of in evidence.features.values())
            flags = () if evidence.segmentation.labels.any() else ("no pancreas found",)
            return PhaseFinding(evidence.phase, 0.0, 1.0, {}, flags)

    assert failing(case_classifier_checks(ThreeChannels)) == {}
    assert seen == {3}
    failing(case_classifier_checks(ThreeChannels, feature_channels=5))
    assert seen == {3, 5}
