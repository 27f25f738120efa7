"""The kit runs a network as inference does, and spares slow processors."""

from pnetkit.testing import backbone_checks, backbone_inference
from tests.testing.broken_backbones import FloatInside, Sound, Views
from tests.testing.outcomes import one


def of_inference(plugin):
    return one(backbone_checks(plugin), "inference").result()


def test_a_processor_that_only_emulates_bf16_is_asked_for_small_networks_and_spared_large_ones(monkeypatch):
    monkeypatch.setattr(
        backbone_inference, "is_emulated", lambda device, precision: (device, precision) == ("cpu", "bf16")
    )
    assert of_inference(Sound).outcome == "passed"
    assert of_inference(FloatInside).outcome == "failed"
    monkeypatch.setattr(backbone_inference, "MOST_EMULATED", 10)
    found = of_inference(FloatInside)
    assert found.outcome == "skipped"
    assert "choose a narrower network" in found.reason


def test_a_network_that_takes_an_order_in_memory_for_granted_is_told_what_to_do():
    assert "reshape instead of viewing" in of_inference(Views).reason
