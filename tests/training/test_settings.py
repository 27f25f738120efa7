"""Each setting of a training learns: the loss falls, and what a held-back case is answered beats the start."""

import pytest

from pnetkit.training.loop import train
from pnetkit.training.plan import Watch
from pnetkit.training.voxel_loss import VoxelLoss
from pnetkit.training.watch import look, patches_to_watch

ADAMW = {"optimizer": "adamw", "learning_rate": 0.03, "weight_decay": 0.01}
WEIGHTS = {"class_weights": (0.5, 1.0, 2.0, 2.0)}

SETTINGS = {
    "adamw": ADAMW,
    "cosine after a warm-up": {"schedule": "cosine", "warmup_iterations": 8, "learning_rate": 0.1},
    "constant, decay of weights alone": {"schedule": "constant", "decay": "weights", "weight_decay": 0.01},
    "dice of patches": {"loss": VoxelLoss("dice-cross-entropy")},
    "dice of the batch, weighted": {"loss": VoxelLoss("dice-cross-entropy", "batch")} | WEIGHTS,
    "focal": {"loss": VoxelLoss("focal"), "learning_rate": 0.2},
    "focal, weighted": {"loss": VoxelLoss("focal", focal_gamma=1.0), "learning_rate": 0.2} | WEIGHTS,
    "average": {"average_decay": 0.9},
    "all together": ADAMW
    | {
        "schedule": "cosine",
        "warmup_iterations": 5,
        "decay": "weights",
        "loss": VoxelLoss("dice-cross-entropy"),
        "average_decay": 0.9,
        "accumulation": 2,
        "gradient_clip": 12.0,
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SETTINGS)
def test_a_training_with_a_setting_learns(tiny_net, cases, plan, tmp_path, name):
    net = tiny_net()
    chosen = plan(iterations=20, watch=Watch(patches=4, every=20), **SETTINGS[name])
    before = look(net, patches_to_watch(cases[2:], chosen, 3), chosen, "cpu", 0)
    trained = train(
        net,
        cases[:2],
        chosen,
        seed=3,
        device="cpu",
        checkpoint=tmp_path / "none",
        report=lambda *_: None,
        maker={},
        held_back=cases[2:],
    )
    (after,) = trained.watched
    assert trained.losses[-1] < 0.8 * trained.losses[0]
    assert after.loss < before.loss
    assert after.dice["pancreas"] > before.dice["pancreas"] + 0.1
