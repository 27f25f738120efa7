"""Tests of pnetkit.cli.sizes."""

import click
import pytest

from pnetkit.cli.sizes import size_in_bytes


@pytest.mark.parametrize(
    ("text", "wanted"), [("8GB", 8 * 10**9), ("24GiB", 24 * 2**30), ("1.5 gb", 15 * 10**8), ("7", 7)]
)
def test_sizes_are_read_in_decimal_and_binary_units(text, wanted):
    assert size_in_bytes(text, "--ram") == wanted


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "0GB", "8XB", "8 GB of it"])
def test_what_is_no_size_is_refused_with_the_option_s_name(text):
    with pytest.raises(click.BadParameter, match="wanted a size as 12GB or 24GiB") as caught:
        size_in_bytes(text, "--ram")
    assert caught.value.param_hint == "--ram"
