"""A request whose network's memory is given instead of measured, for tests of budgets; a machine without its GPUs."""

from pathlib import Path

import pytest

from pnetkit.pipeline.budget import fit as budget
from pnetkit.pipeline.budget.ram import NetworkMemory
from pnetkit.pipeline.engine.machine import Machine
from pnetkit.pipeline.plan.request import RunRequest
from pnetkit.recipe.check import load_recipe

S4C = Path(__file__).parents[2] / "recipes" / "s4c_dual.yaml"
NETWORK = NetworkMemory(300 * 2**20, 7_600_000, 3, 1600.0, 150 * 2**20)


@pytest.fixture
def request_for(monkeypatch, tmp_path):
    monkeypatch.setattr(budget, "network_memory", lambda _: NETWORK)
    monkeypatch.setattr(budget, "peak_memory_mib", lambda: 400.0)

    def make(*sets, **options):
        loaded = load_recipe(S4C, "demo", ["backbone.params.width=32", *sets])
        return RunRequest(loaded, None, tmp_path, None, **options)

    return make


def fit_budget(request, *, device):
    """Fit a request to a machine whose GPUs need not be there: `cpu`, or their names with commas."""
    gpus = () if device == "cpu" else tuple(device.split(","))
    machine = Machine(
        2 if request.workers is None else request.workers, gpus, request.gpu_workers, request.per_training
    )
    return budget.fit_budget(request, machine)
