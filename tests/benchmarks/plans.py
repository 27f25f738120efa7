"""The paper's way of training, for tests and benchmarks to change in what they are about."""

from typing import Any

from pnetkit.training.plan import TrainingPlan


def paper_plan(**changes: Any) -> TrainingPlan:
    """Give a plan with SGD as the paper has it; `iterations`, `sampling` and `checkpoint_every` have to be given."""
    paper: dict[str, Any] = {
        "rotations": "all-planes",
        "flips": True,
        "learning_rate": 0.01,
        "poly_power": 0.9,
        "momentum": 0.9,
        "weight_decay": 5e-4,
        "nesterov": False,
        "accumulation": 1,
        "gradient_clip": None,
        "class_weights": None,
        "precision": "fp32",
    }
    return TrainingPlan(**(paper | changes))
