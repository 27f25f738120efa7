"""Time the sliding window against nnU-Net's own predictor: same weights, volume, window and process.

On a CPU both compute in fp32. On a GPU nnU-Net computes in fp16 (autocast) and holds everything there; the rows of
pnetkit say their precision.

nnU-Net sums logits in half precision, weighted by a Gaussian unless told otherwise, over windows at even steps of at
most the stride, in the whole volume, with the eager network. pnetkit lets the windows vote, at steps of the stride and
a last one at the border, in the body alone, with folded batch norms. So their windows lie elsewhere, pnetkit's are
fewer where a volume has much air, and their labels differ in places: all is printed, and the rows between say what
folding and the body give. Mirroring, nnU-Net's default, is off: it runs each window eight times.

Peaks are of a process for each, above its input, around a network that costs nothing.
"""

import multiprocessing
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import numpy as np
import torch
from torch import nn

from pnetkit.acceleration import accelerated
from pnetkit.inference.search import Settings
from pnetkit.inference.segment import segment
from pnetkit.interfaces import BackboneOutput
from pnetkit.networks import Precision, is_emulated
from pnetkit.process_memory import keep_freed_memory
from pnetkit.types import Grid, Triple
from tests.benchmarks.memory import Nothing, inputs
from tests.benchmarks.model import SHAPE
from tests.benchmarks.nnunet import label_manager, require_nnunet
from tests.benchmarks.peak import high_water_mib
from tests.benchmarks.sliding_window import WINDOW, Labels, Scene, make_scene, overlaps


class Counted(nn.Module):
    """A network that counts the windows it is given."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.spec, self.network, self.windows = network.spec, network, 0

    def forward(self, x: torch.Tensor) -> BackboneOutput:
        self.windows += len(x)
        return self.network(x)


class Logits(nn.Module):
    """A network as nnU-Net calls it: logits out."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network(x).logits


def nnunet_labels(
    network: nn.Module, volume: np.ndarray, stride: int, *, gaussian: bool, device: str = "cpu"
) -> Labels:
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor  # may not be there

    with redirect_stdout(StringIO()):  # it says of every CPU that it is no GPU
        predictor = nnUNetPredictor(
            tile_step_size=stride / WINDOW[0],
            use_gaussian=gaussian,
            use_mirroring=False,
            perform_everything_on_device=device != "cpu",
            device=torch.device(device),
            allow_tqdm=False,
        )
    manager = label_manager()
    predictor.manual_initialization(
        Logits(network),
        SimpleNamespace(get_label_manager=lambda _: manager),
        SimpleNamespace(patch_size=WINDOW),
        parameters=None,
        dataset_json={},
        trainer_name="",
        inference_allowed_mirroring_axes=None,
    )
    logits = predictor.predict_sliding_window_return_logits(torch.from_numpy(volume))
    return manager.convert_logits_to_segmentation(logits.cpu()).numpy().astype(np.uint8)


def nnunet(*, gaussian: bool, folded: bool = False) -> Callable[[Scene], tuple[Labels, int]]:
    def run(scene: Scene) -> tuple[Labels, int]:
        network: Any = scene.network
        counted = Counted(accelerated(network, device=scene.device, precision="fp32") if folded else network)
        labels = nnunet_labels(counted, scene.volume, scene.stride, gaussian=gaussian, device=scene.device)
        return labels, counted.windows

    return run


def pnetkit(*, body: bool, precision: Precision = "fp32") -> Callable[[Scene], tuple[Labels, int]]:
    def run(scene: Scene) -> tuple[Labels, int]:
        counted = Counted(accelerated(scene.network, device=scene.device, precision=precision))
        settings = Settings(WINDOW, (scene.stride,) * 3, scene.batch, scene.air, scene.device, precision)
        found = segment(counted, scene.volume, scene.grid, settings, body=scene.body if body else None)
        return found.segmentation.labels, counted.windows

    return run


ROWS = {
    "nnU-Net": nnunet(gaussian=False),
    "nnU-Net, Gaussian": nnunet(gaussian=True),
    "nnU-Net, Gaussian, folded": nnunet(gaussian=True, folded=True),
    "pnetkit, all windows": pnetkit(body=False),
    "pnetkit": pnetkit(body=True),
    "pnetkit, bf16": pnetkit(body=True, precision="bf16"),
}


