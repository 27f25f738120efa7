"""Find files that are named like the images beside them and are not like these: cut off, or damaged."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path


def unlike_neighbors(lacking: Mapping[Path, str], others: Sequence[Path]) -> dict[Path, str]:
    """Say of files what they lack that those named like them beside them have.

    `lacking` names for each image the UIDs that it does not have, `others` are files that are no images.
    """
    whole = {_pattern(path) for path, what in lacking.items() if not what}
    images = {_pattern(path) for path in lacking}
    odd = {
        path: f"has no {what}, and the images beside it have one"
        for path, what in lacking.items()
        if what and _pattern(path) in whole
    }
    cut = "is no DICOM image, though named like those beside it. Was it cut off? Copy it again"
    return odd | {path: cut for path in others if _pattern(path) in images}


def _pattern(path: Path) -> tuple[Path, str]:
    """Give a file's folder, and its name without what numbers it."""
    return path.parent, re.sub(r"\d+", "#", path.name)
