"""Write a plugin's distribution from templates."""

import ast
import keyword
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template

from pnetkit.errors import PluginError
from pnetkit.registry import GROUPS, installed_version, list_plugins

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Scaffold:
    """Hold what was written: the distribution's folder, its name, and the plugin's name."""

    folder: Path
    distribution: str
    name: str


def write_plugin(kind: str, name: str, parent: Path, *, pnetkit_version: str) -> Scaffold:
    """Write a distribution for a plugin of a kind into a new folder below `parent`.

    Raises:
        PluginError: the name is none that an entry point, a package and a class can have, or something of that name is
            installed or lies in the folder already.
    """
    if not _NAME.fullmatch(name):
        raise PluginError(f"{name!r} cannot be a plugin's name: wanted small letters, digits and hyphens, as my-net.")
    distribution = name if name.startswith("pnetkit-") else f"pnetkit-{name}"
    package = distribution.replace("-", "_")
    folder = parent / distribution
    cls = "".join(part.capitalize() for part in name.removeprefix("pnetkit-").split("-"))
    source = kind.replace("-", "_")
    unfit = _unfit_class(cls, _template(f"{source}.py")) or _taken(kind, name, distribution)
    if unfit:
        raise PluginError(f"{name!r} cannot be a {kind}'s name: {unfit}. Choose another name.")
    if folder.exists():
        raise PluginError(f"{folder}: is there already. Choose another name or --dir.")
    major, minor = (int(part) for part in pnetkit_version.split(".")[:2])
    words = {
        "kind": kind,
        "group": GROUPS[kind],
        "name": name,
        "distribution": distribution,
        "package": package,
        "cls": cls,
        "checks": f"{source}_checks",
        "requirement": f"pnetkit>={major}.{minor},<{major}.{minor + 1}",
    }
    targets = {
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
        "__init__.py": f"{package}/__init__.py",
        f"{source}.py": f"{package}/{source}.py",
        "test_conformance.py": "tests/test_conformance.py",
    }
    texts = {
        target: Template(_template(template)).substitute(words | {"module": f"{package}.{source}"})
        for template, target in targets.items()
    }
    try:
        _write(texts | {f"{package}/py.typed": ""}, parent / f".{distribution}.part", folder)
    except OSError as error:
        raise PluginError(f"{folder}: cannot be written ({error.strerror}). Choose another --dir.") from error
    return Scaffold(folder, distribution, name)


def _write(texts: Mapping[str, str], work: Path, folder: Path) -> None:
    """Write files into a folder that gets its name when all of them are there."""
    shutil.rmtree(work, ignore_errors=True)
    for target, text in texts.items():
        path = work / target
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    work.rename(folder)


def _template(name: str) -> str:
    return files("pnetkit.scaffold").joinpath("templates", f"{name}.txt").read_text(encoding="utf-8")


def _unfit_class(cls: str, template: str) -> str:
    """Say why a class cannot have this name in the file that is made of the template, or nothing where it can."""
    called = f"its class would be called {cls!r}, which"
    if keyword.iskeyword(cls):
        return f"{called} is a word of Python's own"
    if not cls.isidentifier():
        return f"{called} Python cannot read as a name"
    tree = ast.parse(Template(template).substitute(cls=cls))
    imports = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
    if cls in {alias.asname or alias.name for node in imports for alias in node.names}:
        return f"{called} is a name that its file imports"
    return ""


def _taken(kind: str, name: str, distribution: str) -> str:
    """Say what is installed under the distribution's or the plugin's name, or nothing."""
    version = installed_version(distribution)
    if version is not None:
        return f"{distribution} {version} is installed already, and would be replaced"
    owners = [info.distribution for info in list_plugins([kind]) if info.name == name]
    if owners:
        return f"{owners[0]} has a {kind} of that name already, and recipes could not tell them apart"
    return ""
