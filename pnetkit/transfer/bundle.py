"""Read what a MONAI bundle says of itself, as data: its configuration is a language whose evaluation runs code.

    LICENSE  configs/metadata.json  configs/inference.json|yaml  models/model.pt

The network is taken from `network_def`, and only where it is one of MONAI's networks with plain arguments. `$…` is code
and `@…` a reference; both are refused, not evaluated.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from pnetkit.errors import WeightsError, did_you_mean
from pnetkit.transfer.archives import read_text

NETWORKS = ("AHNet", "AttentionUnet", "BasicUNet", "BasicUNetPlusPlus", "DiNTS", "DynUNet", "FlexibleUNet",
            "HighResNet", "MedNeXt", "SegResNet", "SegResNetDS", "SegResNetDS2", "SegResNetVAE", "SwinUNETR",
            "UNet", "UNETR", "VNet")  # fmt: skip
"""The networks of `monai.networks.nets` that a bundle may name."""

PLACE = "monai.networks.nets."

MOST_VALUES = 10_000
"""The most values that a network's definition may have: aliases of YAML can make a great many of a few lines."""

CONFIGS = ("inference.json", "inference.yaml", "inference.yml", "train.json", "train.yaml")
NAMES = ("network_def", "network")
"""Under what a configuration defines the network."""


def is_bundle(folder: Path) -> bool:
    """Tell whether a folder is a bundle."""
    return (folder / "configs" / "metadata.json").is_file()


def weights_of(folder: Path) -> Path:
    """Give the file of a bundle's tensors. Raises WeightsError where it has none, or only names where it lies."""
    for name in ("model.safetensors", "model.pt"):
        if (folder / "models" / name).is_file():
            return folder / "models" / name
    raise WeightsError(
        f"{folder}: has no models/model.pt; what lies behind its large_files.yml has to be fetched first."
    )


def describe(folder: Path) -> dict[str, Any]:
    """Give what a card says of a bundle: architecture, labels, what it says of voxels and values.

    Raises:
        WeightsError: its description is missing or damaged, or its network is not plain data.
    """
    metadata = _data(folder / "configs" / "metadata.json")
    if not isinstance(metadata, Mapping):
        raise WeightsError(f"{folder}: its metadata.json is not a mapping.")
    definition = _definition(folder)
    target, arguments = network_of(definition, str(folder))
    outputs = _at(metadata, "network_data_format", "outputs", "pred", "channel_def")
    image = _at(metadata, "network_data_format", "inputs", "image")
    return {
        "name": str(metadata.get("name") or metadata.get("task") or folder.resolve().name),
        "architecture": {"target": target, "args": arguments},
        "labels": _labels(outputs),
        "intensity": {"value_range": image["value_range"]}
        if isinstance(image, Mapping) and "value_range" in image
        else None,
        "notes": ["A bundle says neither voxels nor axes for certain; MONAI's transforms mostly turn scans to RAS."],
    }


def network_of(definition: Any, where: str) -> tuple[str, dict[str, Any]]:
    """Give the network that a definition names, and its arguments, as plain data.

    Raises WeightsError where it is none of MONAI's, or anything in it would have to be evaluated.
    """
    if not isinstance(definition, Mapping) or not isinstance(definition.get("_target_"), str):
        raise WeightsError(f"{where}: its network is no definition with a _target_, so it cannot be read as data.")
    _require_plain(definition, where, "network_def")
    target = definition["_target_"].removeprefix(PLACE)
    if target not in NETWORKS:
        raise WeightsError(
            f"{where}: its network is {definition['_target_']!r}, none of {PLACE}*.{did_you_mean(target, NETWORKS)}"
        )
    return f"{PLACE}{target}", {key: value for key, value in definition.items() if key != "_target_"}


def _require_plain(value: Any, where: str, path: str) -> None:
    """Refuse what MONAI would evaluate, at any depth."""
    waiting, count = [(path, value)], 0
    while waiting:
        path, value = waiting.pop()
        count += 1
        if count > MOST_VALUES:
            raise WeightsError(
                f"{where}: its network has more than {MOST_VALUES} values, which none has. It is not read."
            )
        if isinstance(value, str) and value.startswith(("$", "@", "%")):
            kind = "code" if value.startswith("$") else "a reference"
            raise WeightsError(
                f"{where}: {path} is {value[:60]!r}, {kind} that MONAI would evaluate. Nothing of a bundle is "
                f"evaluated here: write the value itself into its configuration, or import models/model.pt with --kind "
                f"state-dict."
            )
        if isinstance(value, Mapping):
            inner = [key for key in value if key == "_target_" and path != "network_def"]
            if inner or "_requires_" in value:
                raise WeightsError(
                    f"{where}: {path} makes an object of its own ({value.get('_target_')}), which is not read as data."
                )
            waiting += [(f"{path}.{key}", of) for key, of in value.items()]
        elif isinstance(value, list):
            waiting += [(f"{path}[{number}]", of) for number, of in enumerate(value)]
        elif not isinstance(value, str | int | float | bool | None):
            raise WeightsError(f"{where}: {path} is a {type(value).__name__}, wanted numbers, text, lists or mappings.")


def _definition(folder: Path) -> Any:
    for name in CONFIGS:
        path = folder / "configs" / name
        if path.is_file():
            content = _data(path)
            found = [
                content[key] for key in NAMES if isinstance(content, Mapping) and isinstance(content.get(key), Mapping)
            ]
            if found:
                return found[0]
    raise WeightsError(
        f"{folder}: none of its configurations defines the network as data ({' or '.join(NAMES)} with a _target_). "
        f"Import models/model.pt with --kind state-dict."
    )


def _labels(outputs: Any) -> list[str] | None:
    if not isinstance(outputs, Mapping) or sorted(map(str, outputs)) != sorted(map(str, range(len(outputs)))):
        return None
    by_number = {int(key): str(value) for key, value in outputs.items()}
    return [by_number[number] for number in range(len(by_number))]


def _at(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _data(path: Path) -> Any:
    text = read_text(path)
    try:
        return json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise WeightsError(f"{path}: cannot be read ({str(error).splitlines()[0]}).") from error
