"""The trace leads from a case id to its patient: for its owner alone, beside what it held, and never among findings."""

import csv
import stat

import pytest

from pnetkit.errors import CohortError, StoreError
from pnetkit.screening.source import Origin, ScreeningCase
from pnetkit.screening.trace import write_trace


def case(name, *patients, folder="/archive/a"):
    return ScreeningCase(name, {}, origin=lambda: Origin((folder,), patients, ("Doe^Jane, MD",), ("1.2.3",)))


def lines(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def test_a_trace_says_patient_study_and_folder_and_only_its_owner_may_read_it(tmp_path):
    path = tmp_path / "keep" / "trace.csv"
    write_trace(path, [case("study-1", "4711")], tmp_path / "out")
    assert lines(path) == [
        {"case_id": "study-1", "patient_id": "4711", "patient_name": "Doe^Jane, MD", "study_uid": "1.2.3",
         "folder": "/archive/a"},
    ]  # fmt: skip
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not (tmp_path / "out").exists()


def test_a_trace_keeps_what_it_knows_of_other_cases_and_its_rights(tmp_path):
    path = tmp_path / "trace.csv"
    write_trace(path, [case("B", "1"), case("C", "2")], tmp_path / "out")
    path.chmod(0o644)
    write_trace(path, [case("A", "3"), case("C", "4", "5")], tmp_path / "out")
    assert [(line["case_id"], line["patient_id"]) for line in lines(path)] == [("A", "3"), ("B", "1"), ("C", "4; 5")]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


HALF = b"case_id,patient_id,patient_name,study_uid,folder\nA,b\n"


@pytest.mark.parametrize("content", [b"my thesis\n", b"", b"case_id,patient_id\n1,2\n", b"\xff\xfe", HALF])
def test_a_file_that_is_no_trace_is_left_as_it_is(tmp_path, content):
    path = tmp_path / "thesis.txt"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"thesis\.txt: is there already, and is no trace of cases"):
        write_trace(path, [case("A", "1")], tmp_path / "out")
    assert path.read_bytes() == content


@pytest.mark.parametrize("name", ["out/trace.csv", "out/../out/P1/trace.csv"])
def test_a_trace_among_the_findings_is_refused(tmp_path, name):
    with pytest.raises(CohortError, match="choose a place outside"):
        write_trace(tmp_path / name, [case("A", "1")], tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
