"""`pnetkit recipe`: list the shipped recipes, check recipes, show what they come to."""

import json
from dataclasses import asdict
from pathlib import Path

import click

PROFILE = click.option("--profile", help="Apply this profile of the recipe.")
SET = click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override one key; repeatable.")


@click.group()
def recipe() -> None:
    """List the shipped recipes, check recipes and show what they come to."""


@recipe.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_command(as_json: bool) -> None:
    """List the recipes that come with pnetkit, what brings their plugins, and whether that is installed."""
    from pnetkit.cli.console import print_grid
    from pnetkit.recipe.catalog import describe_shipped

    found = describe_shipped()
    if as_json:
        rows = [
            {**asdict(of), "file": str(of.file), "distributions": of.distributions, "missing": of.missing}
            for of in found
        ]
        click.echo(json.dumps(rows, indent=2))
        return
    if not found:
        click.echo("No recipe came with this pnetkit. Install it again.")
        return
    lines = [
        (of.name, "no: " + ", ".join(of.missing) if of.missing else "yes", ", ".join(of.distributions), of.description)
        for of in found
    ]
    print_grid(["recipe", "installed", "plugins of", "description"], lines, prose=["description"])
    click.echo("Run one: pnetkit run NAME. Begin your own with: extends: pnetkit:NAME")


@recipe.command("check")
@click.argument("paths", metavar="RECIPE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@PROFILE
@SET
def check(paths: tuple[Path, ...], profile: str | None, overrides: tuple[str, ...]) -> None:
    """Check recipes and list every fault with file and line. Without --profile, all profiles are checked too."""
    from pnetkit.errors import PnetkitError
    from pnetkit.method.parts import take_apart
    from pnetkit.recipe.check import load_recipe

    worst = 0
    for path in paths:
        try:
            loaded = load_recipe(path, profile=profile, overrides=overrides)
            take_apart(loaded.recipe, {})  # whether the plugins fit each other and the patch
            for name in () if profile else loaded.profiles:
                take_apart(load_recipe(path, profile=name, overrides=overrides).recipe, {})
        except PnetkitError as error:
            click.echo(f"Error: {error}", err=True)
            worst = error.exit_code
            continue
        listed = f" (profiles: {', '.join(loaded.profiles)})" if loaded.profiles else ""
        click.echo(f"{path}: fine{listed}")
    if worst:
        raise click.exceptions.Exit(worst)


@recipe.command("show")
@click.argument("path", metavar="RECIPE", type=click.Path(path_type=Path))
@PROFILE
@SET
def show(path: Path, profile: str | None, overrides: tuple[str, ...]) -> None:
    """Print a recipe composed, with all defaults filled in."""
    from pnetkit.recipe.check import load_recipe, resolved, to_yaml

    loaded = load_recipe(path, profile=profile, overrides=overrides)
    click.echo(to_yaml(resolved(loaded.recipe)), nl=False)


@recipe.command("schema")
def schema() -> None:
    """Print the JSON schema of recipes, for editors."""
    from pnetkit.recipe.check import recipe_schema

    click.echo(json.dumps(recipe_schema(), indent=2))
