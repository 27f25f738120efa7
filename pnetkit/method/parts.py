"""Take a recipe apart: its plugins and settings, as the keys of the stages know them."""

from dataclasses import dataclass
from typing import Any, Literal

from pnetkit.errors import Fault, PnetkitError, RecipeError
from pnetkit.imaging.spacing import Spacing
from pnetkit.inference.runtime import require_runtime
from pnetkit.interfaces import (
    Backbone,
    FeatureBackbone,
    FeatureCaseClassifier,
    PhaseFusion,
    TrainedCaseClassifier,
    TrainedPhaseFusion,
)
from pnetkit.method.plugins import build, identify
from pnetkit.method.starting import Start, find_start
from pnetkit.networks import build_seeded, check_patch_size, without_values
from pnetkit.recipe.models import PluginChoice, Recipe, TrainingSettings
from pnetkit.sources import Sources
from pnetkit.training.modules import as_module
from pnetkit.training.recomputation import require_groups
from pnetkit.types import CLASSES, FeatureNeeds, PhaseFinding, Triple

RulesOn = Literal["scan", "network"]
"""Whose voxels postprocessors and classifier see: the scan's, or those at the network's spacing."""

LATER_TRAINING_KEYS = (
    "augmentation",
    "optimizer",
    "schedule",
    "warmup_iterations",
    "decay",
    "loss",
    "dice_over",
    "focal_gamma",
    "average_decay",
    "gradient_checkpointing",
    "watch",
)
"""Settings of the training that came after the first results: they are in a key where they are not at their default."""


@dataclass(frozen=True, slots=True)
class Input:
    """Say what one network sees: the phases that are its channels, under the name of its findings."""

    name: str
    phases: tuple[str, ...]
    resample: bool


@dataclass(frozen=True, slots=True)
class Parts:
    """Hold what stands in keys, and what a plan has to know of a recipe.

    `parameters` counts those of the backbone. `is_trained` tells whether the classifier learns, `out_of_fold` whether
    it does so on what networks say of cases that they have not seen; `fusion_is_trained` whether the fusion learns.
    `spacing_mm` is that of the network's voxels: `median` of each training's own cases, None for the scanner's.
    `start` is what networks start from, None for the seed alone.
    """

    inputs: tuple[Input, ...]
    backbone: dict[str, Any]
    chain: list[dict[str, Any]]
    classifier: dict[str, Any]
    fusion: dict[str, Any]
    needs: FeatureNeeds
    is_trained: bool
    out_of_fold: bool
    fusion_is_trained: bool
    intensity: dict[str, Any]
    labels: dict[str, Any]
    training: dict[str, Any]
    inference: dict[str, Any]
    parameters: int
    spacing_mm: Spacing | Literal["median"] | None = None
    rules_on: RulesOn = "scan"
    start: Start | None = None

    @property
    def plugins(self) -> dict[str, Any]:
        """Give the identities of the plugins, for the run's record."""
        return {
            "backbone": self.backbone,
            "postprocess": self.chain,
            "classifier": self.classifier,
            "fusion": self.fusion,
        }


def take_apart(recipe: Recipe, sources: Sources) -> Parts:
    """Build each plugin once, hold it to the recipe, and give what stands in keys.

    Raises:
        PluginError: a plugin cannot be built, or does not fit the recipe's patch size.
        RecipeError: the plugins do not fit each other.
    """
    backbone = _identify("backbone", recipe.backbone, sources)
    classifier = _identify("case-classifier", recipe.classifier, sources)
    built = build(classifier)
    needs = built.needs if isinstance(built, FeatureCaseClassifier) else FeatureNeeds()
    inputs = tuple(
        Input(name, found.phases, found.resample and len(found.phases) > 1) for name, found in recipe.networks.items()
    )
    with without_values():
        channels = max(len(seen.phases) for seen in inputs)
        shape_only = build_seeded(lambda: build(backbone, in_channels=channels, num_classes=len(CLASSES)), 0)
    window = recipe.inference.window_size or recipe.training.patch_size
    check_patch_size(shape_only, recipe.training.patch_size, "training.patch_size")
    for other in recipe.training.mixed_patches:
        check_patch_size(shape_only, other.size, "training.mixed_patches.size")
    check_patch_size(shape_only, window, "inference.window_size")
    if recipe.training.gradient_checkpointing:
        require_groups(as_module(shape_only))
    is_trained = isinstance(built, TrainedCaseClassifier)
    fusion = _identify("phase-fusion", recipe.fusion, sources)
    fused = build(fusion)
    fusion_is_trained = isinstance(fused, TrainedPhaseFusion)
    if not fusion_is_trained:
        _check_fuses(fused, recipe, tuple(seen.name for seen in inputs))
    _check_fit(shape_only, needs, recipe, is_trained=is_trained, fusion_is_trained=fusion_is_trained)
    training = recipe.training.model_dump(mode="json")
    for key in ("seed", "repeat_seeds", "checkpoint_every", "start_from"):
        del training[key]
    for key in LATER_TRAINING_KEYS:  # keys of the store stay those of a version without them
        if training[key] == TrainingSettings.model_fields[key].default:
            del training[key]
    start = find_start(recipe, backbone, {len(seen.phases) for seen in inputs})
    if start is not None:  # else keys stay those of a version without it
        training["start_from"] = dict(start.how)
    labels = recipe.cohort.labels
    return Parts(
        inputs=inputs,
        backbone=backbone,
        chain=[_identify("postprocessor", choice, sources) for choice in recipe.postprocess],
        classifier=classifier,
        fusion=fusion,
        needs=needs,
        is_trained=is_trained,
        out_of_fold=recipe.classifier_evidence == "out-of-fold",
        fusion_is_trained=fusion_is_trained,
        intensity=recipe.intensity.model_dump(mode="json", exclude_none=True),
        labels={
            "mapping": None if labels is None else {str(k): v for k, v in labels.items()},
            "unmapped": recipe.cohort.unmapped_labels,
        },
        training=training,
        inference=_inference_identity(recipe, window),
        parameters=sum(p.numel() for p in shape_only.parameters()),
        spacing_mm=recipe.preprocess.spacing,
        rules_on=recipe.preprocess.rules_on,
        start=start,
    )


