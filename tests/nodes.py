"""Nodes for tests: a spec that says what it is told to say."""

import os
import signal
import time
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


def killed_or_made(node, context):
    """Stand in for the making of a result in a worker, which ends as if by `kill -9` at the node called `killed`."""
    if node.subject.input == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(node.spec.identity.get("seconds", 0))
    return context.store.produce(node.stage, node.key, lambda _: {"name": node.subject.input})
