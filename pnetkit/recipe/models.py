"""What a recipe may say: every section, key, type, bound and default."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from pnetkit.label_sets import IGNORED
from pnetkit.recipe.fields import Edges, Fraction, Positive, Precision, Section
from pnetkit.recipe.inference import InferenceSettings
from pnetkit.recipe.preprocess import PreprocessSettings
from pnetkit.recipe.transfer import StartFromSettings


def _ascending(window: tuple[float, float]) -> tuple[float, float]:
    if not window[0] < window[1]:
        raise ValueError(f"wanted the lower bound first, got {list(window)}")
    return window


def _phases(phases: tuple[str, ...]) -> tuple[str, ...]:
    if not phases or len(set(phases)) < len(phases):
        raise ValueError(f"wanted one or more phases, each once, got {list(phases)}")
    if any(not name.isidentifier() for name in phases):
        raise ValueError(f"a phase names columns and files, so it has to be one plain word, got {list(phases)}")
    return phases


def _inputs(inputs: "dict[str, InputSettings] | None") -> "dict[str, InputSettings] | None":
    if inputs is not None:
        if not inputs:
            raise ValueError("wanted one or more inputs, or null for one network to each phase")
        _phases(tuple(inputs))
    return inputs


def _labels(labels: dict[int, int] | None) -> dict[int, int] | None:
    wrong = sorted({v for v in (labels or {}).values() if v not in range(4) and v != IGNORED})
    if wrong:
        raise ValueError(f"labels are mapped to 0 background, 1 pancreas, 2 tumor, 3 duct, or ignore; got {wrong}")
    return labels


def _ignored(label: Any) -> Any:
    """Give `ignore` as the label of voxels that may be of any class."""
    return IGNORED if label == "ignore" else label


Label = Annotated[int, BeforeValidator(_ignored)]

ClassWeight = Annotated[float, Field(ge=0)]

OF_SGD = ("momentum", "nesterov")
"""Keys that AdamW does not know."""


class PluginChoice(Section):
    """Name a plugin and its parameters; `pnetkit plugins show NAME` lists them."""

    plugin: Annotated[str, Field(min_length=1, description="Name of an installed plugin.")]
    params: dict[str, Any] = Field(
        default_factory=dict, description="Its parameters; those not given keep their defaults."
    )


class PhantomSettings(Section):
    """Describe the phantoms that are generated where no cohort is given."""

    cases: Annotated[int, Field(ge=2, description="Number of cases.")] = 32
    difficulty: Annotated[Fraction, Field(description="0 easy to 1 hard: lesion size, contrast, noise.")] = 0.5
    abnormal_fraction: Annotated[Fraction, Field(description="Share of cases with a tumor.")] = 0.5
    shape: Annotated[Edges, Field(description="Voxels of the venous scan.")] = (96, 96, 64)


class CohortSettings(Section):
    """Say how a cohort is read and dealt into folds."""

    seed: Annotated[int, Field(ge=0, description="Seed of the folds, and of generated phantoms.")] = 0
    folds: Annotated[int, Field(ge=2, description="Number of folds, unless the table gives them.")] = 4
    dealing: Annotated[
        Literal["even", "stable"],
        Field(
            description="Diagnoses spread evenly, where a patient more moves others; or each patient by id and seed "
            "alone, where nobody ever moves."
        ),
    ] = "even"
    labels: Annotated[
        dict[int, Label] | None,
        AfterValidator(_labels),
        Field(
            description="Label values in the files -> 0 background, 1 pancreas, 2 tumor, 3 duct, or ignore: in no loss "
            "and no figure."
        ),
    ] = None
    unmapped_labels: Annotated[
        Literal["error", "background"], Field(description="What becomes of values that `labels` does not name.")
    ] = "error"
    phantom: Annotated[PhantomSettings | None, Field(description="Phantoms to generate when no cohort is given.")] = (
        None
    )


class InputSettings(Section):
    """Say what one network sees: one phase, or several stacked as its channels (early fusion).

    Labels, segmentation and finding are those of the first phase, on its grid.
    """

    phases: Annotated[
        tuple[str, ...], AfterValidator(_phases), Field(description="The network's channels; the first gives the grid.")
    ]
    resample: Annotated[
        bool,
        Field(
            description="Whether the other phases are interpolated onto the first one's grid, by the scanner's "
            "coordinates and without registration; otherwise they have to lie on it."
        ),
    ] = False


class IntensitySettings(Section):
    """Say how Hounsfield units become network input."""

    window_hu: Annotated[
        tuple[float, float], AfterValidator(_ascending), Field(description="Values are clipped to this window.")
    ] = (-100.0, 240.0)
    normalization: Annotated[
        Literal["z-score", "unit", "none", "fixed"],
        Field(description="Per-case z-score, window to [0, 1], clipped HU, or mean and deviation that are given."),
    ] = "z-score"
    mean_hu: Annotated[float | None, Field(description="Mean for `fixed`, as nnU-Net has it of its cases.")] = None
    deviation_hu: Annotated[float | None, Field(gt=0, description="Standard deviation for `fixed`.")] = None

    @model_validator(mode="after")
    def _given_where_fixed(self) -> "IntensitySettings":
        given = [value is not None for value in (self.mean_hu, self.deviation_hu)]
        if given != [self.normalization == "fixed"] * 2:
            raise ValueError("mean_hu and deviation_hu go with normalization fixed, and with no other")
        return self


class MixedPatchSettings(Section):
    """Let a share of the training's steps draw patches of another size."""

    size: Annotated[Edges, Field(description="Edges of these patches in voxels.")]
    share: Annotated[float, Field(gt=0, le=1, description="Share of the steps; a step keeps its number of voxels.")]


