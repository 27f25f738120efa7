"""Time writing and reading a CT and its label map: pnetkit beside nibabel's own gzip, and SimpleITK where it is there.

Every way runs in a process of its own, and reads back what it wrote: the voxels have to be those that went in. pnetkit
also checks a CT's values, turns it to RAS+ and gives float32, and writes label maps only; the others give int16.
"""

import importlib.util
import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from pnetkit.files import write_atomically
from pnetkit.imaging.gz import pack
from pnetkit.imaging.nifti import read_labels, read_scan, write_labels
from pnetkit.types import Grid, Triple
from tests.benchmarks.peak import high_water_mib

Volume = NDArray[Any]
AFFINE = np.diag([0.7, 0.7, 1.0, 1.0])
SMALL_SHAPE = (128, 128, 80)


def volumes(shape: Triple) -> dict[str, Volume]:
    """Make a CT-like volume (air, an even body in its fat, noise of a scanner) and labels of a few organs."""
    rng = np.random.default_rng(0)
    x, y, z = np.ogrid[tuple(slice(-1, 1, n * 1j) for n in shape)]
    radius = (x / 0.8) ** 2 + (y / 0.6) ** 2 + 0 * z
    ct = np.select([radius < 0.8, radius < 1], [40, -100], -1000).astype(np.int16)
    ct += rng.normal(0, 12, shape).astype(np.int16) * (radius < 1)
    labels = ((x - 0.1) ** 2 + y**2 + z**2 < 0.02).astype(np.uint8)
    labels[x[:, 0, 0] > 0.1] *= 2
    return {"int16 CT": ct, "uint8 labels": labels}


def pnetkit_write(path: Path, volume: Volume) -> None:
    if volume.dtype == np.uint8:
        write_labels(path, volume, like=Grid(volume.shape, AFFINE))
    else:  # pnetkit writes no CTs: this is how it would
        image = nib.Nifti1Image(volume, AFFINE)
        write_atomically(path, pack(image.to_bytes()))


def pnetkit_read(path: Path, kind: str) -> Volume:
    return read_labels(path)[0] if "labels" in kind else read_scan(path).hu


def nibabel_write(path: Path, volume: Volume) -> None:
    nib.save(nib.Nifti1Image(volume, AFFINE), path)


def nibabel_read(path: Path, _kind: str) -> Volume:
    return np.asarray(nib.load(path).dataobj)


def sitk_write(path: Path, volume: Volume) -> None:
    import SimpleITK as sitk  # may not be there

    sitk.WriteImage(sitk.GetImageFromArray(volume.transpose(2, 1, 0)), str(path), useCompression=True)


def sitk_read(path: Path, _kind: str) -> Volume:
    import SimpleITK as sitk  # may not be there

    return sitk.GetArrayFromImage(sitk.ReadImage(str(path))).transpose(2, 1, 0)


WAYS: dict[str, tuple[Callable[..., None], Callable[..., Volume]]] = {
    "pnetkit": (pnetkit_write, pnetkit_read),
    "nibabel": (nibabel_write, nibabel_read),
    "SimpleITK": (sitk_write, sitk_read),
}


def _make(folder: Path, shape: Triple) -> None:
    for kind, volume in volumes(shape).items():
        np.save(folder / f"{kind}.npy", volume)


def _run(name: str, kind: str, source: Path, repeats: int, answer: "multiprocessing.Queue[tuple[float, ...]]") -> None:
    write, read = WAYS[name]
    small, volume = volumes(SMALL_SHAPE)[kind], np.load(source / f"{kind}.npy")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "volume.nii.gz"
        write(path, small)  # imports are not timed
        read(path, kind)
        before = high_water_mib()
        writing, reading = [], []
        for _ in range(repeats):
            started = time.perf_counter()
            write(path, volume)
            writing.append(time.perf_counter() - started)
        after_writing = high_water_mib()
        for _ in range(repeats):
            started = time.perf_counter()
            found = read(path, kind)
            reading.append(time.perf_counter() - started)
        if not np.array_equal(found, volume):
            raise SystemExit(f"{name} gives other voxels than were written.")
        size = path.stat().st_size / 2**20
    answer.put((min(writing), min(reading), size, after_writing - before, high_water_mib() - before))


@click.command()
@click.option("--shape", nargs=3, type=int, default=(512, 512, 320), show_default=True)
@click.option("--repeats", default=3, show_default=True, help="Runs of each; times are the shortest.")
def main(shape: Triple, repeats: int) -> None:
    context = multiprocessing.get_context("spawn")
    there = [name for name in WAYS if name != "SimpleITK" or importlib.util.find_spec("SimpleITK")]
    if len(there) < len(WAYS):
        click.echo("SimpleITK is not installed, so it is left out.")
    click.echo("Peaks are above the input, of writing, and of writing and reading; what was read is among them.")
    with TemporaryDirectory() as folder:
        maker = context.Process(target=_make, args=(Path(folder), shape))  # its memory is not counted
        maker.start()
        maker.join()
        for kind in ("int16 CT", "uint8 labels"):
            for name in there:
                answer: multiprocessing.Queue[tuple[float, ...]] = context.Queue()
                process = context.Process(target=_run, args=(name, kind, Path(folder), repeats, answer))
                process.start()
                process.join()
                if process.exitcode:
                    raise SystemExit(f"{name}, {kind}: failed.")
                write, read, size, peak_write, peak = answer.get()
                click.echo(
                    f"{kind} {name}: write {write:.2f} s, read {read:.2f} s, {size:.1f} MiB, "
                    f"peak +{peak_write:.0f} / +{peak:.0f} MiB"
                )


if __name__ == "__main__":
    main()
