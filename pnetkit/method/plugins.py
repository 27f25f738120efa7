"""Name a recipe's plugins completely, and build them from that name."""

import json
from collections.abc import Mapping
from typing import Any

from pnetkit.parameters import construct, parameters_model, validate
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
