"""Time the component rule against the naive SciPy version, at 512 x 512 x 320, and hold both to the same answer.

The naive version labels the whole volume and takes a distance transform of the whole volume. Memory is the peak of a
process of its own for each, above what it held with its input.
"""

import multiprocessing
import time
from collections.abc import Callable

import click
import numpy as np
from numpy.typing import NDArray
from pnetkit_rules.components import keep_components
from scipy import ndimage

from tests.benchmarks.peak import high_water_mib

Mask = NDArray[np.bool_]
GAP, FRACTION = 27.0, 0.2


def naive(mask: Mask) -> Mask:
    components, count = ndimage.label(mask, np.ones((3, 3, 3)))
    if count == 0:
        return np.zeros_like(mask)
    sizes = np.bincount(components.reshape(-1), minlength=count + 1)
    sizes[0] = 0
    largest = int(sizes.argmax())
    distance = ndimage.distance_transform_edt(components != largest)
    nearest = ndimage.minimum(distance, components, np.arange(count + 1))
    keep = (sizes > FRACTION * sizes[largest]) | (nearest < GAP)
    keep[0] = False
    return keep[components]


def fast(mask: Mask) -> Mask:
    return keep_components(mask, minimum_fraction=FRACTION, gap=GAP)


def scene(shape: tuple[int, int, int], *, specks: int, seed: int = 0) -> Mask:
    """A pancreas-like tube, some larger pieces, and many specks anywhere."""
    rng = np.random.default_rng(seed)
    mask = np.zeros(shape, dtype=bool)
    n = np.array(shape)

    def ball(center: NDArray[np.float64], radius: float) -> None:
        low, high = np.maximum(center - radius, 0).astype(int), np.minimum(center + radius + 1, n).astype(int)
        grid = np.ogrid[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
        inside = sum((g - c) ** 2 for g, c in zip(grid, center, strict=True)) <= radius**2
        mask[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] |= inside

    for t in np.linspace(0, 1, 60):
        ball(n * [0.4 + 0.25 * t, 0.5 + 0.05 * np.sin(6 * t), 0.45 + 0.1 * t], 0.03 * n.min())
    for _ in range(5):
        ball(n * rng.uniform(0.2, 0.8, 3), rng.uniform(0.01, 0.03) * n.min())
    places = (n * rng.random((specks, 3))).astype(int)
    mask[tuple(places.T)] = True
    return mask


def _peak(
    run: Callable[[Mask], Mask], shape: tuple[int, int, int], specks: int, answer: "multiprocessing.Queue[float]"
) -> None:
    mask = scene(shape, specks=specks)
    run(scene((32, 32, 32), specks=3))  # what a first call allocates once does not count
    before = high_water_mib()
    run(mask)
    answer.put(high_water_mib() - before)


def peak_mib(run: Callable[[Mask], Mask], shape: tuple[int, int, int], specks: int) -> float:
    context = multiprocessing.get_context("spawn")
    answer: multiprocessing.Queue[float] = context.Queue()
    process = context.Process(target=_peak, args=(run, shape, specks, answer))
    process.start()
    found = answer.get()
    process.join()
    return found


@click.command()
@click.option("--shape", nargs=3, type=int, default=(512, 512, 320), show_default=True)
@click.option("--repeats", default=3, show_default=True)
@click.option("--masks", default=300, show_default=True, help="Small random masks on which both have to agree.")
def main(shape: tuple[int, int, int], repeats: int, masks: int) -> None:
    rng = np.random.default_rng(0)
    for i in range(masks):
        small = ndimage.gaussian_filter(rng.standard_normal((48, 40, 36)), rng.uniform(0.5, 3))
        mask = small > np.quantile(small, rng.uniform(0.8, 0.999))
        if not np.array_equal(naive(mask), fast(mask)):
            raise SystemExit(f"The rule and the naive version differ on random mask {i}.")
    click.echo(f"{masks} random masks: identical")
    for name, specks in (("few", 0), ("many", 17000)):
        mask = scene(shape, specks=specks)
        pairs = []
        for _ in range(repeats):
            times, answers = [], []
            for run in (naive, fast):
                started = time.perf_counter()
                answers.append(run(mask))
                times.append(time.perf_counter() - started)
            if not np.array_equal(*answers):
                raise SystemExit(f"The rule and the naive version differ on '{name}'.")
            pairs.append(times)
        slow, quick = np.median(pairs, axis=0)
        peaks = [peak_mib(run, shape, specks) for run in (naive, fast)]
        count = ndimage.label(mask, np.ones((3, 3, 3)))[1]
        click.echo(
            f"{name} ({count} components): naive {slow:.2f} s, +{peaks[0]:.0f} MiB; "
            f"rule {quick:.3f} s, +{peaks[1]:.0f} MiB; {slow / quick:.0f} x"
        )


if __name__ == "__main__":
    main()
