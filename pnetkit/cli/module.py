"""`pnetkit module`: be a step in somebody else's pipeline."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

MODEL, PLACES = "/opt/ml/model", ("/input", "/output")


@click.command()
@click.argument("given", metavar="[IN]", type=click.Path(path_type=Path), required=False)
@click.argument("out", metavar="[OUT]", type=click.Path(path_type=Path), required=False)
@click.option(
    "--as",
    "kind",
    type=click.Choice(["auto", "folder", "mercure", "grand-challenge"]),
    default="auto",
    show_default=True,
    help="Whose pipeline it is. auto: mercure where MERCURE_IN_DIR is set, Grand-Challenge where IN has inputs.json.",
)
@click.option(
    "--model",
    "model_folder",
    type=click.Path(path_type=Path),
    envvar="PNETKIT_MODEL",
    default=Path(MODEL),
    show_default=True,
    help="Folder of the model, or one with nothing but it; also PNETKIT_MODEL.",
)
@click.option(
    "--settings",
    "settings_file",
    type=click.Path(path_type=Path),
    envvar="PNETKIT_SETTINGS",
    help="JSON; also PNETKIT_SETTINGS; mercure's task has its own. [default: settings.json beside the model]",
)
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads. [default: one a core]")
def module(
    *,
    given: Path | None,
    out: Path | None,
    kind: str,
    model_folder: Path,
    settings_file: Path | None,
    threads: int | None,
) -> None:
    """Screen what lies in the folder IN, write into OUT, end. For research use only.

    IN holds images by phase (venous.nii.gz, arterial.mha), DICOM, or what mercure or Grand-Challenge put there. Without
    IN and OUT they are MERCURE_IN_DIR and MERCURE_OUT_DIR, or /input and /output.

    What could not be screened is never written as a negative: the exit code is not 0, and a reason stands in its place.
    """
    import torch

    from pnetkit.errors import PnetkitError, ScreeningError
    from pnetkit.module import folder, grand_challenge, mercure
    from pnetkit.module.job import Job, loaded, model_in
    from pnetkit.module.settings import Settings, read_settings
    from pnetkit.process_memory import keep_freed_memory
    from pnetkit.processors import usable_processors

    given, out = _places(given, out, os.environ)
    if kind == "auto":
        is_task = "MERCURE_IN_DIR" in os.environ or (given / mercure.TASK).is_file()
        is_challenge = (given / grand_challenge.INPUTS).is_file()
        kind = "mercure" if is_task else "grand-challenge" if is_challenge else "folder"
    beside = model_folder / "settings.json"
    if settings_file is None and beside.is_file():
        settings_file = beside
    keep_freed_memory()
    torch.set_num_threads(threads or usable_processors())
    ways: dict[str, Any] = {"folder": folder.run, "mercure": mercure.run, "grand-challenge": grand_challenge.run}
    try:
        if kind == "mercure" and (given / mercure.TASK).is_file():
            settings = mercure.settings_in(given)
        else:
            settings = read_settings(settings_file) if settings_file is not None else Settings()
        model = model_in(model_folder)
        for note in model.notes:
            click.echo(f"note: {note}")
        ways[kind](Job(given, out, settings, model, click.echo, loaded))
    except ScreeningError:
        raise  # said already
    except PnetkitError as error:
        if kind == "mercure":
            mercure.say_that_nothing_was_screened(out, str(error))
        raise
    click.echo(f"Done: {out}. Research use only, not for diagnosis.")


def _places(given: Path | None, out: Path | None, environment: Mapping[str, str]) -> tuple[Path, Path]:
    """Give where to read and write: as it is said, or as the environment has it. Raises click.UsageError for half."""
    if given is not None and out is not None:
        return given, out
    if given is not None:
        raise click.UsageError("IN is given and OUT is not; give both, or none where the environment says them.")
    if "MERCURE_IN_DIR" in environment:
        return Path(environment["MERCURE_IN_DIR"]), Path(environment.get("MERCURE_OUT_DIR", PLACES[1]))
    return Path(PLACES[0]), Path(PLACES[1])
