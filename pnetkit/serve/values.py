"""What flows through a service: jobs, what becomes of one, and the bounds of what is taken in."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pnetkit.errors import PnetkitError

State = Literal["receiving", "waiting", "running", "ready", "refused", "failed", "sent", "given up"]
"""Where a job is: its files arrive, it waits, it runs; it has an outcome; that was sent, or will not be.

Where results are fetched and not sent, `ready`, `refused` and `failed` are the last.
"""

WITHOUT_OUTCOME: tuple[State, ...] = ("receiving", "waiting", "running")

WITH_OUTCOME: tuple[State, ...] = ("ready", "refused", "failed")

ENDED: tuple[State, ...] = ("sent", "given up")


class FullError(PnetkitError):
    """Report that a service takes nothing more for now; `what` says what is used up."""

    exit_code = 7

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(f"Nothing more is taken for now: {what}. Send again later.")

    def __reduce__(self) -> tuple[type["FullError"], tuple[str]]:
        """Travel between processes as what it was made of, which is not what `Exception` keeps."""
        return type(self), (self.what,)


@dataclass(frozen=True, slots=True)
class Finding:
    """A study was screened: `decision` is normal or abnormal; `files` (names in the results) are there to be sent."""

    decision: str
    files: tuple[str, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A study cannot be screened, which is no negative; `reason` may name what identifies it, and is not for a log."""

    reason: str
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """Screening a study went wrong, which is no negative: it took too long, too much memory, or met an error."""

    reason: str
    files: tuple[str, ...] = ()


Outcome = Finding | Refusal | Failure

STATE_OF: Mapping[type[Outcome], State] = {Finding: "ready", Refusal: "refused", Failure: "failed"}


@dataclass(frozen=True, slots=True)
class Job:
    """A study as one model meets it: what a service takes in, works on and answers.

    `number` is what logs call it: it is given once and leads to nobody. `earlier` is the job of the same study whose
    outcome this one replaces. `lease` counts how often it was begun, so that of two who work at it one is told to stop.
    `deaths` counts the processes that died at it, `service_ends` how often the whole service ended while it ran. Times
    are seconds since 1970.
    """

    number: int
    study: str
    model: str
    state: State
    images: int
    size_bytes: int
    earlier: int | None
    lease: int
    deaths: int
    service_ends: int
    received_at: float
    changed_at: float
    came_from: str
    outcome: Outcome | None


@dataclass(frozen=True, slots=True)
class Limits:
    """Bound what lies in a service: bytes of everything, jobs without an outcome, bytes that the disk has to keep."""

    most_bytes: int = 200 * 10**9
    most_waiting: int = 200
    spare_bytes: int = 10**9


@dataclass(frozen=True, slots=True)
class Places:
    """Say where a service keeps what: the queue, what arrives, what came, work under way, what came of it."""

    root: Path

    @property
    def database(self) -> Path:
        """Give the file of the queue."""
        return self.root / "queue.sqlite"

    @property
    def arriving(self) -> Path:
        """Give the folder of what is not complete yet; what a killed service leaves there is deleted."""
        return self.root / "arriving"

    def study(self, number: int) -> Path:
        """Give the folder of what came for a job."""
        return self.root / "studies" / str(number)

    def work(self, number: int, lease: int) -> Path:
        """Give the folder in which one try of a job writes."""
        return self.root / "work" / f"{number}-{lease}"

    def results(self, number: int) -> Path:
        """Give the folder of what came of a job."""
        return self.root / "results" / str(number)

    def make(self) -> None:
        """Make the folders, for their owner's eyes alone."""
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name in ("arriving", "studies", "work", "results"):
            (self.root / name).mkdir(exist_ok=True, mode=0o700)


def outcome_to_json(outcome: Outcome) -> str:
    """Give an outcome as text."""
    said: dict[str, Any] = {"kind": type(outcome).__name__, "files": list(outcome.files)}
    if isinstance(outcome, Finding):
        said |= {"decision": outcome.decision, "about": dict(outcome.about)}
    else:
        said["reason"] = outcome.reason
    return json.dumps(said)


def outcome_from_json(text: str | None) -> Outcome | None:
    """Read an outcome; None where there is none yet."""
    if text is None:
        return None
    said = json.loads(text)
    files = tuple(said["files"])
    if said["kind"] == "Finding":
        return Finding(said["decision"], files, said["about"])
    return (Refusal if said["kind"] == "Refusal" else Failure)(said["reason"], files)
