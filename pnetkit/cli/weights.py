"""`pnetkit weights`: bring weights from elsewhere into a form that recipes can start from, and look at them."""

import json
from pathlib import Path

import click


@click.group()
def weights() -> None:
    """Import weights that were made elsewhere, and show what is known of them."""


@weights.command("import")
@click.argument("source", metavar="SRC", type=click.Path(path_type=Path))
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@click.option(
    "--kind",
    type=click.Choice(["nnunet", "monai", "state-dict", "pnetkit"]),
    help="What SRC is. [default: found by how it lies]",
)
@click.option("--fold", help="The fold, of a model that has several.")
@click.option("--input", "input_name", help="The input, of a model of pnetkit that has several.")
@click.option("--configuration", help="The configuration of nnU-Net's plans. [default: the folder's]")
@click.option(
    "--orientation", help="How the images lay that nnU-Net learned from, as LPS. [default: LPS, or its reader's]"
)
@click.option("--license", "license_text", help="The license of these weights, where you know it.")
def import_command(
    source: Path,
    out: Path,
    kind: str | None,
    fold: str | None,
    input_name: str | None,
    configuration: str | None,
    orientation: str | None,
    license_text: str | None,
) -> None:
    """Read the weights in SRC into the new folder OUT, as safetensors with a card.

    SRC is a folder that nnU-Net v2 trained into, a MONAI bundle, a model of pnetkit, or a file of tensors. It is read
    in a process of its own, nothing in it is run, and nothing is fetched. A recipe's training.start_from.weights names
    OUT.
    """
    from pnetkit.cli.console import echo
    from pnetkit.transfer.card import NOT_STATED, UNREADABLE, in_words
    from pnetkit.transfer.importing import import_weights

    asked = {
        "kind": kind,
        "fold": fold,
        "input": input_name,
        "configuration": configuration,
        "orientation": orientation,
    }
    card = import_weights(source, out, license_text=license_text, **asked)
    for line in in_words(card):
        echo(line)
    if card.license in (NOT_STATED, UNREADABLE):
        echo("No license could be read: find out what may be done with these weights, and say it with --license.")
    if card.recipe:
        echo(f"A recipe that uses it as it is: pnetkit weights show {out} --recipe")


@weights.command("show")
@click.argument("folder", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the card.")
@click.option("--recipe", is_flag=True, help="Print a recipe that uses the network as it is, without training.")
def show(folder: Path, as_json: bool, recipe: bool) -> None:
    """Show what is known of imported weights: source, license, network, outputs, voxels, axes."""
    from pnetkit.cli.console import echo
    from pnetkit.recipe.models import Recipe
    from pnetkit.transfer.card import in_words, read_card
    from pnetkit.transfer.recipes import recipe_of

    card = read_card(folder)
    if as_json:
        click.echo(json.dumps(card.as_json(), indent=2))
    elif recipe:
        click.echo(recipe_of(card, folder, Recipe.model_fields), nl=False)
    else:
        for line in in_words(card):
            echo(line)
