"""Say by a digest which code makes a plugin: its own, that of the plugins it builds on, and the libraries it brings.

A result is traced to its code by this digest, and made anew where the digest is another. A table of numbers or weights
beside the code makes a result as the code does, so all files of a distribution count. Libraries that pnetkit itself
needs are not part of it: they are the same for all plugins, and an upgrade of torch shall not throw away every result.
Their versions stand in the record of each result.
"""

import importlib.metadata
import importlib.util
import inspect
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from hashlib import sha256
from pathlib import Path, PurePath
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
    """Give the SHA-256 of all files that a plugin is made of.

    Names and contents of every file of its package count, data as well as code, and of every other package of its
    distribution; of distributions that its own requires, the files where they offer plugins too, and else the version,
    unless pnetkit itself requires them.
    """
    factory = load_factory(kind, name)
    package = (factory.__module__ or "").partition(".")[0]
    module = inspect.getmodule(inspect.unwrap(factory))
    top = Path(inspect.getfile(module)) if module else None
    distribution = canonicalize_name(plugin_info(kind, name).distribution)
    digest = sha256()
    if top is not None:
        root = next((p for p in top.parents if p.name == package), None)
        _add(digest, root, [top])
    _add_others(digest, distribution, {package})
    for part in sorted(_brought(distribution, frozenset())):
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()


def _add(digest: Any, root: Path | None, files: Iterable[Path]) -> None:
    """Take in all files below a package's folder, or single files where there is no package."""
    for path in sorted(path for path in root.rglob("*") if _counts(path, root)) if root else files:
        digest.update(str(path.relative_to(root) if root else path.name).encode() + b"\0")
        digest.update(path.read_bytes() + b"\0")


def _counts(path: Path, root: Path) -> bool:
    """Tell whether what a file holds can change a result: caches, hidden files and the marker of types cannot."""
    parts = path.relative_to(root).parts
    passed_over = any(part.startswith(".") or part == "__pycache__" for part in parts)
    return not passed_over and path.suffix not in {".pyc", ".pyo"} and path.name != "py.typed" and path.is_file()


def _add_package(digest: Any, package: str) -> None:
    spec = importlib.util.find_spec(package)  # a top-level name: finds, does not import
    if spec is None:
        return
    folders = [Path(place) for place in spec.submodule_search_locations or ()]
    for folder in folders:
        _add(digest, folder, [])
    if not folders and spec.origin is not None:
        _add(digest, None, [Path(spec.origin)])


def _add_others(digest: Any, distribution: str, known: Collection[str]) -> None:
    """Take in the packages of a distribution beside those known, each under its name."""
    for package in sorted(_packages(distribution) - set(known)):
        digest.update(package.encode() + b"\0")
        _add_package(digest, package)


def _packages(distribution: str) -> set[str]:
    """Name what can be imported of a distribution at the top: as it was recorded, or as it lies in its own folder."""
    offered = plugin_modules().get(distribution, set())
    try:
        of = importlib.metadata.distribution(distribution)
    except importlib.metadata.PackageNotFoundError:
        return set()  # a plugin that no distribution registers
    said = set((of.read_text("top_level.txt") or "").split())
    recorded = {path.parts[0] for path in of.files or () if of.read_text("RECORD") and _is_code(path)}
    installed_in = Path(str(of.locate_file(""))).resolve()
    beside: set[str] = set()
    for folder in {folder.parent.resolve() for package in offered for folder in _folders(package)} - {installed_in}:
        found = {path.parent.name for path in folder.glob("*/__init__.py")}  # an editable installation
        beside |= {name for name in found if name.isidentifier()} - NO_PACKAGES
    return {name.removesuffix(".py") for name in said | recorded | beside} | offered


NO_PACKAGES = {"tests", "test", "docs", "examples", "build", "dist"}
"""Folders beside a package that are no part of a distribution, though they may have an `__init__.py`."""


def _is_code(path: PurePath) -> bool:
    """Tell whether a recorded file is importable, or lies in something that is."""
    name = path.parts[0]
    return (len(path.parts) > 1 or path.suffix == ".py") and name.removesuffix(".py").isidentifier()


def _folders(package: str) -> list[Path]:
    spec = importlib.util.find_spec(package)
    return [] if spec is None else [Path(place) for place in spec.submodule_search_locations or ()]


def _brought(distribution: str, seen: frozenset[str]) -> Iterator[str]:
    """Name what a distribution requires beside what pnetkit does: plugins by their files, libraries by version."""
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
            _add_package(digest, package)
        _add_others(digest, name, offered[name])
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
