"""Tests of pnetkit.evaluation.agreement: which arm has which case right, disagreements first."""

from pnetkit.evaluation.agreement import standings
from pnetkit.evaluation.comparison import Call, CaseTruth


def called(**cases):
    return {case: Call(call, 2.0 if call else 0.5, {}) for case, call in cases.items()}


TRUTH = {
    case: CaseTruth(abnormal, number)
    for number, (case, abnormal) in enumerate(
        {"n1": False, "n2": False, "t1": True, "t2": True, "t3": True, "t4": True, "t5": True, "u1": None}.items()
    )
}
ARMS = {
    "a": called(n1=True, n2=False, t1=True, t2=True, t3=False, t4=True, t5=True, u1=True),
    "b": called(n1=False, n2=False, t1=True, t2=False, t3=False, t5=False, u1=False),
    "c": called(n1=False, n2=False, t1=True, t2=True, t3=False, t4=True, t5=False, u1=False),
}


def test_disagreements_come_first_abnormal_before_normal_and_the_hardest_before_others():
    found = standings(TRUTH, ARMS)
    assert [(of.case_id, of.kind) for of in found] == [
        ("t5", "disagreed"),  # one of three has it
        ("t2", "disagreed"),  # two
        ("n1", "disagreed"),
        ("u1", "disagreed"),  # nobody knows who is right
        ("t3", "all wrong"),
        ("t4", "not decided by all"),
        ("t1", "all right"),
        ("n2", "all right"),
    ]


def test_a_normal_case_that_is_called_is_wrong_and_what_is_not_known_is_neither():
    right = {of.case_id: of.right for of in standings(TRUTH, ARMS)}
    assert right["n1"] == (False, True, True)
    assert right["t2"] == (True, False, True)
    assert right["t4"] == (True, None, True)
    assert right["u1"] == (None, None, None)


def test_a_case_that_all_who_decided_have_wrong_is_wrong_though_some_did_not_decide():
    (of,) = standings({"t": CaseTruth(True, 0)}, {"a": called(t=False), "b": {}})
    assert (of.kind, of.is_disputed) == ("all wrong", False)
