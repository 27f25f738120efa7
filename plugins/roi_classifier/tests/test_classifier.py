"""Tests of pnetkit_roi_classifier.classifier."""

import json
from types import MappingProxyType

import numpy as np
import pytest
import torch
from pnetkit_roi_classifier.classifier import CONFIG, NO_PANCREAS, WEIGHTS, RoiClassifier
from pydantic import ValidationError

from pnetkit.errors import StoreError, TrainingError
from pnetkit.interfaces import CaseClassifier, TrainedCaseClassifier
from pnetkit.parameters import parameters_model, validate
from pnetkit.types import Evidence, FeatureNeeds, Grid, Segmentation

TINY = {"channels": (8, 8), "groups": 4, "iterations": 60, "learning_rate": 0.05}


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def evidence(name, features, labels=(1,)):
    voxels = np.zeros((4, 4, 4), np.uint8)
    voxels.reshape(-1)[: len(labels)] = labels
    grid = Grid((4, 4, 4), np.eye(4))
    return Evidence(name, "venous", Segmentation(voxels, grid), MappingProxyType(features))


def empty(name="empty"):
    return evidence(name, {}, labels=())


def toy(count=8, *, seed=0, channels=4, feature="pool3"):
    """Noisy maps of various sizes, whose first channel is lit where the case is abnormal and second where not."""
    random = np.random.default_rng(seed)
    cases, abnormal = [], [index % 2 == 1 for index in range(count)]
    for index in range(count):
        size = random.integers(2, 5, size=3)
        features = (0.2 * random.normal(size=(channels, *size))).astype(np.float32)
        features[0 if abnormal[index] else 1] += 1
        cases.append(evidence(f"c{index}", {feature: features}))
    return cases, abnormal


def fitted(cases=None, abnormal=None, *, seed=3, **params):
    if cases is None:
        cases, abnormal = toy()
    classifier = RoiClassifier(**{**TINY, **params})
    classifier.fit(cases, abnormal, seed=seed, device="cpu")
    return classifier


def scores(classifier, cases):
    return [classifier.classify(case).score for case in cases]


@pytest.fixture(name="trained", scope="module")
def trained_classifier():
    return fitted()


@pytest.fixture(name="saved")
def saved_classifier(trained, tmp_path):
    trained.save(tmp_path)
    return tmp_path


def test_it_is_a_classifier_that_can_be_trained():
    assert isinstance(RoiClassifier(), CaseClassifier)
    assert isinstance(RoiClassifier(), TrainedCaseClassifier)


def test_it_needs_the_pool3_map_with_a_margin_in_testing_only():
    needs = RoiClassifier().needs
    assert needs == FeatureNeeds(("pool3",), training_margin_voxels=0, margin_voxels=20, training_segmentation=False)
    other = RoiClassifier(feature="conv4b", training_margin_voxels=8, margin_voxels=16)
    assert (other.needs.names, other.needs.training_margin_voxels, other.needs.margin_voxels) == (("conv4b",), 8, 16)


def test_defaults_are_those_of_the_paper():
    fields = parameters_model("case-classifier", "roi", RoiClassifier).model_fields
    defaults = {name: field.default for name, field in fields.items()}
    stated = {"iterations": 20000, "learning_rate": 0.001, "poly_power": 0.9, "momentum": 0.9, "weight_decay": 5e-4}
    assert defaults.items() >= stated.items()
    assert (defaults["channels"], defaults["groups"], defaults["head"]) == ((128, 128), 32, "avg")


