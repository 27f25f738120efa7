"""What cases are called on a page: as the cohort's table calls them, or by pseudonyms; and texts that may name them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_ENDINGS = r"\.(?:nii(?:\.gz)?|dcm|csv|npy|json)\b"
_ROOT = r"(?:\b[A-Za-z]:[\\/]|(?<![\w.)])[\\/])"
_ROOTED_FILES = re.compile(rf"{_ROOT}[^\n:;'\"]*{_ENDINGS}")
_ROOTED = re.compile(rf"{_ROOT}(?:[^\n:;'\"]*[\\/])?")
"""A path from a root on: names of folders may hold spaces, commas and parentheses, so that of two paths in one clause
the words between them go too. Rather a word too few than a name too many."""

_FOLDERS = re.compile(rf"(?:[^\s:;,()'\"\\/]+[\\/])+(?=[^\s:;'\"\\/]+{_ENDINGS})|(?:[^\s:;,()'\"\\/]*[\\/]){{2,}}")
_FILES = re.compile(rf"[^\s:;,()'\"\\/]+{_ENDINGS}")


@dataclass(frozen=True, slots=True)
class Names:
    """Hold the name on the page of each case; `hides` says that these are pseudonyms."""

    names: Mapping[str, str]
    hides: bool = False

    def of(self, case_id: str) -> str:
        """Give what a case is called."""
        return self.names[case_id]

    def kind_of(self, reason: str, case_id: str) -> str:
        """Take the case and its files out of the reason why it left, so that equal reasons can be counted."""
        for name in (case_id, self.of(case_id)):
            reason = (
                reason.removeprefix(f"case {name}, ").removeprefix(f"case {name}: ").replace(f" of {name} ", " of ")
            )
        return _FILES.sub("the file", self.safe(reason))

    def safe(self, text: str) -> str:
        """Take folders out of a text, as they may name people; with pseudonyms ids and files too."""
        if not self.hides:
            return _FOLDERS.sub("", _ROOTED.sub("", text))
        text = _FILES.sub("(file)", _FOLDERS.sub("", _ROOTED.sub("", _ROOTED_FILES.sub("(file)", text))))
        for case_id in sorted(self.names, key=len, reverse=True):
            text = re.sub(rf"(?<![A-Za-z0-9]){re.escape(case_id)}(?![A-Za-z0-9])", self.names[case_id], text)
        return text


def names_of(case_ids: Sequence[str], *, pseudonyms: bool) -> Names:
    """Name cases as they are called, or by numbers in the order in which they are shown."""
    if not pseudonyms:
        return Names({case_id: case_id for case_id in case_ids})
    width = len(str(len(case_ids)))
    return Names({case_id: f"Case {number:0{width}}" for number, case_id in enumerate(case_ids, start=1)}, hides=True)
