"""What runs on a GPU: the same labels as on the CPU, memory that is kept to, a run from phantoms to decisions."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from pnetkit_s4c.network import S4C

from pnetkit.acceleration import accelerated
from pnetkit.evaluation.overlap import dice
from pnetkit.imaging.intensity import Intensity
from pnetkit.inference.coarse import Coarse
from pnetkit.inference.predictors import probability_predictor
from pnetkit.inference.search import Settings
from pnetkit.inference.segment import segment
from pnetkit.networks import best_precision, build_seeded, choose_device
from pnetkit.training.group import Helpers
from pnetkit.training.loop import train
from pnetkit.training.plan import TrainingPlan, Watch
from pnetkit.training.sampling import Sampling, TrainingCase, foreground_indices
from pnetkit.training.voxel_loss import VoxelLoss
from pnetkit.types import Grid
from tests.shared_training import TwoNorms, opened

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

DEVICE = "cuda:0"
SHAPE = (72, 64, 56)
EXACT = Settings((32, 32, 32), (12, 12, 12), 4, -1.5, DEVICE, "fp32")
MAKER = {"plugin": "s4c", "distribution": "pnetkit-s4c", "version": "0", "source": "-"}


def plan(**changes):
    settings = {
        "iterations": 60, "sampling": Sampling((32, 32, 32), 4, 0.8, 0.5, "uniform"), "rotations": "all-planes",
        "flips": True, "learning_rate": 0.05, "poly_power": 0.9, "momentum": 0.9, "weight_decay": 5e-4,
        "nesterov": False, "accumulation": 1, "gradient_clip": None, "class_weights": (1.0, 4.0, 8.0, 8.0),
        "precision": "fp32", "checkpoint_every": 20,
    }  # fmt: skip
    return TrainingPlan(**(settings | changes))


@pytest.fixture(scope="module")
def case():
    """Bright balls of three kinds in noise: something that a network learns within seconds."""
    x, y, z = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    labels = np.zeros(SHAPE, np.uint8)
    for label, center, radius in ((1, (30, 30, 28), 14), (2, (26, 28, 26), 6), (3, (38, 32, 30), 5)):
        squares = [(axis - middle) ** 2 for axis, middle in zip((x, y, z), center, strict=True)]
        labels[sum(squares) < radius**2] = label
    hu = (labels * 60 + np.random.default_rng(0).normal(0, 15, SHAPE)).astype(np.int16)
    foreground, lesion = foreground_indices(labels)
    return TrainingCase("P", hu[None], labels, foreground, lesion, (Intensity(-100.0, 240.0, 60.0, 60.0),), True)


def trained_on_the_gpu(case, folder, **changes):
    network = build_seeded(lambda: S4C(width=8), 0)
    losses = train(
        network, [case], plan(**changes), seed=0, device=DEVICE, checkpoint=folder / "c.safetensors",
        report=lambda *_: None, maker=MAKER,
    ).losses  # fmt: skip
    return network, losses


@pytest.fixture(scope="module")
def network(case, tmp_path_factory):
    return trained_on_the_gpu(case, tmp_path_factory.mktemp("trained"))[0].cpu().eval()


def labels_of(network, case, settings):
    volume = case.intensities[0].apply(case.hu[0])[None]
    used = accelerated(network, device=settings.device, precision=settings.precision)
    return segment(used, volume, Grid(SHAPE, np.eye(4)), settings).segmentation.labels


def agreement(labels, others):
    """The lowest Dice of the three labels; one that neither has agrees."""
    found = [dice(labels == label, others == label) for label in (1, 2, 3)]
    return min(1.0 if value is None else value for value in found)


def test_auto_is_the_first_gpu_in_bf16_where_it_computes_in_that():
    assert choose_device("auto") == DEVICE
    assert (best_precision(DEVICE) == "bf16") == torch.cuda.is_bf16_supported(including_emulation=False)


def test_fp32_on_a_gpu_is_nearer_to_the_cpu_than_tf32_is(network):
    x = np.random.default_rng(0).normal(size=(2, 1, 32, 32, 32)).astype(np.float32)
    on_cpu = probability_predictor(accelerated(network, device="cpu", precision="fp32"), device="cpu", precision="fp32")
    exact, far = on_cpu(x), {}
    for precision in ("fp32", "tf32"):
        quick = accelerated(network, device=DEVICE, precision=precision)
        found = probability_predictor(quick, device=DEVICE, precision=precision)(x)
        far[precision] = float(np.abs(np.asarray(found) - np.asarray(exact)).max())
    assert far["fp32"] < 1e-5 < far["tf32"]


@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16", "fp16"])
def test_a_network_learns_on_a_gpu(case, tmp_path, precision):
    _, losses = trained_on_the_gpu(case, tmp_path, precision=precision)
    assert losses[-1] < 0.7 * losses[0]


def test_a_training_on_a_gpu_goes_on_from_its_checkpoint(case, tmp_path):
    class KilledError(Exception):
        pass

    def kill(iteration, _):
        if iteration == 30:
            raise KilledError

    fresh = build_seeded(lambda: S4C(width=8), 0)
    how = {"seed": 0, "device": DEVICE, "checkpoint": tmp_path / "c.safetensors", "maker": MAKER}
    with pytest.raises(KilledError):
        train(fresh, [case], plan(), **how, report=kill)
    done = []
    again = build_seeded(lambda: S4C(width=8), 1)
    trained = train(again, [case], plan(), **how, report=lambda iteration, _: done.append(iteration))
    assert done == [30, 40, 50, 60]
    assert len(trained.losses) == 6
    assert trained.losses[-1] < trained.losses[0]


MODERN = {
    "optimizer": "adamw", "learning_rate": 0.003, "weight_decay": 0.01, "schedule": "cosine", "warmup_iterations": 6,
    "decay": "weights", "loss": VoxelLoss("dice-cross-entropy"), "average_decay": 0.9, "gradient_clip": 12.0,
    "watch": Watch(patches=4, every=30),
}  # fmt: skip


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_adamw_dice_an_average_and_what_is_held_back_learn_on_a_gpu_in_each_precision(case, tmp_path, precision):
    chosen, seen = plan(**MODERN, precision=precision), []
    network = build_seeded(lambda: S4C(width=8), 0)
    trained = train(
        network, [case], chosen, seed=0, device=DEVICE, checkpoint=tmp_path / "c", report=lambda *_: None, maker=MAKER,
        held_back=[replace(case, id="H")], seen=seen.append,
    )  # fmt: skip
    assert trained.losses[-1] < 0.8 * trained.losses[0]
    assert [of.iteration for of in trained.watched] == [30, 60]
    assert seen[-1].dice["pancreas"] > 0.5
    assert seen[-1].loss < seen[0].loss


def test_groups_that_are_computed_again_leave_a_gpu_more_memory_and_the_loss_as_it_is(case, tmp_path):
    torch.zeros(1, device=DEVICE)  # begins CUDA: before that, nothing can be asked of its memory
    peaks, losses = [], []
    for again in (False, True):
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(DEVICE)
        trained_losses = trained_on_the_gpu(
            case, tmp_path / str(again), gradient_checkpointing=again, iterations=10,
            sampling=Sampling((48, 48, 48), 8, 0.8, 0.5, "uniform"),
        )[1]  # fmt: skip
        peaks.append(torch.cuda.max_memory_allocated(DEVICE))
        losses.append(trained_losses)
    assert peaks[1] < 0.85 * peaks[0]
    assert losses[1] == pytest.approx(losses[0], rel=0.02)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_a_training_shared_by_two_gpus_learns_what_one_learns(tmp_path):
    opening, found = partial(opened, TwoNorms, 0.0), []
    shared = {"sampling": Sampling((8, 8, 8), 4, 0.8, 0.5, "uniform", accumulation=2), "accumulation": 2}
    for number, devices in enumerate([(), ("cuda:1",)]):
        network, cases = opening()
        trained = train(
            network, cases, plan(**shared), seed=0, device=DEVICE, checkpoint=tmp_path / str(number),
            report=lambda *_: None, maker=MAKER, helpers=Helpers(devices, opening),
        )  # fmt: skip
        found.append((trained.losses, network.first_norm.running_var.cpu()))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-3)
    assert torch.allclose(found[0][1], found[1][1], rtol=1e-3)


def test_labels_on_a_gpu_are_those_on_the_cpu(network, case):
    here = labels_of(network, case, replace(EXACT, device="cpu"))
    assert agreement(here, case.labels) > 0.5  # or there were nothing to compare
    allowed = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        assert (labels_of(network, case, EXACT) != here).mean() < 1e-4
    finally:
        torch.backends.cudnn.allow_tf32 = allowed
    assert agreement(labels_of(network, case, EXACT), here) > 0.995  # tf32, torch's default for convolutions
    for precision in ("bf16", "fp16"):
        assert agreement(labels_of(network, case, replace(EXACT, precision=precision)), here) > 0.98, precision


def test_a_coarse_search_and_means_of_probabilities_run_on_a_gpu(network, case):
    coarse = Coarse((32, 32, 32), 8, 0.1, 1.0)
    mean = replace(EXACT, combine="mean-softmax")
    weighed = replace(mean, window_weights="gaussian", test_time="mirror")
    for settings in (replace(EXACT, coarse=coarse), mean, weighed):
        here = labels_of(network, case, replace(settings, device="cpu"))
        assert agreement(labels_of(network, case, settings), here) > 0.995


def test_a_batch_that_the_memory_does_not_hold_is_run_in_parts(network, case):
    settings = replace(EXACT, batch_size=512, stride=(4, 4, 4))
    small = labels_of(network, case, replace(settings, batch_size=4))
    torch.cuda.empty_cache()
    free = torch.cuda.get_device_properties(DEVICE).total_memory
    torch.cuda.set_per_process_memory_fraction(1.5e9 / free, DEVICE)
    try:
        torch.cuda.reset_peak_memory_stats()
        found = labels_of(network, case, settings)
        assert torch.cuda.max_memory_allocated() < 1.5e9
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, DEVICE)
    assert agreement(found, small) > 0.995


def test_a_run_on_a_gpu_gives_its_tables_and_keeps_to_its_share_of_the_memory(tiny):
    result = tiny(device=DEVICE, workers=2, vram_bytes=4_000_000_000)
    record = json.loads((result.folder / "run.json").read_text())
    assert record["device"] == DEVICE
    assert record["memory"]["exceeded"] == []
    held, allowed = record["memory"]["gpu_measured_mib"], record["memory"]["gpu_allowed_mib"]
    assert {"train", "segment"} <= held.keys()
    assert 0 < max(held.values()) <= allowed
    assert len((result.folder / "cases.csv").read_text().splitlines()) == 5
