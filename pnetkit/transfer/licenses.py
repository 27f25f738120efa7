"""Find the license that weights state: the first line of a file LICENSE beside them, and nothing that is guessed.

nnInteractive has the license's name in that line, and shows it whenever its weights are loaded.
"""

from pathlib import Path

from pnetkit.errors import WeightsError
from pnetkit.transfer.archives import read_text
from pnetkit.transfer.card import NOT_STATED, UNREADABLE

NAMES = ("LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE", "COPYING")

LONGEST = 120
"""Letters of a license's first line that are kept."""


def stated_license(folder: Path, kind: str) -> tuple[str, str]:
    """Give the license that a folder of weights states and the file that does, or `not stated` and nothing.

    A file that is too large, or no text, states one that cannot be read: nobody is told that there is none.
    A plain file of tensors may lie anywhere, so what lies beside it says nothing of it.
    """
    if kind == "state-dict":
        return NOT_STATED, ""
    for name in NAMES:
        path = folder / name
        if path.is_file():
            try:
                lines = [line.strip(" #*\t") for line in read_text(path).splitlines()]
            except WeightsError:
                return UNREADABLE, name
            first = next((line for line in lines if line), "")
            if first:
                return "".join(letter for letter in first if letter.isprintable())[:LONGEST], name
    return NOT_STATED, ""