class WatchSettings(Section):
    """Hold back a few patients of each training's folds, and say what the network makes of them while it trains."""

    patients: Annotated[Positive, Field(description="Patients that are held back, abnormal and others in turn.")] = 2
    patches: Annotated[Positive, Field(description="Patches of their cases, drawn once.")] = 32
    every: Annotated[Positive, Field(description="Steps between two looks; there is one after the last step too.")] = (
        1000
    )


class TrainingSettings(Section):
    """Say how networks are trained; defaults are the paper's, or method.md's where the paper is silent."""

    seed: Annotated[int, Field(ge=0, description="Seed of first weights, patches and augmentation.")] = 0
    repeat_seeds: Annotated[
        tuple[Annotated[int, Field(ge=0)], ...],
        Field(description="Further seeds that `pnetkit compare` runs a recipe with, for the spread between them."),
    ] = ()
    iterations: Annotated[
        int, Field(ge=0, description="Steps of the optimizer; 0 uses a network that starts from weights as it is.")
    ] = 80000
    batch_size: Annotated[Positive, Field(description="Patches in a step.")] = 16
    accumulation: Annotated[Positive, Field(description="Micro-batches a step is split into, to save memory.")] = 1
    patch_size: Annotated[Edges, Field(description="Edges of a patch in voxels.")] = (64, 64, 64)
    mixed_patches: Annotated[
        tuple[MixedPatchSettings, ...],
        Field(description="Other sizes of patch that some steps draw, for a network that is to answer for them too."),
    ] = ()
    foreground_fraction: Annotated[Fraction, Field(description="Share of patches centered on the pancreas set.")] = 0.5
    lesion_fraction: Annotated[Fraction, Field(description="Of these, the share on tumor or duct.")] = 0.5
    case_sampling: Annotated[
        Literal["uniform", "balanced"], Field(description="Any case alike, or normal and abnormal alike.")
    ] = "uniform"
    augmentation: Annotated[
        Literal["paper", "strong", "none"],
        Field(
            description="paper: quarter turns and flips; strong: what nnU-Net does, turns by any angle, scaling, "
            "flips, noise, blur, brightness, contrast, low resolution and gamma; none: patches as they lie."
        ),
    ] = "paper"
    rotations: Annotated[
        Literal["all-planes", "axial", "none"],
        Field(description="Planes of the random turns: by quarters, or where augmentation is strong by any angle."),
    ] = "all-planes"
    flips: Annotated[bool, Field(description="Whether each axis is flipped at random.")] = True
    optimizer: Annotated[
        Literal["sgd", "adamw"], Field(description="SGD with momentum, or AdamW with torch's betas and epsilon.")
    ] = "sgd"
    learning_rate: Annotated[
        float, Field(gt=0, description="Largest learning rate; AdamW asks for a hundredth of SGD's or so.")
    ] = 0.01
    schedule: Annotated[
        Literal["poly", "cosine", "constant"], Field(description="Course of the learning rate after the warm-up.")
    ] = "poly"
    warmup_iterations: Annotated[
        int, Field(ge=0, description="Steps in which the learning rate rises to the whole, before the schedule.")
    ] = 0
    poly_power: Annotated[float, Field(ge=0, description="Power of the polynomial schedule.")] = 0.9
    momentum: Annotated[float, Field(ge=0, lt=1, description="Momentum of SGD.")] = 0.9
    weight_decay: Annotated[float, Field(ge=0, description="Weight decay; AdamW's is apart from the gradient.")] = 5e-4
    decay: Annotated[
        Literal["all", "weights"], Field(description="What decays: all parameters, or not those of norms and biases.")
    ] = "all"
    nesterov: Annotated[bool, Field(description="Whether the momentum is Nesterov's.")] = False
    gradient_clip: Annotated[
        float | None, Field(gt=0, description="Largest norm of the gradient; null for no limit.")
    ] = None
    loss: Annotated[
        Literal["cross-entropy", "dice-cross-entropy", "focal"],
        Field(description="Loss of each output over its voxels: cross-entropy, that and soft Dice, or focal."),
    ] = "cross-entropy"
    dice_over: Annotated[
        Literal["patch", "batch"],
        Field(description="Soft Dice of each patch, or of the voxels of a batch together (of each of its parts)."),
    ] = "patch"
    focal_gamma: Annotated[float, Field(ge=0, description="Exponent of the focal loss; 0 is cross-entropy.")] = 2.0
    class_weights: Annotated[
        tuple[ClassWeight, ClassWeight, ClassWeight, ClassWeight] | None,
        Field(
            description="Weights of the classes in the loss, null for 1: of voxels in a weighted mean (cross-entropy), "
            "of the classes' terms (Dice), of voxels in a plain mean (focal)."
        ),
    ] = None
    average_decay: Annotated[
        float | None,
        Field(
            gt=0,
            lt=1,
            description="Share of an exponential moving average of the weights that stays at a step, as 0.999; the "
            "average is what is tested. Null for the last weights.",
        ),
    ] = None
    gradient_checkpointing: Annotated[
        bool, Field(description="Compute groups of layers twice, to keep less memory; the same weights on a CPU.")
    ] = False
    watch: Annotated[
        WatchSettings | None,
        Field(description="Loss and Dice of patches of held-back training patients while it trains; null for none."),
    ] = None
    precision: Annotated[
        Precision,
        Field(
            description="Numbers that the network computes in; auto is bf16 where the device has it, tf32 is fp32 with "
            "rounded products, on GPUs since Ampere."
        ),
    ] = "fp32"
    checkpoint_every: Annotated[Positive, Field(description="Steps between two checkpoints.")] = 1000
    start_from: Annotated[
        StartFromSettings | None, Field(description="Weights made elsewhere that networks start from; null for none.")
    ] = None

    @model_validator(mode="after")
    def _divisible(self) -> "TrainingSettings":
        if self.batch_size % self.accumulation:
            raise ValueError(f"batch_size {self.batch_size} cannot be split into {self.accumulation} micro-batches")
        if sum(other.share for other in self.mixed_patches) > 1:
            raise ValueError("the shares of mixed_patches add up to more than 1")
        if len({self.seed, *self.repeat_seeds}) <= len(self.repeat_seeds):
            raise ValueError(
                f"repeat_seeds {list(self.repeat_seeds)} has to differ from seed {self.seed} and in itself"
            )
        if not self.iterations and self.start_from is None:
            raise ValueError("iterations 0 trains nothing, so start_from has to name the weights of a whole network")
        if not self.iterations and self.watch is not None:
            raise ValueError("iterations 0 trains nothing, so there is nothing to watch; set watch to null")
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs a momentum above 0")
        return self

    @model_validator(mode="after")
    def _fitting(self) -> "TrainingSettings":
        """Refuse what would change nothing: whoever gives it means something else."""
        if self.optimizer != "sgd":
            self._require_defaults(OF_SGD, f"of SGD, and the optimizer is {self.optimizer}")
        if self.schedule != "poly":
            self._require_defaults(("poly_power",), f"of the schedule poly, and the schedule is {self.schedule}")
        if self.loss != "dice-cross-entropy":
            self._require_defaults(("dice_over",), f"of the loss dice-cross-entropy, and the loss is {self.loss}")
        if self.loss != "focal":
            self._require_defaults(("focal_gamma",), f"of the loss focal, and the loss is {self.loss}")
        if self.warmup_iterations and self.warmup_iterations >= self.iterations:
            raise ValueError(
                f"warmup_iterations {self.warmup_iterations} leave nothing of the {self.iterations} iterations to the "
                f"schedule; take a tenth of them or less"
            )
        return self

    def _require_defaults(self, keys: tuple[str, ...], why: str) -> None:
        """Hold keys to their defaults, which a recipe that this one extends, or a resolved one, may have given."""
        for key in keys:
            value, default = getattr(self, key), type(self).model_fields[key].default
            if value != default:
                raise ValueError(f"{key} {value} is {why}; leave it out, or set it back to {default}")


