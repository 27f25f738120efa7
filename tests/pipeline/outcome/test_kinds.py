"""Cases for a figure are chosen by rules on what runs said; the tables are made by hand."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from pnetkit.cli.figure import KINDS as OFFERED
from pnetkit.cli.main import cli
from pnetkit.errors import RunError
from pnetkit.pipeline.outcome.finished import FinishedRun
from pnetkit.pipeline.outcome.kinds import KINDS, chosen

INPUTS = {"arterial": ["arterial"], "venous": ["venous"]}


def line(case, abnormal, fired="", *, score=None, tumor=(0, 0), status="ok", missing=""):
    cells = {
        "case_id": case, "abnormal": abnormal, "status": status, "fired": fired, "missing": missing,
        "called_abnormal": "1" if fired else "0", "score": str(2.0 if score is None else score),
    }  # fmt: skip
    for name, voxels in zip(INPUTS, tumor, strict=True):
        there = name not in missing
        cells |= {f"{name}_score": "1.0" if there else "", f"{name}_tumor_voxels": str(voxels)}
    return cells


def run(name, *lines):
    return FinishedRun(name, Path(name), {"inputs": INPUTS, "cases": {}}, {}, {}, {}, {}, lines)


OURS = run(
    "ours",
    line("both", "1", "arterial;venous", tumor=(90, 80)),
    line("one", "1", "venous", tumor=(0, 30), score=3),
    line("only one there", "1", "venous", tumor=(0, 30), missing="arterial", score=9),
    line("by its duct", "1", "arterial", tumor=(0, 40), score=1.5),
    line("missed", "1", score=0.4),
    line("missed by more", "1", score=0.1),
    line("theirs", "1", score=0.9),
    line("alarm", "0", "arterial", tumor=(50, 0)),
    line("healthy", "0", score=0.0),
    line("failed", "1", status="failed"),
)
THEIRS = run(
    "theirs",
    *(line(case, "1", "venous", tumor=(0, 9)) for case in ("both", "one", "only one there", "theirs", "failed")),
    *(line(case, "1") for case in ("by its duct", "missed", "missed by more")),
    *(line(case, "0") for case in ("alarm", "healthy")),
)

EXPECTED = {
    "one-phase-only": ["one", "by its duct"],
    "every-phase": ["only one there", "both"],
    "duct-only": ["by its duct"],
    "missed-by-all": ["missed", "missed by more"],
    "first-alone": ["by its duct"],
    "others-alone": ["theirs"],
    "false-alarm": ["alarm"],
    "left-alone": ["healthy"],
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_what_its_rule_says_the_highest_score_first(kind):
    assert chosen([OURS, THEIRS], kind, 9) == EXPECTED[kind]
    assert chosen([OURS, THEIRS], kind, 1) == EXPECTED[kind][:1]


def test_where_no_case_is_of_a_kind_that_is_said_with_its_rule():
    with pytest.raises(
        RunError, match=r"No case is duct-only: abnormal, called by the first run without a voxel of tumor"
    ):
        chosen([THEIRS], "duct-only", 1)
    with pytest.raises(RunError, match="It takes more than one run"):
        chosen([OURS], "first-alone", 1)


def test_the_command_offers_every_kind():
    assert list(OFFERED) == list(KINDS)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["no_run_at_all"], "is a run"), (["no/such/run", "P1"], "holds no finished run"),
     (["no/such/run"], "holds no finished run")],
)  # fmt: skip
def test_what_is_no_run_is_said(arguments, said):
    result = CliRunner().invoke(cli, ["figure", *arguments])
    assert result.exit_code != 0
    assert said in f"{result.output} {result.exception}"
