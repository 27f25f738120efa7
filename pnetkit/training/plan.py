"""How a network is trained, in plain values."""

from dataclasses import dataclass
from typing import Literal

from pnetkit.networks import Precision
from pnetkit.training.augmentation import Augmentation, Rotations
from pnetkit.training.sampling import Sampling
from pnetkit.training.voxel_loss import CROSS_ENTROPY, VoxelLoss

Optimizer = Literal["sgd", "adamw"]
Schedule = Literal["poly", "cosine", "constant"]
Decay = Literal["all", "weights"]


@dataclass(frozen=True, slots=True)
class Watch:
    """Say of how many patches of held-back cases loss and Dice are taken, and after how many iterations each."""

    patches: int
    every: int


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
    optimizer: Optimizer = "sgd"
    schedule: Schedule = "poly"
    warmup_iterations: int = 0
    decay: Decay = "all"
    loss: VoxelLoss = CROSS_ENTROPY
    average_decay: float | None = None
    gradient_checkpointing: bool = False
    augmentation: Augmentation = "paper"
    taken: tuple[str, ...] = ()
    freeze_iterations: int = 0
    watch: Watch | None = None
