"""Each check of a phase fusion catches a plugin that is broken in just that way, and a sound one passes all."""

import json
import random
from dataclasses import replace

import numpy as np
import pytest

from pnetkit.errors import MissingPhaseError
from pnetkit.testing import ConformanceError, phase_fusion_checks
from pnetkit.types import CaseFinding
from tests.testing.outcomes import failing


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


class NeverFires(Either):
    def fuse(self, case_id, findings, *, expected):
        return replace(super().fuse(case_id, findings, expected=expected), fired=())


class FiresWithTheCase(Either):
    """Names phases only where the case is abnormal, and then all of them."""

    def fuse(self, case_id, findings, *, expected):
        found = super().fuse(case_id, findings, expected=expected)
        there = tuple(phase for phase in expected if phase in findings)
        return replace(found, fired=there if found.abnormal else ())


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


class FiresInTurn(Either):
    """Names the abnormal phases as they come."""

    def fuse(self, case_id, findings, *, expected):
        fired = tuple(phase for phase, finding in findings.items() if finding.abnormal)
        return replace(super().fuse(case_id, findings, expected=expected), fired=fired)


class Raw(Either):
    def fuse(self, case_id, findings, *, expected):
        found = super().fuse(case_id, findings, expected=expected)
        score = max(finding.score for finding in findings.values())
        return replace(found, score=score, abnormal=score >= 1)


class Silent(Either):
    def fuse(self, case_id, findings, *, expected):
        return replace(super().fuse(case_id, findings, expected=expected), missing=())


class FiresWhatIsMissing(Either):
    def fuse(self, case_id, findings, *, expected):
        found = super().fuse(case_id, findings, expected=expected)
        return replace(found, fired=(*found.fired, *found.missing))


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


BROKEN = [
    (NoFuse, "interface"),
    (FusionWithoutLoad, "interface"),
    (OtherCase, "findings"),
    (NeverFires, "findings"),
    (FiresWithTheCase, "findings"),
    (Pops, "argument_is_left_alone"),
    (TakesWhatItLearnedFrom, "argument_is_left_alone"),
    (TheFirst, "order_of_phases"),
    (FiresInTurn, "order_of_phases"),
    (Raw, "units_of_thresholds"),
    (LearnsRaw, "units_of_thresholds"),
    (Silent, "missing_phase"),
    (FiresWhatIsMissing, "missing_phase"),
    (NeedsAllPhases, "missing_phase"),
    (NormalWithoutAnything, "no_phase"),
    (AlwaysTwo, "one_phase"),
    (FusesByChance, "fit_repeats"),
    (LearnsFromTheFirst, "fit_order_of_phases"),
    (RoundsFusion, "save_and_load"),
    (PicklesFusion, "save_and_load"),
    (SavesNoJson, "save_and_load"),
]
"""What is broken, and the check that catches it."""


@pytest.mark.parametrize("plugin", [Either, LearnedFusion])
def test_a_sound_fusion_passes(plugin):
    assert failing(phase_fusion_checks(plugin)) == {}


def test_every_check_has_a_plugin_that_it_catches():
    assert list(dict.fromkeys(check for _, check in BROKEN)) == [check.name for check in phase_fusion_checks(Either)]
    with pytest.raises(ConformanceError, match="the checks are"):
        phase_fusion_checks(Either, expected_failures={"order": "none"})


@pytest.mark.parametrize(("plugin", "check"), BROKEN)
def test_a_broken_fusion_is_caught(plugin, check):
    found = failing(phase_fusion_checks(plugin))
    assert check in found
    assert plugin.__name__ in found[check]


@pytest.mark.parametrize(
    ("plugin", "said"),
    [
        (FiresWithTheCase, "the abnormal phases are ['venous']"),
        (FiresInTurn, "in another order"),
        (FiresWhatIsMissing, "the abnormal phases are"),
    ],
)
def test_nothing_but_its_own_check_catches_it_and_says_what_is_wrong(plugin, said):
    ((name, reason),) = failing(phase_fusion_checks(plugin)).items()
    assert name == dict(BROKEN)[plugin]
    assert said in reason
