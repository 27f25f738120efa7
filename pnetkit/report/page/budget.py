"""Make the cases of a page one after the other, with pictures as long as the budget lasts: what matters comes first."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from pnetkit.report.page.values import CaseView, LeftOut, Panel

BUDGET = 15_000_000
"""Bytes of a page that can be mailed and opened anywhere."""

WORDS_BYTES = 2_500
"""What a case takes without its pictures, about; what is really written is weighed at the end."""


class MakeCase(Protocol):
    """Makes a case, with all slices or with stills alone."""

    def __call__(self, *, volumes: bool) -> CaseView:
        """Make it."""


@dataclass(frozen=True, slots=True)
class CaseMaker:
    """Hold to which group a case belongs, and what makes it when its turn comes."""

    group: str
    make: MakeCase


def made_within(
    makers: Sequence[CaseMaker], allowance: int, keep: Callable[[CaseView], CaseView] = lambda case: case
) -> tuple[list[CaseView], LeftOut]:
    """Make all cases; give them with the pictures that fit, and what did not fit.

    Stills go before volumes: a volume is kept only where stills of the usual size still fit for all cases that follow.
    `keep` is called with each case that was made, as it is kept.
    """
    left, stills, pictured, no_stills, no_volumes = allowance, 0, 0, 0, 0
    volumes_fit, cases = True, []
    for number, maker in enumerate(makers):
        case = maker.make(volumes=volumes_fit)
        left -= WORDS_BYTES
        cost = stills_bytes(case)
        if cost > left:
            no_stills += bool(cost)
            cases.append(without_pictures(case))
            continue
        left -= cost
        stills, pictured = stills + cost, pictured + 1
        waiting = (len(makers) - number - 1) * (WORDS_BYTES + stills // pictured)
        if volumes_bytes(case) > max(left - waiting, 0):
            volumes_fit = False
        if not volumes_fit:
            no_volumes += bool(cost)
            case = without_volumes(case)
        left -= volumes_bytes(case)
        cases.append(keep(case))
    return cases, LeftOut(no_stills, no_volumes)


def lightened(cases: Sequence[CaseView], excess: int) -> tuple[list[CaseView], LeftOut]:
    """Leave out pictures from the end on until so many bytes are saved: volumes first, then stills."""
    lighter, stills, volumes = list(cases), 0, 0
    for weigh, strip in ((volumes_bytes, without_volumes), (stills_bytes, without_pictures)):
        for place in range(len(lighter) - 1, -1, -1):
            weight = weigh(lighter[place])
            if excess <= 0 or not weight:
                continue
            lighter[place] = strip(lighter[place])
            excess -= weight
            if weigh is volumes_bytes:
                volumes += 1
            else:
                stills += 1
    return lighter, LeftOut(stills, volumes)


def stills_bytes(case: CaseView) -> int:
    """Give what the stills of a case take in the page: base64, and the outlines."""
    return sum(
        4 * len(of.still.webp) // 3 + 900 + sum(len(outline.path) + 60 for outline in of.still.outlines)
        for of in case.panels
        if of.still is not None
    )


def volumes_bytes(case: CaseView) -> int:
    """Give what the volumes of a case take in the page, in base64."""
    return sum(4 * len(of.volume.packed) // 3 + 400 for of in case.panels if of.volume is not None)


def without_volumes(case: CaseView) -> CaseView:
    """Leave the slices out, but for the one that is shown."""
    return _with(case, lambda panel: replace(panel, volume=None))


def without_pictures(case: CaseView) -> CaseView:
    """Leave all pictures out."""

    def strip(panel: Panel) -> Panel:
        said = "Left out: the page's budget is spent." if panel.still is not None else panel.lacks
        return replace(panel, still=None, volume=None, lacks=said)

    return _with(case, strip)


def _with(case: CaseView, change: Callable[[Panel], Panel]) -> CaseView:
    return replace(case, panels=tuple(map(change, case.panels)))
