"""What a run's files say of its method: what was done to scans, which networks, trained how, which thresholds, code."""

from collections.abc import Mapping, Sequence
from typing import Any

from pnetkit.errors import counted
from pnetkit.imaging.intensity import normalization_in_words
from pnetkit.report.methods import combined, spacing_in_words
from pnetkit.report.sheet.values import RECIPE, RECORD, RunValues, Said


def preprocessing(run: RunValues) -> Sequence[Said]:
    """Say how intensities were prepared, and on which grid networks see them."""
    intensity = run.recipe.get("intensity", {})
    found = []
    if intensity.get("window_hu"):
        low, high = intensity["window_hu"]
        said = f"Intensities clipped to {low:g} to {high:g} HU, then normalized by {normalization_in_words(intensity)}."
        found.append(Said(said, RECIPE, "intensity"))
    stacked = {name: of for name, of in (run.recipe.get("inputs") or {}).items() if len(of.get("phases", ())) > 1}
    for name, of in stacked.items():
        how = "resampled onto the grid of the first" if of.get("resample") else "which have to lie on one grid"
        found.append(Said(f"Input {name}: {' + '.join(of['phases'])} as channels, {how}.", RECIPE, f"inputs.{name}"))
    resampled = spacing_in_words(run.recipe, run.record)
    if resampled:
        found.append(Said(resampled, RECIPE, "preprocess"))
    elif intensity and not stacked:
        found.append(Said("Scans keep their own grid: no input is resampled.", RECIPE, "inputs"))
    return found


def cleaning(run: RunValues) -> Sequence[Said]:
    """Say which rules cleaned the segmentations."""
    rules = run.recipe.get("postprocess")
    if rules is None:
        return ()
    said = "; ".join(f"{of['plugin']}{_params(of)}" for of in rules) or "by no rule"
    return [Said(f"Segmentations were cleaned: {said}.", RECIPE, "postprocess")]


def network(run: RunValues) -> Sequence[Said]:
    """Say which network segments, how large it is, and what it sees."""
    found = []
    backbone = run.record.get("plugins", {}).get("backbone")
    if backbone is not None and run.was_trained:
        said = f"Network: {backbone['plugin']}{_params(backbone)}."
        found.append(Said(said, RECORD, "plugins.backbone"))
        if run.record.get("backbone_parameters"):
            said = f"{run.record['backbone_parameters']:,} parameters."
            found.append(Said(said, RECORD, "backbone_parameters"))
    elif run.record.get("stages"):
        found.append(Said("Segmentations were made elsewhere; this run trained no network.", RECORD, "stages"))
    if found and run.record.get("inputs"):
        each = "; ".join(f"{name} ({' + '.join(phases)})" for name, phases in run.record["inputs"].items())
        found.append(Said(f"One segmentation for each of the inputs {each}.", RECORD, "inputs"))
    return found


def decision(run: RunValues) -> Sequence[Said]:
    """Say what decides a phase, and what a case."""
    return [
        Said(f"{words}: {of['plugin']}{_params(of)}.", RECORD, f"plugins.{name}")
        for name, words in (("classifier", "A phase is decided by"), ("fusion", "Phases are fused by"))
        if (of := run.record.get("plugins", {}).get(name)) is not None
    ]


def initialization(run: RunValues) -> Sequence[Said]:
    """Say how first weights were drawn, and from which seed."""
    if not run.was_trained:
        return ()
    found = [_started(of, run) for of in run.record.get("started_from", ())]
    if not run.has_learned:
        return found
    init = (run.record.get("plugins", {}).get("backbone") or {}).get("params", {}).get("init")
    if init is not None:
        drawn = "First weights of what was not taken" if found else "First weights"
        found.append(Said(f"{drawn}: {init}.", RECORD, "plugins.backbone.params.init"))
    seed = run.record.get("seeds", {}).get("training")
    if seed is not None:
        said = f"First weights, patches and augmentation are drawn from the seed {seed}, one for each network."
        found.append(Said(said, RECORD, "seeds.training"))
    return found


