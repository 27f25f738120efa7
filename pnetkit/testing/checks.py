"""What a check is, how it fails, and how checks are run."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from safetensors.numpy import load_file

from pnetkit.errors import PluginError, PnetkitError
from pnetkit.parameters import construct
from pnetkit.registry import load_factory


class ConformanceError(PluginError):
    """Report what a plugin does otherwise than its interface promises."""


class SkippedCheck(PnetkitError):
    """Report a check that cannot be made here."""


@dataclass(frozen=True, slots=True)
class Check:
    """Hold one named check of one plugin; calling it raises ConformanceError where the plugin fails it.

    `expected` is the reason of a documented deviation: then the check has to fail.
    """

    name: str
    plugin: str
    run: Callable[[], None]
    expected: str = ""

    def __str__(self) -> str:
        """Give the check's name, as pytest shows it."""
        return self.name

    def __call__(self) -> None:
        """Make the check.

        Raises:
            ConformanceError: the plugin fails it, or passes it although a deviation is documented.
            SkippedCheck: it cannot be made here.
        """
        try:
            self.run()
        except SkippedCheck:
            raise
        except ConformanceError as error:
            if self.expected:
                return
            raise ConformanceError(f"{self.plugin}, {self.name}: {error}") from error
        except Exception as error:
            if self.expected:
                return
            raise ConformanceError(f"{self.plugin}, {self.name}: raised {type(error).__name__}: {error}") from error
        if self.expected:
            raise ConformanceError(
                f"{self.plugin}, {self.name}: passes, although a deviation is documented ({self.expected}). Remove it "
                f"from expected_failures."
            )


@dataclass(frozen=True, slots=True)
class CheckResult:
    """Say how a check ended, and why where it did not pass."""

    name: str
    outcome: Literal["passed", "failed", "skipped", "deviates as documented"]
    reason: str = ""


def run_checks(checks: Sequence[Check]) -> list[CheckResult]:
    """Run checks one after the other and give how each ended; nothing is raised."""
    results = []
    for check in checks:
        try:
            check()
        except SkippedCheck as error:
            results.append(CheckResult(check.name, "skipped", str(error)))
        except ConformanceError as error:
            results.append(CheckResult(check.name, "failed", str(error)))
        else:
            passed = "deviates as documented" if check.expected else "passed"
            results.append(CheckResult(check.name, passed, check.expected))  # type: ignore[arg-type]
    return results


def named_checks(
    plugin: str, found: Mapping[str, Callable[[], None]], expected_failures: Mapping[str, str]
) -> list[Check]:
    """Make checks of functions. Raises ConformanceError where a documented deviation is of no check."""
    unknown = sorted(set(expected_failures) - set(found))
    if unknown:
        raise ConformanceError(f"expected_failures names {unknown[0]!r}; the checks are {', '.join(found)}.")
    return [Check(name, plugin, run, expected_failures.get(name, "")) for name, run in found.items()]


def builder(kind: str, plugin: str | Callable[..., Any], params: Mapping[str, Any]) -> tuple[str, Callable[..., Any]]:
    """Give a plugin's name and a function that builds it; a callable is one that is not registered (yet)."""
    name = plugin if isinstance(plugin, str) else getattr(plugin, "__name__", type(plugin).__name__)

    def build(**given: Any) -> Any:
        factory = load_factory(kind, plugin) if isinstance(plugin, str) else plugin
        return construct(kind, name, factory, params, **given)

    return name, build


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
