"""Steps of S4C's training in a second, and of the network alone, in one process: what drawing, copies and waiting cost.

The network alone does forward, backward and the optimizer's step on one batch that lies on the device, channels last,
in the same number of parts; it draws nothing, copies nothing and looks at no loss, so no loop can pass it.
`--processes` also times the training shared by so many processes, by the clock, and holds its weights to those of one.
On a CPU the first two are by this process's own processor time, so that other work beside them does not count.
"""

import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import numpy as np
import torch
from pnetkit_s4c.network import S4C

from pnetkit import cuda
from pnetkit.networks import autocast, best_precision, build_seeded
from pnetkit.process_memory import keep_freed_memory
from pnetkit.training.group import Helpers
from pnetkit.training.loop import train
from pnetkit.training.loss import deep_supervision_loss
from pnetkit.training.plan import TrainingPlan
from pnetkit.training.sampling import Sampling, TrainingCase, draw_batch, load_case
from pnetkit.training.step import ready_to_train
from pnetkit.types import Triple
from tests.benchmarks.model import training_cases
from tests.benchmarks.plans import paper_plan

WARM_UP = 10
"""Steps before the clock starts: until then the loop has not reported."""


def network(width: int) -> Any:
    return build_seeded(lambda: S4C(width=width), 0)


def opened(folder: Path, intensities: list[Any], width: int) -> tuple[Any, list[TrainingCase]]:
    return network(width), [
        load_case(folder / str(i), case_id=str(i), intensities=of, abnormal=bool(i % 2))
        for i, of in enumerate(intensities)
    ]


def now(device: str) -> float:
    """Give the time by which a single process is measured."""
    synchronize(device)
    return time.perf_counter() if cuda.is_gpu(device) else time.process_time()


def synchronize(device: str) -> None:
    if cuda.is_gpu(device):
        torch.cuda.synchronize(device)


def alone(cases: list[TrainingCase], plan: TrainingPlan, device: str, steps: int, width: int) -> float:
    """Give the steps in a second of the network on a batch that is there."""
    made = network(width)
    ready_to_train(made, device)
    optimizer = torch.optim.SGD(made.parameters(), lr=plan.learning_rate, momentum=0.9, weight_decay=5e-4)
    batch = draw_batch(cases, plan.sampling, np.random.default_rng(0))
    x = torch.from_numpy(batch.x).to(device).chunk(plan.accumulation)
    y = torch.from_numpy(batch.y).to(device).long().chunk(plan.accumulation)
    started = 0.0
    with cuda.single_precision(tf32=plan.precision == "tf32"):
        for step in range(WARM_UP + steps):
            if step == WARM_UP:
                started = now(device)
            optimizer.zero_grad(set_to_none=True)
            for patches, labels in zip(x, y, strict=True):
                with autocast(device, plan.precision):
                    loss = deep_supervision_loss(made(patches), labels, made.spec)
                (loss / plan.accumulation).backward()
            optimizer.step()
    return steps / (now(device) - started)


def trained(
    opening: Any, plan: TrainingPlan, devices: tuple[str, ...], steps: int
) -> tuple[float, float, dict[str, Any]]:
    """Give the steps of a training on these devices, one process on each, in a second of `now` and of the clock.

    Gives the weights too.
    """
    made, cases = opening()
    times: dict[int, tuple[float, float]] = {}
    with TemporaryDirectory() as folder:
        train(
            made,
            cases,
            replace(plan, iterations=WARM_UP + steps, checkpoint_every=10**9),
            seed=0,
            device=devices[0],
            checkpoint=Path(folder) / "checkpoint",
            report=lambda done, _: times.update({done: (now(devices[0]), time.perf_counter())}),
            maker={"plugin": "s4c"},
            helpers=Helpers(devices[1:], opening),
        )
    first, last = times[WARM_UP], times[WARM_UP + steps]
    return steps / (last[0] - first[0]), steps / (last[1] - first[1]), made.state_dict()


@click.command()
@click.option("--steps", default=20, show_default=True, help="Timed, after ten that warm up; a multiple of ten.")
@click.option("--batch", default=16, show_default=True)
@click.option("--parts", default=1, show_default=True, help="training.accumulation.")
@click.option("--patch", default=64, show_default=True)
@click.option("--width", default=32, show_default=True, help="Of S4C.")
@click.option("--shape", nargs=3, type=int, default=(192, 192, 96), show_default=True, help="Of the phantoms.")
@click.option("--cases", "count", default=4, show_default=True)
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda:0; of further processes cuda:1 and on.")
@click.option("--precision", type=click.Choice(["fp32", "tf32", "bf16", "fp16"]), help="[default: as auto chooses]")
@click.option("--augmentation", type=click.Choice(["paper", "strong"]), default="paper", show_default=True)
@click.option("--processes", multiple=True, type=int, help="Also train shared by so many.")
def main(
    *,
    steps: int,
    batch: int,
    parts: int,
    patch: int,
    width: int,
    shape: Triple,
    count: int,
    device: str,
    precision: Any,
    augmentation: Any,
    processes: tuple[int, ...],
) -> None:
    keep_freed_memory()
    torch.set_num_threads(1)
    plan = paper_plan(
        iterations=steps,
        sampling=Sampling((patch,) * 3, batch, 0.5, 0.5, "uniform", accumulation=parts),
        accumulation=parts,
        precision=precision or best_precision(device),
        checkpoint_every=1,
        augmentation=augmentation,
    )
    where = torch.cuda.get_device_name(device) if cuda.is_gpu(device) else "one thread"
    said = f"S4C of width {width}, {batch} patches of {patch}^3 in {parts} parts, {count} phantoms (synthetic) {shape}"
    click.echo(f"{said}, {plan.precision}, augmentation {augmentation}, {where}")
    with TemporaryDirectory() as name:
        cases = training_cases(Path(name), count, shape)
        opening = partial(opened, Path(name), [case.intensities for case in cases], width)
        most = alone(cases, plan, device, steps, width)
        click.echo(f"network alone: {most:.3f} steps a second")
        found, by_clock, weights = trained(opening, plan, (device,), steps)
        click.echo(f"training: {found:.3f} steps a second, {found / most:.0%} of the network alone")
        if processes:
            click.echo(f"1 process: {by_clock:.3f} steps a second by the clock")
        for number in processes:
            first = int(device.partition(":")[2] or 0)
            devices = tuple(f"cuda:{first + i}" if cuda.is_gpu(device) else device for i in range(number))
            _, by_clock, others = trained(opening, plan, devices, steps)
            same = all(torch.equal(value, others[key]) for key, value in weights.items())
            click.echo(
                f"{number} processes: {by_clock:.3f} steps a second, {'the same weights' if same else 'OTHER BITS'}"
            )


if __name__ == "__main__":
    main()
