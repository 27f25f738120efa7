"""Print JSON alone to stdout: what a command says beside it goes to stderr, and what is not known is null."""

import json
import math
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import click

JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
"""The option of every command that prints a table."""


@contextmanager
def json_alone(as_json: bool) -> Iterator[None]:
    """Send what is said within the block to stderr, where JSON is asked for; also by libraries and other processes."""
    if not as_json:
        yield
        return
    with redirect_stdout(sys.stderr), _descriptors_joined():
        yield


@contextmanager
def _descriptors_joined() -> Iterator[None]:
    """Let the descriptor of stdout, which processes that begin here inherit, be that of stderr."""
    kept = os.dup(1)
    try:
        os.dup2(2, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def print_json(value: Any) -> None:
    """Print a value as JSON: dataclasses by their fields, paths as text; NaN and infinite numbers are null."""
    click.echo(as_text(value))


def as_text(value: Any) -> str:
    """Give what `print_json` prints."""
    return json.dumps(_plain(value), indent=2, ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(of) for key, of in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(of) for of in value]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
