"""Say in plain data what became of cases. What could not be screened has no decision, and no number stands for one."""

from collections.abc import Sequence
from typing import Any

from pnetkit.provenance import versions
from pnetkit.screening.screen import Screened
from pnetkit.screening.screener import Screener

RESULT = "result.json"


def answer(found: Screened) -> dict[str, Any]:
    """Give what became of one case: a finding, a refusal that says why, or a failure that is not the case's own."""
    record = found.record
    if found.status == "failed":
        how = "failed" if "traceback" in record else "refused"
        return {"case_id": found.case_id, "status": how, "decision": None, "reason": record["reason"]}
    return {
        "case_id": found.case_id,
        "status": "finding",
        "decision": record["decision"],
        "score": record["score"],
        "likelihood": likelihood(record["score"]),
        "fired": record["fired"],
        "missing": record["missing"],
        "flags": record["flags"],
        "volume_mm3": {name: of["volume_mm3"] for name, of in record["inputs"].items()},
        **({"unwritten": record["unwritten"]} if record.get("unwritten") else {}),
    }


def result(screener: Screener, done: Sequence[Screened]) -> dict[str, Any]:
    """Give what became of all cases, and which model said it."""
    return {
        "research_use_only": True,
        "status": "complete" if all(found.status == "ok" for found in done) else "incomplete",
        "cases": [answer(found) for found in done],
        "model": {"name": screener.model.name, "digest": screener.model.digest, "folds": list(screener.folds)},
        "versions": versions(),
    }


def no_result(reason: str) -> dict[str, Any]:
    """Give what is said where there is not even a case."""
    return {"research_use_only": True, "status": "incomplete", "cases": [], "reason": reason}


def in_words(done: Sequence[Screened]) -> str:
    """Give one line that names no case: how many were called, how many not, how many could not be screened."""
    answers = [answer(found) for found in done]
    called = sum(of["decision"] == "abnormal" for of in answers)
    other = sum(of["decision"] == "normal" for of in answers)
    without = sum(of["decision"] is None for of in answers)
    said = [f"{called} called abnormal", f"{other} not called"] if called or other else []
    said += [f"{without} NOT SCREENED, see {RESULT}"] if without else []
    return f"pnetkit (research use only): {', '.join(said)}"


def likelihood(score: float) -> float:
    """Put a score in units of its threshold between 0 and 1, the threshold at 0.5: an order, no probability."""
    return 1.0 if score == float("inf") else max(score, 0.0) / (1.0 + max(score, 0.0))
