"""Time bringing a CT of 512 x 512 x 320 to a spacing and its labels back, beside scipy's zoom and torch's interpolate.

Where voxels become smaller, all three are the same interpolation, and are held to the same answer. Memory is the peak
of a process of its own for each, above what it held with its input, in sizes of the result. torch gets two threads.
"""

import multiprocessing
import time
from collections.abc import Callable

import click
import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from pnetkit.imaging.spacing import grid_at, labels_on, resampled
from pnetkit.types import Grid
from tests.benchmarks.peak import forget_peak, high_water_mib

Volume = NDArray[np.float32]
SPACINGS = {"thinner slices": (0.75, 0.75, 0.8), "1 mm": (1.0, 1.0, 1.0), "1.5 mm": (1.5, 1.5, 1.5)}


def ours(volume: Volume, grid: Grid, target: Grid) -> Volume:
    return resampled(volume, grid, target)


def of_torch(volume: Volume, _grid: Grid, target: Grid) -> Volume:
    found = torch.nn.functional.interpolate(torch.from_numpy(volume)[None, None], size=target.shape, mode="trilinear")
    return found[0, 0].numpy()


def of_scipy(volume: Volume, grid: Grid, target: Grid) -> Volume:
    factors = [m / n for n, m in zip(grid.shape, target.shape, strict=True)]
    return ndimage.zoom(volume, factors, order=1, mode="nearest", grid_mode=True)


WAYS: dict[str, Callable[[Volume, Grid, Grid], Volume]] = {"pnetkit": ours, "torch": of_torch, "scipy": of_scipy}


def scene(shape: tuple[int, int, int]) -> tuple[Volume, NDArray[np.uint8], Grid]:
    rng = np.random.default_rng(0)
    volume = rng.integers(-1000, 1000, shape, dtype=np.int16).astype(np.float32)
    labels = np.zeros(shape, np.uint8)
    x, y, z = shape
    labels[x // 3 : x // 2, y // 3 : y // 2, z // 3 : z // 2] = 1
    labels[x // 3 : x // 3 + x // 20, y // 3 : y // 3 + y // 20, z // 3 : z // 3 + z // 20] = 2
    return volume, labels, Grid(shape, np.diag([0.75, 0.75, 1.0, 1.0]))


def measure(way: str, shape: tuple[int, int, int], spacing: tuple[float, float, float], into: object) -> None:
    torch.set_num_threads(2)
    volume, _, grid = scene(shape)
    target = grid_at(grid, spacing)
    WAYS[way](volume[:16, :16, :16].copy(), Grid((16, 16, 16), grid.affine), Grid((8, 8, 8), grid.affine))
    forget_peak()
    before = high_water_mib()
    started, used = time.perf_counter(), time.process_time()
    found = WAYS[way](volume, grid, target)
    into.put(
        (
            time.perf_counter() - started,
            time.process_time() - used,
            (high_water_mib() - before) * 2**20 / found.nbytes,
            found[::7, ::7, ::7],
        )
    )


@click.command()
@click.option("--shape", nargs=3, type=int, default=(512, 512, 320))
@click.option("--peers/--no-peers", default=True, help="Run torch and scipy too.")
def main(shape: tuple[int, int, int], peers: bool) -> None:
    context = multiprocessing.get_context("spawn")
    for name, spacing in SPACINGS.items():
        answers = {}
        for way in WAYS if peers else ["pnetkit"]:
            queue = context.Queue()
            process = context.Process(target=measure, args=(way, shape, spacing, queue))
            process.start()
            seconds, used, sizes, answers[way] = queue.get()
            process.join()
            click.echo(f"{name}: {way} {seconds:.2f} s ({used:.2f} s of a core), peak {sizes:.2f} results")
        if peers and name == "thinner slices":
            apart = max(float(np.abs(answers["pnetkit"] - answers[way]).max()) for way in ("torch", "scipy"))
            click.echo(f"{name}: largest difference {apart:.2g} HU")
    _, labels, grid = scene(shape)
    target = grid_at(grid, SPACINGS["1.5 mm"])
    started = time.perf_counter()
    there = labels_on(labels, grid, target)
    middle = time.perf_counter()
    back = labels_on(there, target, grid)
    apart = int((back != labels).sum())
    click.echo(f"labels to 1.5 mm {middle - started:.2f} s, back {time.perf_counter() - middle:.2f} s; {apart} differ")


if __name__ == "__main__":
    main()
