"""Time the sliding window against MONAI's: same network, volume, windows and process.

Eager fp32 is what MONAI's users run; `plain` is our loop around that same network, over every window. The other rows
are pnetkit's settings. `exact` has to give, voxel for voxel, the labels of the plain loop over its own (folded) network
with everything outside the body set to background; that is checked here, not assumed.
"""

import time
from collections.abc import Callable, Mapping
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
from pnetkit.process_memory import keep_freed_memory
from pnetkit.types import Grid, Triple
from tests.benchmarks.memory import compare
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
    device: str = "cpu"
    batch: int = 1

    @property
    def grid(self) -> Grid:
        return Grid(self.volume.shape[1:], np.eye(4))


def make_scene(
    model: Path, ct: Path | None, stride: int, shape: Triple = SHAPE, device: str = "cpu", batch: int = 1
) -> Scene:
    if ct is None:
        found = scan(8, 1, shape)
        hu, reference = found.hu.astype(np.float32), found.labels
    else:
        hu, reference = read_scan(ct).hu, None
    transform = intensity(hu)
    network: Any = load(model)
    volume, body = transform.apply(hu)[None], body_mask(hu)
    return Scene(network.to(device), volume, body, transform.air, stride, reference, device, batch)


def monai(scene: Scene) -> tuple[Labels, int]:
    overlap = 1 - scene.stride / WINDOW[0]
    inferer = SlidingWindowInferer(WINDOW, sw_batch_size=scene.batch, overlap=overlap, mode="constant")
    count = 0

    def logits(x: torch.Tensor) -> torch.Tensor:
        nonlocal count
        count += len(x)
        return scene.network(x).logits

    with torch.inference_mode():
        found = inferer(torch.from_numpy(scene.volume)[None].to(scene.device), logits)
    return found[0].argmax(0).to(torch.uint8).cpu().numpy(), count


def plain(scene: Scene) -> tuple[Labels, int]:
    def predict(patches: NDArray[np.float32]) -> torch.Tensor:
        with torch.inference_mode():
            x = torch.from_numpy(patches).to(scene.device)
            return scene.network(x).logits.argmax(1).to(torch.uint8)

    how: dict[str, Any] = {"num_classes": 4, "window": WINDOW, "stride": (scene.stride,) * 3, "fill": scene.air}
    found = vote([predict], scene.volume, **how, batch_size=scene.batch, device=scene.device)
    return found.labels, found.windows


def ours(settings: Settings, *, body: bool = True, runtime: Runtime = "torch") -> Callable[[Scene], tuple[Labels, int]]:
    def run(scene: Scene) -> tuple[Labels, int]:
        used = replace(settings, fill=scene.air, device=scene.device, batch_size=scene.batch)
        started = time.perf_counter()
        how: dict[str, Any] = {"device": scene.device, "precision": settings.precision}
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
    fast = Coarse(
        (60, 60, 60),
        margin_voxels=16,
        candidate_fraction=0.1,
        largest_share=1.0,
        inset_voxels=16,
        region_stride=(32, 32, 32),
        lesion_margin_voxels=16,
        chessboard=True,
    )
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
        "fp16": ours(replace(exact, precision="fp16")),
        "bf16, as s4c_dual_fast": ours(replace(bf16, coarse=fast)),
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


def check_exact(found: Mapping[str, Labels], scene: Scene) -> None:
    """Say in how many voxels `exact` differs from plain loops that were run; on a CPU it may not from its own."""
    if "exact" not in found:
        return
    for name, what in (("folded, all windows", "its own plain loop"), ("plain", "the eager one, by rounding")):
        if name in found:
            other = int((found["exact"] != np.where(scene.body, found[name], 0)).sum())
            click.echo(f"voxels in which exact differs from {what}, inside the body: {other}")
            if name != "plain" and other and scene.device == "cpu":  # a GPU may choose another kernel for other batches
                raise SystemExit("The exact mode is not exact.")


@click.command()
@click.option("--model", type=click.Path(path_type=Path), required=True)
@click.option("--ct", type=click.Path(path_type=Path), help="A real CT instead of a phantom; then without reference.")
@click.option("--stride", default=20, show_default=True, help="Of all rows, MONAI's too.")
@click.option("--shape", nargs=3, type=int, default=SHAPE, show_default=True, help="Of the phantom.")
@click.option("--device", default="cpu", show_default=True)
@click.option("--batch", default=1, show_default=True, help="Windows at once, of MONAI's too.")
@click.option("--threads", default=2, show_default=True)
@click.option("--only", multiple=True, help="Rows to run beside MONAI's; all by default.")
@click.option("--plain/--no-plain", "with_plain", default=True, help="Run the plain eager loop beside MONAI's.")
@click.option(
    "--memory/--no-memory", default=True, help="Also compare what sliding windows add, on this size, on a CPU."
)
@click.option("--repeats", default=1, show_default=True, help="Runs of MONAI and of each row; times are medians.")
def main(
    *,
    model: Path,
    ct: Path | None,
    stride: int,
    shape: Triple,
    device: str,
    batch: int,
    threads: int,
    only: tuple[str, ...],
    with_plain: bool,
    memory: bool,
    repeats: int,
) -> None:
    torch.set_num_threads(threads)
    scene = make_scene(model, ct, stride, shape, device, batch)
    what = "phantom (synthetic)" if ct is None else ct.name
    size, share = scene.volume.shape[1:], scene.body.mean()
    where = f"{threads} threads" if device == "cpu" else torch.cuda.get_device_name(device)
    click.echo(f"{what} {size}, stride {stride}, {where}, batches of {batch}, body {share:.0%} of the voxels")
    found: dict[str, Labels] = {}
    seconds: dict[str, list[float]] = {}

    def time_it(name: str, run: Callable[[Scene], tuple[Labels, int]]) -> None:
        started = time.perf_counter()
        found[name], windows = run(scene)
        seconds.setdefault(name, []).append(time.perf_counter() - started)
        click.echo(f"  {name}: {seconds[name][-1]:.1f} s, {windows} windows")

    chosen = {name: run for name, run in rows(stride).items() if not only or name in only}
    if device != "cpu":
        chosen = {name: run for name, run in chosen.items() if "OpenVINO" not in name}
    if is_emulated(device, "bf16"):
        click.echo("This processor has no bf16: its rows are left out.")
        chosen = {name: run for name, run in chosen.items() if "bf16" not in name}
    if is_emulated(device, "fp16"):
        chosen.pop("fp16", None)
    for repeat in range(repeats):  # peers come first: as they are run elsewhere, without our allocator
        time_it("MONAI", monai)
        if with_plain and repeat == 0:
            time_it("plain", plain)
    keep_freed_memory()
    for repeat in range(repeats):
        for name, run in chosen.items():
            if repeat == 0 or name not in ONCE:
                time_it(name, run)
    check_exact(found, scene)
    peer = "plain" if with_plain else "exact"
    click.echo("Labels are compared inside the body: what lies outside is background to pnetkit.")
    click.echo(f"row | s (median) | x MONAI | Dice with {peer}: pancreas tumor duct | Dice with the reference")
    base = np.median(seconds["MONAI"])
    inside = {name: np.where(scene.body, labels, 0) for name, labels in found.items()}
    for name, labels in inside.items():
        truth = "" if scene.reference is None else overlaps(labels, scene.reference)
        middle = np.median(seconds[name])
        click.echo(f"{name} | {middle:.1f} | {base / middle:.2f} | {overlaps(labels, inside[peer])} | {truth}")
    if memory:
        compare(scene.grid.shape)


if __name__ == "__main__":
    main()
