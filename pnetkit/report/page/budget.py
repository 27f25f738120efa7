"""Make the cases of a page one after the other, with pictures as long as the budget lasts: what matters comes first."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pnetkit.report.page.values import CaseView, LeftOut, Panel

BUDGET = 15_000_000
"""Bytes of a page that can be mailed and opened anywhere."""

WORDS_BYTES = 2_500
"""What a case takes without its pictures, about; what is really written is weighed at the end."""

SPENT = "The picture is left out: the page's budget is spent."
"""Stands in the place of a picture that did not fit."""


@dataclass(frozen=True, slots=True)
class CaseMaker:
    """Hold to which group a case belongs, and what makes it when its turn comes: with all slices, or stills alone."""

    group: str
    make: Callable[[bool], CaseView]


def made_within(
    makers: Sequence[CaseMaker], allowance: int, keep: Callable[[CaseView], CaseView] = lambda case: case
) -> list[CaseView]:
    """Make all cases; give them with the pictures that fit.

    Stills go before volumes: a volume is kept only where stills of the usual size still fit for all cases that follow.
    `keep` is called with each case that has pictures, as it is kept.
    """
    left, stills, pictured, volumes_fit = allowance, 0, 0, True
    cases = []
    for number, maker in enumerate(makers, start=1):
        case = maker.make(volumes_fit)
        cost = stills_bytes(case)
        left -= WORDS_BYTES
        if cost > left:
            cases.append(without_pictures(case))
            continue
        left -= cost
        stills, pictured = stills + cost, pictured + 1
        waiting = (len(makers) - number) * (WORDS_BYTES + stills // pictured)
        if volumes_bytes(case) > left - waiting:
            volumes_fit, case = False, without_volumes(case)
        left -= volumes_bytes(case)
        cases.append(keep(case))
    return cases


def lightened(cases: Sequence[CaseView], excess: int) -> list[CaseView]:
    """Leave out pictures from the end on until so many bytes are saved: volumes first, then stills."""
    lighter = list(cases)
    for weigh, strip in ((volumes_bytes, without_volumes), (stills_bytes, without_pictures)):
        for place in range(len(lighter) - 1, -1, -1):
            weight = weigh(lighter[place])
            if excess > 0 and weight:
                lighter[place] = strip(lighter[place])
                excess -= weight
    return lighter


def left_out_of(cases: Sequence[CaseView]) -> LeftOut:
    """Count the cases whose pictures, or further slices, did not fit."""
    stills = sum(any(of.lacks == SPENT for of in case.panels) for case in cases)
    shown = [[of for of in case.panels if of.still is not None] for case in cases]
    return LeftOut(stills, sum(bool(panels) and all(of.volume is None for of in panels) for panels in shown))


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
        said = SPENT if panel.still is not None else panel.lacks
        return replace(panel, still=None, volume=None, lacks=said)

    return _with(case, strip)


def _with(case: CaseView, change: Callable[[Panel], Panel]) -> CaseView:
    return replace(case, panels=tuple(map(change, case.panels)))
