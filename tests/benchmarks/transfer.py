"""How many steps a network saves that starts from another phantom cohort's weights. Synthetic: phantoms, no patients.

A small S4C learns on the arterial phase of phantoms. Two then learn on the venous phase of others, one from nothing and
one from the first one's weights, imported as a file of tensors; each is asked now and then for the Dice of the pancreas
set in venous scans that none of them has seen.

    python -m tests.benchmarks.transfer --source 400 --steps 400
"""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click
import numpy as np

from pnetkit.cohort.phantom.generate import PhantomScan, PhantomSpec, phantom_case
from pnetkit.imaging.intensity import fit_intensity
from pnetkit.inference.search import Settings
from pnetkit.inference.segment import segment
from pnetkit.interfaces import Backbone
from pnetkit.method.plugins import identify
from pnetkit.method.starting import begin
from pnetkit.method.trained_network import new_backbone
from pnetkit.training.loop import train
from pnetkit.training.sampling import Sampling, TrainingCase, foreground_indices
from pnetkit.types import Grid
from tests.benchmarks.plans import paper_plan
from tests.imported import write_imported

SHAPE, WINDOW = (64, 64, 48), (32, 32, 16)
IDENTITY = identify("backbone", "s4c", {"width": 4})
ALL = {"part": "all", "head": "match-labels", "first_layer": "error", "labels": {}, "freeze_iterations": 0,
       "outputs": ["background", "pancreas", "tumor", "duct"], "aliases": {}}  # fmt: skip
PLAN = paper_plan(
    iterations=0,
    sampling=Sampling((16, 16, 16), 4, 0.7, 0.8, "uniform"),
    rotations="none",
    flips=False,
    learning_rate=0.05,
    class_weights=(1.0, 2.0, 8.0, 8.0),
    checkpoint_every=10**6,
)


def scans(seed: int, phase: str, numbers: Sequence[int]) -> list[PhantomScan]:
    spec = PhantomSpec(seed=seed, shape=SHAPE, difficulty=0.2)
    return [phantom_case(spec, number).scans[phase] for number in numbers]


def learned(network: Backbone, of: Sequence[PhantomScan], steps: int, seed: int = 0) -> Backbone:
    """Train a network in place, all of the schedule in so many steps."""
    cases = []
    for number, scan in enumerate(of):
        intensity = fit_intensity(scan.hu.astype(np.float32), window_hu=(-100.0, 240.0), normalization="z-score")
        cases.append(
            TrainingCase(str(number), scan.hu[None], scan.labels, *foreground_indices(scan.labels), (intensity,), True)
        )
    with tempfile.TemporaryDirectory() as folder:
        train(
            network,
            cases,
            replace(PLAN, iterations=steps),
            seed=seed,
            device="cpu",
            checkpoint=Path(folder) / "c",
            report=lambda *_: None,
            maker={},
        )
    return network


def dice(network: Backbone, of: Sequence[PhantomScan]) -> float:
    """Give the mean Dice of the pancreas set."""
    settings = Settings(WINDOW, (16, 16, 8), 8, fill=0.0, device="cpu", precision="fp32")
    found = []
    network.eval()
    for scan in of:
        hu = scan.hu.astype(np.float32)
        volume = fit_intensity(hu, window_hu=(-100.0, 240.0), normalization="z-score").apply(hu)[None]
        said = segment(network, volume, Grid(hu.shape, scan.affine), settings).segmentation.labels > 0
        found.append(2 * float((said & (scan.labels > 0)).sum()) / float(said.sum() + (scan.labels > 0).sum()))
    return float(np.mean(found))


def started(source: Backbone) -> Backbone:
    """Give a network that starts from another's weights, as imported."""
    with tempfile.TemporaryDirectory() as folder:
        weights = write_imported(Path(folder) / "w", source) / "weights.safetensors"
        network = new_backbone(IDENTITY, in_channels=1, seed=2)
        begin(network, IDENTITY, 1, weights, ALL)
    return network


@click.command()
@click.option("--source", default=400, help="Steps of the network that others start from.")
@click.option("--steps", default=400, help="The most steps of those that are compared.")
def main(source: int, steps: int) -> None:
    before = learned(new_backbone(IDENTITY, in_channels=1, seed=1), scans(7, "arterial", range(6)), source)
    there, unseen = scans(11, "venous", range(6)), scans(11, "venous", range(6, 9))
    print(f"untouched, on the other cohort: {dice(before, unseen):.3f}")  # noqa: T201
    for part in (8, 4, 2, 1):
        fresh = dice(learned(new_backbone(IDENTITY, in_channels=1, seed=2), there, steps // part), unseen)
        other = dice(learned(started(before), there, steps // part), unseen)
        print(f"{steps // part:5} steps: from nothing {fresh:.3f}, from weights {other:.3f}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
