"""Find plugins by kind and name. The only module that knows stevedore.

stevedore's `DriverManager` gives the protocol (one name, one implementation; failures and conflicts have callbacks).
Its discovery is replaced by `importlib.metadata`: stevedore caches entry points on disk under a key that misses a quick
reinstall, and its cached entry points have forgotten which distribution they come from.

Listing imports nothing. Loading imports one plugin. What is installed is read once, and again when a folder of the path
has changed: stages ask for their plugins thousands of times.
"""

import ast
import importlib.metadata
import importlib.util
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from stevedore import DriverManager

from pnetkit.errors import BrokenPluginError, ConflictingPluginError, MissingPluginError, did_you_mean

GROUPS = {
    "backbone": "pnetkit.backbone",
    "postprocessor": "pnetkit.postprocessor",
    "case-classifier": "pnetkit.case_classifier",
    "phase-fusion": "pnetkit.phase_fusion",
}
"""The kinds of plugin, as the command line names them, and their entry-point groups (see pnetkit.interfaces)."""

Factory = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """Say where a plugin comes from, as its distribution's metadata tell it."""

    kind: str
    name: str
    target: str
    distribution: str
    version: str
    summary: str
    pnetkit_requirement: str


class _DriverManager(DriverManager[Any]):
    """A driver manager that discovers entry points afresh, through `importlib.metadata`."""

    def list_entry_points(self) -> list[EntryPoint]:
        return list(_points().select(group=self.namespace))


def list_plugins(kinds: Iterable[str] = tuple(GROUPS)) -> list[PluginInfo]:
    """List the installed plugins of the given kinds, by kind and name, without importing any of them.

    The summary is the first docstring line of what the entry point names, read from its source without running it;
    the distribution's own where that cannot be found. Plugins registered twice are listed twice.
    """
    found = [_info(kind, point) for kind in kinds for point in _points().select(group=GROUPS[kind])]
    order = list(GROUPS)
    return sorted(found, key=lambda p: (order.index(p.kind), p.name, p.distribution))


def plugin_info(kind: str, name: str) -> PluginInfo:
    """Find one plugin without importing it.

    Raises:
        MissingPluginError: no installed distribution registers the name; close spellings are suggested, and a plugin
            of that name for another version of the interface is named.
        ConflictingPluginError: two distributions register it.
    """
    found = [_info(kind, point) for point in _points().select(group=GROUPS[kind], name=name)]
    if not found:
        raise MissingPluginError(_missing(kind, name))
    if len(found) > 1:
        owners = " and ".join(sorted(p.distribution for p in found))
        raise ConflictingPluginError(
            f"Two installed plugins are both called {name!r} in {GROUPS[kind]}: {owners}. Uninstall one of them."
        )
    return found[0]


def load_factory(kind: str, name: str) -> Factory:
    """Import one plugin and give its callable, not yet called.

    Raises:
        MissingPluginError, ConflictingPluginError: as `plugin_info`.
        BrokenPluginError: importing it failed, or what it names cannot be called.
    """
    info = plugin_info(kind, name)
    what = f"The {kind} plugin {name!r} ({info.target}, from {info.distribution} {info.version})"
    if not EntryPoint.pattern.match(info.target):
        raise BrokenPluginError(
            f"{what} cannot be imported: its entry point is {info.target!r}, wanted package.module:name. Correct it in "
            f"the distribution's pyproject.toml and install that again."
        )
    on_failure = partial(_say_broken, what)
    try:
        manager = _DriverManager(GROUPS[kind], name, invoke_on_load=False, on_load_failure_callback=on_failure)
    except (AssertionError, SystemExit) as error:  # stevedore lets these two pass by its callback
        raise _broken(what, error) from error
    factory = manager[name].plugin
    if not callable(factory):
        raise BrokenPluginError(
            f"{what} is a {type(factory).__name__}; a plugin has to be a class or function that can be called with its "
            f"parameters."
        )
    return factory


