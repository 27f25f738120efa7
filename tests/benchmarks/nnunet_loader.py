"""Time drawing training patches against nnU-Net's own loader: same case on disk, patches, batch, thread and process.

nnU-Net cuts from a volume that was standardized before and lies compressed (Blosc2) in fp32; pnetkit cuts int16 HU
from a memory map, then clips and standardizes. Without augmentation these are compared, on phantoms, which compress
better than a CT. nnU-Net's default training transforms do much more than pnetkit's quarter turns and flips: they cut a
larger patch, rotate and scale it, and add noise, blur, low resolution, and changes of brightness, contrast and gamma,
each at random. Their row says what a batch of nnU-Net's training costs, not that the same work takes it longer; in
training, nnU-Net spreads that over worker processes. Both lay half of the patches around the foreground.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import click
import numpy as np
import torch

from pnetkit.training.augmentation import augment
from pnetkit.training.sampling import Sampling, TrainingCase, draw_batch, load_case
from pnetkit.types import Triple
from tests.benchmarks.model import SHAPE, training_case, written
from tests.benchmarks.nnunet import LABELS, label_manager, require_nnunet

PATCH, BATCH = (64, 64, 64), 4
SAMPLING = Sampling(PATCH, BATCH, 0.5, 0.5, "uniform")
Draw = Callable[[int], tuple[np.ndarray, np.ndarray]]


def write_for_nnunet(folder: Path, case: TrainingCase) -> None:
    """Write a case as nnU-Net's preprocessor writes it."""
    from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor  # may not be there
    from nnunetv2.training.dataloading.nnunet_dataset import comp_blosc2_params, nnUNetDatasetBlosc2

    data, seg = case.intensities[0].apply(case.hu), case.labels[None].astype(np.int16)
    foreground = [label for label in LABELS.values() if label]
    locations = DefaultPreprocessor._sample_foreground_locations(seg, foreground)
    blocks, chunks = comp_blosc2_params(data.shape, PATCH, data.itemsize)
    blocks_seg, chunks_seg = comp_blosc2_params(seg.shape, PATCH, seg.itemsize)
    nnUNetDatasetBlosc2.save_case(
        data,
        seg,
        {"class_locations": locations},
        str(folder / case.id),
        chunks=chunks,
        blocks=blocks,
        chunks_seg=chunks_seg,
        blocks_seg=blocks_seg,
    )


def loader(folder: Path, sampling: Sampling, *, transformed: bool) -> Any:
    """Make nnU-Net's loader of the cases in a folder, with the transforms that its trainer would choose, or none."""
    from nnunetv2.training.dataloading.data_loader import nnUNetDataLoader  # may not be there
    from nnunetv2.training.dataloading.nnunet_dataset import nnUNetDatasetBlosc2
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    patch = sampling.patch_size
    transforms, cut = None, patch
    if transformed:
        plan: Any = SimpleNamespace(
            configuration_manager=SimpleNamespace(patch_size=patch), print_to_log_file=lambda *_: None
        )
        rotation, flat, cut, axes = nnUNetTrainer.configure_rotation_dummyDA_mirroring_and_inital_patch_size(plan)
        transforms = nnUNetTrainer.get_training_transforms(patch, rotation, None, axes, flat)
        click.echo(f"nnU-Net cuts {tuple(int(n) for n in cut)} for its transforms")
    dataset = nnUNetDatasetBlosc2(str(folder))
    share = sampling.foreground_fraction
    return nnUNetDataLoader(dataset, sampling.batch_size, cut, patch, label_manager(), share, transforms=transforms)


def nnunet(folder: Path, *, transformed: bool) -> Draw:
    batches = loader(folder, SAMPLING, transformed=transformed)

    def draw(_: int) -> tuple[np.ndarray, np.ndarray]:
        batch = next(batches)
        return batch["data"].numpy(), batch["target"].numpy()[:, 0]

    return draw