def _identify(kind: str, choice: PluginChoice, sources: Sources) -> dict[str, Any]:
    found = identify(kind, choice.plugin, choice.params)
    return found | {"source": sources.get((kind, choice.plugin), found["source"])}


def _inference_identity(recipe: Recipe, window: Triple) -> dict[str, Any]:
    """Give what decides a segmentation; a mean of probabilities may depend on the batch in its last bit."""
    settings = recipe.inference
    found: dict[str, Any] = {
        "window_size": list(window),
        "stride": _edges(settings.stride),
        "keep_votes": settings.keep_votes,
        "precision": settings.precision,
        "body": settings.body,
    }
    if settings.search == "coarse-to-fine":
        coarse = settings.coarse
        found["coarse"] = coarse.model_dump(mode="json") | {"stride": _edges(coarse.stride or window)}
        if coarse.region_stride is None:  # keys stay those of a version without it
            del found["coarse"]["region_stride"], found["coarse"]["lesion_margin_voxels"]
        else:
            found["coarse"]["region_stride"] = _edges(coarse.region_stride)
        if not coarse.chessboard:
            del found["coarse"]["chessboard"]
    if settings.runtime != "torch":
        require_runtime(settings.runtime)
        found["runtime"] = settings.runtime
    if settings.combine != "vote":
        found |= {"combine": settings.combine, "batch_size": settings.windows_at_once}
    if settings.test_time != "none":
        found["test_time"] = settings.test_time
    if settings.window_weights != "uniform":
        found["window_weights"] = settings.window_weights
        if settings.window_center is not None:
            found["window_center"] = list(settings.window_center)
    return found


def _edges(edges: int | Triple) -> list[int]:
    return [edges] * 3 if isinstance(edges, int) else list(edges)


def _check_fuses(fusion: PhaseFusion, recipe: Recipe, expected: tuple[str, ...]) -> None:
    """Ask a rule for the fusion of a case that has everything: what it refuses there it would refuse of every case."""
    findings = {name: PhaseFinding(name, 0.0, 1.0) for name in expected}
    try:
        fusion.fuse("a case", findings, expected=expected)
    except Exception as error:
        said = str(error) if isinstance(error, ValueError | PnetkitError) else f"{type(error).__name__}: {error}"
        message = f"{recipe.fusion.plugin!r} cannot fuse the recipe's inputs ({', '.join(expected)}): {said}"
        raise RecipeError(
            f"The plugins of the recipe {recipe.name} do not fit each other:", [Fault("fusion", message)]
        ) from error


def _check_fit(
    backbone: Backbone, needs: FeatureNeeds, recipe: Recipe, *, is_trained: bool, fusion_is_trained: bool
) -> None:
    """Hold the classifier's needs against what the backbone publishes, and the thresholds against the fusion."""
    chosen, network = repr(recipe.classifier.plugin), repr(recipe.backbone.plugin)
    published = backbone.spec.features if isinstance(backbone, FeatureBackbone) else {}
    faults = []
    missing = [name for name in needs.names if name not in published]
    if missing:
        message = (
            f"{chosen} needs the feature maps {', '.join(missing)}, but the backbone {network} publishes "
            f"{', '.join(published) or 'none'}. Choose others."
        )
        faults.append(Fault("classifier", message))
    for name in needs.names:
        if name in published and needs.channels not in (None, published[name].channels):
            message = (
                f"{chosen} needs maps of {needs.channels} channels, {name} of {network} has {published[name].channels}"
            )
            faults.append(Fault("classifier", message))
    only = backbone.spec.only_size
    if needs.names and only is not None:
        message = (
            f"{chosen} looks at feature maps of the pancreas's box, but the backbone {network} takes {only} alone. "
            f"Choose others."
        )
        faults.append(Fault("classifier", message))
    if recipe.classifier_evidence == "out-of-fold":
        aligned = [name for name, spec in published.items() if spec.aligned]
        foreign = [name for name in needs.names if name not in aligned and name not in missing]
        if not is_trained:
            faults.append(Fault("classifier_evidence", f"{chosen} is not trained, so out-of-fold changes nothing"))
        elif foreign:
            message = (
                f"out-of-fold evidence comes from several networks, and the channels of {', '.join(foreign)} mean "
                f"something else in each; {network} publishes {', '.join(aligned) or 'no map'} that can be used"
            )
            faults.append(Fault("classifier_evidence", message))
    if recipe.operating_point is not None and fusion_is_trained:
        message = (
            f"moves the phases' thresholds on the cases that {recipe.fusion.plugin!r} has learned from, so its rates "
            f"there would flatter. Leave it out and set the fusion's own parameters, or choose one that does not learn"
        )
        faults.append(Fault("operating_point", message))
    if faults:
        raise RecipeError(f"The plugins of the recipe {recipe.name} do not fit each other:", faults)
