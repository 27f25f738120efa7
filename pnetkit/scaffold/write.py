"""Write a plugin's distribution from templates."""

import re
import shutil
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template

from pnetkit.errors import PluginError
from pnetkit.registry import GROUPS

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
        PluginError: the name is none that an entry point and a package can have, or the folder is there already.
    """
    if not _NAME.fullmatch(name):
        raise PluginError(f"{name!r} cannot be a plugin's name: wanted small letters, digits and hyphens, as my-net.")
    distribution = name if name.startswith("pnetkit-") else f"pnetkit-{name}"
    package = distribution.replace("-", "_")
    folder = parent / distribution
    if folder.exists():
        raise PluginError(f"{folder}: is there already. Choose another name or --dir.")
    major, minor = (int(part) for part in pnetkit_version.split(".")[:2])
    words = {
        "kind": kind,
        "group": GROUPS[kind],
        "name": name,
        "distribution": distribution,
        "package": package,
        "cls": "".join(part.capitalize() for part in name.removeprefix("pnetkit-").split("-")),
        "checks": f"{kind.replace('-', '_')}_checks",
        "requirement": f"pnetkit>={major}.{minor},<{major}.{minor + 1}",
    }
    source = kind.replace("-", "_")
    targets = {
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
        "__init__.py": f"{package}/__init__.py",
        f"{source}.py": f"{package}/{source}.py",
        "test_conformance.py": "tests/test_conformance.py",
    }
    work = parent / f".{distribution}.part"
    shutil.rmtree(work, ignore_errors=True)
    for template, target in targets.items():
        path = work / target
        path.parent.mkdir(parents=True, exist_ok=True)
        text = files("pnetkit.scaffold").joinpath("templates", f"{template}.txt").read_text(encoding="utf-8")
        path.write_text(Template(text).substitute(words | {"module": f"{package}.{source}"}), encoding="utf-8")
    (work / package / "py.typed").write_text("", encoding="utf-8")
    work.rename(folder)
    return Scaffold(folder, distribution, name)
