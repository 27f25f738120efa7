"""Each check of a case classifier catches a plugin that is broken in just that way, and a sound one passes all."""

import json
import pickle
import random
from dataclasses import replace

import numpy as np
import pytest

from pnetkit.testing import case_classifier_checks
from pnetkit.types import FeatureNeeds, PhaseFinding
from tests.testing.outcomes import failing, outcomes


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


class FitsOnWhatItErases(Learned):
    def fit(self, evidence, abnormal, *, seed, device):
        super().fit(evidence, abnormal, seed=seed, device=device)
        for item in evidence:
            item.segmentation.labels[:] = 0


class FitsOnWhatItScales(Learned):
    def fit(self, evidence, abnormal, *, seed, device):
        super().fit(evidence, abnormal, seed=seed, device=device)
        for item in evidence:
            item.features["map"][:] -= self.mean


class FitsAndTakesTheDiagnoses(Learned):
    def fit(self, evidence, abnormal, *, seed, device):
        super().fit(evidence, abnormal, seed=seed, device=device)
        abnormal.clear()


class FitsAndTakesTheEvidence(Learned):
    def fit(self, evidence, abnormal, *, seed, device):
        super().fit(evidence, abnormal, seed=seed, device=device)
        evidence.reverse()


class NeedsATuple(Learned):
    def __init__(self) -> None:
        super().__init__()
        self.needs = ("map",)


class NeedsNothing(ByVolume):
    needs = None


class NeedsAWord(Learned):
    def __init__(self) -> None:
        super().__init__()
        object.__setattr__(self.needs, "names", "map")


class FitsWithoutNeeds(ByVolume):
    def fit(self, evidence, abnormal, *, seed, device):
        pass

    def save(self, folder):
        pass

    def load(self, folder):
        pass


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


class PicklesIntoJson(Learned):
    """Hides a pickle behind the name of a file that may be."""

    def save(self, folder):
        (folder / "model.json").write_bytes(pickle.dumps(self.mean))

    def load(self, folder):
        self.mean = pickle.loads((folder / "model.json").read_bytes())  # noqa: S301


class TakesSmallSeeds(Learned):
    """Seeds what it uses as scikit-learn does, with 31 bits."""

    def fit(self, evidence, abnormal, *, seed, device):
        np.random.RandomState(seed).permutation(2)
        super().fit(evidence, abnormal, seed=np.int32(seed), device=device)


class FlagsAsIsEasy(ByVolume):
    """Gives what cannot be written: a flag that is an object, a measurement that is one."""

    def classify(self, evidence):
        found = super().classify(evidence)
        object.__setattr__(found, "flags", (np.array([1, 2]),))
        return found


BROKEN = [
    (NoClassify, "interface"),
    (NeedsATuple, "interface"),
    (NeedsNothing, "interface"),
    (NeedsAWord, "interface"),
    (FitsWithoutNeeds, "interface"),
    (OtherPhase, "findings"),
    (FlagsAsIsEasy, "findings"),
    (Unflagged, "empty_is_flagged"),
    (Erases, "argument_is_left_alone"),
    (FitsOnWhatItErases, "argument_is_left_alone"),
    (FitsOnWhatItScales, "argument_is_left_alone"),
    (FitsAndTakesTheDiagnoses, "argument_is_left_alone"),
    (FitsAndTakesTheEvidence, "argument_is_left_alone"),
    (Moody, "repeats"),
    (ByVoxels, "scale_in_mm"),
    (LearnsByChance, "fit_repeats"),
    (Rounds, "save_and_load"),
    (Pickles, "save_and_load"),
    (PicklesIntoJson, "save_and_load"),
]
"""What is broken, and the check that catches it."""


@pytest.mark.parametrize("plugin", [ByVolume, Learned])
def test_a_sound_classifier_passes(plugin):
    assert failing(case_classifier_checks(plugin)) == {}


def test_every_check_has_a_plugin_that_it_catches():
    names = [check.name for check in case_classifier_checks(ByVolume)]
    assert list(dict.fromkeys(check for _, check in BROKEN)) == names


@pytest.mark.parametrize(("plugin", "check"), BROKEN)
def test_a_broken_classifier_is_caught(plugin, check):
    found = failing(case_classifier_checks(plugin))
    assert check in found
    assert plugin.__name__ in found[check]


