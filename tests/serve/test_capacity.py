"""How much runs at once: one study on a GPU, one a core on processors, as memory goes."""

import pytest

from pnetkit.serve import capacity as module
from pnetkit.serve.capacity import EACH_BYTES, Capacity, capacity


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch):
    monkeypatch.setattr(module, "usable_processors", lambda: 8)
    monkeypatch.setattr(module, "_memory_bytes", lambda: 100 * EACH_BYTES)


def test_a_study_has_a_core_of_its_own_as_far_as_memory_goes():
    assert capacity("cpu") == Capacity("cpu", 8, 1, None)
    assert capacity("cpu", ram_bytes=4 * EACH_BYTES) == Capacity("cpu", 4, 2, EACH_BYTES)
    assert capacity("cpu", ram_bytes=EACH_BYTES // 2) == Capacity("cpu", 1, 8, EACH_BYTES // 2)


def test_what_is_asked_for_is_done():
    assert capacity("cpu", at_once=3, ram_bytes=9 * 10**9) == Capacity("cpu", 3, 2, 3 * 10**9)


def test_a_gpu_has_one_study(monkeypatch):
    monkeypatch.setattr(module, "choose_device", lambda _asked: "cuda:0")
    assert capacity("auto") == Capacity("cuda:0", 1, 8, None)
