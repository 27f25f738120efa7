"""Train the network that the benchmarks share: S4C at the paper's width, on phantoms of 1.25 x 1.25 x 1.5 mm.

`--shape 512 512 320` makes the phantoms as fine as a CT, for the benchmark of a whole case.
"""

import time
from dataclasses import asdict
from pathlib import Path

import click
import numpy as np
import torch
from pnetkit_s4c.network import S4C
from safetensors.torch import load_file

from pnetkit.cohort.phantom.generate import PhantomScan, PhantomSpec, phantom_case
from pnetkit.imaging.intensity import Intensity, fit_intensity
from pnetkit.interfaces import Backbone
from pnetkit.networks import build_seeded
from pnetkit.pipeline.allocator import keep_freed_memory
from pnetkit.training.checkpoint import write_weights
from pnetkit.training.loop import TrainingPlan, train
from pnetkit.training.sampling import Sampling, TrainingCase, foreground_indices
from pnetkit.types import Triple

SHAPE = (192, 192, 128)
WEIGHTS = "weights.safetensors"


def scan(seed: int, index: int, shape: Triple = SHAPE) -> PhantomScan:
    return phantom_case(PhantomSpec(seed=seed, shape=shape, difficulty=0.2), index).scans["venous"]


def intensity(hu: np.ndarray) -> Intensity:
    return fit_intensity(hu.astype(np.float32), window_hu=(-100.0, 240.0), normalization="z-score")


def load(folder: Path) -> Backbone:
    network = S4C()
    network.load_state_dict(load_file(folder / WEIGHTS))
    return network.eval()


def training_case(index: int, shape: Triple) -> TrainingCase:
    found = scan(7, index, shape)
    foreground, lesion = foreground_indices(found.labels)
    return TrainingCase(
        str(index), found.hu[None], found.labels, foreground, lesion, (intensity(found.hu),), bool(index % 2)
    )


@click.command()
@click.option("--out", type=click.Path(path_type=Path), required=True)
@click.option("--iterations", default=500, show_default=True)
@click.option("--shape", nargs=3, type=int, default=SHAPE, show_default=True)
def main(out: Path, iterations: int, shape: Triple) -> None:
    keep_freed_memory()
    out.mkdir(parents=True, exist_ok=True)
    plan = TrainingPlan(
        iterations=iterations,
        sampling=Sampling((48, 48, 48), 2, 0.8, 0.6, "uniform"),
        rotations="none",
        flips=False,
        learning_rate=0.05,
        poly_power=0.9,
        momentum=0.9,
        weight_decay=5e-4,
        nesterov=False,
        accumulation=1,
        gradient_clip=None,
        class_weights=(1.0, 2.0, 8.0, 8.0),
        precision="bf16",
        checkpoint_every=100,
    )
    started = time.perf_counter()
    network = build_seeded(S4C, 0)
    network.to(torch.float32)
    losses = train(
        network,
        [training_case(i, shape) for i in range(6)],
        plan,
        seed=0,
        device="cpu",
        checkpoint=out / "checkpoint.safetensors",
        report=lambda done, loss: click.echo(f"{done} {loss:.3f} {time.perf_counter() - started:.0f} s"),
    )
    write_weights(out / WEIGHTS, network.state_dict())
    click.echo(f"loss {losses[0]:.2f} -> {losses[-1]:.2f}; {asdict(plan.sampling)}")


if __name__ == "__main__":
    main()
