"""Time patches drawn from prepared scans, by how they lie on disk: plain arrays, bricks, and blosc2's.

The scan is a CT that is given, repeated along its axis until it has --slices, or else a phantom. Every way gives the
same patches, which is checked. "cold" means that the file's pages were dropped before each batch; what is left of a
disk's own caches is not known. nnU-Net keeps its cases in blosc2.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np

from pnetkit.imaging.intensity import fit_intensity
from pnetkit.imaging.nifti import read_scan
from pnetkit.training.prepared_file import write_prepared
from pnetkit.training.sampling import Sampling, StoredCase, TrainingCase, draw_batch, foreground_indices, load_case
from tests.benchmarks.model import scan

WINDOW = (-100, 240)
SAMPLING = Sampling((64, 64, 64), 16, 0.5, 0.5, "uniform")
Draw = Callable[[np.random.Generator], np.ndarray]


def the_scan(ct: Path | None, slices: int) -> tuple[np.ndarray, np.ndarray]:
    """Give HU within the window and labels: of a CT a block in its middle, as a pancreas would lie."""
    if ct is None:
        found = scan(7, 1, (512, 512, slices))
        return found.hu.clip(*WINDOW).astype(np.int16), found.labels
    hu = read_scan(ct).hu
    hu = np.concatenate([hu] * -(-slices // hu.shape[2]), axis=2)[:, :, :slices]
    labels = np.zeros(hu.shape, np.uint8)
    middle = tuple(slice(n // 2 - n // 10, n // 2 + n // 10) for n in hu.shape)
    labels[middle] = np.random.default_rng(0).integers(0, 4, labels[middle].shape) * (hu[middle] > 0)
    return hu.clip(*WINDOW).astype(np.int16), labels


def drawn_from_blosc2(folder: Path, hu: np.ndarray, labels: np.ndarray, case: TrainingCase) -> Draw:
    """Draw as pnetkit does, from arrays as nnU-Net 2.8 lays them out: a patch a chunk, blocks in a core's cache."""
    import blosc2

    blosc2.set_nthreads(1)
    how = {"codec": blosc2.Codec.LZ4, "clevel": 5, "filters": [blosc2.Filter.BITSHUFFLE], "nthreads": 1}
    arrays = {"hu": hu, "labels": labels}
    for name, array in arrays.items():
        blosc2.asarray(
            array, urlpath=str(folder / f"{name}.b2nd"), mode="w", chunks=(64,) * 3, blocks=(16,) * 3, cparams=how
        )

    class Opened:
        """Looks like an array of which boxes are cut."""

        def __init__(self, name: str) -> None:
            self.array = blosc2.open(str(folder / f"{name}.b2nd"), mmap_mode="r")
            self.shape, self.dtype = self.array.shape, self.array.dtype

        def __getitem__(self, box: tuple[slice, ...]) -> np.ndarray:
            return self.array[box]

    def draw(rng: np.random.Generator) -> np.ndarray:
        opened = TrainingCase(
            "1", [Opened("hu")], Opened("labels"), case.foreground, case.lesion, case.intensities, True
        )
        return draw_batch([opened], SAMPLING, rng).x

    return draw


def drop_pages(folder: Path) -> None:
    for path in folder.iterdir():
        file = os.open(path, os.O_RDONLY)
        os.fsync(file)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(file)


@click.command()
@click.option("--ct", type=click.Path(path_type=Path), help="A CT to take in the place of the phantom.")
@click.option("--slices", default=320, show_default=True)
@click.option("--batches", default=12, show_default=True)
def main(ct: Path | None, slices: int, batches: int) -> None:
    hu, labels = the_scan(ct, slices)
    foreground, lesion = foreground_indices(labels)
    scaled = fit_intensity(hu.astype(np.float32), window_hu=WINDOW, normalization="z-score")
    case = TrainingCase("1", hu[None], labels, foreground, lesion, (scaled,), True)
    click.echo(
        f"{'phantom (synthetic)' if ct is None else ct.name}, {hu.shape}; batches of 16 patches of 64^3, 1 thread"
    )
    with TemporaryDirectory() as place:
        plain, bricks, blosc = (Path(place) / name for name in ("plain arrays", "bricks", "blosc2"))
        for folder in (plain, bricks, blosc):
            folder.mkdir()
        for name in ("hu", "labels", "foreground", "lesion"):
            np.save(plain / f"{name}.npy", getattr(case, name))
        started = time.process_time()
        write_prepared(bricks / "case", [hu], labels, foreground, lesion)
        click.echo(f"bricks were written in {time.process_time() - started:.1f} s")
        mapped = load_case(plain, case_id="1", intensities=(scaled,), abnormal=True)
        stored = StoredCase("1", bricks / "case", (scaled,), True)
        ways: dict[Path, Draw] = {
            plain: lambda rng: draw_batch([mapped], SAMPLING, rng).x,
            bricks: lambda rng: draw_batch([stored], SAMPLING, rng).x,
        }
        try:
            ways[blosc] = drawn_from_blosc2(blosc, hu, labels, case)
        except ImportError:
            click.echo("blosc2 is not installed, and is left out")
        click.echo("| | MB | warm, patches a second | a processor second | cold, patches a second |")
        click.echo("|---|---|---|---|---|")
        for folder, draw in ways.items():
            size = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
            rates = []
            for is_cold in (False, True):
                taken, used = [], []
                for number in range(batches):
                    wanted = draw_batch([case], SAMPLING, np.random.default_rng(number)).x
                    if is_cold:
                        drop_pages(folder)
                    before, cpu = time.perf_counter(), time.process_time()
                    got = draw(np.random.default_rng(number))
                    used.append(time.process_time() - cpu)
                    taken.append(time.perf_counter() - before)
                    if got.tobytes() != wanted.tobytes():
                        raise click.ClickException(f"{folder.name} gives other patches")
                rates += [16 / np.median(taken), 16 / np.median(used)]
            click.echo(f"| {folder.name} | {size:.0f} | {rates[0]:.0f} | {rates[1]:.0f} | {rates[2]:.0f} |")


if __name__ == "__main__":
    main()
