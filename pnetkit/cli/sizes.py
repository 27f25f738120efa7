"""Read amounts of memory as people write them: 12GB, 24GiB."""

import re

import click

_UNITS = {"": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}


def size_in_bytes(text: str, option: str) -> int:
    """Read `12GB` or `24GiB`. Raises click.BadParameter, which names the option, for anything else."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", text.strip())
    if match is None or match[2].upper() not in _UNITS or float(match[1]) <= 0:
        raise click.BadParameter(f"wanted a size as 12GB or 24GiB, got {text!r}", param_hint=option)
    return int(float(match[1]) * _UNITS[match[2].upper()])


def optional_size(context: click.Context, parameter: click.Parameter, text: str | None) -> int | None:
    """Read an option's size for click; None where it was not given."""
    del context
    return None if text is None else size_in_bytes(text, parameter.opts[-1])
