"""One piece of work: what it is, what it reads, and the key under which its result is kept.

The key is a SHA-256 over canonical JSON of the stage's name and version, the parameters that the stage reads and no
others, the keys of the results it builds on, and the digests of the files it reads. Device, workers, paths, batch sizes
and names of runs are not in it: they do not change the result. So recipes that differ only downstream share everything
upstream, and a new case costs one case.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

STAGE_VERSIONS = {
    "prepare": 2,
    "train": 2,
    "segment": 3,
    "adopt": 1,
    "postprocess": 1,
    "features": 1,
    "fit": 2,
    "classify": 1,
    "measure": 2,
}
"""Stages in their order. A version is raised when the code of its stage changes what comes out."""


@dataclass(frozen=True, slots=True)
class Node:
    """Describe one stage for one case, phase or fold.

    `identity` holds the parameters that decide the result; a task reads its parameters from there and nowhere else.
    `inputs` names results of other nodes by key, `files` names files with their digests, `given` what changes
    nothing (batch size of inference, names for messages).
    """

    stage: str
    label: str
    identity: Mapping[str, Any]
    inputs: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, tuple[Path, str]] = field(default_factory=dict)
    given: Mapping[str, Any] = field(default_factory=dict)
    weight: int = 1

    @property
    def key(self) -> str:
        """Give the key under which the result is stored."""
        return digest(
            {
                "stage": self.stage,
                "version": STAGE_VERSIONS[self.stage],
                "identity": dict(self.identity),
                "inputs": dict(self.inputs),
                "files": {name: content for name, (_, content) in self.files.items()},
            }
        )


def digest(value: Any) -> str:
    """Give the SHA-256 of a value's canonical JSON: sorted keys, no spaces, no NaN."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
