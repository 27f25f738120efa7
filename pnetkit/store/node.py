"""One piece of work: what it is of, what its stage is asked to make, and the key under which the result is kept.

The key is a SHA-256 over canonical JSON of the stage's name and version, the parameters that the stage reads and no
others, the keys of the results it builds on, and the digests of the files it reads. Device, workers, paths, batch sizes
and names of runs are not in it: they do not change the result. So recipes that differ only downstream share everything
upstream, and a new case costs one case. What is in the key of a stage, and what is not, stands in its module.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

from pnetkit.files import digest


@dataclass(frozen=True, slots=True)
class File:
    """Name a file that a stage reads, with the digest of its content."""

    path: Path
    digest: str


@dataclass(frozen=True, slots=True)
class Ref:
    """Name a result: its stage and its key."""

    stage: str
    key: str


@runtime_checkable
class Spec(Protocol):
    """What a stage is asked to make: a frozen value of the stage's own module.

    `version` is raised when the stage's code changes what comes out. `identity` (plain JSON), `inputs` and `files` go
    into the key; whatever else a spec holds changes no result.
    """

    stage: ClassVar[str]
    version: ClassVar[int]

    @property
    def identity(self) -> Mapping[str, Any]:
        """Give the parameters that decide the result."""

    @property
    def inputs(self) -> Mapping[str, Ref]:
        """Give the results that it builds on, each under the name of its part."""

    @property
    def files(self) -> Mapping[str, File]:
        """Give the files that it reads, each under the name of its part."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Say what a result is of: one input, of one case or of a network trained without some folds, or of both.

    Both: what a network trained without these folds says of one of its training cases, for a classifier that learns.
    """

    input: str
    case_id: str | None = None
    folds: tuple[int, ...] = ()

    @property
    def label(self) -> str:
        """Give it in words."""
        if self.case_id is None:
            return f"{self.input} fold{'s' if len(self.folds) > 1 else ''} {' and '.join(map(str, self.folds))}"
        trained = f" for training fold {' and '.join(map(str, self.folds))}" if self.folds else ""
        return f"{self.case_id} {self.input}{trained}"


@dataclass(frozen=True, slots=True)
class Node:
    """Hold one piece of work; `weight` is how many steps it reports while it is made.

    Two nodes of one key are the same work, whatever their subjects are called.
    """

    spec: Spec
    subject: Subject
    weight: int = 1
    key: str = field(init=False)

    def __post_init__(self) -> None:
        """Take the key once: a plan asks for it often."""
        object.__setattr__(self, "key", key_of(self.spec))

    @property
    def stage(self) -> str:
        """Give the stage's name."""
        return self.spec.stage

    @property
    def ref(self) -> Ref:
        """Name the result."""
        return Ref(self.stage, self.key)

    @property
    def label(self) -> str:
        """Give what the result is of, in words."""
        return self.subject.label

    @property
    def needs(self) -> frozenset[str]:
        """Give the keys of the results that it builds on."""
        return frozenset(ref.key for ref in self.spec.inputs.values())


def key_of(spec: Spec) -> str:
    """Give the key of what a stage is asked to make."""
    return digest(
        {
            "stage": spec.stage,
            "version": spec.version,
            "identity": dict(spec.identity),
            "inputs": {name: ref.key for name, ref in spec.inputs.items()},
            "files": {name: file.digest for name, file in spec.files.items()},
        }
    )
