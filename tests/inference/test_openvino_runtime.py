"""Networks that OpenVINO runs (extra openvino)."""

import sys
from importlib.util import find_spec

import pytest
import torch
from pnetkit_s4c.network import S4C

from pnetkit import extras
from pnetkit.errors import MissingExtraError
from pnetkit.inference.runtime import largest_batch, require_runtime, runnable

pytestmark = pytest.mark.skipif(find_spec("openvino") is None, reason="OpenVINO is not installed")


@pytest.fixture(scope="module")
def networks():
    torch.manual_seed(0)
    backbone = S4C(width=4)
    with torch.no_grad():
        for module in backbone.modules():  # statistics of a training, so that folding has something to fold
            if isinstance(module, torch.nn.BatchNorm3d):
                module.running_mean.uniform_(-0.5, 0.5)
                module.running_var.uniform_(0.5, 2)
    backbone.eval()
    how = {"device": "cpu", "precision": "fp32", "window": (16, 16, 32)}
    return backbone, runnable(backbone, runtime="openvino", **how)


@pytest.mark.slow
@pytest.mark.parametrize("batch", [1, 3])
def test_logits_are_torchs_up_to_rounding_and_repeat(networks, batch):
    backbone, quick = networks
    x = torch.randn(batch, 1, 16, 16, 32).to(memory_format=torch.channels_last_3d)
    with torch.inference_mode():
        wanted, first, again = backbone(x).logits, quick(x).logits, quick(x).logits
    assert torch.equal(first, again)
    torch.testing.assert_close(first, wanted, rtol=1e-3, atol=1e-4)
    assert quick.spec is backbone.spec


@pytest.mark.slow
@pytest.mark.usefixtures("networks")
def test_nothing_of_its_telemetry_is_imported():
    assert "openvino" in sys.modules
    found = [name for name, module in sys.modules.items() if "openvino_telemetry" in name and module is not None]
    assert found == []


def test_where_it_is_not_installed_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "openvino" else object())
    with pytest.raises(MissingExtraError, match=r"needs openvino.*pnetkit\[openvino\]"):
        require_runtime("openvino")


def test_runtimes_that_compile_for_a_size_run_one_window_at_once():
    assert [largest_batch(runtime, 8) for runtime in ("torch", "compiled", "openvino")] == [8, 1, 1]
