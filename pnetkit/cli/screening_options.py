"""Options of the commands that put scans to a model."""

from pathlib import Path

import click

MODEL = click.argument("model_folder", metavar="MODEL", type=click.Path(path_type=Path))

FOLDS = click.option(
    "--fold", "folds", type=click.IntRange(min=0), multiple=True, help="Ask this fold's networks; repeatable."
)

DEVICE = click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps.")

ON_GATE = click.option(
    "--on-gate",
    type=click.Choice(["error", "flag", "off"]),
    default="error",
    show_default=True,
    help="What becomes of a scan that does not look like its phase, or not like an abdomen.",
)
