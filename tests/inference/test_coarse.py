"""Coarse-to-fine: inside the region the labels are those of the exhaustive search, to the bit."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

from pnetkit.inference.coarse import EMPTY, SPREAD, Coarse, candidate_region, near_lesions
from pnetkit.inference.search import Settings
from pnetkit.inference.segment import segment
from pnetkit.interfaces import BackboneOutput
from pnetkit.types import BackboneSpec, Grid

COARSE = Coarse((8, 8, 8), margin_voxels=3, candidate_fraction=0.1, largest_share=0.6)


class Blurred(nn.Module):
    """Looks at a neighborhood, with zero padding: its answer depends on where the window lies."""

    def __init__(self):
        super().__init__()
        self.spec = BackboneSpec(1, 4, (1, 1, 1))
        self.conv = nn.Conv3d(1, 1, 5, padding=2, bias=False)
        nn.init.constant_(self.conv.weight, 1 / 125)
        self.windows = 0

    def forward(self, x):
        y = self.conv(x)
        return BackboneOutput(torch.cat([0 * y + 0.3, y, y - 0.2 + (y > 0.8), 0 * y], dim=1))


def scene(shape=(40, 36, 32)):
    x = np.zeros(shape, np.float32)
    x[18:27, 16:24, 12:20] = 1
    return x[None] + np.random.default_rng(0).normal(0, 0.05, (1, *shape)).astype(np.float32)


def settings(**changes):
    base = {"window": (8, 8, 8), "stride": (3, 3, 3), "batch_size": 4, "fill": 0.0, "device": "cpu"}
    return Settings(**(base | {"precision": "fp32"} | changes))


def run(x, body=None, **changes):
    return segment(Blurred().eval(), x, Grid(x.shape[1:], np.eye(4)), settings(**changes), body=body)


@cache
def in_scene(**changes):
    """The search of the scene as it is: several tests compare with the same ones, and none changes them."""
    return run(scene(), **changes)


def test_the_region_gets_the_labels_of_the_exhaustive_search():
    full, fine = in_scene(), in_scene(coarse=COARSE)
    assert (full.segmentation.labels > 0).sum() > 300
    assert np.array_equal(fine.segmentation.labels, full.segmentation.labels)
    assert fine.fallback == ""
    assert (fine.windows, fine.coarse_windows) < (full.windows, full.windows)
    assert full.coarse_windows == 0
    seen = fine.segmentation.voters > 0
    assert np.array_equal(
        fine.segmentation.votes[full.segmentation.labels > 0], full.segmentation.votes[full.segmentation.labels > 0]
    )
    assert not seen.all()


def test_an_empty_coarse_pass_searches_the_whole_body_and_says_so():
    x = np.zeros((1, 24, 24, 24), np.float32)
    found = run(x, coarse=COARSE)
    assert found.fallback == EMPTY
    assert found.windows == run(x).windows


def test_a_region_that_is_too_large_is_given_up_and_that_is_said():
    x = scene() * 0 + 1
    found = run(x, coarse=COARSE)
    assert found.fallback == SPREAD
    assert np.array_equal(found.segmentation.labels, run(x).segmentation.labels)


def test_candidates_are_the_components_that_are_large_beside_the_largest():
    labels = np.zeros((30, 10, 10), np.uint8)
    labels[2:6, 2:6, 2:6] = 1  # 64 voxels
    labels[14:16, 2:5, 2:3] = 2  # 6 voxels: less than a tenth
    labels[24:26, 2:4, 2:4] = 3  # 8 voxels
    region = candidate_region(labels, Coarse((8, 8, 8), margin_voxels=1, candidate_fraction=0.1, largest_share=1))
    expected = np.zeros(labels.shape, bool)
    expected[1:7, 1:7, 1:7] = expected[23:27, 1:5, 1:5] = True
    assert np.array_equal(region, expected)
    assert candidate_region(np.zeros((4, 4, 4), np.uint8), COARSE) is None


def body(shape):
    mask = np.zeros(shape, bool)
    mask[10:33, 9:30, 6:26] = True
    return mask


@pytest.mark.slow
@pytest.mark.parametrize("combine", ["vote", "mean-softmax"])
def test_skipping_windows_without_body_changes_no_label_inside_it(combine):
    x = scene()
    mask = body(x.shape[1:])
    plain, masked = in_scene(combine=combine), run(x, mask, combine=combine)
    assert masked.windows < plain.windows
    expected = np.where(mask, plain.segmentation.labels, 0)
    assert np.array_equal(masked.segmentation.labels, expected)
    assert (expected > 0).any()


def test_a_grid_over_the_bodys_box_runs_fewer_windows_and_answers_on_the_whole_grid():
    x = scene()
    mask = body(x.shape[1:])
    masked, boxed = run(x, mask), run(x, mask, body_box=True)
    assert boxed.windows < masked.windows
    assert boxed.segmentation.labels.shape == x.shape[1:]
    assert not boxed.segmentation.labels[~mask].any()
    assert (boxed.segmentation.labels == masked.segmentation.labels).mean() > 0.98


def test_a_box_smaller_than_a_window_is_widened_with_real_tissue():
    x = scene()
    mask = np.zeros(x.shape[1:], bool)
    mask[20:23, 18:20, 31:] = True
    found = run(x, mask, body_box=True)
    assert found.windows == 1
    assert not found.segmentation.labels[~mask].any()


@pytest.mark.slow
def test_a_batch_that_does_not_fit_is_run_in_smaller_ones_and_not_tried_again():
    sizes = []

    class Small(Blurred):
        def forward(self, x):
            sizes.append(len(x))
            if len(x) > 2:
                raise torch.OutOfMemoryError("too large")
            return super().forward(x)

    x = scene()
    found = segment(Small(), x, Grid(x.shape[1:], np.eye(4)), settings(batch_size=7))
    assert np.array_equal(found.segmentation.labels, in_scene().segmentation.labels)
    assert [size for size in sizes if size > 2] == [7, 3]


def test_memory_that_is_too_small_for_one_window_is_an_error():
    class Never(Blurred):
        def forward(self, x):
            raise torch.OutOfMemoryError(f"too large: {tuple(x.shape)}")

    with pytest.raises(torch.OutOfMemoryError):
        segment(Never(), scene(), Grid((40, 36, 32), np.eye(4)), settings())


def test_the_region_follows_a_slanted_candidate_instead_of_its_box():
    labels = np.zeros((40, 40, 8), np.uint8)
    for i in range(36):
        labels[i, i, 4] = 1
    region = candidate_region(labels, Coarse((8, 8, 8), margin_voxels=2, candidate_fraction=0.1, largest_share=1))
    for x, y, z in np.ndindex(labels.shape):
        near = any(abs(x - i) <= 2 and abs(y - i) <= 2 for i in range(36)) and abs(z - 4) <= 2
        assert region[x, y, z] == near


def test_an_inset_runs_fewer_windows_and_leaves_every_voxel_of_the_region_a_vote():
    fine = in_scene(coarse=COARSE)
    fewer = in_scene(coarse=replace(COARSE, inset_voxels=2))
    assert fewer.windows < fine.windows
    assert np.array_equal(fewer.region, fine.region)
    assert (fewer.segmentation.voters[fewer.region] > 0).all()
    assert (fewer.segmentation.voters <= fine.segmentation.voters).all()
    assert (fewer.segmentation.labels != fine.segmentation.labels).mean() < 0.01


@pytest.mark.parametrize("changes", [{}, {"coarse": replace(COARSE, largest_share=0.01)}])
def test_there_is_no_region_where_everything_was_searched(changes):
    assert in_scene(**changes).region is None


def test_the_region_of_a_body_in_its_box_lies_on_the_whole_grid():
    x = scene()
    found = run(x, body(x.shape[1:]), body_box=True, coarse=replace(COARSE, largest_share=1.0))
    assert found.region.shape == x.shape[1:]
    assert found.region[found.segmentation.labels > 0].all()


WITH_LESIONS = replace(COARSE, region_stride=(6, 6, 6), lesion_margin_voxels=3)


def test_near_lesions_the_labels_are_those_of_the_full_grid_and_elsewhere_those_of_the_regions_own_stride():
    dense, sparse = in_scene(coarse=COARSE), in_scene(coarse=COARSE, stride=(6, 6, 6))
    found = in_scene(coarse=WITH_LESIONS)
    near = near_lesions(sparse.segmentation.labels, WITH_LESIONS) & found.region
    assert near.any()
    assert not near[found.region].all()
    for name in ("labels", "votes", "voters"):
        one, other = (getattr(result.segmentation, name) for result in (dense, sparse))
        assert np.array_equal(getattr(found.segmentation, name), np.where(near, one, other))
    assert not np.array_equal(dense.segmentation.labels, sparse.segmentation.labels)


def test_a_stride_of_the_regions_own_runs_fewer_windows():
    x = scene()
    x[:, 18:24] *= 0.75  # half of it is no lesion
    assert run(x, coarse=WITH_LESIONS).windows < run(x, coarse=COARSE).windows


def test_without_a_lesion_the_region_is_searched_at_its_own_stride_alone():
    x = scene() * 0.6
    found = run(x, coarse=WITH_LESIONS)
    assert set(np.unique(found.segmentation.labels)) == {0, 1}
    assert found.windows == run(x, coarse=COARSE, stride=(6, 6, 6)).windows


def test_probabilities_may_be_averaged_in_both_passes():
    found = in_scene(coarse=WITH_LESIONS, combine="mean-softmax")
    assert found.segmentation.votes is None
    assert np.array_equal(found.segmentation.labels > 1, in_scene(combine="mean-softmax").segmentation.labels > 1)


def test_near_a_lesion_is_a_margin_around_tumor_and_duct_and_not_around_pancreas():
    labels = np.zeros((20, 9, 9), np.uint8)
    labels[2, 4, 4], labels[9, 4, 4], labels[16, 4, 4] = 1, 2, 3
    near = near_lesions(labels, replace(COARSE, lesion_margin_voxels=2))
    expected = np.zeros(labels.shape, bool)
    expected[7:12, 2:7, 2:7] = expected[14:19, 2:7, 2:7] = True
    assert np.array_equal(near, expected)
    assert near_lesions(np.ones((3, 3, 3), np.uint8), COARSE) is None


@pytest.mark.parametrize("coarse", [COARSE, WITH_LESIONS])
def test_the_region_ends_with_the_body_and_what_lies_beyond_is_background(coarse):
    x = scene()
    mask = np.zeros(x.shape[1:], bool)
    mask[:23] = True  # its surface cuts the organ, which a network sees on both sides of it
    exhaustive, found = run(x, mask), run(x, mask, coarse=coarse)
    assert found.region.any()
    assert not found.region[~mask].any()
    for name in ("labels", "votes", "voters"):
        assert not getattr(found.segmentation, name)[~mask].any(), name
    assert np.array_equal(found.segmentation.labels, exhaustive.segmentation.labels)


ON_A_CHESSBOARD = replace(COARSE, chessboard=True)


def test_a_chessboard_finds_the_region_with_fewer_windows():
    every, dealt = in_scene(coarse=COARSE), in_scene(coarse=ON_A_CHESSBOARD)
    assert dealt.coarse_windows < 0.75 * every.coarse_windows
    assert np.array_equal(dealt.segmentation.labels, every.segmentation.labels)
    assert dealt.fallback == ""


def test_an_organ_that_lies_in_a_window_of_the_other_color_alone_is_found_with_all_windows():
    x = scene() * 0
    x[:, 9:14, 1:6, 1:6] = 1  # in the second window along x, which is a white one
    every, dealt = run(x, coarse=COARSE), run(x, coarse=ON_A_CHESSBOARD)
    assert dealt.coarse_windows == every.coarse_windows
    assert dealt.fallback == every.fallback == ""
    assert np.array_equal(dealt.segmentation.labels, every.segmentation.labels)
    assert dealt.segmentation.labels.any()


def test_an_organ_that_goes_on_in_windows_of_the_other_color_is_followed():
    x = np.zeros((1, 48, 16, 16), np.float32)
    x[:, 4:44, 4:12, 4:12] = 1
    region = run(x, coarse=replace(ON_A_CHESSBOARD, largest_share=1.0, margin_voxels=1)).region
    assert region[4:44, 4:12, 4:12].all()
