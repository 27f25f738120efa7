"""Tests of pnetkit.pipeline.budget.ram: what is predicted before a run."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from pnetkit.cohort.phantom import PhantomSpec, write_cohort
from pnetkit.errors import RecipeError
from pnetkit.interfaces import BackboneOutput
from pnetkit.method.parts import take_apart
from pnetkit.networks import window_bytes
from pnetkit.pipeline.budget.ram import (
    CohortSize,
    NetworkMemory,
    cohort_size,
    network_memory,
    predict_memory,
    training_bytes,
)
from pnetkit.pipeline.budget.spacings import finest_spacing, shape_of_ct
from pnetkit.recipe.check import load_recipe
from pnetkit.types import BackboneSpec, Grid

S4C = Path(__file__).parents[3] / "recipes" / "s4c_dual.yaml"
CT = CohortSize((512, 512, 320), 100 * 512 * 512 * 320)
NETWORK = NetworkMemory(300 * 2**20, 7_600_000, 3, 1600.0, 150 * 2**20)


def peaks(*sets, size=CT, adopted=False):
    recipe = load_recipe(S4C, None, sets).recipe
    return {stage.stage: stage.bytes for stage in predict_memory(recipe, size, NETWORK, adopted=adopted)}


class Chain(nn.Module):
    """Three activations of 8, 2 and 4 channels, of which two at a time are alive."""

    def __init__(self):
        super().__init__()
        self.spec = BackboneSpec(1, 4, (1, 1, 1))
        self.layers = nn.Sequential(nn.Conv3d(1, 8, 1), nn.Conv3d(8, 2, 1), nn.Conv3d(2, 4, 1))

    def forward(self, x):
        return BackboneOutput(self.layers(x))


def test_a_window_s_bytes_are_those_of_the_activations_alive_at_once():
    with torch.device("meta"):
        network = Chain()
    assert window_bytes(network.eval(), 1, (8, 8, 8)) == (8 + 2) * 4 * 8**3


def test_the_largest_scan_is_found_from_headers_and_unreadable_files_are_left_to_the_check(tmp_path):
    table = write_cohort(tmp_path, PhantomSpec(cases=3, seed=1, shape=(32, 32, 24), difficulty=0))
    recipe = load_recipe(S4C).recipe
    size = cohort_size(recipe, table)
    assert size == CohortSize((32, 32, 27), 3 * 32 * 32 * 27)
    for path in tmp_path.rglob("P001*arterial*"):
        path.write_bytes(b"no image")
    assert cohort_size(recipe, table).shape == (32, 32, 27)


def test_phantoms_have_the_recipe_s_shape_and_more_arterial_slices():
    recipe = load_recipe(S4C, "demo").recipe
    assert cohort_size(recipe, None) == CohortSize((96, 96, 72), 32 * 96 * 96 * 72, phantoms=True)


def test_more_parts_of_a_batch_take_less_memory_and_nothing_else_changes():
    whole, parts = peaks(), peaks("training.accumulation=8")
    assert parts["train"] < whole["train"] / 3
    assert {k: v for k, v in parts.items() if k != "train"} == {k: v for k, v in whole.items() if k != "train"}


def test_every_window_more_at_once_takes_a_window_s_activations_more():
    one, four = peaks("inference.batch_size=1"), peaks("inference.batch_size=4")
    assert 3 * NETWORK.window_bytes <= four["segment"] - one["segment"] <= 3 * NETWORK.window_bytes * 1.5


def test_averaged_probabilities_and_kept_votes_take_more_than_votes():
    plain = peaks()["segment"]
    votes, mean = peaks("inference.keep_votes=true"), peaks("inference.combine=mean-softmax")
    assert plain < votes["segment"] < mean["segment"]
    assert mean["segment"] - plain > 4 * 8 * math.prod(CT.shape)


def test_mirrored_views_and_weights_take_what_they_hold():
    mean = peaks("inference.combine=mean-softmax", "inference.batch_size=2")["segment"]
    sets = ["inference.combine=mean-softmax", "inference.batch_size=2"]
    weighed = peaks(*sets, "inference.window_weights=gaussian")["segment"]
    mirrored = peaks(*sets, "inference.test_time=mirror")["segment"]
    assert 64**3 * 8 * 5 <= weighed - mean <= 64**3 * 8 * 5 * 1.2
    assert 64**3 * 2 * 4 * 4 * 3 <= mirrored - mean <= 64**3 * 2 * 4 * 4 * 3 * 1.2


def test_strong_augmentation_reads_more_than_a_patch_at_once():
    more = peaks("training.augmentation=strong")["train"] - peaks()["train"]
    ahead = 7 * 16 * 5  # bytes for a voxel of a patch: seven further batches are drawn meanwhile
    assert (24 * 17 + ahead) * 64**3 <= more <= (24 * 17 + ahead) * 64**3 * 1.2
    assert peaks("training.augmentation=none") == peaks()


def test_scans_are_counted_as_networks_see_them_and_as_they_are(tmp_path):
    table = write_cohort(tmp_path, PhantomSpec(cases=3, seed=1, shape=(32, 32, 24), difficulty=0))  # 7.5 x 7.5 x 8 mm
    recipe = load_recipe(S4C, None, ["preprocess.spacing_mm=[3.75, 7.5, 16]"]).recipe
    arterial, venous = (64, 32, 11), (64, 32, 12)  # of 180.5 and 192 mm
    size = cohort_size(recipe, table)
    assert (size.shape, size.own_shape) == (venous, (32, 32, 27))
    assert size.labeled_voxels == 3 * max(math.prod(arterial), math.prod(venous))
    demo = load_recipe(S4C, "demo", ["preprocess.spacing_mm=5"]).recipe
    assert cohort_size(demo, None).shape == (48, 48, 43)  # of 96 x 96 x 72 voxels of 2.5 x 2.5 x 3 mm, at the most


def test_a_median_is_counted_as_the_finest_that_leaving_a_fold_out_can_leave():
    recipe = load_recipe(S4C, None, ["preprocess.spacing_mm=median", "cohort.folds=4"]).recipe
    grids = [Grid((10, 10, 10), np.diag([edge, 1.0, 2.0, 1.0])) for edge in (0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3)]
    assert finest_spacing(recipe, {"venous": grids, "arterial": []}) == {"venous": (0.8, 1.0, 2.0), "arterial": None}
    assert finest_spacing(load_recipe(S4C).recipe, {"venous": grids}) == {"venous": None}


def test_resampled_scans_take_the_voxels_of_both_grids():
    plain = peaks()
    coarse = peaks("preprocess.spacing_mm=1.5", size=CohortSize((256, 256, 213), 0, own_shape=CT.shape))
    fine = peaks("preprocess.spacing_mm=0.5", size=CohortSize((768, 768, 640), 0, own_shape=CT.shape))
    assert coarse["segment"] < plain["segment"] < fine["segment"]
    assert coarse["segment"] > 16 * math.prod(CT.shape)  # it is read as it is
    assert fine["prepare"] > 24 * 768 * 768 * 640 > plain["prepare"]
    assert fine["check"] == plain["check"]
    assert fine["postprocess"] > plain["postprocess"]


def test_what_decides_on_the_scan_s_own_grid_is_counted_and_twice_where_there_are_two_for_a_while():
    def segment(*sets):
        size = CohortSize((256, 256, 213), 0, own_shape=CT.shape)
        return peaks("preprocess.spacing_mm=1.5", *sets, size=size)["segment"]

    softmax, logits = (f"inference.combine=mean-{name}" for name in ("softmax", "logits"))
    voxels = 1.1 * 256 * 256 * 213
    assert segment(logits) - segment(softmax) == pytest.approx(8 * voxels, rel=1e-6)  # the weights of the windows
    assert segment(logits, "inference.body=box") - segment(logits) == pytest.approx(32 * voxels, rel=1e-6)
    again = ["inference.search=coarse-to-fine", "inference.coarse.region_stride=32"]
    assert segment(*again) - segment() == pytest.approx(4 * voxels, rel=1e-6)  # votes of a byte


def test_a_training_of_no_steps_takes_the_network_alone():
    sets = ["training.iterations=0", "training.start_from.weights=theirs"]
    recipe = load_recipe(S4C, None, sets).recipe
    whole = peaks()["train"]
    alone = training_bytes(recipe, take_apart(load_recipe(S4C).recipe, {}), CT, NETWORK)
    assert 4 * 4 * NETWORK.parameters <= alone < whole / 5


def test_what_a_ct_is_to_a_network_follows_from_its_own_voxels():
    at_1_5 = load_recipe(S4C, None, ["preprocess.spacing_mm=1.5"]).recipe
    assert shape_of_ct(at_1_5, (512, 512, 320), (0.75, 0.75, 1.0)) == (256, 256, 213)
    assert shape_of_ct(load_recipe(S4C).recipe, (512, 512, 320), (0.75, 0.75, 1.0)) == (512, 512, 320)
    with pytest.raises(RecipeError, match="median of a cohort; give it as a number"):
        shape_of_ct(load_recipe(S4C, None, ["preprocess.spacing_mm=median"]).recipe, (9, 9, 9), (1.0, 1.0, 1.0))


def test_segmentations_made_elsewhere_need_no_network():
    assert {"train", "segment", "prepare"}.isdisjoint(peaks(adopted=True))
    assert "adopt" in peaks(adopted=True)


def test_a_large_cohort_takes_no_more_memory_than_the_cases_of_a_batch():
    hundred, ten_thousand = peaks(), peaks(size=replace(CT, labeled_voxels=CT.labeled_voxels * 100))
    assert hundred == ten_thousand


@pytest.mark.slow
def test_a_network_is_measured_in_a_process_of_its_own():
    recipe = load_recipe(S4C, "demo", ["backbone.params.width=2"]).recipe
    found = network_memory(recipe)
    assert found.parameters > 0
    assert found.outputs == 3
    assert 100 * 2**20 < found.bare_bytes < 2**30
    assert found.kept_bytes_per_voxel == pytest.approx(408 / 4, rel=0.3)
