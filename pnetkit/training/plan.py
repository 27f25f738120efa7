"""How a network is trained, in plain values."""

from dataclasses import dataclass

from pnetkit.networks import Precision
from pnetkit.training.augmentation import Rotations
from pnetkit.training.sampling import Sampling


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """Say how a network is trained; the names and defaults are those of a recipe's `training` section.

    `taken` name parameters and statistics that came from weights made elsewhere; they stay for `freeze_iterations`
    steps.
    """

    iterations: int
    sampling: Sampling
    rotations: Rotations
    flips: bool
    learning_rate: float
    poly_power: float
    momentum: float
    weight_decay: float
    nesterov: bool
    accumulation: int
    gradient_clip: float | None
    class_weights: tuple[float, ...] | None
    precision: Precision
    checkpoint_every: int
    taken: tuple[str, ...] = ()
    freeze_iterations: int = 0
