"""What the tests of all plugins of this repository share."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.one_registry import one_registry

__all__ = ["one_registry"]


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Let what is written as ONNX here be written with one list of what torch can write."""
    for item in items:  # of all tests that are run, those elsewhere too
        if isinstance(item, pytest.Function) and Path(__file__).parent in item.path.parents and "onnx" in item.name:
            item.fixturenames.append("one_registry")
