"""Labels of voxels that may be of several classes: what they are made of, and back."""

import numpy as np
import pytest

from pnetkit.label_sets import IGNORED, any_of, in_file, merged, not_annotated, on_other_grid

FILE = np.array([[[0, 1, 2, 3]]], dtype=np.uint8)


def test_one_class_is_its_label_and_all_of_them_say_nothing():
    assert [any_of([value]) for value in range(4)] == [0, 1, 2, 3]
    assert any_of([0, 2, 3]) == 240 + 1 + 4 + 8
    assert any_of(range(4)) == IGNORED == 255


@pytest.mark.parametrize(
    ("annotated", "background", "pancreas"),
    [
        (("pancreas", "tumor", "duct"), [0], [1]),
        (("pancreas", "tumor"), [0, 3], [1, 3]),
        (("pancreas",), [0, 2, 3], [1, 2, 3]),
        (("tumor", "duct"), [0, 1], [1]),
    ],
)
def test_what_is_not_annotated_may_be_in_the_background_and_tumor_and_duct_in_the_pancreas(
    annotated, background, pancreas
):
    assert merged(FILE, annotated).ravel().tolist() == [any_of(background), any_of(pancreas), 2, 3]
    assert (in_file(merged(FILE, annotated)) == FILE).all()


def test_labels_of_all_classes_are_the_same_array():
    assert merged(FILE, None) is FILE
    assert in_file(FILE) is FILE
    assert not_annotated(None) == ()


def test_what_is_ignored_is_background_in_no_class_and_stays_ignored():
    labels = np.array([0, 1, IGNORED], dtype=np.uint8)
    assert in_file(labels).tolist() == [0, 1, 0]
    assert merged(labels, ("pancreas",))[2] == IGNORED


def test_what_is_ignored_is_moved_onto_another_grid_by_itself():
    labels = np.array([0, 1, 2, IGNORED, 0, IGNORED], dtype=np.uint8)
    seen = []

    def every_other(of):
        seen.append(set(of.tolist()))
        return of[1::2]

    assert on_other_grid(labels, every_other).tolist() == [1, IGNORED, IGNORED]
    assert seen == [{0, 1, 2}, {0, 1}]
    known = labels[:3]
    assert on_other_grid(known, lambda of: of) is known
