"""What weights of another cohort are worth: synthetic cubes here, phantoms in tests/benchmarks/transfer.py."""

import numpy as np
import pytest
import torch

from pnetkit.imaging.intensity import Intensity
from pnetkit.networks import build_seeded
from pnetkit.training.loop import train
from pnetkit.training.plan import TrainingPlan
from pnetkit.training.sampling import Sampling, TrainingCase, foreground_indices
from pnetkit.transfer.filling import fill
from pnetkit.transfer.fit import How, anatomy, fit
from pnetkit.types import CLASSES
from tests.testing.broken_backbones import Sound


def cube(seed, brightness):
    """A bright cube in noise, of a place and size of its own."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((20, 20, 20), np.uint8)
    x, y, z = rng.integers(3, 9, 3)
    labels[x : x + 7, y : y + 6, z : z + 7] = 1
    hu = (labels * brightness + rng.normal(0, 20, labels.shape)).astype(np.int16)
    return TrainingCase(
        str(seed), hu[None], labels, *foreground_indices(labels), (Intensity(-100, 240, 20, 50),), False
    )


def learned(network, cases, steps, folder):
    plan = TrainingPlan(
        iterations=steps, sampling=Sampling((12, 12, 12), 2, 0.5, 0.0, "uniform"), rotations="none", flips=False,
        learning_rate=0.05, poly_power=0.9, momentum=0.9, weight_decay=0.0, nesterov=False, accumulation=1,
        gradient_clip=None, class_weights=None, precision="fp32", checkpoint_every=1000,
    )  # fmt: skip
    where = folder / f"{id(network)}"
    train(network, cases, plan, seed=0, device="cpu", checkpoint=where, report=lambda *_: None, maker={})
    return network


def dice(network, cases):
    network.eval()
    found = []
    for case in cases:
        x = torch.from_numpy(case.intensities[0].apply(case.hu[0]))[None, None]
        with torch.inference_mode():
            said = network(x).logits[0].argmax(dim=0).numpy() > 0
        found.append(2 * (said & (case.labels > 0)).sum() / (said.sum() + (case.labels > 0).sum()))
    return float(np.mean(found))


@pytest.mark.slow
def test_from_another_cohort_s_weights_half_of_the_steps_reach_the_dice_of_all_from_nothing(tmp_path):
    theirs, ours = [cube(seed, 110) for seed in range(4)], [cube(seed, 90) for seed in range(10, 14)]
    unseen = [cube(seed, 90) for seed in range(20, 23)]
    source = learned(build_seeded(Sound, 1), theirs, 60, tmp_path)
    fresh = dice(learned(build_seeded(Sound, 2), ours, 24, tmp_path), unseen)
    network, state = build_seeded(Sound, 2), source.state_dict()
    of = anatomy(network, Sound(num_classes=5), Sound(in_channels=2))
    fill(network, fit(network, of, {name: tuple(t.shape) for name, t in state.items()}, How(theirs=CLASSES)), state)
    assert dice(learned(network, ours, 12, tmp_path), unseen) > fresh