def _peak(name: str, shape: Triple, stride: int, answer: "multiprocessing.Queue[float]") -> None:
    import nnunetv2.inference.predict_from_raw_data  # noqa: F401  # its modules are not counted; may not be there

    class Fresh(Nothing):  # nnU-Net weights the answer in place
        def forward(self, x: torch.Tensor) -> BackboneOutput:
            return BackboneOutput(super().forward(x).logits.clone())

    torch.set_num_threads(1)
    volume, body = inputs(shape)
    before = high_water_mib()
    if name == "pnetkit":
        settings = Settings(WINDOW, (stride,) * 3, 1, 0.0, "cpu", "fp32")
        segment(Fresh(), volume, Grid(shape, np.eye(4)), settings, body=body)
    else:
        nnunet_labels(Fresh(), volume, stride, gaussian="Gaussian" in name)
    answer.put(high_water_mib() - before)


def compare_memory(shape: Triple, stride: int) -> None:
    context = multiprocessing.get_context("spawn")
    peaks = {}
    for name in ("nnU-Net", "nnU-Net, Gaussian", "pnetkit"):
        answer: multiprocessing.Queue[float] = context.Queue()
        process = context.Process(target=_peak, args=(name, shape, stride, answer))
        process.start()
        process.join()
        if process.exitcode:
            raise SystemExit(f"{name}: failed.")
        peaks[name] = answer.get()
        click.echo(f"{name}: +{peaks[name]:.0f} MiB above the input of {shape}")
    click.echo(f"{peaks['pnetkit'] / peaks['nnU-Net, Gaussian']:.2f} of nnU-Net's")


@click.command()
@click.option("--model", type=click.Path(path_type=Path), required=True)
@click.option("--ct", type=click.Path(path_type=Path), help="A real CT instead of a phantom; then without reference.")
@click.option("--shape", nargs=3, type=int, default=SHAPE, show_default=True, help="Of the phantom.")
@click.option("--stride", default=20, show_default=True, help="Of all rows; nnU-Net's largest.")
@click.option("--device", default="cpu", show_default=True)
@click.option("--batch", default=1, show_default=True, help="Windows at once; nnU-Net has one.")
@click.option("--threads", default=2, show_default=True)
@click.option("--only", multiple=True, type=click.Choice(list(ROWS)), help="Rows to run; all by default.")
@click.option("--repeats", default=1, show_default=True, help="Runs of each; times are medians.")
@click.option("--memory/--no-memory", default=True, help="Also compare peaks, on an input of the volume's size.")
def main(
    *,
    model: Path,
    ct: Path | None,
    shape: Triple,
    stride: int,
    device: str,
    batch: int,
    threads: int,
    only: tuple[str, ...],
    repeats: int,
    memory: bool,
) -> None:
    found_version = require_nnunet()
    torch.set_num_threads(threads)
    scene = make_scene(model, ct, stride, shape, device, batch)
    what = "phantom (synthetic)" if ct is None else ct.name
    size: Triple = scene.grid.shape
    where = f"{threads} threads" if device == "cpu" else f"{torch.cuda.get_device_name(device)}, batches of {batch}"
    click.echo(f"nnU-Net {found_version}; {what} {size}, stride {stride}, {where}")
    click.echo(f"body {scene.body.mean():.0%} of the voxels")
    chosen = [name for name in ROWS if not only or name in only]
    if is_emulated(device, "bf16"):
        chosen = [name for name in chosen if "bf16" not in name]
    found: dict[str, Labels] = {}
    windows: dict[str, int] = {}
    seconds: dict[str, list[float]] = {name: [] for name in chosen}
    for name in chosen:  # nnU-Net comes first: as it is run elsewhere, without our allocator
        if name.startswith("pnetkit"):
            keep_freed_memory()
        for _ in range(repeats):
            started = time.perf_counter()
            found[name], windows[name] = ROWS[name](scene)
            seconds[name].append(time.perf_counter() - started)
            click.echo(f"  {name}: {seconds[name][-1]:.1f} s, {windows[name]} windows")
    base, peer = chosen[0], "pnetkit" if "pnetkit" in chosen else chosen[-1]
    click.echo("Labels are compared inside the body: what lies outside is background to pnetkit.")
    click.echo(
        f"row | s (median) | windows | ms a window | x {base} | Dice with {peer}: pancreas tumor duct | reference"
    )
    inside = {name: np.where(scene.body, labels, 0) for name, labels in found.items()}
    for name, labels in inside.items():
        truth = "" if scene.reference is None else overlaps(labels, scene.reference)
        middle = float(np.median(seconds[name]))
        click.echo(
            f"{name} | {middle:.1f} | {windows[name]} | {1000 * middle / windows[name]:.0f} | "
            f"{float(np.median(seconds[base])) / middle:.2f} | {overlaps(labels, inside[peer])} | {truth}"
        )
    if memory:
        compare_memory(size, stride)


if __name__ == "__main__":
    main()
