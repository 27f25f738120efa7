"""Tests of pnetkit.transfer.checkpoints: tensors and numbers are loaded, and nothing that could run."""

import collections
import os
import zipfile

import numpy as np
import pytest
import torch

from pnetkit.errors import WeightsError
from pnetkit.transfer import checkpoints
from pnetkit.transfer.checkpoints import load_checkpoint


class Evil:
    """Runs a command when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_the_numbers_of_numpy_that_nnu_net_s_checkpoints_hold_are_read(tmp_path):
    state = collections.OrderedDict(a=torch.arange(3.0))
    content = {"network_weights": state, "_best_ema": np.float32(0.25), "logging": {"lrs": [np.float64(0.5), 1e-3]}}
    torch.save(content, tmp_path / "c.pth")
    found = load_checkpoint(tmp_path / "c.pth")
    assert found["_best_ema"] == 0.25
    assert found["logging"]["lrs"] == [0.5, 1e-3]
    assert torch.equal(found["network_weights"]["a"], torch.arange(3.0))


def test_numbers_as_numpy_1_named_their_type_are_read(tmp_path):
    torch.save({"loss": np.float32(0.25)}, tmp_path / "new.pth")
    with zipfile.ZipFile(tmp_path / "new.pth") as new, zipfile.ZipFile(tmp_path / "old.pth", "w") as old:
        for name in new.namelist():
            data = new.read(name)
            old.writestr(name, data.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    assert load_checkpoint(tmp_path / "old.pth") == {"loss": 0.25}


@pytest.mark.parametrize("zipped", [True, False])
def test_what_would_run_code_is_named_and_does_not_run(tmp_path, zipped):
    trap = tmp_path / "trap"
    torch.save({"a": torch.zeros(2), "b": Evil(trap)}, tmp_path / "c.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsError, match=r"c\.pth: holds posix\.mkdir, which is no tensor and could run code"):
        load_checkpoint(tmp_path / "c.pth")
    assert not trap.exists()


def test_a_whole_saved_module_is_refused_with_what_to_ask_for(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "c.pth")
    with pytest.raises(WeightsError, match=r"holds torch\.nn\.modules.*Ask its maker for the tensors alone"):
        load_checkpoint(tmp_path / "c.pth")


def test_a_view_that_claims_more_numbers_than_the_file_holds_is_refused(tmp_path):
    torch.save({"a": torch.zeros(1).expand(2**40)}, tmp_path / "c.pth")
    assert (tmp_path / "c.pth").stat().st_size < 10_000
    with pytest.raises(WeightsError, match="a claims more numbers than the file holds"):
        load_checkpoint(tmp_path / "c.pth")


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04" + bytes(40), b"\x80\x02."])
def test_what_is_no_checkpoint_is_said_to_be_none(tmp_path, content):
    (tmp_path / "c.pth").write_bytes(content)
    with pytest.raises(WeightsError, match=r"c\.pth: "):
        load_checkpoint(tmp_path / "c.pth")


def test_a_torch_whose_safe_loading_has_a_hole_reads_no_pickle(tmp_path, monkeypatch):
    torch.save({"a": torch.zeros(1)}, tmp_path / "c.pth")
    monkeypatch.setattr(checkpoints.torch, "__version__", "2.9.1")
    with pytest.raises(WeightsError, match=r"torch 2\.9\.1 is installed.*Install torch 2\.10 or later"):
        load_checkpoint(tmp_path / "c.pth")
