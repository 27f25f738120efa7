"""Tests of pnetkit.store.node: what is in a key, and what is not; what a result is of, in words."""

from dataclasses import replace
from pathlib import Path

import pytest

from pnetkit.store.node import File, Node, Ref, Subject, key_of
from tests.nodes import AnySpec

SPEC = AnySpec(
    "segment",
    3,
    identity={"inference": {"stride": [20, 20, 20]}},
    inputs={"train": Ref("train", "aa")},
    files={"image": File(Path("/here/a.nii.gz"), "bb")},
)


@pytest.mark.parametrize(
    "change",
    [
        {"stage": "classify"},
        {"version": 4},
        {"identity": {"inference": {"stride": [20, 20, 10]}}},
        {"inputs": {"train": Ref("train", "ab")}},
        {"files": {"image": File(Path("/here/a.nii.gz"), "bc")}},
        {"files": {"label": File(Path("/here/a.nii.gz"), "bb")}},
    ],
)
def test_what_decides_a_result_is_in_its_key(change):
    assert key_of(replace(SPEC, **change)) != key_of(SPEC)


def test_subjects_weights_and_paths_are_not():
    key = Node(SPEC, Subject("venous", "P1")).key
    assert Node(SPEC, Subject("arterial", "P2"), weight=7).key == key
    assert key_of(replace(SPEC, files={"image": File(Path("/b"), "bb")})) == key


def test_keys_are_those_of_earlier_releases():
    """Raise the version of a stage to have its results made anew; this recipe for keys stays."""
    assert key_of(SPEC) == "52a7603ac09578d8bf983d0e9681405845bc04a3023c6babc81e78335125510e"


@pytest.mark.parametrize(
    ("subject", "words"),
    [
        (Subject("venous", "P1"), "P1 venous"),
        (Subject("venous", folds=(2,)), "venous fold 2"),
        (Subject("venous", folds=(1, 2)), "venous folds 1 and 2"),
        (Subject("venous", "P1", (2,)), "P1 venous for training fold 2"),
    ],
)
def test_a_subject_is_said_in_words(subject, words):
    assert subject.label == words
