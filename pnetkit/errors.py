"""Error classes of pnetkit, their exit codes, and "did you mean".

Every error that a user can cause is a `PnetkitError`. Its text gives what, where, got, wanted and what to do;
the command line prints it without a traceback and ends with its exit code.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import ClassVar


class PnetkitError(Exception):
    """Report something that the user can put right."""

    exit_code: ClassVar[int] = 1


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with an input.

    `where` names the place as a person would look for it: `s4c_dual.yaml:14` or `cohort.csv, case P07, arterial`.
    `message` says what was found and what was wanted, and ends in what to do about it.
    """

    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


class FaultsError(PnetkitError):
    """Report every fault of an input at once, so that one round of corrections is enough."""

    def __init__(self, heading: str, faults: Sequence[Fault]) -> None:
        self.heading = heading
        self.faults = tuple(faults)
        super().__init__("\n".join([heading, *(f"  {fault}" for fault in self.faults)]))

    def __reduce__(self) -> tuple[type["FaultsError"], tuple[str, tuple[Fault, ...]]]:
        """Travel between processes as what it was made of, which is not what `Exception` keeps."""
        return type(self), (self.heading, self.faults)


class RecipeError(FaultsError):
    """Report the faults of a recipe, each with file and line."""

    exit_code = 3


class CohortError(FaultsError):
    """Report the faults of a cohort, each with its case."""

    exit_code = 4


class PluginError(PnetkitError):
    """Report a plugin that is missing, broken, conflicting or not true to its interface."""

    exit_code = 5


class MissingPluginError(PluginError):
    """Report a name that no installed distribution registers."""


class BrokenPluginError(PluginError):
    """Report a registered plugin that cannot be imported or constructed."""


class ConflictingPluginError(PluginError):
    """Report a name that two installed distributions register."""


class MissingExtraError(PnetkitError):
    """Report an optional part that is not installed."""

    exit_code = 5


class ImageError(PnetkitError):
    """Report an image file that cannot be read, or holds what no CT or label map can hold."""

    exit_code = 4


class SeriesError(FaultsError):
    """Report a study whose series cannot be told apart, with the candidates."""

    exit_code = 4


class GateError(PnetkitError):
    """Report a scan that does not look like what it is given as."""

    exit_code = 4


class TrainingError(PnetkitError):
    """Report a training that cannot start or cannot go on."""

    exit_code = 6


class ProcessDiedError(TrainingError):
    """Report that one of the processes that share a training died; `how` says which, and how."""

    def __init__(self, how: str) -> None:
        self.how = how
        super().__init__(f"The training {how}. Run again: it goes on from its last checkpoint.")

    def __reduce__(self) -> tuple[type["ProcessDiedError"], tuple[str]]:
        """Travel between processes as what it was made of, which is not what `Exception` keeps."""
        return type(self), (self.how,)


class MissingPhaseError(PnetkitError):
    """Report a case that lacks a phase which the fusion does not do without."""

    exit_code = 4


class StoreError(PnetkitError):
    """Report a store or run folder that cannot be read or written."""

    exit_code = 7


class ReportError(PnetkitError):
    """Report a page that cannot be made as it is asked for."""


class RunError(PnetkitError):
    """Report tasks of a run that failed after everything else was computed and kept."""

    exit_code = 8


class ModelError(PnetkitError):
    """Report a model folder that is damaged, was changed, or needs plugins that are not there."""

    exit_code = 9


class WeightsError(PnetkitError):
    """Report weights made elsewhere that cannot be read, are not safe to read, or do not fit the network."""

    exit_code = 9


class ScreeningError(PnetkitError):
    """Report cases that could not be screened, after all others were."""

    exit_code = 8


def counted(number: int, noun: str) -> str:
    """Give a number with its noun, which gets an s unless there is one of it: `1 fault`, `2 faults`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def did_you_mean(name: str, known: Iterable[str], *, before: str = "") -> str:
    """Suggest the close spellings of `name` among `known`, each with `before` in front, or list all when none is close.

    Returns a sentence that starts with a space, or an empty string when nothing is known.
    """
    names = sorted(known)
    close = get_close_matches(name, names, n=2, cutoff=0.6)
    if close:
        return f" Did you mean {' or '.join(repr(f'{before}{c}') for c in close)}?"
    return f" Known: {', '.join(names)}." if names else ""
