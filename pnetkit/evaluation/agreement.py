"""Say of every case which arms have it right, what they disagree about first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pnetkit.evaluation.comparison import Call, CaseTruth

Kind = Literal["disagreed", "all wrong", "not decided by all", "all right"]

KINDS: tuple[Kind, ...] = ("disagreed", "all wrong", "not decided by all", "all right")
"""What can be said of a case of known diagnosis, in the order in which it matters."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Hold what the arms called one case, in their order: abnormal or not, None where an arm did not decide."""

    case_id: str
    abnormal: bool | None
    called: tuple[bool | None, ...]

    @property
    def right(self) -> tuple[bool | None, ...]:
        """Give which arms have it right, None where one did not decide, or nobody knows."""
        return tuple(None if None in (call, self.abnormal) else call is self.abnormal for call in self.called)

    @property
    def is_disputed(self) -> bool:
        """Tell whether one arm calls it and another does not."""
        return True in self.called and False in self.called

    @property
    def kind(self) -> Kind:
        """Give what the arms together are to a case of known diagnosis."""
        if self.is_disputed:
            return "disagreed"
        if False in self.right:
            return "all wrong"
        return "not decided by all" if None in self.right else "all right"


def standings(truth: Mapping[str, CaseTruth], arms: Mapping[str, Mapping[str, Call]]) -> list[Standing]:
    """Give every case's standing, sorted: by kind, abnormal before normal, by how few have it right, by which."""
    found = [Standing(case, of.abnormal, _called(case, arms)) for case, of in truth.items()]
    return sorted(found, key=_order)


def _called(case: str, arms: Mapping[str, Mapping[str, Call]]) -> tuple[bool | None, ...]:
    return tuple(calls[case].abnormal if case in calls else None for calls in arms.values())


def _order(of: Standing) -> tuple[int, int, int, Sequence[bool], str]:
    diagnosis = (True, False, None).index(of.abnormal)
    right = [it is True for it in of.right]
    return KINDS.index(of.kind), diagnosis, sum(right), right, of.case_id