class OperatingPointSettings(Section):
    """Say which rate of the fused decision thresholds are to reach; they are chosen for each fold on the others."""

    target: Annotated[Literal["sensitivity", "specificity"], Field(description="The rate that has to be reached.")]
    at_least: Annotated[float, Field(gt=0, le=1, description="What it has to be on the choosing folds.")]


class Recipe(Section):
    """A whole method: one plugin for each of the four jobs, and how to train and run them."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", description="Names the run and its row in tables.")]
    description: Annotated[str, Field(description="One or two sentences for readers of the results.")] = ""
    phases: Annotated[
        tuple[str, ...], AfterValidator(_phases), Field(description="Contrast phases; one network each.")
    ] = ("arterial", "venous")
    inputs: Annotated[
        dict[str, InputSettings] | None,
        AfterValidator(_inputs),
        Field(description="Inputs of networks by name; null for one network to each phase, named like it."),
    ] = None
    cohort: CohortSettings = CohortSettings()
    preprocess: PreprocessSettings = PreprocessSettings()
    intensity: IntensitySettings = IntensitySettings()
    backbone: PluginChoice
    training: TrainingSettings = TrainingSettings()
    inference: InferenceSettings = InferenceSettings()
    postprocess: Annotated[tuple[PluginChoice, ...], Field(description="Rules applied one after another.")] = ()
    classifier: PluginChoice
    classifier_evidence: Annotated[
        Literal["in-fold", "out-of-fold"],
        Field(
            description="What a trained classifier learns from: the fold's own network on cases that it has seen (the "
            "paper), or networks that have not seen them, for which more are trained."
        ),
    ] = "in-fold"
    fusion: PluginChoice
    operating_point: Annotated[
        OperatingPointSettings | None, Field(description="Thresholds chosen on the other folds; null for the recipe's.")
    ] = None

    @property
    def networks(self) -> dict[str, InputSettings]:
        """Give what each network sees, by the name under which its findings stand."""
        return self.inputs or {phase: InputSettings(phases=(phase,)) for phase in self.phases}

    @model_validator(mode="after")
    def _inputs_of_known_phases(self) -> "Recipe":
        seen = {phase for found in self.networks.values() for phase in found.phases}
        if seen != set(self.phases):
            raise ValueError(f"inputs name the phases {sorted(seen)}, but the recipe's are {sorted(self.phases)}")
        return self

    @model_validator(mode="after")
    def _mirrored_in_training_too(self) -> "Recipe":
        seen = self.training.flips and self.training.augmentation != "none"
        if self.inference.test_time == "mirror" and not seen:
            raise ValueError(
                "inference.test_time 'mirror' is for networks that have seen mirrored patches, and training.flips "
                f"{self.training.flips} with training.augmentation {self.training.augmentation!r} shows none. Set "
                "training.flips: true, or inference.test_time: none"
            )
        return self

    @model_validator(mode="after")
    def _median_of_a_training(self) -> "Recipe":
        if self.preprocess.spacing_mm == "median" and not self.training.iterations:
            raise ValueError(
                "preprocess.spacing_mm is median, that of a training's own cases, and nothing is trained "
                "(training.iterations 0). Give the spacing that the network was trained at"
            )
        return self

    @model_validator(mode="after")
    def _stride_within_window(self) -> "Recipe":
        self.inference.require_windows(self.inference.window_size or self.training.patch_size)
        return self