def nnunet_batches(
    folder: Path, sampling: Sampling, *, workers: int, transformed: bool
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield batches of nnU-Net's loader in worker processes, as its trainer runs it."""
    from batchgenerators.dataloading.nondet_multi_threaded_augmenter import NonDetMultiThreadedAugmenter

    batches = NonDetMultiThreadedAugmenter(
        loader(folder, sampling, transformed=transformed),
        None,
        num_processes=workers,
        num_cached=max(6, workers // 2),
        pin_memory=torch.cuda.is_available(),
        wait_time=0.002,
    )
    try:
        while True:
            batch = next(batches)
            yield batch["data"], batch["target"][:, 0].clamp(min=0)
    finally:
        batches._finish()


def pnetkit(case: TrainingCase, *, augmented: bool) -> Draw:
    def draw(i: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng([0, i])
        batch = draw_batch([case], SAMPLING, rng)
        if augmented:
            batch = augment(batch, rotations="all-planes", flips=True, rng=rng)
        return batch.x, batch.y

    return draw


def check(name: str, x: np.ndarray, y: np.ndarray, limits: tuple[float, float] | None) -> None:
    """End the script where patches are not what a network could be trained on; nnU-Net pads labels with -1."""
    if x.shape != (BATCH, 1, *PATCH) or y.shape != (BATCH, *PATCH) or x.dtype != np.float32:
        raise SystemExit(f"{name} gives patches of shape {x.shape} ({x.dtype}) with labels of shape {y.shape}.")
    if not np.isfinite(x).all() or not np.isin(y, (-1, *LABELS.values())).all():
        raise SystemExit(f"{name} gives values that are not finite, or labels {np.unique(y)}.")
    if limits is not None and not limits[0] - 1e-3 <= x.min() <= x.max() <= limits[1] + 1e-3:
        raise SystemExit(f"{name} gives patches from {x.min()} to {x.max()}, from a volume within {limits}.")


@click.command()
@click.option("--batches", default=40, show_default=True)
@click.option("--shape", nargs=3, type=int, default=SHAPE, show_default=True, help="Of the phantom.")
def main(batches: int, shape: Triple) -> None:
    found_version = require_nnunet()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002  # nnU-Net draws from it
    case = training_case(1, shape)
    limits = tuple(float(case.intensities[0].apply(np.array([hu]))[0]) for hu in (-1e6, 1e6))
    click.echo(f"nnU-Net {found_version}; phantom (synthetic) {shape}, 1 thread; batches of {BATCH} patches of {PATCH}")
    with TemporaryDirectory() as folder:
        theirs, ours = Path(folder) / "nnunet", Path(folder) / "pnetkit"
        theirs.mkdir()
        ours.mkdir()
        write_for_nnunet(theirs, case)
        mapped = load_case(written(ours, case), case_id=case.id, intensities=case.intensities, abnormal=case.abnormal)
        for path in (theirs, ours):
            click.echo(f"{path.name}: {sum(file.stat().st_size for file in path.iterdir()) / 2**20:.1f} MiB on disk")
        rows: dict[str, tuple[Draw, tuple[float, float] | None]] = {
            "nnU-Net, no augmentation": (nnunet(theirs, transformed=False), limits),
            "pnetkit, no augmentation": (pnetkit(mapped, augmented=False), limits),
            "nnU-Net, its default transforms (much more than pnetkit's)": (nnunet(theirs, transformed=True), None),
            "pnetkit, quarter turns and flips": (pnetkit(mapped, augmented=True), limits),
        }
        seconds = {}
        for name, (draw, within) in rows.items():
            for i in range(3):  # imports, kernels that are chosen at the first call
                check(name, *draw(i), within)
            taken = []
            for i in range(batches):
                started = time.perf_counter()
                x, y = draw(i)
                taken.append(time.perf_counter() - started)
                check(name, x, y, within)
            seconds[name] = float(np.mean(taken))
            click.echo(f"{name}: {1 / seconds[name]:.1f} batches a second")
    plain_theirs, plain_ours, full_theirs, full_ours = seconds.values()
    click.echo(f"pnetkit / nnU-Net without augmentation: {plain_theirs / plain_ours:.2f} x as many batches")
    click.echo(f"each with its own augmentation, which is not the same work: {full_theirs / full_ours:.2f} x")


if __name__ == "__main__":
    main()
