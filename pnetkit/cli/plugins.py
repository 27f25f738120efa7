"""`pnetkit plugins`: what is installed, and what its parameters are."""

import json

import click

from pnetkit.cli.console import console, grid
from pnetkit.registry import GROUPS, PluginInfo, list_plugins, load_factory, plugin_info

KINDS = click.Choice(list(GROUPS))


@click.group()
def plugins() -> None:
    """List the installed plugins and show their parameters."""


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
    console().print(grid(["kind", "name", "distribution", "version", "purpose"], rows))


@plugins.command("show")
@click.argument("name")
@click.option("--kind", type=KINDS, help="The kind, where two kinds have a plugin of that name.")
@click.option("--json", "as_json", is_flag=True, help="Print the parameters' JSON schema.")
def show(name: str, kind: str | None, as_json: bool) -> None:
    """Show what NAME is, where it comes from, and its parameters with types, defaults, bounds and descriptions."""
    from pnetkit.parameters import describe, parameters_model

    kind = kind or _kind_of(name)
    info = plugin_info(kind, name)
    model = parameters_model(kind, name, load_factory(kind, name))
    if as_json:
        click.echo(json.dumps(_as_dict(info) | {"parameters": model.model_json_schema()}, indent=2))
        return
    out = console()
    click.echo(f"{info.name}: {info.summary}")
    click.echo(f"{info.kind} plugin, {info.target}, from {info.distribution} {info.version}")
    rows = [(p["name"], p["type"], p["default"], p["bounds"], p["description"]) for p in describe(model)]
    if rows:
        out.print(grid(["parameter", "type", "default", "bounds", "description"], rows))
    else:
        click.echo("It has no parameters.")


def _kind_of(name: str) -> str:
    kinds = [kind for kind in GROUPS if any(p.name == name for p in list_plugins([kind]))]
    if len(kinds) > 1:
        raise click.UsageError(f"{name!r} is the name of plugins of the kinds {', '.join(kinds)}; choose with --kind.")
    if not kinds:
        from pnetkit.errors import MissingPluginError, did_you_mean

        hint = did_you_mean(name, {p.name for p in list_plugins()})
        raise MissingPluginError(f"No plugin is called {name!r}.{hint}")
    return kinds[0]


def _as_dict(info: PluginInfo) -> dict[str, str]:
    return {field: getattr(info, field) for field in PluginInfo.__dataclass_fields__}
