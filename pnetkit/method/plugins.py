"""Name a recipe's plugins completely, and build them from that name."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pnetkit.errors import PluginError
from pnetkit.interfaces import TrainedCaseClassifier, TrainedPhaseFusion
from pnetkit.parameters import construct, parameters_model, validate
from pnetkit.plain_files import not_plain
from pnetkit.registry import load_factory, plugin_info
from pnetkit.sources import source_digest


def identify(kind: str, name: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Give all that decides what a plugin does: its name, every parameter, its distribution, version and source.

    The result is plain JSON and part of the keys of the stages that use the plugin.
    """
    info = plugin_info(kind, name)
    values = validate(parameters_model(kind, name, load_factory(kind, name)), params)
    return {
        "kind": kind,
        "plugin": name,
        "params": json.loads(values.model_dump_json()),
        "distribution": info.distribution,
        "version": info.version,
        "source": source_digest(kind, name),
    }


def build(identity: Mapping[str, Any], **given: Any) -> Any:
    """Build the plugin that `identify` named; `given` are the arguments that the core passes."""
    kind, name = identity["kind"], identity["plugin"]
    return construct(kind, name, load_factory(kind, name), identity["params"], **given)


def save_plain(fitted: TrainedCaseClassifier | TrainedPhaseFusion, folder: Path, identity: Mapping[str, Any]) -> None:
    """Let a plugin that was fitted save itself into a new folder.

    Raises PluginError, and leaves no folder, where it writes anything but safetensors, JSON and text: it would travel
    in models.
    """
    folder.mkdir(parents=True)
    fitted.save(folder)
    faults = not_plain(folder)
    if faults:
        shutil.rmtree(folder)
        raise PluginError(
            f"The {identity['kind']} {identity['plugin']!r} (from {identity['distribution']}) saves what may hold "
            f"code, and would travel in models: {'; '.join(faults)}. It has to save safetensors, JSON or text."
        )
