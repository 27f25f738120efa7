"""Read what a model folder of pnetkit says of one of its networks."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pnetkit.errors import WeightsError, did_you_mean
from pnetkit.files import file_digest
from pnetkit.transfer.archives import read_text
from pnetkit.transfer.card import NOT_STATED


def is_model(folder: Path) -> bool:
    """Tell whether a folder is a model that `pnetkit export` wrote."""
    return (folder / "model.json").is_file() and (folder / "SHA256SUMS").is_file()


def network_of(folder: Path, name: str | None, fold: str | None) -> tuple[Path, dict[str, Any]]:
    """Give the file of one network of a model, and what a card says of it; the first fold where none is said.

    Raises:
        WeightsError: the model is damaged, or has no such network; or it has several inputs and none is chosen.
    """
    try:
        content = json.loads(read_text(folder / "model.json"))
        networks, inputs = content["networks"], sorted({str(of["input"]) for of in content["networks"]})
        if name is None and len(inputs) > 1:
            raise WeightsError(f"{folder}: has networks of {', '.join(inputs)}. Say which: --input {inputs[-1]}")
        chosen_input = name or inputs[0]
        folds = {str(of["fold"]): of for of in networks if of["input"] == chosen_input}
        if not folds:
            raise WeightsError(f"{folder}: has no input {chosen_input!r}.{did_you_mean(chosen_input, inputs)}")
        chosen = min(folds) if fold is None else fold
        if chosen not in folds:
            raise WeightsError(f"{folder}: has no fold {chosen}.{did_you_mean(chosen, folds)}")
        weights = str(folds[chosen]["weights"])
        return _held(folder, weights), _described(content, chosen_input, folds[chosen])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise WeightsError(f"{folder}: its model.json cannot be read as a model ({error!r}).") from error


def _held(folder: Path, weights: str) -> Path:
    """Give a file of the model that is what was exported."""
    sums = dict(line.split("  ", 1)[::-1] for line in read_text(folder / "SHA256SUMS").splitlines())
    path = (folder / weights).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file() or sums.get(weights) != file_digest(path):
        raise WeightsError(f"{folder / weights}: is missing, or is not what was exported. Copy the model again.")
    return path


def _described(content: Mapping[str, Any], name: str, network: Mapping[str, Any]) -> dict[str, Any]:
    """Give what a card says of one network; its spacing goes into a recipe, or it would see voxels of other sizes."""
    spacing = network.get("spacing_mm")  # not in models that see the scanner's voxels
    backbone = content["plugins"]["backbone"]
    params = {"plugin": backbone["plugin"], "params": backbone["params"]}
    classes = [content["classes"][str(value)] for value in range(len(content["classes"]))]
    return {
        "name": f"{content['name']}, {name}, fold {network['fold']}",
        "architecture": params | {"in_channels": len(content["inputs"][name])},
        "labels": classes,
        "intensity": content["intensity"],
        "spacing_mm": spacing,
        "recipe": {"backbone": params, "intensity": content["intensity"]}
        | ({} if spacing is None else {"preprocess": {"spacing_mm": spacing}}),
        "license": str(content.get("license", NOT_STATED)),
        "started_from": [
            {"name": of["name"], "license": of["license"]}
            for first in content.get("started_from", [])
            for of in (first, *first.get("started_from", ()))  # licenses of what lies behind it hold as well
        ],
    }
