"""Tests of pnetkit.diagnosis."""

import pytest

from pnetkit.diagnosis import torch_problems


@pytest.mark.parametrize(
    ("version", "hurts"), [("2.9.0", True), ("2.9.1+cpu", True), ("2.8.0", False), ("2.13.0", False)]
)
def test_the_releases_with_slow_3d_convolutions_are_named(version, hurts):
    assert any("3-D convolutions" in problem for problem in torch_problems(version)) is hurts
