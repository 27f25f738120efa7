"""Sampling: patches lie where the protocol says, and depend on the random generator alone."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from pnetkit.imaging.intensity import Intensity
from pnetkit.training.sampling import (
    MixedPatches,
    Sampling,
    TrainingCase,
    draw_batch,
    foreground_indices,
    load_case,
    with_patches,
)

SAMPLING = Sampling((8, 8, 8), 4, 0.5, 0.5, "uniform")
IDENTITY = Intensity(-2000.0, 2000.0, 0.0, 1.0)


def case_with(labels, abnormal=True, case_id="P0"):
    foreground, lesion = foreground_indices(labels)
    hu = np.arange(labels.size, dtype=np.float32).reshape(labels.shape)[None] % 1999
    return TrainingCase(case_id, hu, labels, foreground, lesion, (IDENTITY,), abnormal)


def speck(shape, at, label=2):
    labels = np.zeros(shape, np.uint8)
    labels[at] = label
    return labels


def test_image_and_labels_are_cut_from_the_same_place():
    index = np.arange(10 * 11 * 12).reshape(10, 11, 12)  # fewer than 1999, so every HU names its voxel
    case = case_with((index % 4).astype(np.uint8))
    batch = draw_batch([case], SAMPLING, np.random.default_rng(0))
    assert batch.x.shape == (4, 1, 8, 8, 8)
    assert np.array_equal(batch.x[:, 0].astype(int) % 4, batch.y)
    assert (np.diff(batch.x[:, 0], axis=-1) == 1).all()


def test_lesion_patches_hold_the_lesion_wherever_it_lies():
    for at in [(0, 0, 0), (19, 20, 21), (10, 3, 15)]:
        case = case_with(speck((20, 21, 22), at))
        always = replace(SAMPLING, foreground_fraction=1.0, lesion_fraction=1.0)
        batch = draw_batch([case], always, np.random.default_rng(1))
        assert (batch.y == 2).any(axis=(1, 2, 3)).all()


def test_uniform_patches_reach_every_corner():
    case = case_with(np.zeros((16, 16, 16), np.uint8))
    batch = draw_batch([case], replace(SAMPLING, foreground_fraction=0.0, batch_size=300), np.random.default_rng(2))
    starts = batch.x[:, 0, 0, 0, 0]
    assert starts.min() == case.hu[0, 0, 0, 0]
    assert len(np.unique(starts)) > 200


def test_a_volume_smaller_than_the_patch_is_centered_in_air():
    case = case_with(np.ones((20, 20, 5), np.uint8))
    batch = draw_batch([case], SAMPLING, np.random.default_rng(0))
    assert (batch.x[:, 0, :, :, 0] == -2000).all()
    assert (batch.x[:, 0, :, :, 6:] == -2000).all()
    assert (batch.y[..., 1:6] == 1).all()
    assert (batch.y[..., 0] == 0).all()


def test_the_share_of_patches_on_foreground_is_the_one_asked_for():
    case = case_with(speck((60, 60, 60), (5, 5, 5), label=1))
    draws = replace(SAMPLING, batch_size=600, foreground_fraction=0.25)
    batch = draw_batch([case], draws, np.random.default_rng(3))
    share = (batch.y > 0).any(axis=(1, 2, 3)).mean()
    assert 0.2 < share < 0.32


def test_balanced_sampling_draws_normal_and_abnormal_cases_alike():
    labels = np.zeros((8, 8, 8), np.uint8)
    group = [case_with(labels, True, "abnormal"), *(case_with(labels, False, f"normal{i}") for i in range(9))]
    batch = draw_batch(group, replace(SAMPLING, batch_size=400, case_sampling="balanced"), np.random.default_rng(4))
    share = np.mean([name == "abnormal" for name in batch.case_ids])
    assert 0.42 < share < 0.58
    uniform = draw_batch(group, replace(SAMPLING, batch_size=400), np.random.default_rng(4))
    assert np.mean([name == "abnormal" for name in uniform.case_ids]) < 0.2


def test_a_case_of_unknown_diagnosis_is_balanced_against_neither_side_and_not_left_out():
    labels = np.zeros((8, 8, 8), np.uint8)
    diagnoses = [True, False, *[None] * 6]
    group = [case_with(labels, abnormal, f"{abnormal} {i}") for i, abnormal in enumerate(diagnoses)]
    batch = draw_batch(group, replace(SAMPLING, batch_size=800, case_sampling="balanced"), np.random.default_rng(4))
    drawn = Counter(name.split()[0] for name in batch.case_ids)
    assert drawn["True"] == pytest.approx(100, abs=35)  # an eighth each: 6 of 8 cases are unknown, the rest is shared
    assert drawn["False"] == pytest.approx(100, abs=35)
    assert drawn["None"] == pytest.approx(600, abs=50)


def test_the_same_generator_state_draws_the_same_batch(cases):
    one = draw_batch(cases, SAMPLING, np.random.default_rng([7, 5]))
    two = draw_batch(cases, SAMPLING, np.random.default_rng([7, 5]))
    other = draw_batch(cases, SAMPLING, np.random.default_rng([7, 6]))
    assert np.array_equal(one.x, two.x)
    assert not np.array_equal(one.x, other.x)


def test_prepared_cases_are_memory_mapped(tmp_path, cases):
    case = cases[0]
    for name, array in {
        "hu": case.hu,
        "labels": case.labels,
        "foreground": case.foreground,
        "lesion": case.lesion,
    }.items():
        np.save(tmp_path / f"{name}.npy", array)
    loaded = load_case(tmp_path, case_id="P0", intensities=case.intensities, abnormal=True)
    assert isinstance(loaded.hu, np.memmap)
    one = draw_batch([case], SAMPLING, np.random.default_rng(0))
    two = draw_batch([loaded], SAMPLING, np.random.default_rng(0))
    assert np.array_equal(one.x, two.x)
    assert np.array_equal(one.y, two.y)


@pytest.mark.parametrize("label", [1, 2, 3])
def test_foreground_is_the_pancreas_set_and_lesions_are_tumor_and_duct(label):
    foreground, lesion = foreground_indices(speck((3, 4, 5), (1, 2, 3), label))
    assert foreground.tolist() == [1 * 20 + 2 * 5 + 3]
    assert lesion.size == (label > 1)


@pytest.mark.slow
def test_some_steps_draw_larger_patches_and_no_more_voxels():
    case = case_with(np.ones((32, 32, 32), np.uint8))
    mixed = replace(SAMPLING, batch_size=16, mixed=(MixedPatches((16, 16, 16), 0.25), MixedPatches((32, 32, 32), 0.1)))
    rng = np.random.default_rng(5)
    seen = Counter(draw_batch([case], mixed, rng).y.shape for _ in range(1000))
    assert set(seen) == {(16, 8, 8, 8), (2, 16, 16, 16), (1, 32, 32, 32)}
    assert 200 < seen[2, 16, 16, 16] < 300
    assert 60 < seen[1, 32, 32, 32] < 140


def test_larger_patches_can_still_be_split_into_micro_batches():
    sampling = replace(SAMPLING, batch_size=8, accumulation=4)
    assert with_patches(sampling, (16, 16, 16)).batch_size == 4
    assert with_patches(sampling, (9, 9, 9)).batch_size == 4
    assert with_patches(sampling, (4, 4, 4)).batch_size == 64


def test_without_mixed_patches_the_same_batches_are_drawn_as_ever():
    case = case_with(speck((20, 21, 22), (10, 3, 15)))
    batch = draw_batch([case], SAMPLING, np.random.default_rng(0))
    assert batch.x[:, 0, 0, 0, 0].astype(int).tolist() == [843, 1861, 1775, 1313]
