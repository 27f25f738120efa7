"""Make a model folder of a finished run: all that a trained method needs where its cohort and its store are not."""

import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pnetkit.errors import MissingPhaseError, ModelError, StoreError, TrainingError
from pnetkit.evaluation.operating_point import Findings, OperatingPoint, Target, choose_operating_point
from pnetkit.files import disk_errors_in_words, file_digest, read_json, write_atomically, write_json
from pnetkit.imaging.spacing import spacing_in_words
from pnetkit.interfaces import PhaseFusion, TrainedPhaseFusion
from pnetkit.method.fusion import FUSION, fit_fusion, saved
from pnetkit.method.plugins import build
from pnetkit.method.seeds import plugin_seed
from pnetkit.method.trained_network import load_weights
from pnetkit.model.card import model_card
from pnetkit.model.folder import CARD, FORMAT, FORMAT_VERSION, MODEL, RECIPE, SUMS, write_sums
from pnetkit.onnx_export import contract_of, onnx_of
from pnetkit.pipeline.outcome.finished import FinishedRun, read_run
from pnetkit.pipeline.outcome.folder import METRICS
from pnetkit.pipeline.outcome.fusing import FittedFusion, described
from pnetkit.pipeline.stages import classify, fit, train
from pnetkit.plain_files import not_plain
from pnetkit.recipe.check import load_recipe, resolved, to_yaml
from pnetkit.recipe.models import Recipe
from pnetkit.store.node import Ref
from pnetkit.store.store import Store
from pnetkit.types import CLASSES, PhaseFinding


def export_model(run_folder: Path, out: Path, store: Store | None = None, *, onnx: bool = False) -> Path:
    """Write the model of a finished run into a new or empty folder and give that folder; networks as ONNX too if asked.

    The store is the one that the run was made with, unless another is given.

    Raises:
        MissingExtraError: ONNX is asked for, and its packages are not installed.
        StoreError: the folder is no finished run, or the store lacks its networks.
        ModelError: `out` is there and not empty, or the run was written before runs named their networks.
    """
    run = read_run(run_folder)
    recipe = load_recipe(run_folder / RECIPE).recipe
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ModelError(f"{out}: is there and not empty. Give a new folder.")
    store = store or Store(run.store)
    sources = _sources(run, store)
    work = out.with_name(f".{out.name}.part")
    with disk_errors_in_words(out):
        if work.exists():
            shutil.rmtree(work)
        work.mkdir(parents=True)
        networks = [_copy(item, store, work) for item in sources]
        _copy_recipe(run_folder / RECIPE, recipe, work / RECIPE)
        content = _content(
            run, recipe, networks, _operating_point(run, recipe, store), _fusion(run, recipe, store, work)
        )
        if onnx:
            content["onnx"] = _write_onnx(recipe, content, work)
        write_json(work / MODEL, content)
        write_atomically(work / CARD, model_card(content).encode())
        write_atomically(work / SUMS, write_sums(work))
        if out.exists():
            out.rmdir()
        work.rename(out)
    return out


def _copy_recipe(source: Path, recipe: Recipe, target: Path) -> None:
    """Copy the recipe; where it names weights that it started from, without the folder in which they lay here."""
    started = recipe.training.start_from
    if started is None:
        shutil.copyfile(source, target)
        return
    data = resolved(recipe)
    data["training"]["start_from"]["weights"] = Path(started.weights).name
    write_atomically(target, to_yaml(data).encode())