@pytest.mark.parametrize(
    "wrong",
    [
        {"channels": []},
        {"channels": [0]},
        {"groups": 0},
        {"head": "median"},
        {"dropout": 1.0},
        {"iterations": 0},
        {"learning_rate": 0.0},
        {"margin_voxels": -1},
        {"threshold": 0.0},
        {"threshold": 1.0},
        {"empty_pancreas": "unknown"},
        {"feature": ""},
    ],
)
def test_values_without_meaning_are_refused(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        validate(parameters_model("case-classifier", "roi", RoiClassifier), wrong)


def test_channels_that_cannot_be_split_into_groups_are_refused():
    with pytest.raises(ValueError, match="channels 48 cannot be split into 32 groups"):
        RoiClassifier(channels=(128, 48))


@pytest.mark.parametrize("params", [{}, {"head": "avgmax"}, {"head": "max"}, {"dropout": 0.2}, {"channels": (8,)}])
def test_it_learns_what_can_be_separated(params):
    # ten times slower than TINY: at 0.05 all outputs of a max head can fall to zero, from where nothing is learned
    classifier = fitted(**params, learning_rate=0.005, iterations=150)
    unseen, abnormal = toy(12, seed=1)
    assert [classifier.classify(case).abnormal for case in unseen] == abnormal


def test_it_takes_the_number_of_channels_and_the_feature_from_the_evidence(tmp_path):
    cases, abnormal = toy(channels=6, feature="conv4b")
    classifier = fitted(cases, abnormal, feature="conv4b")
    classifier.save(tmp_path)
    assert json.loads((tmp_path / CONFIG).read_text())["in_channels"] == 6
    again = RoiClassifier(**TINY, feature="conv4b")
    again.load(tmp_path)
    assert scores(again, cases) == scores(classifier, cases)


@pytest.mark.parametrize("params", [{}, {"dropout": 0.5}])
def test_the_same_seed_gives_the_same_model_to_the_bit(params, tmp_path):
    torch.manual_seed(1)
    fitted(**params).save(tmp_path)
    first = (tmp_path / WEIGHTS).read_bytes()
    torch.manual_seed(2)
    fitted(**params).save(tmp_path)
    assert (tmp_path / WEIGHTS).read_bytes() == first
    fitted(**params, seed=4).save(tmp_path)
    assert (tmp_path / WEIGHTS).read_bytes() != first


def test_fitting_leaves_the_callers_random_state_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    fitted(dropout=0.5, iterations=3)
    assert torch.equal(torch.rand(3), expected)


def test_evidence_stays_untouched():
    cases, abnormal = toy()
    maps = [case.features["pool3"].copy() for case in cases]
    classifier = fitted(cases, abnormal)
    scores(classifier, cases)
    assert all(np.array_equal(case.features["pool3"], m) for case, m in zip(cases, maps, strict=True))


def test_the_score_is_the_tumor_probability(trained):
    for case in toy(4, seed=2)[0]:
        finding = trained.classify(case)
        assert 0 <= finding.score <= 1
        assert finding.measurements["tumor_probability"] == finding.score
        assert (finding.phase, finding.threshold, finding.flags) == ("venous", 0.5, ())


def test_tumor_and_duct_voxels_are_reported(trained):
    features = toy(1)[0][0].features
    measured = trained.classify(evidence("c", dict(features), labels=(1, 2, 2, 2, 3, 3))).measurements
    assert (measured["tumor_voxels"], measured["duct_voxels"]) == (3.0, 2.0)


def test_the_threshold_is_on_the_probability(saved):
    case = toy()[0][1]
    strict, lax = (RoiClassifier(**TINY, threshold=threshold) for threshold in (0.999999, 0.000001))
    strict.load(saved)
    lax.load(saved)
    assert strict.classify(case).score == lax.classify(case).score
    assert not strict.classify(case).abnormal
    assert lax.classify(case).abnormal


@pytest.mark.parametrize(("answer", "score"), [("normal", 0.0), ("abnormal", 1.0)])
def test_a_case_without_pancreas_is_decided_and_flagged(answer, score):
    finding = RoiClassifier(empty_pancreas=answer).classify(empty())
    assert (finding.score, finding.abnormal, finding.flags) == (score, answer == "abnormal", (NO_PANCREAS,))
    assert finding.measurements == {"tumor_voxels": 0.0, "duct_voxels": 0.0}


def test_training_cases_without_pancreas_change_nothing(trained):
    cases, abnormal = toy()
    with_empty = fitted([empty(), *cases, empty()], [True, *abnormal, False])
    assert scores(with_empty, cases) == scores(trained, cases)


def test_maps_of_a_single_voxel_are_learned_and_decided():
    cases = [evidence(f"c{i}", {"pool3": np.full((4, 1, 1, 1), i % 2, np.float32)}) for i in range(4)]
    assert all(0 <= score <= 1 for score in scores(fitted(cases, [False, True, False, True], iterations=4), cases))


def test_a_map_much_larger_than_those_of_the_training_is_decided(trained):
    large = evidence("large", {"pool3": np.ones((4, 48, 48, 48), np.float32)})
    assert 0 <= trained.classify(large).score <= 1


@pytest.mark.parametrize(("label", "got"), [(True, "only abnormal ones"), (False, "only normal ones")])
def test_one_class_alone_cannot_be_learned(label, got):
    with pytest.raises(TrainingError, match=f"needs normal and abnormal training cases.* it got {got}"):
        fitted(toy()[0], [label] * 8)


def test_a_class_whose_cases_are_all_empty_counts_as_missing():
    with pytest.raises(TrainingError, match="only normal ones"):
        fitted([*toy(1)[0], empty()], [False, True])


def test_no_training_case_with_a_pancreas_cannot_be_learned():
    with pytest.raises(TrainingError, match="it got none"):
        fitted([empty("a"), empty("b")], [False, True])


def test_a_loss_that_is_no_number_ends_the_training_and_says_where():
    with pytest.raises(TrainingError, match=r"loss became nan at iteration 1 of 60\. Lower its learning_rate"):
        fitted(learning_rate=1e38)


def test_it_has_to_be_fitted_or_loaded_first(tmp_path):
    with pytest.raises(ValueError, match="neither fitted nor loaded"):
        RoiClassifier(**TINY).classify(toy()[0][0])
    with pytest.raises(ValueError, match="was not fitted"):
        RoiClassifier(**TINY).save(tmp_path)


def test_a_saved_classifier_answers_the_same_to_the_bit(trained, saved):
    again = RoiClassifier(**TINY)
    again.load(saved)
    cases = toy(6, seed=9)[0]
    assert scores(again, cases) == scores(trained, cases)
    assert sorted(path.name for path in saved.iterdir()) == sorted([CONFIG, WEIGHTS])


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS])
def test_a_missing_file_is_named(saved, name):
    (saved / name).unlink()
    with pytest.raises(StoreError, match=name):
        RoiClassifier(**TINY).load(saved)


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.95])
def test_a_truncated_file_is_refused_and_named(saved, name, share):
    content = (saved / name).read_bytes()
    (saved / name).write_bytes(content[: int(share * len(content))])
    with pytest.raises(StoreError, match=name):
        RoiClassifier(**TINY).load(saved)


@pytest.mark.parametrize("other", [{"head": "max"}, {"channels": (8,)}, {"groups": 2}, {"feature": "conv4b"}])
def test_a_model_of_other_parameters_is_refused(saved, other):
    with pytest.raises(StoreError, match=CONFIG):
        RoiClassifier(**{**TINY, **other}).load(saved)


def test_weights_of_another_model_are_refused(saved, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("other")
    fitted(*toy(channels=5), iterations=1).save(elsewhere)
    (saved / WEIGHTS).write_bytes((elsewhere / WEIGHTS).read_bytes())
    with pytest.raises(StoreError, match=WEIGHTS):
        RoiClassifier(**TINY).load(saved)


def test_a_load_that_is_refused_leaves_the_classifier_as_it_was(trained, saved):
    classifier = RoiClassifier(**TINY)
    classifier.load(saved)
    (saved / WEIGHTS).write_bytes(b"")
    with pytest.raises(StoreError, match=WEIGHTS):
        classifier.load(saved)
    cases = toy()[0]
    assert scores(classifier, cases) == scores(trained, cases)
