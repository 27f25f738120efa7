"""What a check is, how it fails, and how checks are run."""

import json
import unittest
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from safetensors.numpy import load_file

from pnetkit.errors import PluginError, PnetkitError
from pnetkit.parameters import construct
from pnetkit.registry import load_factory


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
    that the plugin itself declares (see `pnetkit.interfaces.Deviating`), which may fail.
    """

    name: str
    plugin: str
    run: Callable[[], None]
    expected: str = ""
    declared: Callable[[], Mapping[str, str]] = dict

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
        except (Exception, SystemExit) as error:  # noqa: BLE001  # whatever a plugin raises is reported
            said, cause = f"raised {type(error).__name__}: {error}", error
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

    return [Check(name, plugin, run, expected_failures.get(name, ""), declared) for name, run in found.items()]


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


STORED = (".safetensors", ".json")
"""What a plugin that was fitted may write."""


def require_stored(folder: Path) -> None:
    """Raise ConformanceError unless a fitted plugin wrote something, and nothing but safetensors and JSON."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    require(bool(files), "save writes nothing")
    wrong = [path.name for path in files if path.suffix not in STORED]
    require(not wrong, f"save writes {wrong}; wanted {' and '.join(STORED)} only")
    for path in files:
        if path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
        else:
            load_file(path)
