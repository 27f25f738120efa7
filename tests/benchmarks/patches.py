"""Time drawing training patches against MONAI's transforms, from the same volume in memory, with the same augmentation.

MONAI searches the foreground at each draw unless it is given the indices; here it is given them, so both do the same:
crop around a random foreground or background voxel, clip and standardize, turn by quarters and flip.
"""

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np
import torch
from monai import transforms

from pnetkit.training.augmentation import augment
from pnetkit.training.sampling import Sampling, draw_batch, load_case
from tests.benchmarks.model import SHAPE, intensity, training_case, written

PATCH, BATCH = (64, 64, 64), 4


@click.command()
@click.option("--batches", default=40, show_default=True)
def main(batches: int) -> None:
    torch.set_num_threads(1)
    case = training_case(1, SHAPE)
    scaled = intensity(case.hu[0])
    background = np.flatnonzero(case.labels.reshape(-1) == 0)
    monai = transforms.Compose(
        [
            transforms.RandCropByPosNegLabeld(
                ["image", "label"], "label", PATCH, pos=1, neg=1, num_samples=BATCH, fg_indices_key="fg",
                bg_indices_key="bg",
            ),
            transforms.ScaleIntensityRanged("image", -100, 240, (-100 - scaled.shift) / scaled.scale,
                                            (240 - scaled.shift) / scaled.scale, clip=True),
            transforms.RandRotate90d(["image", "label"], prob=0.75, max_k=3),
            *(transforms.RandFlipd(["image", "label"], prob=0.5, spatial_axis=axis) for axis in range(3)),
        ]
    )  # fmt: skip
    data = {
        "image": torch.from_numpy(case.hu.astype(np.float32)),
        "label": torch.from_numpy(case.labels[None]),
        "fg": case.foreground,
        "bg": background,
    }
    with TemporaryDirectory() as folder:
        mapped = load_case(written(Path(folder), case), case_id="1", intensities=(scaled,), abnormal=True)
        sampling = Sampling(PATCH, BATCH, 0.5, 0.0, "uniform")

        def ours(i: int) -> np.ndarray:
            rng = np.random.default_rng([0, i])
            return augment(draw_batch([mapped], sampling, rng), rotations="axial", flips=True, rng=rng).x

        def theirs(_: int) -> np.ndarray:
            return torch.stack([item["image"].as_tensor() for item in monai(data)]).numpy()

        seconds = {}
        for name, draw in {"MONAI": theirs, "pnetkit": ours}.items():
            first = draw(0)
            low, high = (float(v) for v in ((-100 - scaled.shift) / scaled.scale, (240 - scaled.shift) / scaled.scale))
            if first.shape != (BATCH, 1, *PATCH) or not low - 1e-3 <= first.min() <= first.max() <= high + 1e-3:
                raise SystemExit(f"{name} gives patches of shape {first.shape} from {first.min()} to {first.max()}.")
            started = time.perf_counter()
            for i in range(batches):
                draw(i)
            seconds[name] = (time.perf_counter() - started) / batches
            click.echo(f"{name}: {1 / seconds[name]:.1f} batches of {BATCH} patches of 64^3 a second")
        click.echo(f"{seconds['MONAI'] / seconds['pnetkit']:.2f} x")


if __name__ == "__main__":
    main()
