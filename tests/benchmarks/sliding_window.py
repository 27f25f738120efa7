"""Time the sliding window against MONAI's: same network, volume, windows and process.

Eager fp32 is what MONAI's users run; `plain` is our loop around that same network, over every window. The other rows
are pnetkit's settings. `exact` has to give, voxel for voxel, the labels of the plain loop over its own (folded) network
with everything outside the body set to background; that is checked here, not assumed.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from monai.inferers import SlidingWindowInferer
from numpy.typing import NDArray

from pnetkit.evaluation.overlap import dice
from pnetkit.imaging.body import body_mask
from pnetkit.imaging.nifti import read_scan
from pnetkit.inference.coarse import Coarse
from pnetkit.inference.predictors import label_predictor
from pnetkit.inference.runtime import Runtime, runnable
from pnetkit.inference.search import Settings
from pnetkit.inference.segment import segment
from pnetkit.inference.voting import vote
from pnetkit.interfaces import Backbone
from pnetkit.networks import is_emulated
from pnetkit.pipeline.allocator import keep_freed_memory
from pnetkit.types import Grid, Triple
from tests.benchmarks.model import SHAPE, intensity, load, scan

Labels = NDArray[np.uint8]
WINDOW = (64, 64, 64)
TILE = (128, 128, 128)
ONCE = ("folded, all windows",)
"""Rows whose labels are needed, and not the median of their times."""


@dataclass(frozen=True)
class Scene:
    """What every row gets: network, input, body; and the reference, where there is one."""

    network: Backbone
    volume: NDArray[np.float32]
    body: NDArray[np.bool_]
    air: float
    stride: int
    reference: Labels | None

    @property
    def grid(self) -> Grid:
        return Grid(self.volume.shape[1:], np.eye(4))


def make_scene(model: Path, ct: Path | None, stride: int, shape: Triple = SHAPE) -> Scene:
    if ct is None:
        found = scan(8, 1, shape)
        hu, reference = found.hu.astype(np.float32), found.labels
    else:
        hu, reference = read_scan(ct).hu, None
    transform = intensity(hu)
    return Scene(load(model), transform.apply(hu)[None], body_mask(hu), transform.air, stride, reference)


def monai(scene: Scene) -> tuple[Labels, int]:
    inferer = SlidingWindowInferer(WINDOW, sw_batch_size=1, overlap=1 - scene.stride / WINDOW[0], mode="constant")
    count = 0

    def logits(x: torch.Tensor) -> torch.Tensor:
        nonlocal count
        count += len(x)
        return scene.network(x).logits

    with torch.inference_mode():
        found = inferer(torch.from_numpy(scene.volume)[None], logits)
    return found[0].argmax(0).to(torch.uint8).numpy(), count


def plain(scene: Scene) -> tuple[Labels, int]:
    def predict(patches: NDArray[np.float32]) -> torch.Tensor:
        with torch.inference_mode():
            return scene.network(torch.from_numpy(patches)).logits.argmax(1).to(torch.uint8)

    stride = (scene.stride,) * 3
    found = vote([predict], scene.volume, num_classes=4, window=WINDOW, stride=stride, batch_size=1, fill=scene.air)
    return found.labels, found.windows


def ours(settings: Settings, *, body: bool = True, runtime: Runtime = "torch") -> Callable[[Scene], tuple[Labels, int]]:
    def run(scene: Scene) -> tuple[Labels, int]:
        used = replace(settings, fill=scene.air)
        started = time.perf_counter()
        how: dict[str, Any] = {"device": "cpu", "precision": settings.precision}
        network = runnable(scene.network, **how, runtime=runtime, window=settings.window)
        if runtime != "torch":
            label_predictor(network, **how)(scene.volume[None, :, :64, :64, :64])
            click.echo(f"  (writing and compiling took {time.perf_counter() - started:.0f} s of it)")
        found = segment(network, scene.volume, scene.grid, used, body=scene.body if body else None)
        if found.fallback:
            click.echo(f"  ({found.fallback})")
        return found.segmentation.labels, found.windows + found.coarse_windows

    return run


def rows(stride: int) -> dict[str, Callable[[Scene], tuple[Labels, int]]]:
    exact = Settings(WINDOW, (stride,) * 3, 1, 0.0, "cpu", "fp32")
    bf16 = replace(exact, precision="bf16")
    inset = Coarse(WINDOW, margin_voxels=16, candidate_fraction=0.1, largest_share=1.0, inset_voxels=16)
    closer = Coarse(WINDOW, margin_voxels=16, candidate_fraction=0.1, largest_share=1.0)
    tiles = Coarse(TILE, margin_voxels=16, candidate_fraction=0.1, largest_share=1.0)
    return {
        "folded, all windows": ours(exact, body=False),
        "exact": ours(exact),
        "exact, body's box": ours(replace(exact, body_box=True)),
        "exact, box, compiled": ours(replace(exact, body_box=True), runtime="compiled"),
        "fp32, OpenVINO": ours(exact, runtime="openvino"),
        "fp32, OpenVINO, body's box": ours(replace(exact, body_box=True), runtime="openvino"),
        "fp32, OpenVINO, coarse-to-fine, inset": ours(replace(exact, coarse=inset), runtime="openvino"),
        "bf16": ours(bf16),
        "bf16, body's box": ours(replace(bf16, body_box=True)),
        "bf16, box, coarse-to-fine": ours(replace(bf16, body_box=True, coarse=closer)),
        "bf16, box, tiles": ours(replace(bf16, body_box=True, window=TILE, stride=TILE)),
        "bf16, box, tiles, coarse-to-fine": ours(
            replace(bf16, body_box=True, window=TILE, stride=(64, 64, 64), coarse=tiles)
        ),
    }


def overlaps(labels: Labels, other: Labels) -> str:
    """Dice of the pancreas set, of tumor and of duct."""
    pairs = [(labels > 0, other > 0), (labels == 2, other == 2), (labels == 3, other == 3)]
    return " ".join("  -  " if (value := dice(a, b)) is None else f"{value:.3f}" for a, b in pairs)


@click.command()
@click.option("--model", type=click.Path(path_type=Path), required=True)
@click.option("--ct", type=click.Path(path_type=Path), help="A real CT instead of a phantom; then without reference.")
@click.option("--stride", default=20, show_default=True, help="Of all rows, MONAI's too.")
@click.option("--threads", default=2, show_default=True)
@click.option("--only", multiple=True, help="Rows to run beside MONAI's; all by default.")
@click.option("--plain/--no-plain", "with_plain", default=True, help="Run the plain eager loop beside MONAI's.")
@click.option("--repeats", default=1, show_default=True, help="Runs of MONAI and of each row; times are medians.")
def main(
    model: Path,
    ct: Path | None,
    stride: int,
    threads: int,
    only: tuple[str, ...],
    with_plain: bool,
    repeats: int,
) -> None:
    torch.set_num_threads(threads)
    scene = make_scene(model, ct, stride)
    what = "phantom (synthetic)" if ct is None else ct.name
    size, share = scene.volume.shape[1:], scene.body.mean()
    click.echo(f"{what} {size}, stride {stride}, {threads} threads, body {share:.0%} of the voxels")
    found: dict[str, Labels] = {}
    seconds: dict[str, list[float]] = {}

    def time_it(name: str, run: Callable[[Scene], tuple[Labels, int]]) -> None:
        started = time.perf_counter()
        found[name], windows = run(scene)
        seconds.setdefault(name, []).append(time.perf_counter() - started)
        click.echo(f"  {name}: {seconds[name][-1]:.1f} s, {windows} windows")

    chosen = {name: run for name, run in rows(stride).items() if not only or name in only}
    if is_emulated("cpu", "bf16"):
        click.echo("This processor has no bf16: its rows are left out.")
        chosen = {name: run for name, run in chosen.items() if "bf16" not in name}
    for repeat in range(repeats):  # peers come first: as they are run elsewhere, without our allocator
        time_it("MONAI", monai)
        if with_plain and repeat == 0:
            time_it("plain", plain)
    keep_freed_memory()
    for repeat in range(repeats):
        for name, run in chosen.items():
            if repeat == 0 or name not in ONCE:
                time_it(name, run)
    same = found.get("folded, all windows")
    if same is not None and "exact" in found:
        expected = np.where(scene.body, same, 0)
        equal = np.array_equal(found["exact"], expected)
        click.echo(f"exact == its own plain loop inside the body, voxel for voxel: {equal}")
        if with_plain:
            differing = int((found["exact"] != np.where(scene.body, found["plain"], 0)).sum())
            click.echo(f"voxels in which exact differs from eager fp32, by rounding: {differing}")
        if not equal:
            raise SystemExit("The exact mode is not exact.")
    peer = "plain" if with_plain else "exact"
    click.echo(f"row | s (median) | x MONAI | Dice with {peer}: pancreas tumor duct | Dice with the reference")
    base = np.median(seconds["MONAI"])
    masked = np.where(scene.body, found[peer], 0)
    for name, labels in found.items():
        truth = "" if scene.reference is None else overlaps(labels, scene.reference)
        middle = np.median(seconds[name])
        click.echo(f"{name} | {middle:.1f} | {base / middle:.2f} | {overlaps(labels, masked)} | {truth}")


if __name__ == "__main__":
    main()
