"""Time one large CT from its file to its decision, as `pnetkit screen` works: read, search, clean up, apply the rule.

The plain loop over such a scan takes half an hour and more on a CPU, so it is extrapolated here: from the time of a few
of its windows (eager, fp32) and their number. That is said beside the ratio. What its labels would be, inside the body,
says a narrow network that answers as the wide one does, to rounding, in a fraction of the time (`--agreement`), where
the model has one.
"""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import nibabel as nib
import numpy as np
import torch
from numpy.typing import NDArray
from pnetkit_rules.components import Components
from pnetkit_rules.voxel_count import VoxelCount

from pnetkit.imaging.body import body_mask
from pnetkit.imaging.nifti import read_scan
from pnetkit.inference.coarse import Coarse
from pnetkit.inference.runtime import Runtime, runnable
from pnetkit.inference.search import Settings
from pnetkit.inference.segment import segment
from pnetkit.interfaces import Backbone
from pnetkit.networks import best_precision
from pnetkit.process_memory import keep_freed_memory
from pnetkit.types import BACKGROUND, Evidence, Segmentation, Triple
from tests.benchmarks.model import NARROW, intensity, load, scan
from tests.benchmarks.peak import high_water_mib
from tests.benchmarks.sliding_window import WINDOW, Labels, overlaps

PAPER_STRIDE = 20
LARGEST_SHARE = 0.5  # the recipe's default
SEED = 8


