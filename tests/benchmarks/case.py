"""Time one large CT from its file to its decision, as `pnetkit screen` works: read, search, clean up, apply the rule.

The plain loop over such a scan takes hours on a CPU, so it is extrapolated here: from the time of a few of its windows
(eager, fp32) and their number. That is said beside the ratio.
"""

import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import nibabel as nib
import numpy as np
import torch
from pnetkit_rules.components import Components
from pnetkit_rules.voxel_count import VoxelCount

from pnetkit.imaging.body import body_mask
from pnetkit.imaging.nifti import read_scan
from pnetkit.inference.coarse import Coarse
from pnetkit.inference.runtime import runnable
from pnetkit.inference.search import Settings
from pnetkit.inference.segment import segment
from pnetkit.interfaces import Backbone
from pnetkit.networks import best_precision
from pnetkit.pipeline.allocator import keep_freed_memory
from pnetkit.types import BACKGROUND, Evidence, Segmentation, Triple
from tests.benchmarks.model import intensity, load, scan
from tests.benchmarks.peak import high_water_mib
from tests.benchmarks.sliding_window import WINDOW, overlaps

PAPER_STRIDE = 20
SEED = 8


def plain_seconds(network: Backbone, shape: Triple, windows: int = 6) -> float:
    """Extrapolate the plain loop at the paper's stride over all of a volume."""
    patch = torch.randn(1, 1, *WINDOW, generator=torch.Generator().manual_seed(0))
    times = []
    with torch.inference_mode():
        for _ in range(windows):
            started = time.perf_counter()
            network(patch)
            times.append(time.perf_counter() - started)
    count = np.prod([-(-(n - w) // PAPER_STRIDE) + 1 for n, w in zip(shape, WINDOW, strict=True)])
    return float(np.median(times) * count)


def _make(path: Path, labels: Path, index: int, shape: Triple) -> None:
    phantom = scan(SEED, index, shape)
    nib.save(nib.Nifti1Image(phantom.hu, phantom.affine), path)
    np.save(labels, phantom.labels)


@click.command()
@click.option("--model", type=click.Path(path_type=Path), required=True)
@click.option("--shape", nargs=3, type=int, default=(512, 512, 320), show_default=True)
@click.option("--case", "index", default=1, show_default=True, help="Which phantom: odd ones are abnormal.")
@click.option("--stride", default=20, show_default=True)
@click.option("--coarse-stride", default=64, show_default=True)
@click.option("--inset", default=0, show_default=True, help="Of the fine pass's windows.")
@click.option("--region-stride", type=int, help="Of the region's windows away from lesions.")
@click.option("--lesion-margin", default=16, show_default=True)
@click.option("--chessboard", is_flag=True, help="Half of the coarse pass only beside what the other half found.")
@click.option("--body-box", is_flag=True, help="Lay the windows over the body's box.")
@click.option("--precision", type=click.Choice(["fp32", "bf16"]), help="[default: bf16 where the processor has it]")
@click.option("--runtime", type=click.Choice(["torch", "openvino"]), default="torch", show_default=True)
@click.option("--threads", default=2, show_default=True)
@click.option("--narrow", is_flag=True, help="Take the narrow network that the model was made of: the same labels.")
@click.option(
    "--beside",
    type=click.Choice(["extrapolated", "exact", "plain"]),
    default="extrapolated",
    show_default=True,
    help="Extrapolate the plain loop, or run it whole; or run the exact search, whose labels in the body are its.",
)
def main(
    *,
    model: Path,
    shape: Triple,
    index: int,
    stride: int,
    coarse_stride: int,
    inset: int,
    region_stride: int | None,
    lesion_margin: int,
    chessboard: bool,
    body_box: bool,
    precision: Any,
    runtime: Any,
    threads: int,
    narrow: bool,
    beside: str,
) -> None:
    precision = precision or best_precision("cpu")
    keep_freed_memory()
    torch.set_num_threads(threads)
    network = load(model, narrow=narrow)
    with TemporaryDirectory() as folder:
        path, labels = Path(folder) / "ct.nii.gz", Path(folder) / "labels.npy"
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:  # its memory is not counted
            pool.submit(_make, path, labels, index, shape).result()
        before, started = high_water_mib(), time.perf_counter()
        ct = read_scan(path)
        read = time.perf_counter()
        transform = intensity(ct.hu)
        coarse = Coarse(
            (coarse_stride,) * 3,
            margin_voxels=16,
            candidate_fraction=0.1,
            largest_share=1.0,
            inset_voxels=inset,
            region_stride=None if region_stride is None else (region_stride,) * 3,
            lesion_margin_voxels=lesion_margin,
            chessboard=chessboard,
        )
        settings = Settings(WINDOW, (stride,) * 3, 1, transform.air, "cpu", precision, body_box=body_box, coarse=coarse)
        quick = runnable(network, device="cpu", precision=precision, runtime=runtime, window=WINDOW)
        found = segment(quick, transform.apply(ct.hu)[None], ct.grid, settings, body=body_mask(ct.hu))
        searched = time.perf_counter()
        clean = Components()(found.segmentation)
        finding = VoxelCount().classify(Evidence("case", "venous", Segmentation(clean.labels, ct.grid)))
        done = time.perf_counter()
        peak = high_water_mib()
        reference = np.load(labels)
    said = f"{'abnormal' if index % 2 else 'normal'} phantom {index} (synthetic), {' x '.join(map(str, shape))}"
    click.echo(f"{said}, stride {stride}, coarse {coarse_stride}")
    click.echo(f"  region stride {region_stride}, lesion margin {lesion_margin}, chessboard {chessboard}")
    click.echo(f"  inset {inset}, {precision}, {runtime}, {threads} threads")
    click.echo(f"  read {read - started:.1f} s, search {searched - read:.1f} s, rules {done - searched:.1f} s")
    click.echo(f"  windows {found.coarse_windows} + {found.windows}; {found.fallback or 'ok'}")
    click.echo(f"  abnormal: {finding.abnormal} {dict(finding.measurements)}")
    click.echo(f"  Dice with the reference: pancreas, tumor, duct {overlaps(clean.labels, reference)}")
    if found.region is not None:
        held = found.region[reference > BACKGROUND].mean()
        click.echo(f"  the region is {found.region.mean():.2%} of the volume, and holds {held:.1%} of the reference")
    click.echo(f"  peak {peak:.0f} MiB, before the scan was read {before:.0f} MiB")
    if beside == "extrapolated":
        whole = plain_seconds(network, shape)
    else:
        began = time.perf_counter()
        everywhere = Settings(WINDOW, (PAPER_STRIDE,) * 3, 1, transform.air, "cpu", "fp32")
        exact = beside == "exact"
        searched_by = runnable(network, device="cpu", precision="fp32", runtime=runtime, window=WINDOW)
        all_windows = segment(
            searched_by if exact else network,
            transform.apply(ct.hu)[None],
            ct.grid,
            everywhere,
            body=body_mask(ct.hu) if exact else None,
        )
        kept = Components()(all_windows.segmentation)
        verdict = VoxelCount().classify(Evidence("case", "venous", Segmentation(kept.labels, ct.grid)))
        whole = time.perf_counter() - began
        click.echo(
            f"  {beside}: {all_windows.windows} windows, abnormal: {verdict.abnormal} {dict(verdict.measurements)}"
        )
        click.echo(f"  its Dice with the reference {overlaps(kept.labels, reference)}")
        click.echo(f"  Dice of both {overlaps(clean.labels, kept.labels)}")
    click.echo(f"  {done - started:.1f} s; {beside} {whole:.0f} s: {whole / (done - started):.1f} x")


if __name__ == "__main__":
    main()
