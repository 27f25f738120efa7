"""Read durations as people write them: 30s, 15m, 12h, 7d."""

import re

import click

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def duration(_context: click.Context, parameter: click.Parameter, text: str) -> float:
    """Give seconds. Raises click.BadParameter for what is no duration."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text.strip())
    if found is None or float(found[1]) <= 0:
        raise click.BadParameter(f"wanted a duration as 30s, 15m, 12h or 7d, got {text!r}", param=parameter)
    return float(found[1]) * _SECONDS[found[2]]
