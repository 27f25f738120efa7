"""Say by a digest which code makes a plugin: its own, that of the plugins it builds on, and the libraries it brings.

A result is traced to its code by this digest, and made anew where the digest is another. Libraries that pnetkit itself
needs are not part of it: they are the same for all plugins, and an upgrade of torch shall not throw away every result.
Their versions stand in the record of each result.
"""

import importlib.metadata
import importlib.util
import inspect
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from pnetkit.registry import (
    installed_version,
    load_factory,
    plugin_distributions,
    plugin_info,
    plugin_modules,
    without_extras,
)

Sources = Mapping[tuple[str, str], str]
"""The source digest that stands in keys, by kind and name of a plugin."""


@lru_cache(maxsize=256)
def source_digest(kind: str, name: str) -> str:
    """Give the SHA-256 of the Python sources that a plugin is made of.

    Names and contents of all `.py` files of its package count; of distributions that its own requires, the sources
    where they offer plugins too, and else the version, unless pnetkit itself requires them.
    """
    factory = load_factory(kind, name)
    package = (factory.__module__ or "").partition(".")[0]
    module = inspect.getmodule(inspect.unwrap(factory))
    top = Path(inspect.getfile(module)) if module else None
    digest = sha256()
    if top is not None:
        root = next((p for p in top.parents if p.name == package), None)
        _add(digest, root, [top])
    for part in sorted(_brought(canonicalize_name(plugin_info(kind, name).distribution), frozenset())):
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()


def _add(digest: Any, root: Path | None, files: Iterable[Path]) -> None:
    """Take in all sources below a package's folder, or single files where there is no package."""
    for path in sorted(root.rglob("*.py")) if root else files:
        digest.update(str(path.relative_to(root) if root else path.name).encode() + b"\0")
        digest.update(path.read_bytes() + b"\0")


def _brought(distribution: str, seen: frozenset[str]) -> Iterator[str]:
    """Name what a distribution requires beside what pnetkit does: plugins by their sources, libraries by version."""
    seen |= {distribution}
    offered = plugin_modules()
    required: dict[str, tuple[str, ...]] = {canonicalize_name(name): of for name, _, of in plugin_distributions()}
    core = _names(importlib.metadata.requires("pnetkit") or ())
    for name in _names(required.get(distribution, ())) - core - {"pnetkit"} - seen:
        if name not in offered:
            yield f"{name}=={installed_version(name)}"
            continue
        digest = sha256()
        for package in sorted(offered[name]):
            spec = importlib.util.find_spec(package)  # a top-level name: finds, does not import
            if spec is not None and spec.origin is not None:
                file = Path(spec.origin)
                _add(digest, file.parent if spec.submodule_search_locations else None, [file])
        yield f"{name} {digest.hexdigest()}"
        yield from _brought(name, seen)


def _names(requirements: Iterable[str]) -> set[str]:
    """Give the normalized names of what is required without any extra."""
    return {canonicalize_name(wanted.name) for wanted in without_extras(requirements)}


def made_with(identity: Any) -> dict[str, str]:
    """Find the plugins named anywhere in a node's identity, with the digests of their sources as they are now."""
    if isinstance(identity, Mapping):
        if {"kind", "plugin", "source"} <= identity.keys():
            kind, name = str(identity["kind"]), str(identity["plugin"])
            return {f"{kind} {name}": source_digest(kind, name)}
        parts = list(identity.values())
    else:
        parts = list(identity) if isinstance(identity, (list, tuple)) else []
    return {key: value for part in parts for key, value in made_with(part).items()}