def _say_broken(what: str, _manager: Any, _point: EntryPoint, error: BaseException) -> None:
    raise _broken(what, error) from error


def _broken(what: str, error: BaseException) -> BrokenPluginError:
    return BrokenPluginError(f"{what} cannot be imported: {type(error).__name__}: {error}")


def without_extras(requirements: Iterable[str]) -> Iterator[Requirement]:
    """Read the requirements that hold here without any extra; what cannot be read is the installer's affair."""
    for text in requirements:
        try:
            wanted = Requirement(text)
        except InvalidRequirement:
            continue  # it took the distribution all the same
        if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
            yield wanted


def plugin_modules() -> dict[str, set[str]]:
    """Give the top-level packages of the plugins of each distribution, by its normalized name."""
    found: dict[str, set[str]] = {}
    for point in _all_points():
        if point.dist is not None and EntryPoint.pattern.match(point.value):
            name = canonicalize_name(point.dist.metadata["Name"])
            found.setdefault(name, set()).add(point.module.partition(".")[0])
    return found


def plugin_distributions() -> list[tuple[str, str, tuple[str, ...]]]:
    """List name, version and requirements of each distribution that registers anything in a group of pnetkit's."""
    found = {}
    for point in _all_points():
        if point.dist is not None:
            key = (point.dist.metadata["Name"], point.dist.metadata["Version"])
            found[key] = tuple(point.dist.requires or ())
    return [(name, version, requirements) for (name, version), requirements in sorted(found.items())]


def other_groups() -> list[tuple[str, str, str, str]]:
    """List group, name, distribution and version of entry points in groups `pnetkit.…` that no kind of plugin has."""
    found = []
    for point in _all_points():
        if point.group not in GROUPS.values():
            metadata = point.dist.metadata if point.dist is not None else None
            owner = (metadata["Name"], metadata["Version"]) if metadata else ("unknown", "unknown")
            found.append((point.group, point.name, *owner))
    return sorted(found)


def installed_version(distribution: str) -> str | None:
    """Give the version of an installed distribution, or None where there is none of that name."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _all_points() -> list[EntryPoint]:
    points = _points()
    return [point for group in sorted(points.groups) for point in points.select(group=group)]


def _points() -> EntryPoints:
    """Give the entry points of pnetkit's groups, read anew where a folder of the path is another one or changed."""
    return _read_points(tuple((entry, _changed_ns(entry)) for entry in sys.path))


@lru_cache(maxsize=4)
def _read_points(_path: tuple[tuple[str, int], ...]) -> EntryPoints:
    found = importlib.metadata.entry_points()
    groups = [group for group in found.groups if group.startswith("pnetkit.")]  # each look-up goes through all points
    return EntryPoints(_standard(point) for group in groups for point in found.select(group=group))


def _standard(point: Any) -> EntryPoint:
    """Give a point of the standard library: its backport gives its own once a library, as Dask, has imported it."""
    if isinstance(point, EntryPoint):
        return point
    standard = EntryPoint(point.name, point.value, point.group)
    vars(standard).update(dist=point.dist)  # as importlib.metadata does
    return standard


def _changed_ns(entry: str) -> int:
    try:
        return Path(entry).stat().st_mtime_ns
    except OSError:
        return 0  # not there, as python3X.zip


def _info(kind: str, point: EntryPoint) -> PluginInfo:
    metadata = point.dist.metadata if point.dist is not None else None
    requirements = (point.dist.requires or []) if point.dist is not None else []
    return PluginInfo(
        kind=kind,
        name=point.name,
        target=point.value,
        distribution=metadata["Name"] if metadata else "unknown",
        version=metadata["Version"] if metadata else "unknown",
        summary=_docstring_line(point) or _summary(point),
        pnetkit_requirement=next((r for r in requirements if _is_pnetkit(r)), ""),
    )


def _summary(point: EntryPoint) -> str:
    """Give a distribution's line about itself; the metadata of a backport raise where there is none."""
    return (point.dist.metadata.get_all("Summary") or [""])[0] if point.dist is not None else ""


