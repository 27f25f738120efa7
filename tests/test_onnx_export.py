"""What the export of ONNX says where torch cannot write a network."""

import pytest
import torch

from pnetkit.errors import ModelError
from pnetkit.onnx_export import onnx_of
from tests.testing.broken_backbones import Sound


def test_an_export_that_fails_says_what_it_failed_on_and_not_which_step_of_torchs_it_was(monkeypatch):
    def export(*_, **__):
        cause = ValueError("\x1b[31mno rule for this operator\x1b[0m\n\nand where")
        raise RuntimeError("\x1b[96mThis is step 1/3\x1b[0m of exporting the model") from cause

    monkeypatch.setattr(torch.onnx, "export", export)
    with pytest.raises(ModelError) as caught:
        onnx_of("fold_0.onnx", Sound(), (2, 2, 2), {})
    assert str(caught.value) == "fold_0.onnx: cannot be written as ONNX (ValueError: no rule for this operator)."
