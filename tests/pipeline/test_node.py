"""Tests of pnetkit.pipeline.node: what is in a key, and what is not."""

from dataclasses import replace
from pathlib import Path

import pytest

from pnetkit.pipeline.node import Node, digest

NODE = Node(
    "segment",
    "P1 venous",
    identity={"inference": {"stride": [20, 20, 20]}},
    inputs={"train": "aa"},
    files={"image": (Path("/here/a.nii.gz"), "bb")},
    given={"batch_size": 4},
)


@pytest.mark.parametrize(
    "change",
    [
        {"stage": "classify"},
        {"identity": {"inference": {"stride": [20, 20, 10]}}},
        {"inputs": {"train": "ab"}},
        {"files": {"image": (Path("/here/a.nii.gz"), "bc")}},
        {"files": {"label": (Path("/here/a.nii.gz"), "bb")}},
    ],
)
def test_what_decides_a_result_is_in_its_key(change):
    assert replace(NODE, **change).key != NODE.key


@pytest.mark.parametrize(
    "change", [{"label": "P2"}, {"given": {"batch_size": 9}}, {"weight": 7}, {"files": {"image": (Path("/b"), "bb")}}]
)
def test_names_paths_and_batch_sizes_are_not(change):
    assert replace(NODE, **change).key == NODE.key


def test_a_digest_does_not_depend_on_the_order_of_keys_and_refuses_nan():
    assert digest({"a": 1, "b": [2.5, None]}) == digest({"b": [2.5, None], "a": 1})
    with pytest.raises(ValueError, match="JSON compliant"):
        digest({"a": float("nan")})
