"""Look over the installed plugins: what is broken, conflicting, incompatible or does not conform, and what to do."""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from pnetkit.errors import PluginError, did_you_mean
from pnetkit.parameters import construct, parameters_model
from pnetkit.registry import (
    GROUPS,
    PluginInfo,
    core_version,
    installed_version,
    list_plugins,
    load_factory,
    other_groups,
    plugin_distributions,
    without_extras,
)
from pnetkit.testing.checks import run_checks
from pnetkit.testing.kits import KITS

Problem = Literal["broken", "conflicting", "incompatible", "non-conforming"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Say what is wrong, of which plugin (empty where it is a whole distribution), from where, and what to do."""

    problem: Problem
    plugin: str
    distribution: str
    what: str
    advice: str

    def __str__(self) -> str:
        """Write it in a line."""
        subject = f"{self.plugin} (from {self.distribution})" if self.plugin else self.distribution
        return f"{self.problem}: {subject}: {self.what} {self.advice}"


@dataclass(frozen=True, slots=True)
class Examined:
    """Say how a plugin was found: `state` in words, and the finding where it is not fine."""

    info: PluginInfo
    state: str
    finding: Finding | None = None


def installation_findings() -> list[Finding]:
    """Find what metadata tell, without importing any plugin.

    Names that two distributions register, requirements that the installed packages do not meet, and entry points in
    groups that this pnetkit does not serve.
    """
    return [*_conflicts(), *_requirements(), *_other_groups()]


def examine(info: PluginInfo, *, kit: bool = True) -> Examined:
    """Import a plugin, read its parameters, build it with their defaults, and hold it to its kit.

    A deviation that the plugin declares is no finding. A backbone is built by its kit alone, as it takes memory. A
    plugin whose name is another's too cannot be told from it, and is not imported. Whatever a plugin raises is that
    plugin's finding, so that the others are looked at all the same.
    """
    if sum(other.name == info.name for other in list_plugins([info.kind])) > 1:
        return Examined(info, "not examined: two distributions register the name")
    try:
        return _examined(info, kit=kit)
    except PluginError as error:
        return _broken(info, str(error), f"Reinstall or upgrade {info.distribution}, or uninstall it.")
    except (Exception, SystemExit) as error:  # noqa: BLE001  # one plugin does not end the doctor
        what = f"raised {type(error).__name__}: {' '.join(str(error).split())}".rstrip(":. ") + "."
        return _broken(info, what, f"Upgrade {info.distribution}, or tell the authors of {info.distribution}.")


def _broken(info: PluginInfo, what: str, advice: str) -> Examined:
    who = f"{info.distribution} {info.version}"
    return Examined(info, "broken", Finding("broken", f"{info.kind} {info.name}", who, what, advice))


def _examined(info: PluginInfo, *, kit: bool) -> Examined:
    factory = load_factory(info.kind, info.name)
    parameters_model(info.kind, info.name, factory)
    if info.kind != "backbone":
        construct(info.kind, info.name, factory, {})
    if not kit:
        return Examined(info, "imports")
    results = run_checks(KITS[info.kind](info.name))
    failed = [result for result in results if result.outcome == "failed"]
    if failed:
        names = ", ".join(result.name for result in failed)
        what = f"fails {len(failed)} of {len(results)} checks: {names}. {failed[0].reason.rstrip('.')}."
        advice = (
            f"See `pnetkit plugins check {info.name} --kind {info.kind}`, and tell the authors of {info.distribution}; "
            f"a deviation that is meant is declared (docs/plugins.md)."
        )
        state = f"fails {names}"
        title, who = f"{info.kind} {info.name}", f"{info.distribution} {info.version}"
        return Examined(info, state, Finding("non-conforming", title, who, what, advice))
    others = [f"{result.name} {result.outcome}" for result in results if result.outcome != "passed"]
    return Examined(info, f"conforms{' (' + ', '.join(others) + ')' if others else ''}")


def _conflicts() -> Iterable[Finding]:
    owners: dict[tuple[str, str], list[PluginInfo]] = defaultdict(list)
    for info in list_plugins():
        owners[info.kind, info.name].append(info)
    for (kind, name), found in owners.items():
        if len(found) > 1:
            who = " and ".join(f"{info.distribution} {info.version}" for info in found)
            what = f"is registered {len(found)} times in {GROUPS[kind]}, so that no recipe can name it."
            yield Finding("conflicting", f"{kind} {name}", who, what, "Uninstall all but one of them.")


def _requirements() -> Iterable[Finding]:
    for distribution, version, requirements in plugin_distributions():
        for wanted in without_extras(requirements):
            there = core_version() if wanted.name == "pnetkit" else installed_version(wanted.name)
            if there is not None and wanted.specifier.contains(there, prereleases=True):
                continue
            what = f"requires {wanted.name}{wanted.specifier}, and {there or 'none'} is installed."
            advice = f"Install a release of {distribution} for it, or {wanted.name}{wanted.specifier}."
            yield Finding("incompatible", "", f"{distribution} {version}", what, advice)


def _other_groups() -> Iterable[Finding]:
    served = {(info.kind, info.name, info.distribution) for info in list_plugins()}
    kinds = {group: kind for kind, group in GROUPS.items()}
    for group, name, distribution, version in other_groups():
        later = re.fullmatch(r"(?P<group>.+)\.v(?P<number>[0-9]+)", group)
        who = f"{distribution} {version}"
        if later and later["group"] in kinds:
            kind = kinds[later["group"]]
            if (kind, name, distribution) in served:
                continue  # it is there for this interface too
            what = f"is for version {later['number']} of the interface ({group}); pnetkit {core_version()} serves 1."
            advice = f"Upgrade pnetkit, or install a release of {distribution} that registers it in {later['group']}."
            yield Finding("incompatible", f"{kind} {name}", who, what, advice)
        else:
            what = f"is registered in {group}, which is no group of pnetkit.{did_you_mean(group, kinds)}"
            yield Finding("broken", name, who, what, f"Tell the authors of {distribution}, or uninstall it.")
