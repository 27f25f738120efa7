"""Tests of pnetkit.cuda: nothing that only asks begins CUDA, and what is not there is said in words."""

import ast
from pathlib import Path

import pytest
import torch

from pnetkit import cuda
from pnetkit.errors import PnetkitError
from pnetkit.networks import best_precision, choose_device, has_tf32
from pnetkit.provenance import hardware
from tests.cuda_stand_in import CudaStandIn

ROOT = Path(__file__).parents[1]


@pytest.fixture
def stand_in(monkeypatch):
    return CudaStandIn().install(monkeypatch)


def test_what_only_asks_does_not_begin_cuda(stand_in):
    assert cuda.count() == 2
    assert choose_device("auto") == "cuda:0"
    assert choose_device("cuda:1") == "cuda:1"
    cuda.restart_peak("cuda:1")
    assert cuda.peak_mib("cuda:1") is None
    cuda.give_back_freed()
    assert cuda.names() == ["not used", "not used"]
    assert hardware("cpu")["gpus"] == ["not used", "not used"]
    assert not stand_in.begun


def test_what_uses_a_gpu_begins_it_and_takes_any_of_them(stand_in):
    assert cuda.limit_memory("cuda:1", 6_000_000_000) == 0.25
    assert cuda.limit_memory("cuda:1", 48_000_000_000) == 1.0
    cuda.restart_peak("cuda:1")
    assert cuda.peak_mib("cuda:1") == 3.0
    assert cuda.names() == ["Stand-in 0", "Stand-in 1"]
    assert stand_in.begun


def test_a_cpu_asks_nothing_of_cuda(stand_in):
    assert cuda.limit_memory("cpu", 1) is None
    assert cuda.peak_mib("cpu") is None
    cuda.restart_peak("cpu")
    assert stand_in.calls == []


def test_gpus_before_ampere_compute_in_fp32(monkeypatch):
    CudaStandIn(major=7).install(monkeypatch)
    assert best_precision("cuda:0") == "fp32"


@pytest.mark.usefixtures("stand_in")
def test_gpus_since_ampere_compute_in_bf16():
    assert best_precision("cuda:1") == "bf16"


def test_a_driver_without_its_gpu_is_said_in_words(monkeypatch):
    CudaStandIn(usable=False).install(monkeypatch)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    with pytest.raises(PnetkitError, match=r"The GPU cuda:0 cannot be used \(No CUDA GPUs are available\)\. Look at"):
        best_precision("cuda:0")
    assert cuda.described() == ("CUDA 13.0", "no GPU is usable: No CUDA GPUs are available")
    assert hardware("cuda:0")["gpus"] == ["not usable (No CUDA GPUs are available)"] * 2


@pytest.mark.usefixtures("stand_in")
def test_a_gpu_that_is_not_there_is_said_in_words():
    with pytest.raises(PnetkitError, match=r"The GPU cuda:5 cannot be used \(Invalid device id\)"):
        cuda.limit_memory("cuda:5", 1)


def in_tf32():
    return torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32


@pytest.fixture
def torch_s_own_tf32():
    """What torch begins with, whatever other tests in this process have asked it for."""
    convolutions, products = torch.backends.cudnn, torch.backends.cuda.matmul
    kept = in_tf32()
    convolutions.allow_tf32, products.allow_tf32 = True, False
    yield True, False
    convolutions.allow_tf32, products.allow_tf32 = kept


def test_single_precision_is_that_unless_tf32_is_asked_for_and_what_was_before_comes_back(stand_in, torch_s_own_tf32):
    assert torch_s_own_tf32 == (True, False)  # another network in its convolutions than on a CPU
    before = in_tf32()
    with cuda.single_precision(tf32=False):
        assert in_tf32() == (False, False)
        with cuda.single_precision(tf32=True):
            assert in_tf32() == (True, True)
        assert in_tf32() == (False, False)
    assert in_tf32() == before
    with pytest.raises(ZeroDivisionError), cuda.single_precision(tf32=False):
        raise ZeroDivisionError
    assert in_tf32() == before
    assert not stand_in.begun


@pytest.mark.usefixtures("stand_in")
def test_tf32_is_what_gpus_since_ampere_have(monkeypatch):
    assert has_tf32("cuda:1")
    assert not has_tf32("cpu")
    assert not has_tf32("mps")
    CudaStandIn(major=7).install(monkeypatch)
    assert not has_tf32("cuda:0")


def test_torch_s_cuda_and_its_backends_are_called_in_one_module_only():
    sources = [*(ROOT / "pnetkit").rglob("*.py"), *(ROOT / "plugins").glob("*/pnetkit_*/**/*.py")]
    assert len(sources) > 100
    callers = {
        path.relative_to(ROOT).as_posix()
        for path in sources
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in CUDAS
    }
    assert callers == {"pnetkit/cuda.py"}


CUDAS = {"torch.cuda", "torch.backends.cuda", "torch.backends.cudnn"}
