"""`pnetkit recipe`: check recipes, show what they come to."""

import json
from pathlib import Path

import click

PROFILE = click.option("--profile", help="Apply this profile of the recipe.")
SET = click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override one key; repeatable.")


@click.group()
def recipe() -> None:
    """Check recipes and show what they come to."""


@recipe.command("check")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
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
@click.argument("path", type=click.Path(path_type=Path))
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
