"""What a check is, how it fails, and how checks are run."""

import json
import unittest
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pnetkit.errors import BrokenPluginError, PluginError, PnetkitError
from pnetkit.parameters import construct
from pnetkit.plain_files import not_plain
from pnetkit.registry import load_factory
from pnetkit.testing.places import place_of


class ConformanceError(PluginError):
    """Report what a plugin does otherwise than its interface promises."""


class SkippedCheck(PnetkitError, unittest.SkipTest):
    """Report a check that cannot be made here; as a SkipTest it is a skipped test to pytest and to unittest."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """Say how a check ended, and why; one that passed has a reason where a declared deviation was not seen."""

    name: str
    outcome: Literal["passed", "failed", "skipped", "deviates as documented"]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """Hold one named check of one plugin; calling it raises ConformanceError where the plugin fails it.

    `expected` is the reason of a deviation that a test documents: then the check has to fail. `declared` gives those
    that the plugin itself declares (see `pnetkit.interfaces.Deviating`), which may fail. `unbuilt` is shared by the
    checks of one plugin: what kept it from being built is the fault of the first check that meets it, and the others
    cannot be made.
    """

    name: str
    plugin: str
    run: Callable[[], None]
    expected: str = ""
    declared: Callable[[], Mapping[str, str]] = dict
    unbuilt: dict[str, str] = field(default_factory=dict, compare=False)

    def __str__(self) -> str:
        """Give the check's name, as pytest shows it."""
        return self.name

    def __call__(self) -> None:
        """Make the check.

        Raises:
            ConformanceError: the plugin fails it, or passes it although a test documents a deviation.
            SkippedCheck: it cannot be made here.
        """
        result, cause = self._made()
        if result.outcome == "skipped":
            raise SkippedCheck(result.reason) from cause
        if result.outcome == "failed":
            raise ConformanceError(result.reason) from cause

    def result(self) -> CheckResult:
        """Make the check, and give how it ended; nothing is raised."""
        return self._made()[0]

    def _made(self) -> tuple[CheckResult, BaseException | None]:
        said = declared = ""
        cause: BaseException | None = None
        try:
            self.run()
            declared = self.declared().get(self.name, "")
        except SkippedCheck as error:
            return CheckResult(self.name, "skipped", str(error)), error
        except ConformanceError as error:
            said, cause = str(error), error
        except BrokenPluginError as error:
            first = self.unbuilt.setdefault(str(error), self.name)
            if first != self.name and not self.expected:
                return CheckResult(self.name, "skipped", f"it cannot be built, as the check {first} says"), error
            said, cause = f"{error}{_at(error)}", error
        except (Exception, SystemExit) as error:  # noqa: BLE001  # whatever a plugin raises is reported
            said, cause = f"raised {type(error).__name__}: {error}{_at(error)}", error
        if cause is not None:
            return self._failed(said), cause
        if self.expected:
            said = f"passes, although a deviation is documented ({self.expected}). Remove it from expected_failures."
            return CheckResult(self.name, "failed", f"{self.plugin}, {self.name}: {said}"), None
        # not a failure: what is made up here does not show every deviation, nor does each choice of parameters
        unseen = f"a deviation is declared ({declared}), and was not seen here" if declared else ""
        return CheckResult(self.name, "passed", unseen), None

    def _failed(self, said: str) -> CheckResult:
        try:
            reason = self.expected or self.declared().get(self.name, "")
        except ConformanceError as error:
            reason, said = "", str(error)
        if reason:
            return CheckResult(self.name, "deviates as documented", reason)
        return CheckResult(self.name, "failed", f"{self.plugin}, {self.name}: {said}")


def _at(error: BaseException) -> str:
    """Give the place of an error in a plugin, or of what it was raised for, in brackets."""
    place = place_of(error) or (place_of(error.__cause__) if error.__cause__ is not None else "")
    return f" ({place})" if place else ""


def run_checks(checks: Sequence[Check]) -> list[CheckResult]:
    """Run checks one after the other and give how each ended; nothing is raised."""
    return [check.result() for check in checks]


def named_checks(
    plugin: str,
    found: Mapping[str, Callable[[], None]],
    expected_failures: Mapping[str, str],
    built: Callable[[], Any],
) -> list[Check]:
    """Make checks of functions. `built` gives the plugin, which is asked for its deviations when a check is made.

    Raises ConformanceError where a documented deviation is of no check or has no reason; of a declared one, each check
    raises it.
    """
    _require_reasons("expected_failures", expected_failures, found)

    @cache
    def declared() -> Mapping[str, str]:
        try:
            deviations = getattr(built(), "deviations", {})
        except Exception:  # noqa: BLE001  # it cannot be built: the checks say so, and no deviation is known
            return {}
        if not isinstance(deviations, Mapping):
            raise ConformanceError(f"deviations is a {type(deviations).__name__}, wanted reasons by names of checks")
        _require_reasons("deviations", deviations, found)
        return deviations

    unbuilt: dict[str, str] = {}
    return [Check(name, plugin, run, expected_failures.get(name, ""), declared, unbuilt) for name, run in found.items()]


def _require_reasons(what: str, given: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    unknown = sorted(set(given) - set(found))
    require(not unknown, f"{what} names {', '.join(map(repr, unknown))}; the checks are {', '.join(found)}.")
    bare = [name for name, reason in given.items() if not isinstance(reason, str) or not reason.strip()]
    require(not bare, f"{what} gives no reason for {', '.join(map(repr, bare))}; wanted why it deviates, in words.")


def builder(
    kind: str, plugin: str | Callable[..., Any], params: Mapping[str, Any], *, quick: bool = True
) -> tuple[str, Callable[..., Any]]:
    """Give a plugin's name and a function that builds it; a callable is one that is not registered (yet).

    What is not in `params` is as in the plugin's `kit_params`, if it has any and this is to be `quick`, or its default.
    """
    name = plugin if isinstance(plugin, str) else getattr(plugin, "__name__", type(plugin).__name__)

    def build(**given: Any) -> Any:
        factory = load_factory(kind, plugin) if isinstance(plugin, str) else plugin
        return construct(kind, name, factory, {**(kit_params(factory) if quick else {}), **params}, **given)

    return name, build


def kit_params(factory: Callable[..., Any]) -> Mapping[str, Any]:
    """Give the parameters that a plugin wants the kit to build it with: a short training, say. Most have none.

    Raises:
        ConformanceError: they are not a mapping.
    """
    found = getattr(factory, "kit_params", {})
    if not isinstance(found, Mapping):
        raise ConformanceError(f"kit_params is a {type(found).__name__}, wanted values by names of parameters")
    return found


def require(condition: bool, message: str) -> None:
    """Raise ConformanceError with a message where a condition does not hold."""
    if not condition:
        raise ConformanceError(message)


def require_json(what: str, value: Any) -> None:
    """Raise ConformanceError where a value, as it was given, cannot be written as JSON."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ConformanceError(f"{what} cannot be written as JSON, as a run has to: {error}") from error


LARGEST_SEED = 2**32 - 1
"""The seed that the kit fits with: the largest that a run gives, and that NumPy and scikit-learn take."""


def require_stored(folder: Path) -> None:
    """Raise ConformanceError unless a fitted plugin wrote something, and nothing but safetensors, JSON and text."""
    require(any(path.is_file() for path in folder.rglob("*")), "save writes nothing")
    faults = not_plain(folder)
    require(not faults, f"save writes what may hold code: {'; '.join(faults)}; wanted safetensors, JSON or text only")
