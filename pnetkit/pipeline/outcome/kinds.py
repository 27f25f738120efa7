"""Choose cases for a figure by what several runs said of them: each kind is a rule on the lines of `cases.csv`."""

from collections.abc import Callable, Mapping, Sequence

from pnetkit.errors import RunError, counted
from pnetkit.pipeline.outcome.finished import FinishedRun

Line = Mapping[str, str]
Rule = Callable[[Sequence[Line], Sequence[str]], bool]
"""Tells whether a case is of a kind, by its line in each run and the names of the first run's inputs."""


def _called(line: Line) -> bool:
    return line["called_abnormal"] == "1"


def _abnormal(lines: Sequence[Line]) -> bool:
    return lines[0]["abnormal"] == "1"


def _normal(lines: Sequence[Line]) -> bool:
    return lines[0]["abnormal"] == "0"


def _fired(line: Line) -> list[str]:
    return [name for name in line["fired"].split(";") if name]


def _with_finding(line: Line, inputs: Sequence[str]) -> list[str]:
    return [name for name in inputs if line[f"{name}_score"] != ""]


def _one_phase_only(lines: Sequence[Line], inputs: Sequence[str]) -> bool:
    several = len(_with_finding(lines[0], inputs)) > 1
    return _abnormal(lines) and _called(lines[0]) and several and len(_fired(lines[0])) == 1


def _every_phase(lines: Sequence[Line], inputs: Sequence[str]) -> bool:
    return _abnormal(lines) and _called(lines[0]) and _fired(lines[0]) == _with_finding(lines[0], inputs)


def _duct_only(lines: Sequence[Line], _: Sequence[str]) -> bool:
    fired = _fired(lines[0])
    none = all(int(lines[0][f"{name}_tumor_voxels"]) == 0 for name in fired)
    return _abnormal(lines) and _called(lines[0]) and bool(fired) and none


def _missed_by_all(lines: Sequence[Line], _: Sequence[str]) -> bool:
    return _abnormal(lines) and not any(map(_called, lines))


def _first_alone(lines: Sequence[Line], _: Sequence[str]) -> bool:
    return _abnormal(lines) and len(lines) > 1 and _called(lines[0]) and not any(map(_called, lines[1:]))


def _others_alone(lines: Sequence[Line], _: Sequence[str]) -> bool:
    return _abnormal(lines) and not _called(lines[0]) and any(map(_called, lines[1:]))


def _false_alarm(lines: Sequence[Line], _: Sequence[str]) -> bool:
    return _normal(lines) and _called(lines[0])


def _left_alone(lines: Sequence[Line], _: Sequence[str]) -> bool:
    return _normal(lines) and not any(map(_called, lines))


KINDS: Mapping[str, tuple[Rule, str]] = {
    "one-phase-only": (_one_phase_only, "abnormal, called by the first run, in one of several phases only"),
    "every-phase": (_every_phase, "abnormal, called by the first run in every phase"),
    "duct-only": (_duct_only, "abnormal, called by the first run without a voxel of tumor in the phases that fired"),
    "missed-by-all": (_missed_by_all, "abnormal, called by no run"),
    "first-alone": (_first_alone, "abnormal, called by the first run and by no other"),
    "others-alone": (_others_alone, "abnormal, not called by the first run, but by another"),
    "false-alarm": (_false_alarm, "normal, called by the first run"),
    "left-alone": (_left_alone, "normal, called by no run"),
}
"""What can be chosen, by which rule, and in words. Only cases that every run decided are looked at."""


def chosen(runs: Sequence[FinishedRun], kind: str, count: int) -> list[str]:
    """Give the cases of a kind, at most so many, the highest score of the first run first.

    Raises RunError where there is none.
    """
    rule, words = KINDS[kind]
    by_case = [{line["case_id"]: line for line in run.lines if line["status"] == "ok"} for run in runs]
    shared = [case for case in by_case[0] if all(case in lines for lines in by_case)]
    inputs = list(runs[0].record["inputs"])
    found = [case for case in shared if rule([lines[case] for lines in by_case], inputs)]
    if not found:
        alone = " It takes more than one run." if len(runs) == 1 and kind in ("first-alone", "others-alone") else ""
        names = ", ".join(run.name for run in runs)
        raise RunError(
            f"No case is {kind}: {words}. {counted(len(shared), 'case')}, decided by each of {names}, "
            f"were looked at.{alone} Choose another --kind, or name cases."
        )
    return sorted(found, key=lambda case: (-float(by_case[0][case]["score"]), case))[:count]