@pytest.mark.parametrize(
    ("plugin", "said"),
    [
        (NeedsATuple, "needs is a tuple, wanted a FeatureNeeds"),
        (NeedsNothing, "needs is a NoneType, wanted a FeatureNeeds"),
        (NeedsAWord, "the names of its needs are 'map', wanted a tuple"),
        (FitsWithoutNeeds, "has fit, save, load, and lacks what else a TrainedCaseClassifier has"),
        (FitsOnWhatItErases, "changes the labels of the evidence that it is fitted on"),
        (FitsOnWhatItScales, "changes the map of the evidence that it is fitted on"),
        (FitsAndTakesTheDiagnoses, "changes the list of evidence or of diagnoses"),
        (FitsAndTakesTheEvidence, "changes the list of evidence or of diagnoses"),
    ],
)
def test_nothing_but_its_own_check_catches_it_and_says_what_is_wrong(plugin, said):
    ((name, reason),) = failing(case_classifier_checks(plugin)).items()
    assert name == dict(BROKEN)[plugin]
    assert said in reason


@pytest.mark.parametrize("plugin", [NeedsATuple, NeedsNothing, NeedsAWord])
def test_where_needs_cannot_be_read_what_needs_evidence_is_skipped_with_the_reason(plugin):
    found = outcomes(case_classifier_checks(plugin))
    said = ("skipped", "its needs cannot be read, as the check interface says")
    assert {name for name, outcome in found.items() if outcome == said} >= {
        "findings", "empty_is_flagged", "argument_is_left_alone", "repeats", "scale_in_mm",
    }  # fmt: skip


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


def test_fits_get_the_largest_seed_that_a_run_gives_so_that_one_who_takes_less_is_seen():
    found = failing(case_classifier_checks(TakesSmallSeeds))
    assert "OverflowError" in found["fit_repeats"] or "out of bounds" in found["fit_repeats"]
    seeds = set()

    class Notes(Learned):
        def fit(self, evidence, abnormal, *, seed, device):
            seeds.add(seed)
            np.random.RandomState(seed)  # takes no more than a run gives
            super().fit(evidence, abnormal, seed=seed, device=device)

    assert failing(case_classifier_checks(Notes)) == {}
    assert seeds == {2**32 - 1}


def test_a_pickle_is_named_and_what_an_error_says_leads_to_the_plugin_s_line():
    assert (
        "model.json is a pickle, whatever its name says"
        in failing(case_classifier_checks(PicklesIntoJson))["save_and_load"]
    )
    assert "cannot be written as JSON" in failing(case_classifier_checks(FlagsAsIsEasy))["findings"]

    class Divides(ByVolume):
        def classify(self, evidence):
            return replace(super().classify(evidence), score=1 / self.nothing())

        def nothing(self):
            return json.loads("[]")[0]

    said = failing(case_classifier_checks(Divides))["findings"]
    line = Divides.nothing.__code__.co_firstlineno + 1
    assert said.endswith(f"raised IndexError: list index out of range ({__file__}:{line}, in nothing)")


def test_a_classifier_is_given_images_maps_with_their_grids_and_no_segmentation_that_it_does_not_learn_from():
    fitted, asked = [], []

    class LearnsFromMaps(Learned):
        def __init__(self) -> None:
            super().__init__()
            self.needs = FeatureNeeds(("map",), images=True, training_segmentation=False)

        def fit(self, evidence, abnormal, *, seed, device):
            fitted.extend(evidence)
            super().fit(evidence, abnormal, seed=seed, device=device)

        def classify(self, evidence):
            asked.append(evidence)
            return super().classify(evidence)

    assert failing(case_classifier_checks(LearnsFromMaps)) == {}
    assert not any(of.segmentation.labels.any() for of in fitted)
    assert any(of.segmentation.labels.any() for of in asked)
    for of in [*fitted, *asked]:
        assert of.images["venous"].grid.matches(of.segmentation.grid)
        assert {name: grid.shape for name, grid in of.feature_grids.items()} == {
            name: found.shape[1:] for name, found in of.features.items()
        }


def test_one_that_asks_for_nothing_to_learn_from_is_told():
    class Blind(Learned):
        def __init__(self) -> None:
            super().__init__()
            self.needs = FeatureNeeds(training_segmentation=False)

    assert "so there is nothing to learn from" in failing(case_classifier_checks(Blind))["interface"]
