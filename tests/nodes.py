"""Nodes for tests: a spec that says what it is told to say."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pnetkit.store.node import File, Node, Ref, Subject


@dataclass(frozen=True)
class AnySpec:
    """A spec of any stage; what is not a spec's own business is left empty."""

    stage: str = "measure"
    version: int = 1
    identity: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Ref] = field(default_factory=dict)
    files: Mapping[str, File] = field(default_factory=dict)


def a_node(stage="measure", case_id=None, *, seen="venous", folds=(0,), weight=1, **spec) -> Node:
    subject = Subject(seen, case_id, () if case_id else folds)
    return Node(AnySpec(stage, **spec), subject, weight)
