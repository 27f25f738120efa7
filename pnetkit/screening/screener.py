"""Load a model once, and put scans to it: from the images of one case to its finding."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pnetkit import cuda
from pnetkit.errors import Fault, ModelError, RecipeError, StoreError
from pnetkit.evaluation.operating_point import at_operating_point
from pnetkit.imaging.body import body_mask
from pnetkit.imaging.resampling import resample
from pnetkit.imaging.spacing import Spacing, at_spacing, grid_at, labels_on, median_of
from pnetkit.inference.predictors import label_predictor
from pnetkit.inference.runtime import largest_batch
from pnetkit.inference.segment import Segmented, segment
from pnetkit.interfaces import Backbone, CaseClassifier, PhaseFusion, TrainedCaseClassifier, TrainedPhaseFusion
from pnetkit.method.device_fit import fit_to_device
from pnetkit.method.inference import inference_settings, network_as_run
from pnetkit.method.maps import maps_around
from pnetkit.method.network_input import NetworkInput, as_network_input
from pnetkit.method.parts import Input, Parts, take_apart
from pnetkit.method.plugins import build
from pnetkit.method.rules import classified, cleaned, evidence_of
from pnetkit.method.trained_network import load_weights
from pnetkit.model.folder import RECIPE, Model, chosen_folds, require_unchanged
from pnetkit.networks import Network, choose_device
from pnetkit.recipe.check import load_recipe
from pnetkit.recipe.models import Recipe
from pnetkit.screening.looks import Look, agreement_of_looks, labels_of_looks, region_of_looks
from pnetkit.types import (
    BACKGROUND,
    CLASSES,
    GRID_TOLERANCE_VOXELS,
    CaseFinding,
    Evidence,
    PhaseFinding,
    Scan,
    Segmentation,
)


@dataclass(frozen=True, slots=True)
class _Member:
    """One fold's network of one input: as it was trained, as it is run, and the classifier that learned from it.

    `spacing_mm` is that of the voxels that it was trained on; None for the scanner's.
    """

    backbone: Backbone
    network: Network
    classifier: CaseClassifier
    spacing_mm: Spacing | None


@dataclass(frozen=True, slots=True)
class Screener:
    """Hold a model in memory, ready for any number of cases."""

    model: Model
    parts: Parts
    folds: tuple[int, ...]
    device: str
    batch_size: int
    members: Mapping[str, Sequence[_Member]]
    fusion: PhaseFusion


@dataclass(frozen=True, slots=True, eq=False)
class InputResult:
    """Hold what one input's networks said of one case: cleaned labels on the scan's own grid, finding, what it took.

    `region` (x, y, z) is where a coarse-to-fine search looked closely; None where it looked everywhere.
    """

    segmentation: Segmentation
    finding: PhaseFinding
    agreement: float | None
    windows: int
    fallback: str
    region: NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class CaseResult:
    """Hold the fused finding of a case, and what each input contributed."""

    finding: CaseFinding
    inputs: Mapping[str, InputResult]


def load_screener(
    model: Model, *, device: str = "auto", folds: Sequence[int] | None = None, overrides: Sequence[str] = ()
) -> Screener:
    """Load a model's networks, those of all folds or of the chosen ones; `overrides` (KEY=VALUE) change its recipe.

    Raises:
        ModelError: a fold is not there, a file does not fit the plugin that is installed here, what a fusion learned
            is not there, the folder was changed since the model was read, or its spacing is to be another.
    """
    if any(text.partition("=")[0].strip().startswith("preprocess.spacing") for text in overrides):
        raise ModelError(f"{model.folder}: its networks were trained at a spacing, and cannot be run at another.")
    chosen, where = chosen_folds(model, folds), choose_device(device)
    try:
        recipe = load_recipe(model.folder / RECIPE, overrides=tuple(overrides)).recipe
        recipe = fit_to_device(_of_its_own(recipe), where, training=False)
        parts = take_apart(recipe, {})
        members = {seen.name: [_member(model, parts, seen, fold, where) for fold in chosen] for seen in parts.inputs}
        fusion = _fusion(model, parts)
        require_unchanged(model)
    except (RecipeError, StoreError) as error:
        raise ModelError(f"{model.folder}: does not fit what is installed here. {error}") from error
    batch_size = largest_batch(recipe.inference.runtime, recipe.inference.windows_at_once)
    return Screener(model, parts, chosen, where, batch_size, members, fusion)


def warm_up(screener: Screener) -> None:
    """Run a window through every network, before time is taken: what a runtime compiles first is no part of a case."""
    inference = screener.parts.inference
    for seen in screener.parts.inputs:
        window = np.zeros((1, len(seen.phases), *inference["window_size"]), dtype=np.float32)
        for member in screener.members[seen.name]:
            label_predictor(member.network, device=screener.device, precision=inference["precision"])(window)


def screen_scans(screener: Screener, case_id: str, scans: Mapping[str, Scan]) -> CaseResult:
    """Segment the scans of one case (by phase), clean up, classify, fuse.

    An input whose phases are not all there has no finding; the fusion decides what becomes of the case.

    Raises:
        MissingPhaseError: the fusion does not do without a phase that is missing.
        RecipeError: phases that are stacked lie on different grids, and the recipe does not resample.
    """
    results = {}
    for seen in screener.parts.inputs:
        if all(phase in scans for phase in seen.phases):
            with cuda.single_precision(tf32=False):  # for plugins' own networks
                results[seen.name] = _screen_input(screener, seen, [scans[phase] for phase in seen.phases])
    findings = {name: result.finding for name, result in results.items()}
    point = screener.model.content["operating_point"]
    if point is not None:
        findings = at_operating_point(findings, point["factors"])
    names = tuple(seen.name for seen in screener.parts.inputs)
    fused = screener.fusion.fuse(case_id, findings, expected=names)
    return CaseResult(fused, {name: replace(found, finding=findings[name]) for name, found in results.items()})


def _of_its_own(recipe: Recipe) -> Recipe:
    """Give a model's recipe without the weights that its training started from: the model's own are what is left."""
    return recipe.model_copy(update={"training": recipe.training.model_copy(update={"start_from": None})})


def _member(model: Model, parts: Parts, seen: Input, fold: int, device: str) -> _Member:
    files = next(item for item in model.folds if (item.input, item.fold) == (seen.name, fold))
    backbone = load_weights(files.weights, parts.backbone, in_channels=len(seen.phases))
    backbone.eval()
    network = network_as_run(backbone, parts.inference, device)
    classifier: CaseClassifier = build(parts.classifier)
    if files.classifier is not None and isinstance(classifier, TrainedCaseClassifier):
        classifier.load(files.classifier)
    return _Member(backbone, network, classifier, files.spacing_mm)


def _fusion(model: Model, parts: Parts) -> PhaseFusion:
    fusion: PhaseFusion = build(parts.fusion)
    if isinstance(fusion, TrainedPhaseFusion):
        if model.fusion is None:
            raise ModelError(f"{model.folder}: lacks what {parts.fusion['plugin']!r} learned. Export it again.")
        fusion.load(model.fusion)
    return fusion


def _screen_input(screener: Screener, seen: Input, scans: Sequence[Scan]) -> InputResult:
    parts, members = screener.parts, screener.members[seen.name]
    scans, own = _on_one_grid(seen, scans), scans[0].grid
    views: dict[Spacing | None, NetworkInput] = {}
    looks = []
    for spacing_mm in dict.fromkeys(member.spacing_mm for member in members):
        view = as_network_input([at_spacing(scan, spacing_mm) for scan in scans], parts.intensity)
        asked = [member.network for member in members if member.spacing_mm == spacing_mm]
        looks.append(Look(spacing_mm, len(asked), _look(screener, asked, view, spacing_mm)))
        if parts.needs.names:
            views[spacing_mm] = view
    at = _rules_spacing(screener, members)
    said = labels_of_looks(looks, own if at is None else grid_at(own, at))
    clean = cleaned(said, parts.chain)
    images = {phase: at_spacing(scan, at) for phase, scan in zip(seen.phases, scans, strict=True)}
    finding = _classify(screener, views, evidence_of(seen.name, clean, images=images if parts.needs.images else {}))
    if not clean.grid.matches(own):
        clean = Segmentation(labels_on(clean.labels, clean.grid, own), own)
    windows = sum(look.found.windows + look.found.coarse_windows for look in looks)
    fallback = next((look.found.fallback for look in looks if look.found.fallback), "")
    return InputResult(clean, finding, agreement_of_looks(looks), windows, fallback, region_of_looks(looks, own))


def _look(screener: Screener, networks: Sequence[Network], view: NetworkInput, spacing_mm: Spacing | None) -> Segmented:
    inference = screener.parts.inference
    settings = inference_settings(
        inference,
        batch_size=screener.batch_size,
        fill=view.air,
        device=screener.device,
        keep_shares=spacing_mm is not None,
    )
    body = None if inference["body"] == "none" else body_mask(view.hu)
    return segment(networks, view.volume, view.grid, settings, body=body)


def _rules_spacing(screener: Screener, members: Sequence[_Member]) -> Spacing | None:
    """Give the spacing of the voxels that rules see: of the networks, the median where there are several; or None."""
    found = [member.spacing_mm for member in members if member.spacing_mm is not None]
    if screener.parts.rules_on == "scan" or not found:
        return None
    return median_of(found)


def _on_one_grid(seen: Input, scans: Sequence[Scan]) -> list[Scan]:
    first = scans[0]
    if seen.resample:
        return [first, *(resample(scan, first.grid) for scan in scans[1:])]
    apart = [first.grid.corner_distance_voxels(scan.grid) for scan in scans]
    if any(not distance <= GRID_TOLERANCE_VOXELS for distance in apart):
        message = f"the phases {', '.join(seen.phases)} do not lie on one grid, and the model does not resample"
        raise RecipeError("The scans do not fit the model:", [Fault(seen.name, message)])
    return list(scans)


def _classify(screener: Screener, views: Mapping[Spacing | None, NetworkInput], evidence: Evidence) -> PhaseFinding:
    """Ask the classifier; where each fold has its own view (maps, or a training), give the mean of their scores."""
    parts = screener.parts
    plugin, needs = parts.classifier["plugin"], parts.needs
    members = screener.members[evidence.phase]
    if not needs.names and not parts.is_trained:
        return classified(members[0].classifier, evidence, plugin=plugin)
    findings = []
    for member in members:
        if needs.names:
            evidence = _with_maps(screener, member, views[member.spacing_mm], evidence)
        findings.append(classified(member.classifier, evidence, plugin=plugin))
    return mean_finding(findings)


def _with_maps(screener: Screener, member: _Member, volume: NetworkInput, evidence: Evidence) -> Evidence:
    """Give evidence with the maps of one fold's network."""
    needs, said = screener.parts.needs, evidence.segmentation
    there = said.grid.matches(volume.grid)
    roi = (said.labels if there else labels_on(said.labels, said.grid, volume.grid)) > BACKGROUND
    maps, grids = maps_around(
        member.backbone, volume, roi, names=needs.names, margin_voxels=needs.margin_voxels, device=screener.device
    )
    return replace(evidence, features=maps, feature_grids=grids)


def mean_finding(findings: Sequence[PhaseFinding]) -> PhaseFinding:
    """Give the mean of several findings of one phase: of scores in units of their thresholds, and of measurements."""
    first = findings[0]
    relative = float(np.mean([finding.relative_score for finding in findings]))
    shared = [name for name in first.measurements if all(name in other.measurements for other in findings)]
    measurements = {name: float(np.mean([found.measurements[name] for found in findings])) for name in shared}
    flags = tuple(dict.fromkeys(flag for found in findings for flag in found.flags))
    return PhaseFinding(first.phase, relative * first.threshold, first.threshold, measurements, flags)


def voxel_counts(segmentation: Segmentation) -> dict[str, int]:
    """Give the number of voxels of each class but the background."""
    counts = np.bincount(segmentation.labels.reshape(-1), minlength=len(CLASSES))
    return {name: int(count) for name, count in list(zip(CLASSES, counts, strict=True))[1:]}