def _docstring_line(point: EntryPoint) -> str:
    if not EntryPoint.pattern.match(point.value):
        return ""
    package, *rest = point.module.split(".")
    try:
        spec = importlib.util.find_spec(package)  # a top-level name: finds, does not import
        if spec is None or spec.origin is None:
            return ""
        path = Path(spec.origin).parent.joinpath(*rest).with_suffix(".py") if rest else Path(spec.origin)
        return _docstring_lines(path, path.stat().st_mtime_ns).get(point.attr, "")
    except (ImportError, ValueError, OSError, SyntaxError):
        return ""  # the summary of the distribution stands in; loading will say what is wrong


@lru_cache(maxsize=64)
def _docstring_lines(path: Path, _changed: int) -> dict[str, str]:
    """Give the first docstring line of every class and function of a file, without running it."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    named = [node for node in body if isinstance(node, (ast.ClassDef, ast.FunctionDef))]
    return {node.name: (ast.get_docstring(node) or "").partition("\n")[0] for node in named}


def _is_pnetkit(requirement: str) -> bool:
    name = requirement.partition(";")[0].strip()
    return name == "pnetkit" or name.startswith(
        ("pnetkit>", "pnetkit<", "pnetkit=", "pnetkit~", "pnetkit!", "pnetkit ")
    )


def _missing(kind: str, name: str) -> str:
    points = _points()
    other = [point for group in points.groups if _is_other_version(group, kind)
             for point in points.select(group=group, name=name)]  # fmt: skip
    if other:
        info = _info(kind, other[0])
        return (
            f"The {kind} plugin {name!r} of {info.distribution} {info.version} is written for {other[0].group}; this "
            f"pnetkit {core_version()} reads {GROUPS[kind]}. Install a {info.distribution} for this pnetkit, or a "
            f"pnetkit that reads that group."
        )
    misplaced = in_no_group(name)
    if misplaced:
        return f"No {kind} plugin is called {name!r}. {misplaced}"
    elsewhere = [k for k in GROUPS if k != kind and any(p.name == name for p in list_plugins([k]))]
    hint = f" There is a {elsewhere[0]} plugin of that name." if elsewhere else ""
    installed = [p.name for p in list_plugins([kind])]
    if not installed:
        return f"No {kind} plugin is called {name!r}: none is installed. Install one, e.g. from plugins/."
    close = did_you_mean(name, installed)
    listed = "" if close.startswith(" Known") else f" Installed: {', '.join(installed)}."
    return f"No {kind} plugin is called {name!r}.{close}{listed}{hint}"


def in_no_group(name: str) -> str:
    """Say who registers a name in a group that no kind of plugin has, as a misspelled one; empty where nobody does."""
    found = [
        of for of in other_groups() if of[1] == name and not any(_is_other_version(of[0], kind) for kind in GROUPS)
    ]
    if not found:
        return ""
    group, _, distribution, version = found[0]
    return (
        f"{distribution} {version} registers {name!r} in {group}, which is no group of pnetkit."
        f"{did_you_mean(group, GROUPS.values())} Tell the authors of {distribution}, or uninstall it."
    )


def kinds_of_other_versions(name: str) -> list[str]:
    """Name the kinds of which a plugin of this name is there for another version of the interface only."""
    groups = [group for group, found, _, _ in other_groups() if found == name]
    return [kind for kind in GROUPS if any(_is_other_version(group, kind) for group in groups)]


def _is_other_version(group: str, kind: str) -> bool:
    """Tell whether a group is that of another version of a kind's interface."""
    return (
        bool(re.fullmatch(rf"{re.escape(GROUPS[kind].partition('.v')[0])}(\.v\d+)?", group)) and group != GROUPS[kind]
    )


def core_version() -> str:
    """Give the version of the installed pnetkit."""
    return importlib.metadata.version("pnetkit")