def _started(of: Mapping[str, Any], run: RunValues) -> Said:
    """Say which weights networks started from, and under which license these are."""
    took = "are" if not run.has_learned else f"took {of['share']:.1%} of their parameters from"
    said = f"Networks {took} {of['name']} ({of['kind']}, SHA-256 {of['sha256']}; license: {of['license']})"
    return Said(f"{said}{'.' if run.has_learned else ', as they are.'}", RECORD, "started_from")


def training(run: RunValues) -> Sequence[Said]:
    """Say how networks were trained, all settings of it."""
    settings = run.recipe.get("training", {})
    if not run.was_trained or not settings:
        return ()
    if not run.has_learned:
        return [Said("Nothing was trained: every input and fold has the network that was there.", RECIPE, "training")]
    left_out = _ELSEWHERE | ({"momentum", "nesterov"} if settings.get("optimizer") == "adamw" else set())
    named = {name: value for name, value in settings.items() if value not in (None, [], ()) and name not in left_out}
    said = ", ".join(f"{name.replace('_', ' ')} {_plain(value)}" for name, value in named.items())
    by = "AdamW" if settings.get("optimizer") == "adamw" else "Stochastic gradient descent"
    found = [Said(f"{by}: {said}.", RECIPE, "training")]
    precision = run.record.get("precision", {}).get("training")
    if precision:
        found.append(Said(f"Number type of training: {precision}.", RECORD, "precision.training"))
    networks = run.record.get("networks", ())
    if networks:
        said = f"{counted(len(networks), 'network')}: one for each input and fold, trained on the other folds' cases."
        found.append(Said(said, RECORD, "networks"))
    return found


_ELSEWHERE = {"seed", "repeat_seeds", "precision", "checkpoint_every", "start_from"}
"""Settings of training that another sentence tells, or that change nothing."""


def selection(run: RunValues) -> Sequence[Said]:
    """Say which weights are used: pnetkit has no early stopping."""
    iterations = run.recipe.get("training", {}).get("iterations")
    if not run.has_learned or iterations is None:
        return ()
    decay = run.recipe["training"].get("average_decay")
    which = "The weights" if decay is None else f"An exponential moving average of the weights (decay {decay:g})"
    said = f"{which} after the last of {iterations:,} steps; no step was chosen by a figure."
    return [Said(said, RECIPE, "training.iterations")]


def ensemble(run: RunValues) -> Sequence[Said]:
    """Say how many networks decide a case."""
    if not run.was_trained or not run.record.get("inputs"):
        return ()
    inputs = run.record["inputs"]
    whose = "one for each input, of its own fold" if run.has_learned else "the one that was there for each input"
    said = f"No ensemble: a case is segmented by {counted(len(inputs), 'network')}, {whose}."
    return [Said(said, RECORD, "networks, inputs"), *decision(run)[1:]]


def inference(run: RunValues) -> Sequence[Said]:
    """Say how scans were searched."""
    settings = run.recipe.get("inference", {})
    if not run.was_trained or not settings.get("stride"):
        return ()
    window = settings.get("window_size") or run.recipe.get("training", {}).get("patch_size")
    size = f" of {_plain(window)} voxels" if window else ""
    said = (
        f"Sliding windows{size} at a stride of {_plain(settings['stride'])} voxels, combined by "
        f"{combined(settings)}, {settings.get('search')} search."
    )
    return [Said(said, RECIPE, "inference")]


