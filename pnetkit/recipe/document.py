"""Read one YAML file into plain data, and remember the line of every key.

PyYAML parses; the values are made here, by the core schema of YAML 1.2: `1e-3` is a number, `no` and `on` are text, and
a key that stands twice is a fault instead of silently winning. Tags, anchors and merge keys are refused: a recipe is
data that can be read as it stands.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pnetkit.errors import Fault, RecipeError

KeyPath = tuple[str | int, ...]

MOST_BYTES = 1_000_000
"""A recipe is a page of text; what is larger is something else."""

DEEPEST = 50
"""Levels of nesting that no recipe reaches."""

NOT_FOR_RECIPES = "anchors and aliases are not for recipes"
"""What is said of them."""

_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Document:
    """Hold a file's mapping, and for every key path the place `file:line` where it stands."""

    data: dict[str, Any]
    origins: Mapping[KeyPath, str]


def read_document(path: Path) -> Document:
    """Read a YAML mapping.

    Raises:
        RecipeError: the file is missing, not text, not YAML, or not a mapping; or keys stand twice. All faults that can
            be found are in it, each with file and line.
    """
    if path.is_dir() or not path.exists():
        what = "is a folder" if path.is_dir() else "there is no such file"
        raise RecipeError("The recipe cannot be read:", [Fault(str(path), f"{what}; give the path of a recipe")])
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError("The recipe cannot be read:", [Fault(str(path), f"is not UTF-8 text ({error})")]) from error
    if len(raw) > MOST_BYTES:
        fault = Fault(str(path), f"has {len(raw)} bytes; a recipe has at most {MOST_BYTES}")
        raise RecipeError("The recipe cannot be read:", [fault])
    return parse(text, path.name)


def parse(text: str, name: str) -> Document:
    """Read a YAML mapping from text; `name` stands for the file in messages. Raises RecipeError as `read_document`."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}" if mark else name
        raise RecipeError("The recipe is not YAML:", [Fault(where, error.problem or "cannot be parsed")]) from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RecipeError("The recipe is not YAML:", [Fault(name, reason)]) from error
    builder = _Builder(name)
    if not isinstance(node, yaml.MappingNode):
        raise RecipeError("The recipe cannot be used:", [Fault(f"{name}:1", "wanted keys and values, as in `name: …`")])
    data = builder.value(node, ())
    if "&" in text and not any(NOT_FOR_RECIPES in fault.message for fault in builder.faults):
        builder.faults += _anchors(text, name)
    if builder.faults:
        raise RecipeError(f"The recipe {name} has faults:", builder.faults)
    return Document(data, builder.origins)


def parse_scalar(text: str) -> Any:
    """Read the value of `--set key=value`: a YAML scalar, or a list or mapping in flow style."""
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    if node is None:
        return None
    builder = _Builder("--set")
    value = builder.value(node, ())
    if builder.faults:
        raise ValueError(builder.faults[0].message)
    return value


def _anchors(text: str, name: str) -> list[Fault]:
    """Find anchors, also those that no alias refers to."""
    return [
        Fault(f"{name}:{event.start_mark.line + 1 if event.start_mark else '?'}", f"{NOT_FOR_RECIPES}; write it out")
        for event in yaml.parse(text, Loader=yaml.SafeLoader)
        if getattr(event, "anchor", None) is not None
    ]


class _Builder:
    """Turns YAML nodes into plain values, collecting faults and places on the way."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.faults: list[Fault] = []
        self.origins: dict[KeyPath, str] = {}
        self._seen: set[int] = set()

    def value(self, node: yaml.Node, path: KeyPath) -> Any:
        """Give a node's plain value."""
        if id(node) in self._seen or len(path) > DEEPEST:
            self._fault(node, path, f"{NOT_FOR_RECIPES}, nor is very deep nesting; write it out")
            return None
        self._seen.add(id(node))
        self.origins.setdefault(path, self._where(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            self._no_tag(node, path, "tag:yaml.org,2002:seq")
            return [self.value(child, (*path, i)) for i, child in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        self._no_tag(node, path, "tag:yaml.org,2002:map")
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or key_node.value == "<<":
                self._fault(key_node, path, "keys have to be plain words; merge keys (<<) are not for recipes")
                continue
            key = key_node.value
            if key in result:
                self._fault(key_node, (*path, key), "this key stands twice; remove one")
                continue
            self.origins[(*path, key)] = self._where(key_node)
            result[key] = self.value(value_node, (*path, key))
        return result

    def _scalar(self, node: yaml.Node, path: KeyPath) -> Any:
        text = str(node.value)
        if isinstance(node, yaml.ScalarNode) and node.style is not None:
            return text
        if node.tag.startswith(("!", "tag:yaml.org,2002:python")):
            self._fault(node, path, f"the tag {node.tag} is not for recipes")
            return None
        return _plain(text)

    def _no_tag(self, node: yaml.Node, path: KeyPath, usual: str) -> None:
        if node.tag != usual:
            self._fault(node, path, f"the tag {node.tag} is not for recipes")

    def _fault(self, node: yaml.Node, path: KeyPath, message: str) -> None:
        key = ".".join(map(str, path))
        self.faults.append(Fault(self._where(node), f"{key}: {message}" if key else message))

    def _where(self, node: yaml.Node) -> str:
        return f"{self.name}:{node.start_mark.line + 1}"


def _plain(text: str) -> Any:
    """Read an unquoted scalar by the core schema of YAML 1.2; what is no number or word of it is text."""
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text.lower() in ("true", "false") and text in ("true", "True", "TRUE", "false", "False", "FALSE"):
        return text.lower() == "true"
    if _INTEGER.fullmatch(text) and len(text) < 19:  # noqa: PLR2004  # what fits 64 bits
        return int(text)
    if _FLOAT.fullmatch(text):
        number = float(text)
        return number if math.isfinite(number) else text
    return text
