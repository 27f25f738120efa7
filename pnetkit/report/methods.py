"""Say what was run in words: a sentence of the recipe, and a paragraph that can go into a paper.

Both are made of the recipe as plain data and the run's record, and say only what these hold.
"""

from collections.abc import Mapping
from typing import Any

from pnetkit.errors import counted
from pnetkit.imaging.intensity import normalization_in_words


def recipe_in_a_sentence(recipe: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    """Give the recipe as one sentence."""
    rules = [of["plugin"] for of in recipe.get("postprocess", ())]
    cleaned = f"cleaned by {_and(rules)}" if rules else "not cleaned"
    segmented = "Segmentations that were made elsewhere are taken over"
    if was_trained(record):
        each = _networks(record["inputs"])
        segmented = f"{_plugin(recipe, 'backbone')} segments pancreas, tumor and dilated duct ({each})"
    return (
        f"{segmented}; the result is {cleaned}, each phase is decided by {_plugin(recipe, 'classifier')}"
        f"{_params(recipe.get('classifier', {}))}, and the phases are fused by {_plugin(recipe, 'fusion')}."
    )


def methods_paragraph(recipe: Mapping[str, Any], record: Mapping[str, Any], counts: Mapping[str, int]) -> str:
    """Give a paragraph of methods. `counts` are numbers by `cases`, `abnormal`, `normal` and `patients`."""
    versions, hardware = record.get("versions", {}), record.get("hardware", {})
    held = f"{counted(counts['cases'], 'case')} of {counted(counts['patients'], 'patient')}"
    said = [f"The cohort, {record['cohort']}, held {held}: {counts['abnormal']} abnormal, {counts['normal']} normal."]
    if was_trained(record):
        said += _networks_in_words(recipe, record)
    else:
        said.append("Segmentations were made elsewhere; whether by who had seen these cases is not known.")
    rules = [f"{of['plugin']}{_params(of)}" for of in recipe.get("postprocess", ())]
    if rules:
        said.append(f"Segmentations were cleaned by {_and(rules)}.")
    said.append(
        f"A phase was called abnormal by {_plugin(recipe, 'classifier')}{_params(recipe.get('classifier', {}))}; "
        f"phases were fused by {_plugin(recipe, 'fusion')}. {record.get('thresholds', '')}".strip()
    )
    said.append(
        "Rates have Wilson's, areas under the curve DeLong's 95 % intervals; sensitivity at a given specificity is "
        "bootstrapped by patient."
    )
    if versions:
        software = ", ".join(f"{name} {version}" for name, version in versions.items())
        where = f" on {_machine(record, hardware)}" if hardware else ""
        said.append(f"Computed{where} with {software}.")
    return " ".join(said)


def facts(recipe: Mapping[str, Any], record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Give what a reader looks up: recipe, cohort, folds, plugins, versions, hardware, times."""
    versions, hardware = record.get("versions", {}), record.get("hardware", {})
    profile = f", profile {record['profile']}" if record.get("profile") else ""
    found = [
        ("Recipe", f"{record['recipe']}{profile}. {recipe.get('description', '')}".strip()),
        ("Cohort", str(record["cohort"])),
        ("Folds", _folds(record)),
        ("Plugins", "; ".join(_plugins(record))),
        ("Seeds", ", ".join(f"{name} {seed}" for name, seed in record.get("seeds", {}).items())),
        ("Versions", ", ".join(f"{name} {version}" for name, version in versions.items())),
        ("Hardware", _machine(record, hardware)),
        ("Begun", str(record.get("began", ""))),
        ("Took", _took(record)),
        ("Run key", str(record.get("run_key", ""))[:16]),
    ]
    return [(name, said) for name, said in found if said]


def is_phantom(record: Mapping[str, Any]) -> bool:
    """Tell whether a run's cases are phantoms: then its folder's record says so of its cohort."""
    return str(record["cohort"]).startswith("generated phantoms")


def _networks(inputs: Mapping[str, Any]) -> str:
    if any(list(phases) != [name] for name, phases in inputs.items()):
        return "one network each for " + _and([f"{name} ({' + '.join(phases)})" for name, phases in inputs.items()])
    if len(inputs) == 1:
        return f"one network for {next(iter(inputs))} scans"
    return f"one network each for the {_and(list(inputs))} phase"


def _plugin(recipe: Mapping[str, Any], section: str) -> str:
    return str(recipe.get(section, {}).get("plugin", f"an unnamed {section}"))


def _params(choice: Mapping[str, Any]) -> str:
    given = {name: value for name, value in choice.get("params", {}).items() if value is not None}
    return f" ({', '.join(f'{name} {value}' for name, value in given.items())})" if given else ""


def _plugins(record: Mapping[str, Any]) -> list[str]:
    choices = [of if isinstance(of, list) else [of] for of in record.get("plugins", {}).values()]
    return [
        f"{plugin['plugin']} ({plugin['distribution']} {plugin['version']}, {plugin['source'][:8]})"
        for plugins in choices
        for plugin in plugins
        if plugin is not None
    ]


def _folds(record: Mapping[str, Any]) -> str:
    sizes: dict[int, int] = {}
    for case in record["cases"].values():
        if case["fold"] is not None:
            sizes[case["fold"]] = sizes.get(case["fold"], 0) + 1
    return f"{len(sizes)}, of {_and([str(sizes[fold]) for fold in sorted(sizes)])} cases" if sizes else ""


def _machine(record: Mapping[str, Any], hardware: Mapping[str, Any]) -> str:
    if not hardware:
        return ""
    gpus = f", {_and(hardware['gpus'])}" if hardware.get("gpus") else ""
    precision = record.get("precision", {})
    how = f"; {precision['training']} in training, {precision['inference']} in inference" if precision else ""
    machine = f"{hardware.get('system')} {hardware.get('machine')}, {hardware.get('cores')} cores{gpus}"
    return f"{machine}, device {record.get('device')}{how}"


def _took(record: Mapping[str, Any]) -> str:
    seconds = record.get("seconds")
    if seconds is None:
        return ""
    minutes = f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"  # noqa: PLR2004
    workers = f", {counted(record['workers'], 'worker')}" if record.get("workers") else ""
    return f"{minutes}{workers}; what the store held already is not in it"


def _networks_in_words(recipe: Mapping[str, Any], record: Mapping[str, Any]) -> list[str]:
    """Say how a run's networks were trained and run, as far as its recipe is known."""
    training, inference = recipe.get("training", {}), recipe.get("inference", {})
    folds = {case["fold"] for case in record["cases"].values() if case["fold"] is not None}
    seen = (
        f"All figures are from {len(folds)}-fold cross-validation by patient: each case was decided by networks that "
    )
    said = [seen + "had seen no case of its fold."]
    if record.get("started_from") and training.get("iterations") == 0:
        said = ["Networks that were made elsewhere decided each case; nothing was trained."]
    window = recipe.get("intensity", {}).get("window_hu")
    if window:
        how = normalization_in_words(recipe["intensity"])
        said.append(f"Intensities were clipped to {window[0]:g} to {window[1]:g} HU ({how}).")
    said += filter(None, [spacing_in_words(recipe, record)])
    if training.get("iterations"):
        size = " x ".join(map(str, training.get("patch_size", ())))
        parameters = record.get("backbone_parameters")
        many = f" with {parameters:,} parameters" if parameters else ""
        networks = _networks(record["inputs"])
        said.append(
            f"{networks[0].upper()}{networks[1:]}: {_plugin(recipe, 'backbone')}{many}, trained for "
            f"{training['iterations']:,} steps of {training.get('batch_size')} patches of {size} voxels by "
            f"{optimizer_in_words(training)}.{_beside_the_paper(training)}"
        )
    if inference.get("stride"):
        said.append(
            f"Scans were searched by sliding windows at a stride of {inference['stride']} voxels, combined by "
            f"{combined(inference)}, {inference.get('search', 'exhaustive')} search."
        )
    return said


_AUGMENTED = {
    "strong": (
        "Patches were augmented as in nnU-Net: random rotation, scaling and mirroring, Gaussian noise and blur, "
        "brightness, contrast, low resolution and gamma."
    ),
    "none": "Patches were not augmented.",
}
"""What is said of augmentation; the paper's stands in the recipe."""


def combined(inference: Mapping[str, Any]) -> str:
    """Say how windows are combined, of a recipe's `inference` section: `mean-softmax with Gaussian weights`."""
    said = str(inference.get("combine", "vote"))
    if inference.get("window_weights", "uniform") != "uniform":
        said += " with Gaussian weights"
    if inference.get("test_time", "none") == "mirror":
        said += " (each window the mean of its eight mirrored views)"
    return said


def optimizer_in_words(training: Mapping[str, Any]) -> str:
    """Say by what a recipe's section `training` trains: `SGD (first learning rate 0.01, momentum 0.9, …)`."""
    if training.get("optimizer", "sgd") == "adamw":
        name, momentum = "AdamW", ""
    else:
        name, momentum = "SGD", f"{'Nesterov ' * bool(training.get('nesterov'))}momentum {training.get('momentum'):g}, "
    first = "largest" if training.get("warmup_iterations") else "first"
    spared = " (none of norms and biases)" if training.get("decay", "all") == "weights" else ""
    return (
        f"{name} ({first} learning rate {training.get('learning_rate'):g}, {momentum}weight decay "
        f"{training.get('weight_decay'):g}{spared}, seed {training.get('seed')})"
    )


def _beside_the_paper(training: Mapping[str, Any]) -> str:
    """Say what a training does otherwise than the paper's: schedule, warm-up, loss, average."""
    said = []
    schedule, warmup = training.get("schedule", "poly"), training.get("warmup_iterations", 0)
    if schedule != "poly" or warmup:
        rose = f"rose for {warmup:,} steps and then " if warmup else ""
        course = {"poly": "fell polynomially", "cosine": "fell as half a cosine", "constant": "stayed"}[schedule]
        said.append(f"The learning rate {rose}{course}.")
    loss = training.get("loss", "cross-entropy")
    if loss == "dice-cross-entropy":
        said.append(f"The loss was cross-entropy and soft Dice (of each {training.get('dice_over', 'patch')}).")
    elif loss == "focal":
        said.append(f"The loss was focal (exponent {training.get('focal_gamma', 2):g}).")
    if training.get("average_decay") is not None:
        decay = training["average_decay"]
        said.append(f"What was tested is an exponential moving average of the weights (decay {decay:g}).")
    said += filter(None, [_AUGMENTED.get(training.get("augmentation", "paper"))])
    return "".join(f" {sentence}" for sentence in said)


def spacing_in_words(recipe: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    """Say to which spacings scans were resampled for networks, and whose voxels rules counted; empty where none was."""
    preprocess = recipe.get("preprocess", {})
    if preprocess.get("spacing_mm") is None:
        return ""
    found = dict.fromkeys(tuple(of["spacing_mm"]) for of in record.get("networks", ()) if of.get("spacing_mm"))
    edges = _and([f"{' x '.join(f'{edge:.4g}' for edge in of)} mm" for of in found])
    whose = ", the median of each training's own cases," if preprocess["spacing_mm"] == "median" else ""
    return (
        f"Scans were resampled linearly to {edges}{whose} for the networks; labels were brought back to each scan's "
        f"own grid by the shares of the classes, and rules counted the {preprocess.get('rules_on', 'scan')}'s voxels."
    )


def was_trained(record: Mapping[str, Any]) -> bool:
    """Tell whether a run trained networks: else it took segmentations over that were made elsewhere."""
    return any(of["stage"] == "train" for of in record.get("stages", ()))


def _and(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)