def thresholds(run: RunValues) -> Sequence[Said]:
    """Say where the thresholds of the decision come from, and what they are."""
    found = []
    if run.record.get("thresholds"):
        found.append(Said(str(run.record["thresholds"]), RECORD, "thresholds"))
    classifier = run.record.get("plugins", {}).get("classifier")
    if classifier is not None and _params(classifier):
        said = f"Settings of {classifier['plugin']}{_params(classifier)}."
        found.append(Said(said, RECORD, "plugins.classifier.params"))
    target = run.recipe.get("operating_point")
    if target:
        said = f"Chosen for a {target.get('target')} of at least {target.get('at_least')} on the other folds."
        found.append(Said(said, RECIPE, "operating_point"))
    return found


def software(run: RunValues) -> Sequence[Said]:
    """Say which versions of which libraries computed."""
    versions = run.record.get("versions")
    if not versions:
        return ()
    return [Said(f"{', '.join(f'{name} {version}' for name, version in versions.items())}.", RECORD, "versions")]


def hardware(run: RunValues) -> Sequence[Said]:
    """Say on which machine it was computed, and how long it took."""
    of, found = run.record.get("hardware"), []
    if of:
        gpus = f", {', '.join(of['gpus'])}" if of.get("gpus") else ""
        said = (
            f"{of.get('system')} {of.get('machine')}, {of.get('cores')} cores{gpus}; device {run.record.get('device')}."
        )
        found.append(Said(said, RECORD, "hardware, device"))
    costs = {
        name: value
        for name, value in (run.record.get("costs") or {}).items()
        if name.endswith(("_seconds", "_mib")) and value is not None
    }
    if costs:
        said = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in costs.items())
        found.append(Said(f"Median seconds and peaks of memory in MiB: {said}.", RECORD, "costs"))
    return found


def code(run: RunValues) -> Sequence[Said]:
    """Say which code made the figures: pnetkit and each plugin with distribution, version and digest of its source."""
    found = []
    version = run.record.get("versions", {}).get("pnetkit")
    if version:
        said = f"pnetkit {version}; recipe {run.record.get('recipe')}, written out in full in recipe.yaml."
        found.append(Said(said, RECORD, "versions.pnetkit, recipe"))
    for kind, of in run.record.get("plugins", {}).items():
        for plugin in of if isinstance(of, list) else [of]:
            if plugin is not None:
                said = (
                    f"{plugin['plugin']}: distribution {plugin['distribution']} {plugin['version']}, source "
                    f"{plugin['source'][:16]} (SHA-256)."
                )
                found.append(Said(said, RECORD, f"plugins.{kind}"))
    return found


def data(run: RunValues) -> Sequence[Said]:
    """Say whether anybody can make the cases again, and by what files are known."""
    found = []
    if run.is_phantom:
        seed = run.record.get("seeds", {}).get("cohort")
        said = f"The cases are synthetic, and anybody can generate them again from recipe.yaml (seed {seed})."
        found.append(Said(said, RECORD, "cohort, seeds.cohort"))
    if any(case.get("files") for case in run.cases.values()):
        said = "Each image and label file is named by the SHA-256 digest of its contents."
        found.append(Said(said, RECORD, "cases.*.files.*.image, cases.*.files.*.label"))
    return found


def outputs(run: RunValues) -> Sequence[Said]:
    """Say what of the outputs is kept, so that it can be audited."""
    kept = [name for name in ("segmentations", "cases.csv", "lesions.csv", "report.html") if name in run.beside]
    found = [Said(f"Kept in the run's folder: {', '.join(kept)}.", "run folder", "its files")] if kept else []
    if run.record.get("stages"):
        said = f"{len(run.record['stages'])} results of stages lie in the store under keys of all that went into them."
        found.append(Said(said, RECORD, "stages"))
    return found


def _params(choice: Mapping[str, Any]) -> str:
    given = {name: value for name, value in choice.get("params", {}).items() if value is not None}
    return f" ({', '.join(f'{name} {_plain(value)}' for name, value in given.items())})" if given else ""


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return " x ".join(map(_plain, value)) if all(isinstance(of, int) for of in value) else str(list(value))
    return f"{value:g}" if isinstance(value, float) else str(value)
