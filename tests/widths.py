"""What it takes that a text can be read at some width, for tests of anything that prints."""

from collections import Counter

WIDTHS = (40, 60, 80, 120)


def words(text):
    """Count the words of a text without the marks that a layout may put behind them, and without rules."""
    return Counter(word.rstrip(",:") for word in text.split() if word.strip("-") or word == "-")


def require_readable(printed, expected, width):
    """Hold printed lines to a width, which only a single word may exceed, and to all the words they are to have."""
    for line in printed.splitlines():
        assert len(line) <= width or len(line.split()) == 1, (width, line)
    missing = words(" ".join(expected)) - words(printed)
    assert not missing, (width, missing, printed)
