"""Options that both services share: how long, how many, how much."""

import re
from collections.abc import Callable
from functools import reduce
from typing import Any

import click

from pnetkit.cli.sizes import optional_size

_UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86400}


def duration(context: click.Context, parameter: click.Parameter, text: str) -> float:
    """Read `90s`, `30min`, `12h` or `7d` as seconds. Raises click.BadParameter for anything else."""
    del context, parameter
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|min|h|d)", text.strip())
    if match is None or float(match[1]) == 0:
        raise click.BadParameter(f"wanted a time as 90s, 30min, 12h or 7d, got {text!r}")
    return float(match[1]) * _UNITS[match[2]]


_OPTIONS = (
    click.option("--keep", default="7d", show_default=True, callback=duration, help="How long a patient's data stay."),
    click.option("--time-limit", default="30min", show_default=True, callback=duration, help="Most time for a study."),
    click.option("--at-once", type=click.IntRange(min=1), help="Studies at once. [default: by device and --ram]"),
    click.option(
        "--ram", "ram_bytes", callback=optional_size, help="Memory that all studies at once may take, as 8GB."
    ),
    click.option(
        "--most", "most_bytes", callback=optional_size, default="200GB", show_default=True, help="Bound of --state."
    ),
    click.option("--most-studies", type=click.IntRange(min=1), default=200, show_default=True, help="Most that wait."),
)


def service_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say how long a service keeps and works, and how much it takes."""
    return reduce(lambda decorated, option: option(decorated), reversed(_OPTIONS), command)
