"""`pnetkit plugins`: what is installed, with what parameters, whether it keeps its promises, and how to begin one."""

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from pnetkit.cli.as_json import JSON, json_alone, print_json
from pnetkit.cli.console import echo, print_grid
from pnetkit.errors import counted
from pnetkit.registry import GROUPS, Factory, PluginInfo, list_plugins, load_factory, plugin_info

KINDS = click.Choice(list(GROUPS))


@click.group()
def plugins() -> None:
    """List, show, check and look over the installed plugins, and begin new ones."""


@plugins.command("list")
@click.option("--kind", type=KINDS, help="Only plugins of this kind.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_command(kind: str | None, as_json: bool) -> None:
    """List kind, name, distribution, version and purpose of every plugin; nothing is imported."""
    found = list_plugins([kind] if kind else GROUPS)
    if as_json:
        click.echo(json.dumps([_as_dict(info) for info in found], indent=2))
        return
    rows = [(p.kind, p.name, p.distribution, p.version, p.summary) for p in found]
    if not rows:
        click.echo("No plugin is installed. Install pnetkit's own with: pip install -r plugins/requirements.txt")
        return
    print_grid(["kind", "name", "distribution", "version", "purpose"], rows, names=2, prose=["purpose"])


@plugins.command("show")
@click.argument("name")
@click.option("--kind", type=KINDS, help="The kind, where two kinds have a plugin of that name.")
@click.option("--json", "as_json", is_flag=True, help="Print the parameters' JSON schema.")
def show(name: str, kind: str | None, as_json: bool) -> None:
    """Show what NAME is, where it comes from, and its parameters with types, defaults, bounds and descriptions."""
    from pnetkit.parameters import describe, parameters_model, schema

    kind = kind or _kind_of(name)
    info = plugin_info(kind, name)
    model = parameters_model(kind, name, load_factory(kind, name))
    if as_json:
        click.echo(json.dumps(_as_dict(info) | {"parameters": schema(kind, name, model)}, indent=2))
        return
    echo(f"{info.name}: {info.summary}")
    echo(f"{info.kind} plugin, {info.target}, from {info.distribution} {info.version}")
    rows = [(p["name"], p["type"], p["default"], p["bounds"], p["description"]) for p in describe(model)]
    if rows:
        print_grid(["parameter", "type", "default", "bounds", "description"], rows, prose=["type", "description"])
    else:
        click.echo("It has no parameters.")


@plugins.command("new")
@click.argument("kind", type=KINDS)
@click.argument("name")
@click.option("--dir", "parent", type=click.Path(path_type=Path), default=Path(), help="Where its folder is made.")
def new(kind: str, name: str, parent: Path) -> None:
    """Write a complete distribution for a plugin NAME: a working minimum, tests that pass the kit, README."""
    from pnetkit import __version__
    from pnetkit.scaffold import write_plugin

    made = write_plugin(kind, name, parent, pnetkit_version=__version__)
    click.echo(f"{made.folder}: a {kind} plugin that conforms. Next:")
    click.echo(f"  pip install -e {shlex.quote(f'{made.folder}[test]')}")
    click.echo(f"  pnetkit plugins check {made.name}")
    click.echo(f"  python -m pytest {shlex.quote(str(made.folder))}")


@plugins.command("check")
@click.argument("name")
@click.option("--kind", type=KINDS, help="The kind, where two kinds have a plugin of that name.")
@click.option("--set", "given", multiple=True, metavar="KEY=VALUE", help="A parameter to build it with; repeatable.")
@click.option("--feature-channels", type=int, help="Channels of the maps for a classifier that takes any number.")
@JSON
def check(name: str, kind: str | None, given: tuple[str, ...], feature_channels: int | None, as_json: bool) -> None:
    """Hold NAME to its interface with the conformance kit, and say what is wrong; exit code 5 where anything is.

    A backbone's parameters and costs are counted at the end.
    """
    from pnetkit import testing
    from pnetkit.errors import PluginError

    kind = kind or _kind_of(name)
    factory = load_factory(kind, name)  # what cannot be imported is said once, and not by every check
    params = _accepted_params(kind, name, factory, given)
    more = {"feature_channels": feature_channels} if kind == "case-classifier" else {}
    quick = {key: value for key, value in testing.kit_params(factory).items() if key not in params}
    if quick:
        said = f"built for the kit with {', '.join(f'{key}={value}' for key, value in quick.items())} (kit_params)"
        click.echo(said, err=as_json)
    checks, failed, ended = testing.KITS[kind](name, params=params, **more), [], []
    for made in checks:
        with json_alone(as_json):  # a plugin may print
            result = made.result()
        said = f"{result.outcome:8} {result.name}{': ' + _one_line(result.reason) if result.reason else ''}"
        click.echo(said, err=as_json)
        ended.append({"check": result.name, "outcome": result.outcome, "reason": result.reason or None})
        failed += [result.name] if result.outcome == "failed" else []
    facts = _facts_in_words(name, params) if kind == "backbone" else None
    if facts is not None:
        click.echo(facts, err=as_json)
    if as_json:
        print_json({"plugin": name, "kind": kind, "conforms": not failed, "checks": ended, "facts": facts})
    if failed:
        raise PluginError(f"{name} fails {len(failed)} of {len(checks)} checks: {', '.join(failed)}.")
    click.echo(f"{name} conforms.", err=as_json)


@plugins.command("doctor")
@click.option("--kind", type=KINDS, help="Only plugins of this kind.")
@click.option(
    "--kit/--no-kit", default=True, show_default=True, help="Whether plugins are held to the conformance kit."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(kind: str | None, kit: bool, as_json: bool) -> None:
    """Import every plugin, and say what is broken, conflicting, incompatible or non-conforming, and what to do.

    Each is built with its default parameters and held to the conformance kit, which takes a minute or more for a large
    network. Exit code 5 where anything is found.
    """
    from pnetkit import testing
    from pnetkit.errors import PluginError

    infos = list_plugins([kind] if kind else GROUPS)
    findings, states = testing.installation_findings(), []
    for number, info in enumerate(infos, start=1):
        found = testing.examine(info, kit=kit)
        line = f"{info.kind} {info.name} ({info.distribution} {info.version}): {found.state}"
        click.echo(f"{number} of {len(infos)}: {line}", err=as_json)
        states.append(_as_dict(info) | {"state": found.state})
        findings += [found.finding] if found.finding else []
    if as_json:
        listed = [{name: getattr(of, name) for name in testing.Finding.__slots__} for of in findings]
        click.echo(json.dumps({"plugins": states, "findings": listed}, indent=2))
    else:
        for of in findings:
            click.echo(str(of))
    if findings:
        raise PluginError(f"{counted(len(findings), 'finding')} in {counted(len(infos), 'plugin')}, listed above.")
    click.echo("No problem found." if infos else "No plugin is installed.", err=as_json)


def _accepted_params(kind: str, name: str, factory: Factory, given: tuple[str, ...]) -> dict[str, Any]:
    """Read `--set`, and refuse what the plugin does not take; where its signature is no schema, its checks say so."""
    from pydantic import ValidationError

    from pnetkit.errors import BrokenPluginError, did_you_mean
    from pnetkit.parameters import parameters_model, validate
    from pnetkit.recipe.document import parse_scalar

    params = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals:
            raise click.BadParameter(f"wanted KEY=VALUE, got {text!r}", param_hint="--set")
        params[key] = parse_scalar(value)
    if not params:
        return params
    try:
        model = parameters_model(kind, name, factory)
        validate(model, params)
    except BrokenPluginError:
        return params
    except ValidationError as error:
        faults = []
        for of in error.errors():
            key, said = ".".join(map(str, of["loc"])), f"{of['msg'][0].lower()}{of['msg'][1:]}, got {of['input']!r}."
            unknown = f"no such parameter.{did_you_mean(key, model.model_fields)}"
            faults.append(f"{key}: {unknown if of['type'] == 'extra_forbidden' else said}")
        raise click.BadParameter(" ".join(faults), param_hint="--set") from error
    return params


def _facts_in_words(name: str, params: Mapping[str, Any]) -> str:
    from pnetkit import testing

    try:
        return testing.backbone_facts(name, params=params).in_words
    except Exception as error:  # noqa: BLE001  # whatever it is, the checks have said what is wrong with the plugin
        said = _one_line(f"{type(error).__name__}: {error}").rstrip(":")
        return f"Its parameters and costs cannot be counted: {said}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _kind_of(name: str) -> str:
    kinds = [kind for kind in GROUPS if any(p.name == name for p in list_plugins([kind]))]
    if len(kinds) > 1:
        raise click.UsageError(f"{name!r} is the name of plugins of the kinds {', '.join(kinds)}; choose with --kind.")
    if not kinds:
        from pnetkit.errors import MissingPluginError, did_you_mean
        from pnetkit.registry import in_no_group, kinds_of_other_versions

        for kind in kinds_of_other_versions(name):
            plugin_info(kind, name)  # says whose it is, and for which version
        misplaced = in_no_group(name)
        if misplaced:
            raise MissingPluginError(f"No plugin is called {name!r}. {misplaced}")
        hint = did_you_mean(name, {p.name for p in list_plugins()})
        raise MissingPluginError(f"No plugin is called {name!r}.{hint}")
    return kinds[0]


def _as_dict(info: PluginInfo) -> dict[str, str]:
    return {field: getattr(info, field) for field in PluginInfo.__dataclass_fields__}
