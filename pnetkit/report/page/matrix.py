"""The matrix of who gets which case right: cases by arms, what they disagree about first."""

from collections.abc import Mapping, Sequence

from pnetkit.errors import counted
from pnetkit.evaluation.agreement import KINDS, Kind, Standing
from pnetkit.report.page.values import Mark, Matrix, MatrixGroup, MatrixRow

TITLES: Mapping[Kind, str] = {
    "disagreed": "Methods disagree",
    "all wrong": "All that decided are wrong",
    "not decided by all": "Not decided by all, and nobody is wrong",
    "all right": "All are right",
}
"""What stands above the cases of a kind."""

SAYS = (
    "Cases that methods disagree about come first: abnormal before normal, those that the fewest have right before "
    "others. A wrong abnormal case is a missed tumor, a wrong normal case a false alarm."
)

MARKS: Mapping[bool | None, Mark] = {True: "right", False: "wrong", None: "undecided"}


def matrix_of(
    title: str, arms: Sequence[str], cases: Sequence[Standing], *, places: Mapping[str, str] | None = None
) -> Matrix | None:
    """Lay out who gets which case right, in the order of `cases`; None without a case of known diagnosis.

    `places` are the anchors of the cases that the page shows in pictures.
    """
    known = [of for of in cases if of.abnormal is not None]
    if not known:
        return None
    there = places or {}
    groups = []
    for kind in KINDS:
        rows = tuple(
            MatrixRow(
                of.case_id,
                "abnormal" if of.abnormal else "normal",
                tuple(MARKS[it] for it in of.right),
                there.get(of.case_id, ""),
            )
            for of in known
            if of.kind == kind
        )
        if rows:
            groups.append(MatrixGroup(f"{TITLES[kind]}: {counted(len(rows), 'case')}", rows))
    heads = []
    for place, arm in enumerate(arms):
        decided = [of.right[place] for of in known if of.right[place] is not None]
        heads.append((arm, f"{sum(map(bool, decided))} of {len(decided)} right"))
    left = len(cases) - len(known)
    note = f"{SAYS} Left out: {counted(left, 'case')} of unknown diagnosis." if left else SAYS
    return Matrix(title, tuple(heads), tuple(groups), note)
