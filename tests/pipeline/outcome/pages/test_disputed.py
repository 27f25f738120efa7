"""Tests of pnetkit.pipeline.outcome.pages.disputed: which cases are shown, and what is said of them."""

from pathlib import Path

from pnetkit.evaluation.agreement import standings
from pnetkit.pipeline.outcome.finished import FinishedRun
from pnetkit.pipeline.outcome.pages.cases import Told
from pnetkit.pipeline.outcome.pages.disputed import Arm, disputed_makers
from pnetkit.pipeline.outcome.pages.names import Names
from pnetkit.pipeline.outcome.pages.stored import Stored
from pnetkit.report.comparison import FUSED
from tests.evaluation.test_agreement import ARMS, TRUTH

RUN = FinishedRun("nothing", Path("nowhere"), {}, TRUTH, {}, {}, {})
NOTHING = Told(RUN, Stored(None, {}), {}, Names({}))
NOBODY = [Arm(name, NOTHING, {}) for name in ARMS]  # of which there are no lines, so nothing is opened


def test_disputed_cases_come_tumors_first_then_normal_ones_then_those_that_nobody_knows():
    makers = disputed_makers(NOBODY, {FUSED: standings(TRUTH, ARMS)})
    assert list(makers) == ["t5", "t2", "n1", "u1"]
    assert [of.group for of in makers.values()] == [
        "Tumors that some missed", "Tumors that some missed", "Normal cases that some called", "Diagnosis unknown"
    ]  # fmt: skip


def test_a_case_says_who_called_it_and_who_is_right():
    made = [of.make(True) for of in disputed_makers(NOBODY, {FUSED: standings(TRUTH, ARMS)}).values()]
    assert [of.number for of in made] == [1, 2, 3, 4]
    assert made[0].verdict == "Called by a; not called by b and c."
    assert made[0].facts == (("Diagnosis", "abnormal"), ("Right", "a"), ("Wrong", "b, c"))
    assert made[2].facts == (("Diagnosis", "normal"), ("Right", "b, c"), ("Wrong", "a"))
    assert made[3].facts == (("Diagnosis", "diagnosis unknown"),)


def test_by_phase_a_case_is_disputed_where_one_phase_is():
    venous = {name: {case: ARMS["a"][case] for case in ("t1", "t2")} for name in ARMS}
    makers = disputed_makers(
        NOBODY, {"arterial": standings(TRUTH, ARMS), "venous": standings(TRUTH, venous)}
    )  # fmt: skip
    assert list(makers) == ["t5", "t2", "n1", "u1"]
    case = makers["t2"].make(True)
    assert (
        case.verdict
        == "Arterial: called by a and c; not called by b. Venous: called by a, b and c; not called by nobody."
    )
    assert ("Wrong, arterial", "b") in case.facts
    assert ("Right, venous", "a, b, c") in case.facts