def plain_seconds(model: Path, shape: Triple, device: str, threads: int, windows: int = 6) -> float:
    """Extrapolate the plain loop at the paper's stride over all of a volume.

    To be called in a process of its own, because a loop elsewhere does not have pnetkit's allocator.
    """
    torch.set_num_threads(threads)
    network: Any = load(model)
    network.to(device)
    patch = torch.randn(1, 1, *WINDOW, generator=torch.Generator().manual_seed(0))
    times = []
    with torch.inference_mode():
        for _ in range(windows):
            started = time.perf_counter()
            network(patch.to(device)).logits.argmax(1).cpu()
            times.append(time.perf_counter() - started)
    count = np.prod([-(-(n - w) // PAPER_STRIDE) + 1 for n, w in zip(shape, WINDOW, strict=True)])
    return float(np.median(times) * count)


def _elsewhere(call: Callable[..., Any], *arguments: Any) -> Any:
    """Call in a process of its own: neither its memory nor its allocator is this one's."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(call, *arguments).result()


@dataclass(frozen=True, eq=False)
class Screened:
    """What one run from file to decision gave, and the seconds of its parts."""

    labels: Labels
    region: NDArray[np.bool_] | None
    windows: tuple[int, int]
    fallback: str | None
    abnormal: bool
    measurements: Mapping[str, Any]
    seconds: tuple[float, float, float]

    @property
    def decision(self) -> str:
        return f"{'abnormal' if self.abnormal else 'normal'} {dict(self.measurements)}"


def screen(path: Path, network: Backbone, runtime: Runtime, settings: Settings) -> Screened:
    """Read, search, clean up, decide: over every window within the body, unless the settings say where."""
    started = time.perf_counter()
    ct = read_scan(path)
    read = time.perf_counter()
    transform = intensity(ct.hu)
    quick = runnable(network, device=settings.device, precision=settings.precision, runtime=runtime, window=WINDOW)
    used = replace(settings, fill=transform.air)
    found = segment(quick, transform.apply(ct.hu)[None], ct.grid, used, body=body_mask(ct.hu))
    searched = time.perf_counter()
    clean = Components()(found.segmentation)
    finding = VoxelCount().classify(Evidence("case", "venous", Segmentation(clean.labels, ct.grid)))
    done = time.perf_counter()
    return Screened(
        clean.labels,
        found.region,
        (found.coarse_windows, found.windows),
        found.fallback,
        finding.abnormal,
        finding.measurements,
        (read - started, searched - read, done - searched),
    )


def _make(path: Path, labels: Path, index: int, shape: Triple) -> None:
    phantom = scan(SEED, index, shape)
    nib.save(nib.Nifti1Image(phantom.hu, phantom.affine), path)
    np.save(labels, phantom.labels)


@click.command()
@click.option("--model", type=click.Path(path_type=Path), required=True)
@click.option("--shape", nargs=3, type=int, default=(512, 512, 320), show_default=True)
@click.option("--case", "index", default=1, show_default=True, help="Which phantom: odd ones are abnormal.")
@click.option("--exhaustive", is_flag=True, help="Also run every window within the body.")
@click.option("--stride", default=20, show_default=True)
@click.option("--coarse-stride", default=60, show_default=True)
@click.option("--inset", default=16, show_default=True, help="Of the fine pass's windows.")
@click.option("--region-stride", default=32, show_default=True, help="Of the region's windows away from lesions.")
@click.option("--lesion-margin", default=16, show_default=True)
@click.option("--chessboard/--no-chessboard", default=True, help="Half of the first pass only beside what is found.")
@click.option("--body-box", is_flag=True, help="Lay the windows over the body's box.")
@click.option("--precision", type=click.Choice(["fp32", "bf16"]), help="[default: bf16 where the processor has it]")
@click.option("--runtime", type=click.Choice(["torch", "openvino"]), default="torch", show_default=True)
@click.option("--device", default="cpu", show_default=True)
@click.option("--batch", default=1, show_default=True, help="Windows at once.")
@click.option("--threads", default=2, show_default=True)
@click.option("--repeats", default=1, show_default=True, help="Pairs of a run and of the plain loop's windows.")
@click.option(
    "--agreement", is_flag=True, help="Hold the labels to the exact search's, of the narrow network, in fp32."
)
def main(
    *,
    model: Path,
    shape: Triple,
    index: int,
    exhaustive: bool,
    stride: int,
    coarse_stride: int,
    inset: int,
    region_stride: int,
    lesion_margin: int,
    chessboard: bool,
    body_box: bool,
    precision: Any,
    runtime: Any,
    device: str,
    batch: int,
    threads: int,
    repeats: int,
    agreement: bool,
) -> None:
    """Time the settings of s4c_dual_fast, which are the defaults here, or others."""
    precision = precision or best_precision(device)
    keep_freed_memory()
    torch.set_num_threads(threads)
    network = load(model)
    coarse = Coarse(
        (coarse_stride,) * 3,
        margin_voxels=16,
        candidate_fraction=0.1,
        largest_share=LARGEST_SHARE,
        inset_voxels=inset,
        region_stride=(region_stride,) * 3,
        lesion_margin_voxels=lesion_margin,
        chessboard=chessboard,
    )
    exact = Settings(WINDOW, (PAPER_STRIDE,) * 3, batch, 0.0, device, "fp32")
    settings = replace(exact, stride=(stride,) * 3, precision=precision, body_box=body_box)
    arms = {"fast": replace(settings, coarse=coarse)} | ({"every window": settings} if exhaustive else {})
    with TemporaryDirectory() as folder:
        path, labels = Path(folder) / "ct.nii.gz", Path(folder) / "labels.npy"
        _elsewhere(_make, path, labels, index, shape)
        reference = np.load(labels)
        said = f"{'abnormal' if index % 2 else 'normal'} phantom {index} (synthetic), {' x '.join(map(str, shape))}"
        where = f"{threads} threads" if device == "cpu" else torch.cuda.get_device_name(device)
        click.echo(f"{said}, stride {stride}, {precision}, {runtime}, {where}, body's box: {body_box}")
        click.echo(f"{coarse}")
        found = {}
        for name, how in arms.items():
            click.echo(f"{name}:")
            before, ratios = high_water_mib(), []
            for _ in range(repeats if name == "fast" else 1):
                found[name] = screen(path, network, runtime, how)
                peak = high_water_mib()
                plain = _elsewhere(plain_seconds, model, shape, device, threads, 6 if device == "cpu" else 100)
                took = sum(found[name].seconds)
                ratios.append(plain / took)
                parts = ", ".join(f"{of:.1f}" for of in found[name].seconds)
                click.echo(f"  read, search, rules {parts} s: {took:.1f} s")
                click.echo(f"  plain loop, extrapolated {plain:.0f} s: {ratios[-1]:.1f} x")
            click.echo(f"  median {np.median(ratios):.1f} x; peak {peak:.0f} MiB, before it {before:.0f} MiB")
            _describe(found[name], reference)
        if agreement:
            narrow = (model / NARROW).exists()
            everywhere = screen(path, load(model, narrow=narrow), "torch", exact)
            click.echo(f"exact, by the {'narrow' if narrow else 'same'} network, in {everywhere.seconds[1]:.0f} s:")
            _describe(everywhere, reference)
            for name, arm in found.items():
                click.echo(f"Dice of {name} and exact {overlaps(arm.labels, everywhere.labels)}")


def _describe(found: Screened, reference: Labels) -> None:
    click.echo(f"  {found.windows[0]} + {found.windows[1]} windows; {found.fallback or 'no fallback'}")
    click.echo(f"  {found.decision}; Dice with the reference {overlaps(found.labels, reference)}")
    if found.region is not None:
        held = found.region[reference > BACKGROUND].mean()
        click.echo(f"  the region is {found.region.mean():.2%} of the volume, and holds {held:.1%} of the reference")


if __name__ == "__main__":
    main()
