"""A folder of findings: its table says what lies in it, and nobody sees or makes half a case."""

import csv
import json
import threading

import pytest

from pnetkit.errors import StoreError
from pnetkit.locks import claims
from pnetkit.locks.way import NOTE
from pnetkit.screening.findings_folder import FindingsFolder

HEAD = {"model": {"name": "tiny", "digest": "ab"}}


def findings(out):
    folder = FindingsFolder(out, ["venous"])
    folder.claim(HEAD)
    return folder


def lines(out):
    return {line["case_id"]: line for line in csv.DictReader((out / "findings.csv").read_text().splitlines())}


def fail(folder, case_id, reason):
    (folder.begin(case_id) / "failed.json").write_text(json.dumps({"case_id": case_id, "reason": reason}))
    folder.place(case_id)


def test_the_table_says_what_lies_there_by_case_id_whoever_made_it(tmp_path):
    one, other = findings(tmp_path / "out"), findings(tmp_path / "out")
    fail(one, "P2", "of one")
    fail(other, "P1", "of the other")
    fail(one, "P3", "of one")
    fail(other, "P2", "of the other")
    assert [(case, line["reason"]) for case, line in lines(tmp_path / "out").items()] == [
        ("P1", "of the other"),
        ("P2", "of the other"),
        ("P3", "of one"),
    ]


def test_a_table_that_was_lost_or_is_older_than_the_folders_is_made_anew_when_a_call_begins(tmp_path):
    fail(findings(tmp_path), "P1", "why")
    (tmp_path / "findings.csv").unlink()
    findings(tmp_path)
    assert lines(tmp_path)["P1"]["reason"] == "why"
    (tmp_path / "P1" / "failed.json").write_text("{")
    findings(tmp_path)
    assert "failed.json is damaged" in lines(tmp_path)["P1"]["reason"]


def test_what_lay_there_stays_until_the_case_is_whole(tmp_path):
    folder = findings(tmp_path)
    fail(folder, "P1", "earlier")
    work = folder.begin("P1")
    assert json.loads((tmp_path / "P1" / "failed.json").read_text())["reason"] == "earlier"
    (work / "failed.json").write_text('{"reason": "later"}')
    folder.place("P1")
    assert lines(tmp_path)["P1"]["reason"] == "later"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".locks", "P1", "findings.csv", "screening.json"]


def test_a_case_that_another_call_holds_is_waited_for_and_that_is_said(tmp_path):
    one, other = findings(tmp_path), findings(tmp_path)
    order, said, waiting = [], [], threading.Event()

    def second():
        with other.held("P1", lambda line: (said.append(line), waiting.set())):
            order.append("second")

    with one.held("P1", order.append):
        thread = threading.Thread(target=second)
        thread.start()
        assert waiting.wait(timeout=60)
        with other.held("P2", order.append):
            order.append("another case")
        order.append("first")
    thread.join(timeout=60)
    assert order == ["another case", "first", "second"]
    assert said == ["P1: another call is at it; waiting for it to end."]


def test_calls_that_begin_at_once_share_a_folder_that_holds_only_what_they_leave(tmp_path):
    (tmp_path / ".locks").mkdir()
    (tmp_path / ".screening.json.77.tmp").write_text("{")  # of a call that was killed
    findings(tmp_path)
    (tmp_path / "strange").mkdir()
    (tmp_path / "strange" / ".locks").mkdir()
    (tmp_path / "strange" / "thesis.txt").write_text("all of it")
    with pytest.raises(StoreError, match="holds no findings"):
        findings(tmp_path / "strange")


def test_what_is_no_folder_stays_where_it_is(tmp_path):
    folder = findings(tmp_path)
    (tmp_path / "P1").write_text("mine")
    with pytest.raises(StoreError, match="P1: is no folder of findings; move it away"):
        folder.begin("P1")
    assert (tmp_path / "P1").read_text() == "mine"


def test_a_call_that_was_stopped_for_long_does_not_put_a_case_into_its_place_that_another_took_over(tmp_path):
    """Machines share the folder: of one that shows no life nobody else can know whether it is gone."""
    (tmp_path / "out" / ".locks").mkdir(parents=True)
    note = {"locks": "claims", "asked": True, "beat_s": 0.05, "stale_s": 0.2}
    (tmp_path / "out" / ".locks" / NOTE).write_text(json.dumps(note))
    stopped, other, told = findings(tmp_path / "out"), findings(tmp_path / "out"), []
    with stopped.held("P1", told.append):
        work = stopped.begin("P1")
        for claim in list(claims._HEART._claims.values()):
            claims._HEART.forget(claim)  # as if the process had been stopped
        with other.held("P1", told.append):
            fail(other, "P1", "of the other")
            assert not work.exists()
        with pytest.raises(StoreError, match="another call has taken the case over"):
            stopped.place("P1")
    assert told == ["P1: another call is at it; waiting for it to end."]
    assert lines(tmp_path / "out")["P1"]["reason"] == "of the other"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        ".locks",
        "P1",
        "findings.csv",
        "screening.json",
    ]
    assert [path.name for path in (tmp_path / "out" / ".locks").iterdir()] == [NOTE]
