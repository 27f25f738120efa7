"""Costs: memory that a stage took itself, whatever its worker had done before."""

import sys

import numpy as np
import pytest

from pnetkit.pipeline.outcome import costs as module
from pnetkit.pipeline.outcome.costs import costs, largest_own_peak_mib
from pnetkit.pipeline.plan.graph import Graph
from pnetkit.process_memory import give_back_freed_memory, peak_memory_mib, restart_peak_memory
from pnetkit.recipe.models import Recipe
from pnetkit.store.store import Store


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a peak begin anew")
def test_a_peak_that_began_anew_is_that_of_what_came_after():
    large = np.ones(300 * 2**17)  # 300 MiB
    held = peak_memory_mib()
    del large
    give_back_freed_memory()
    assert restart_peak_memory()
    assert peak_memory_mib() < held - 250
    again = np.ones(100 * 2**17)
    assert peak_memory_mib() < held - 150
    assert again.all()


def test_a_peak_that_earlier_work_of_the_worker_made_is_not_the_stages():
    earlier = {"peak_before_mib": 2462.0, "peak_mib": 2462.0}
    own = [{"peak_before_mib": 400.0, "peak_mib": 507.04}, {"peak_before_mib": 300.0, "peak_mib": 480.0}]
    assert largest_own_peak_mib([earlier, *own]) == 507.0
    assert largest_own_peak_mib([earlier]) is None
    assert largest_own_peak_mib([{"peak_mib": 512.0}, {"peak_mib": None}, {}]) == 512.0


def test_a_network_whose_multiply_adds_cannot_be_counted_ends_nothing_and_is_said(tmp_path, monkeypatch):
    def broken(*_):
        raise NotImplementedError("no kernel on meta")

    monkeypatch.setattr(module, "counted_multiply_adds", broken)
    parts = {"backbone": {"plugin": "acme"}, "classifier": {"plugin": "voxel-count"}, "fusion": {"plugin": "or"}}
    recipe = Recipe.model_validate({"name": "r", **parts})
    found = costs(recipe, Graph((), {}, {}, parts, 5, False), Store(tmp_path))
    assert found["multiply_adds"] is None
    assert found["multiply_adds_fault"] == "NotImplementedError: no kernel on meta"
