"""Show an error's traceback in place of its words, to who debugs a plugin in one process."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import click

from pnetkit.errors import PnetkitError


@contextmanager
def as_tracebacks(*, raises: bool, workers: int | None, engine: str) -> Iterator[None]:
    """Where it is asked for, end with an error's traceback and its own exit code; else errors pass through as they are.

    Raises UsageError where a traceback is asked for of what other processes do.
    """
    if raises and (workers != 0 or engine != "processes"):
        raise click.UsageError(
            "--traceback is of this process, and stages would run in others: give --workers 0 too, and no --engine."
        )
    try:
        yield
    except PnetkitError as error:
        if not raises:
            raise
        click.echo("".join(traceback.format_exception(error)), err=True, nl=False)
        raise click.exceptions.Exit(error.exit_code) from None
