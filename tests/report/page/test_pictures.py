"""Tests of pnetkit.report.page.pictures."""

import gzip
import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from pnetkit.report.page import pictures
from pnetkit.report.page.pictures import Crop, as_seen, chosen_position_mm, packed, still, thinning, windowed
from pnetkit.types import DUCT, PANCREAS, TUMOR


def crop(shape=(4, 3, 5), *, found=(), truth=(), spacing=(1.0, 2.0, 3.0), lowest=10.0, hu=0.0):
    volumes = []
    for marks in (found, truth):
        labels = np.zeros(shape, dtype=np.uint8)
        for place, value in marks:
            labels[place] = value
        volumes.append(labels)
    return Crop(np.full(shape, hu, dtype=np.float32), *volumes, spacing, lowest)


def test_the_patients_right_is_on_the_left_and_the_front_at_the_top():
    volume = np.zeros((4, 3))
    volume[3, 2] = 1  # most to the right of the patient, most to the front
    seen = as_seen(volume)
    assert seen.shape == (3, 4)
    assert seen[0, 0] == 1


def test_the_window_is_black_at_its_lower_end_and_white_at_its_upper():
    assert windowed(np.array([-500, -100, 70, 240, 900]), (-100.0, 240.0)).tolist() == [0, 0, 128, 255, 255]


def test_a_still_is_a_picture_of_its_voxels_with_outlines_of_what_is_found_and_what_is_true():
    found, truth = [((3, 2, 1), TUMOR)], [((3, 2, 1), PANCREAS)]
    shown = still(crop(found=found, truth=truth, hu=240.0), 1)
    image = Image.open(io.BytesIO(shown.webp)).convert("L")
    assert (image.size, (shown.width, shown.height), shown.position_mm) == ((4, 3), (4, 3), 13.0)
    assert np.asarray(image).min() > 245
    assert {(of.structure, of.who, of.path) for of in shown.outlines} == {
        ("pancreas", "reference", "M0 0h1v1h-1z"),
        ("pancreas", "prediction", "M0 0h1v1h-1z"),  # with what is in it
        ("tumor", "prediction", "M0 0h1v1h-1z"),
    }


def test_a_still_and_its_slices_are_seen_in_the_window_that_was_kept():
    of = replace(crop(hu=100.0), window_hu=(0.0, 100.0))
    assert np.asarray(Image.open(io.BytesIO(still(of, 1).webp)).convert("L")).min() > 245
    assert packed(of, 1).window_hu == (0.0, 100.0)


def test_a_packed_volume_holds_levels_of_four_hu_and_both_labels_in_the_order_of_pictures():
    of = crop(found=[((3, 2, 4), DUCT)], truth=[((3, 2, 4), TUMOR)], hu=-512.0)
    of.hu[3, 2, 4] = 40.0
    volume = packed(of, 2)
    data = np.frombuffer(gzip.decompress(volume.packed), dtype=np.uint8).reshape(2, 5, 3, 4)
    assert (volume.slices, volume.height, volume.width, volume.first) == (5, 3, 4, 2)
    assert (data[0, 4, 0, 0], data[1, 4, 0, 0]) == ((40 + 512) / 4, DUCT + 4 * TUMOR)
    assert data.sum() == data[:, 4, 0, 0].sum()


def test_a_large_volume_is_thinned_out_slices_first_and_the_chosen_slice_stays(monkeypatch):
    monkeypatch.setattr(pictures, "MOST_VOXELS", 16)
    assert thinning((8, 8, 4), (1.0, 1.0, 9.0)) == (4, 4, 1)
    assert thinning((2, 2, 16), (1.0, 1.0, 0.5)) == (1, 1, 4)
    volume = packed(crop((2, 2, 16), spacing=(1.0, 1.0, 0.5)), 7)
    assert (volume.slices, volume.first, volume.lowest_mm, volume.step_mm) == (4, 1, 11.5, 2.0)
    assert volume.lowest_mm + volume.first * volume.step_mm == 10.0 + 7 * 0.5


def test_a_case_is_shown_where_both_phases_together_have_most_tumor():
    """One has 1 voxel at 10 mm and 2 at 13, the other 3 voxels at 10: there 4 voxels lie."""
    one = crop(found=[((0, 0, 0), TUMOR), ((0, 0, 1), TUMOR), ((1, 0, 1), TUMOR)])
    other = crop(truth=[((x, 0, 0), TUMOR) for x in range(3)])
    assert chosen_position_mm({"arterial": one, "venous": other}) == 10.0
    assert chosen_position_mm({"arterial": one}) == 13.0


@pytest.mark.parametrize(("value", "place"), [(DUCT, 22.0), (PANCREAS, 22.0)])
def test_without_tumor_a_case_is_shown_through_duct_or_pancreas(value, place):
    assert chosen_position_mm({"venous": crop(found=[((0, 0, 4), value)])}) == place


def test_without_any_label_no_place_is_chosen():
    assert chosen_position_mm({"venous": crop()}) is None
