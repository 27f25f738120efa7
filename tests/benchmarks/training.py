"""Time training steps of S4C: pnetkit's loop, and a plain torch loop around the same network fed by MONAI or nnU-Net.

All draw patches from the same phantoms. MONAI is given the foreground's indices and crops, clips, standardizes, turns
and flips as pnetkit does, in worker processes. nnU-Net's loader reads its own format, without augmentation, and with
its default one, which does much more. `network alone` steps on one batch that is there: in torch's default layout, in
which the plain loop trains, and channels last, in which pnetkit does. No loader can pass that.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import numpy as np
import torch
from monai import data, transforms
from pnetkit_s4c.network import S4C
from torch import Tensor

from pnetkit.networks import autocast, best_precision, build_seeded
from pnetkit.process_memory import keep_freed_memory
from pnetkit.training.loop import train
from pnetkit.training.loss import deep_supervision_loss
from pnetkit.training.plan import TrainingPlan
from pnetkit.training.sampling import Sampling, TrainingCase, draw_batch
from pnetkit.types import Triple
from tests.benchmarks.model import SHAPE, training_cases
from tests.benchmarks.nnunet import lacks_nnunet
from tests.benchmarks.nnunet_loader import nnunet_batches, write_for_nnunet
from tests.benchmarks.plans import paper_plan

WARM_UP = 10
Batches = Iterable[tuple[Tensor, Tensor]]
"""Patches (batch, 1, x, y, z) float32, and their labels (batch, x, y, z)."""


def monai_batches(cases: Sequence[TrainingCase], sampling: Sampling, count: int, workers: int) -> Batches:
    scaled = cases[0].intensities[0]
    low, high = ((hu - scaled.shift) / scaled.scale for hu in (scaled.low_hu, scaled.high_hu))
    both = ["image", "label"]
    compose = transforms.Compose(
        [
            transforms.RandCropByPosNegLabeld(
                both, "label", sampling.patch_size, pos=sampling.foreground_fraction,
                neg=1 - sampling.foreground_fraction, num_samples=1, fg_indices_key="fg", bg_indices_key="bg",
            ),
            transforms.ScaleIntensityRanged("image", scaled.low_hu, scaled.high_hu, low, high, clip=True),
            transforms.RandRotate90d(both, prob=0.75, max_k=3),
            *(transforms.RandFlipd(both, prob=0.5, spatial_axis=axis) for axis in range(3)),
        ]
    )  # fmt: skip
    held = [
        {
            "image": torch.from_numpy(np.array(case.hu, np.float32)),
            "label": torch.from_numpy(np.array(case.labels)[None]),
            "fg": np.array(case.foreground),
            "bg": np.flatnonzero(np.asarray(case.labels).reshape(-1) == 0),
        }
        for case in cases
    ]
    drawn = np.random.default_rng(0).integers(len(held), size=count * sampling.batch_size)
    items = data.Dataset([held[i] for i in drawn], transform=compose)
    loader = data.DataLoader(
        items, batch_size=sampling.batch_size, num_workers=workers, pin_memory=torch.cuda.is_available()
    )
    for batch in loader:
        yield batch["image"].as_tensor(), batch["label"].as_tensor()[:, 0]


def plain_steps(
    batches: Batches, plan: TrainingPlan, device: str, steps: int, layout: torch.memory_format = torch.contiguous_format
) -> float:
    """Give the steps in a second of a loop that anyone would write."""
    network: Any = build_seeded(S4C, 0)
    network.to(device).to(memory_format=layout).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=plan.learning_rate, momentum=plan.momentum, weight_decay=5e-4)
    started = 0.0
    for index, (x, y) in enumerate(batches):
        if index == WARM_UP:
            started = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        with autocast(device, plan.precision):
            output = network(x.to(device, non_blocking=True))
            labels = y.to(device, non_blocking=True).long()
            loss = deep_supervision_loss(output, labels, network.spec, class_weights=plan.class_weights)
        loss.backward()
        optimizer.step()
        float(loss.detach())  # every loop looks at its loss
        if index + 1 == WARM_UP + steps:
            return steps / (time.perf_counter() - started)
    raise SystemExit("The loader ended early.")


def pnetkit_steps(cases: Sequence[TrainingCase], plan: TrainingPlan, device: str, steps: int, folder: Path) -> float:
    """Give the steps in a second of the loop of a run."""
    times = {}
    train(
        build_seeded(S4C, 0),
        cases,
        replace(plan, iterations=WARM_UP + steps),
        seed=0,
        device=device,
        checkpoint=folder / "checkpoint.safetensors",
        report=lambda done, _: times.update({done: time.perf_counter()}),
        maker={"plugin": "s4c"},
    )
    return steps / (times[WARM_UP + steps] - times[WARM_UP])


def there(cases: Sequence[TrainingCase], sampling: Sampling) -> Iterator[tuple[Tensor, Tensor]]:
    batch = draw_batch(cases, sampling, np.random.default_rng(0))
    return cycle([(torch.from_numpy(batch.x), torch.from_numpy(batch.y))])


@click.command()
@click.option("--steps", default=20, show_default=True, help="Timed, after ten that warm up; a multiple of ten.")
@click.option("--batch", default=16, show_default=True)
@click.option("--patch", default=64, show_default=True)
@click.option("--shape", nargs=3, type=int, default=SHAPE, show_default=True, help="Of the phantoms.")
@click.option("--cases", "count", default=4, show_default=True)
@click.option("--device", default="cpu", show_default=True)
@click.option("--precision", type=click.Choice(["fp32", "bf16", "fp16"]), help="[default: as `auto` chooses]")
@click.option("--threads", default=2, show_default=True)
@click.option("--workers", default=1, show_default=True, help="Processes of the other loaders; pnetkit has one thread.")
@click.option("--only", multiple=True, help="Rows to run beside `network alone`; all by default.")
def main(
    *,
    steps: int,
    batch: int,
    patch: int,
    shape: Triple,
    count: int,
    device: str,
    precision: Any,
    threads: int,
    workers: int,
    only: tuple[str, ...],
) -> None:
    keep_freed_memory()
    torch.set_num_threads(threads)
    sampling = Sampling((patch,) * 3, batch, 0.5, 0.0, "uniform")
    plan = paper_plan(
        iterations=steps,
        sampling=sampling,
        rotations="axial",
        precision=precision or best_precision(device),
        checkpoint_every=steps + 2 * WARM_UP,
    )
    where = f"{threads} threads" if device == "cpu" else torch.cuda.get_device_name(device)
    click.echo(f"S4C, {batch} patches of {patch}^3 of {count} phantoms (synthetic) {shape}, {plan.precision}, {where}")
    total = WARM_UP + steps
    with TemporaryDirectory() as name:
        folder = Path(name)
        cases = training_cases(folder, count, shape)

        def of_monai() -> float:
            return plain_steps(monai_batches(cases, sampling, total, workers), plan, device, steps)

        def of_nnunet(*, transformed: bool) -> float:
            theirs = folder / "nnunet"
            if not theirs.exists():
                theirs.mkdir()
                for case in cases:
                    write_for_nnunet(theirs, case)
            batches = nnunet_batches(theirs, sampling, workers=workers, transformed=transformed)
            return plain_steps(batches, plan, device, steps)

        rows: dict[str, Callable[[], float]] = {
            "MONAI": of_monai,
            "nnU-Net, no augmentation": lambda: of_nnunet(transformed=False),
            "nnU-Net, its default transforms": lambda: of_nnunet(transformed=True),
            "pnetkit": lambda: pnetkit_steps(cases, plan, device, steps, folder),
        }
        if (missing := lacks_nnunet()) is not None:
            click.echo(f"{missing} (its rows are left out)")
            rows = {row: run for row, run in rows.items() if "nnU-Net" not in row}
        alone = plain_steps(there(cases, sampling), plan, device, steps)
        last = plain_steps(there(cases, sampling), plan, device, steps, torch.channels_last_3d)
        click.echo(f"network alone: {alone:.2f} steps a second; channels last {last:.2f}")
        for row, run in rows.items():
            if not only or row in only:
                found, most = run(), last if row == "pnetkit" else alone
                click.echo(f"{row}: {found:.2f} steps a second, {found / most:.0%} of the network alone")


if __name__ == "__main__":
    main()