def _write_onnx(recipe: Recipe, content: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Write each network beside its weights, and say what was found when they were compared."""
    window = recipe.inference.window_size or recipe.training.patch_size
    worst = 0.0
    for item in content["networks"]:
        phases = content["inputs"][item["input"]]
        path = folder / item["weights"]
        backbone = load_weights(path, content["plugins"]["backbone"], in_channels=len(phases)).eval()
        target = path.with_suffix(".onnx")
        at = {"spacing_mm": item["spacing_mm"]} if "spacing_mm" in item else {}
        data, difference = onnx_of(target.name, backbone, window, contract_of(content, phases) | at)
        write_atomically(target, data)
        worst = max(worst, difference)
    return {"window": list(window), "largest_logit_difference": worst}


def _sources(run: FinishedRun, store: Store) -> list[Mapping[str, Any]]:
    """Find what the run says it trained, and make sure that the store has it all."""
    if not run.record.get("networks"):
        raise ModelError(
            f"{run.folder}: does not say which networks it trained; it was written by an earlier release. Run its "
            f"recipe again with the same store: nothing is computed anew."
        )
    networks: list[Mapping[str, Any]] = run.record["networks"]
    wanted = [Ref(train.STAGE.name, item["train"]) for item in networks]
    wanted += [Ref(fit.STAGE.name, item["fit"]) for item in networks if item["fit"] is not None]
    missing = [str(store.of(ref).relative_to(store.root)) for ref in wanted if not store.has(ref.stage, ref.key)]
    if missing:
        raise StoreError(
            f"{store.root}: lacks {len(missing)} of {len(wanted)} trained parts of {run.folder} ({missing[0]}, …). "
            f"Give the --store of the run, or run its recipe again."
        )
    return networks


def _copy(item: Mapping[str, Any], store: Store, folder: Path) -> dict[str, Any]:
    weights = Path("networks") / item["input"] / f"fold_{item['fold']}.safetensors"
    (folder / weights).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(store.folder(train.STAGE.name, item["train"]) / train.WEIGHTS, folder / weights)
    classifier = None
    if item["fit"] is not None:
        classifier = Path("classifiers") / item["input"] / f"fold_{item['fold']}"
        shutil.copytree(store.folder(fit.STAGE.name, item["fit"]) / fit.CLASSIFIER, folder / classifier)
        faults = not_plain(folder / classifier)
        if faults:  # of an earlier release, or changed by hand
            raise ModelError(f"{folder / classifier}: {'; '.join(faults)}, which may hold code. Fit it again.")
    return {
        "input": item["input"],
        "fold": item["fold"],
        "weights": weights.as_posix(),
        "classifier": None if classifier is None else classifier.as_posix(),
        "made_with": _made_with(item, store),
    } | ({} if "spacing_mm" not in item else {"spacing_mm": item["spacing_mm"]})


def _made_with(item: Mapping[str, Any], store: Store) -> dict[str, list[str]]:
    """Give the source digests of the plugins that really made a network and its classifier, whatever its key says."""
    trained = store.record(train.STAGE.name, item["train"])
    found = {name: [digest] for name, digest in trained.get("made_with", {}).items()}
    for maker in trained["details"].get("makers", ()):  # not in trainings of earlier releases
        sources = found.setdefault(f"backbone {maker['plugin']}", [])
        sources += [maker["source"]] if maker["source"] not in sources else []
    if item["fit"] is not None:
        found |= {
            name: [digest] for name, digest in store.record(fit.STAGE.name, item["fit"]).get("made_with", {}).items()
        }
    return found


def _content(
    run: FinishedRun,
    recipe: Recipe,
    networks: list[dict[str, Any]],
    point: OperatingPoint | None,
    fusion: Mapping[str, Any] | None,
) -> dict[str, Any]:
    record = run.record
    cases = record["cases"]
    diagnoses = [of["abnormal"] for of in cases.values()]
    held_out = sum(bool(of.get("held_out")) for of in cases.values())
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION if any("spacing_mm" in item for item in networks) else 1,
        "name": record["recipe"],
        "description": recipe.description,
        "research_use_only": True,
        "phases": record["phases"],
        "inputs": record["inputs"],
        "classes": {str(value): name for value, name in enumerate(CLASSES)},
        "intensity": recipe.intensity.model_dump(mode="json", exclude_none=True),
        "grid": {
            "orientation": "closest RAS+",
            **_resampling(recipe, networks),
            "seen": {phase: _grids(cases, phase) for phase in record["phases"]},
        },
        "plugins": record["plugins"],
        "networks": networks,
        **({"started_from": record["started_from"]} if "started_from" in record else {}),
        "operating_point": None if point is None else asdict(point),
        "fusion": fusion,
        "cohort": {
            "description": record["cohort"],
            "cases": len(cases),
            "abnormal": diagnoses.count(True),
            "normal": diagnoses.count(False),
            "unknown": diagnoses.count(None),
            "patients": len({of["patient"] for of in cases.values()}),
            **({"held_out": held_out} if held_out else {}),
        },
        "evaluation": read_json(run.folder / METRICS),
        "thresholds": record["thresholds"],
        "trained_on": {"versions": record["versions"], "device": record["device"], "began": record["began"]},
        "versions": record["versions"],
        "recipe_digest": file_digest(run.folder / RECIPE),
    }


def _resampling(recipe: Recipe, networks: list[dict[str, Any]]) -> dict[str, Any]:
    """Say at which spacing the networks see scans, and whose voxels rules count."""
    spacings = list(dict.fromkeys(tuple(item["spacing_mm"]) for item in networks if "spacing_mm" in item))
    if not spacings:
        return {"resampling": "none: networks see the scanner's voxels"}
    edges = "; ".join(spacing_in_words(of) for of in spacings)
    rules = f"rules count the {recipe.preprocess.rules_on}'s voxels"
    return {
        "resampling": f"linear, to {edges} for the networks; labels are brought back to the scan's own grid, {rules}",
        "rules_on": recipe.preprocess.rules_on,
    }


def _grids(cases: Mapping[str, Any], phase: str) -> dict[str, list[list[float]]] | None:
    """Give the smallest and largest edges and shapes of the scans that the networks learned from."""
    learned = [of for of in cases.values() if of["fold"] is not None and not of.get("held_out")]
    files = [of["files"][phase] for of in learned if phase in of["files"]]
    if not files:
        return None
    axes = range(3)
    return {
        key: [[min(of[key][axis] for of in files), max(of[key][axis] for of in files)] for axis in axes]
        for key in ("spacing_mm", "shape")
    }


def _operating_point(run: FinishedRun, recipe: Recipe, store: Store) -> OperatingPoint | None:
    """Choose thresholds on all cases of the run, each as the network saw it that had not learned from it.

    None where the recipe's own thresholds hold. Raises ModelError where they cannot be chosen.
    """
    wanted = recipe.operating_point
    if wanted is None:
        return None
    fusion: PhaseFusion = build(run.record["plugins"]["fusion"])
    phases = tuple(run.record["inputs"])

    def decide(findings: Findings) -> bool | None:
        try:
            return fusion.fuse("", findings, expected=phases).abnormal
        except MissingPhaseError:
            return None

    point = choose_operating_point(_diagnosed(run, store), decide, Target(wanted.target, wanted.at_least), phases)
    if point is None:
        raise ModelError(f"{run.folder}: thresholds cannot be chosen without abnormal and normal cases.")
    return point


def _fusion(run: FinishedRun, recipe: Recipe, store: Store, folder: Path) -> dict[str, Any] | None:
    """Fit a fusion that learns on all diagnosed cases of the run, each as a network found it that had not seen it.

    It is written into the model's folder; None where the fusion is a rule. Raises ModelError where it cannot learn.
    """
    identity, phases = run.record["plugins"]["fusion"], tuple(run.record["inputs"])
    if not isinstance(build(identity), TrainedPhaseFusion):
        return None
    cases, seed = _diagnosed(run, store), plugin_seed(recipe.training.seed, "fuse", "all")
    try:
        fusion = fit_fusion(identity, cases, phases, seed=seed)
    except TrainingError as error:
        raise ModelError(f"{run.folder}: the fusion cannot be fitted. {error}") from error
    saved(fusion, folder / FUSION, identity)
    return {"folder": FUSION} | described(FittedFusion(fusion, len(cases), sum(c for _, c in cases), seed), identity)


def _diagnosed(run: FinishedRun, store: Store) -> list[tuple[Findings, bool]]:
    """Give findings and diagnosis of every case that has one, is not held out, and of which no part failed, by id."""
    by_case: dict[str, dict[str, PhaseFinding]] = {}
    for of in run.results(classify.STAGE.name):
        ref = Ref(of["stage"], of["key"])
        if store.has(ref.stage, ref.key):
            by_case.setdefault(of["case"], {})[of["input"]] = classify.read(store, ref)
    cases = run.record["cases"]
    teaches = {case for case, of in cases.items() if of["abnormal"] is not None and not of.get("held_out")}
    return [
        (found, bool(cases[case]["abnormal"]))
        for case, found in sorted(by_case.items())
        if case in teaches and found.keys() == _inputs_of(run, case)
    ]


def _inputs_of(run: FinishedRun, case: str) -> set[str]:
    """Name the inputs whose scans a case has."""
    there = run.record["cases"][case]["files"].keys()
    return {name for name, phases in run.record["inputs"].items() if set(phases) <= there}
