"""What the outputs of a network made elsewhere mean here: by their names, or as a user says."""

from collections.abc import Mapping, Sequence

from pnetkit.types import BACKGROUND, CLASSES, DUCT, PANCREAS, TUMOR

WORDS = {
    TUMOR: ("tumor", "tumour", "lesion", "pdac", "pnet", "pnen", "cancer", "mass", "neoplasm"),
    DUCT: ("pancreatic duct", "main duct", "mpd", "duct"),
    PANCREAS: ("pancreas", "pancreatic"),
}
"""Words in the names of outputs, in the order in which they are looked for; `common bile duct` is no pancreas's."""

NOT_OURS = ("bile", "cbd", "vein", "arter", "kidney", "liver", "spleen")
"""Words that tell of something else, whatever stands beside them."""


def meaning(name: str) -> int:
    """Give the class that an output's name tells of: background where it tells of none."""
    plain = name.lower().replace("_", " ").replace("-", " ")
    if any(word in plain for word in NOT_OURS):
        return BACKGROUND
    return next((value for value, words in WORDS.items() if any(word in plain for word in words)), BACKGROUND)


def meanings(names: Sequence[str]) -> list[int]:
    """Give the class of each output by its name."""
    return [meaning(name) for name in names]


def rows_by_name(theirs: Sequence[str], said: Mapping[str, str]) -> dict[int, int]:
    """Map each of our classes to the output of that name, as far as there is one; `said` renames theirs to ours.

    Raises KeyError for a name in `said` that the outputs do not have.
    """
    missing = [name for name in said if name not in theirs]
    if missing:
        raise KeyError(missing[0])
    named = [said.get(name, name).lower() for name in theirs]
    return {value: named.index(name) for value, name in enumerate(CLASSES) if name in named}
