"""Tests of pnetkit.cohort.kept_checks: what did not change is not read again, and what did is."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from pnetkit.cohort import check, kept_checks
from pnetkit.cohort.check import LabelPolicy
from pnetkit.cohort.checked import check_cohort
from pnetkit.cohort.kept_checks import Kept
from pnetkit.cohort.phantom import PhantomSpec, write_cohort
from pnetkit.errors import StoreError
from pnetkit.locks import database
from pnetkit.locks.holding import hold_if_free
from pnetkit.locks.way import NOTE, way_of

POLICY = LabelPolicy()


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.setattr(kept_checks, "FRESH_NS", 0)  # files of a test are as fresh as can be
    return write_cohort(tmp_path / "cohort", PhantomSpec(cases=2, seed=1, shape=(32, 32, 24), difficulty=0))


@pytest.fixture
def opened(monkeypatch):
    """The images that checks open."""
    seen = []
    real = check._looked_at
    monkeypatch.setattr(
        check, "_looked_at", lambda files, policy: (seen.append(files.image.name), real(files, policy))[1]
    )
    return seen


def checked(table, **options):
    kept = Kept(table.parent.parent / "checks.sqlite", **options)
    with ThreadPoolExecutor(1) as executor:
        return check_cohort(table, ("arterial", "venous"), POLICY, executor, kept)


def plain(cohort):
    """All that a check found, comparable: arrays of grids as lists."""
    return [
        (
            item.case,
            item.faults,
            item.notes,
            {phase: kept_checks.scan_to_json(scan) for phase, scan in item.scans.items()},
        )
        for item in cohort.cases
    ]


def test_an_unchanged_cohort_is_not_read_again_and_found_the_same(table, opened):
    first = checked(table)
    assert len(opened) == 4
    again = checked(table)
    assert len(opened) == 4
    assert plain(again) == plain(first)


@pytest.mark.parametrize("kind", ["images", "labels"])
def test_a_file_that_was_written_since_is_read_again_and_only_that(table, opened, kind):
    first = checked(table)
    path = table.parent / kind / "P001_venous.nii.gz"
    path.write_bytes((table.parent / kind / "P000_venous.nii.gz").read_bytes())
    opened.clear()
    try:
        again = plain(checked(table))
    except Exception:  # noqa: BLE001  # the copy stands under two cases: it was looked at
        again = []
    assert opened == ["P001_venous.nii.gz"]
    assert again != plain(first)


def test_a_file_in_place_of_another_with_its_size_and_time_is_read_again(table, opened, tmp_path):
    checked(table)
    path = table.parent / "images" / "P001_venous.nii.gz"
    was = path.stat()
    shutil.copyfile(path, tmp_path / "other")
    os.utime(tmp_path / "other", ns=(was.st_atime_ns, was.st_mtime_ns))
    (tmp_path / "other").replace(path)
    opened.clear()
    checked(table)
    assert opened == ["P001_venous.nii.gz"]


def test_another_policy_for_labels_checks_all_again(table, opened):
    checked(table)
    opened.clear()
    with ThreadPoolExecutor(1) as executor:
        kept = Kept(table.parent.parent / "checks.sqlite")
        check_cohort(table, ("arterial", "venous"), LabelPolicy({0: 0, 1: 1, 2: 2, 3: 3}), executor, kept)
    assert len(opened) == 4


def test_a_file_written_a_moment_ago_is_not_kept(table, opened, monkeypatch):
    monkeypatch.setattr(kept_checks, "FRESH_NS", 10**12)
    checked(table)
    checked(table)
    assert len(opened) == 8


def test_all_is_read_again_when_asked_for_and_nothing_written_where_nothing_may_be(table, opened):
    checked(table, is_written=False)
    assert not (table.parent.parent / "checks.sqlite").exists()
    checked(table)
    opened.clear()
    checked(table, is_read=False)
    assert len(opened) == 4


def test_faults_are_looked_for_again(table, opened):
    path = table.parent / "images" / "P001_venous.nii.gz"
    path.write_bytes(path.read_bytes()[:500])
    assert [bool(item.faults) for item in checked(table).cases] == [False, True]
    opened.clear()
    assert [bool(item.faults) for item in checked(table).cases] == [False, True]
    assert opened == ["P001_venous.nii.gz"]


def test_a_file_that_another_process_has_only_begun_holds_nothing_yet(table, opened):
    (table.parent.parent / "checks.sqlite").touch()
    checked(table)
    assert len(opened) == 4
    checked(table)
    assert len(opened) == 4


def test_what_cannot_be_read_is_said_with_what_to_do(table):
    (table.parent.parent / "checks.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(
        StoreError, match=r"checks\.sqlite: what earlier checks found cannot be read .* Delete the file"
    ):
        checked(table)


def test_where_machines_share_the_file_it_is_opened_by_one_at_a_time_and_sqlite_locks_nothing(
    table, opened, monkeypatch
):
    """A lock that the file system does not keep would let two write at once, and one it refuses ends in an error."""
    (table.parent.parent / NOTE).write_text('{"locks": "claims", "asked": true, "beat_s": 1, "stale_s": 10}')
    real, seen = database.sqlite3.connect, []

    def connect(named, **options):
        seen.append((str(named).endswith("?nolock=1"), hold_if_free(place, way_of(table.parent.parent)) is None))
        return real(named, **options)

    place = table.parent.parent / "locks" / "checks.sqlite"
    monkeypatch.setattr(database.sqlite3, "connect", connect)
    first = checked(table)
    assert plain(checked(table)) == plain(first)
    assert len(opened) == 4
    assert set(seen) == {(True, True)}
    assert hold_if_free(place, way_of(table.parent.parent)) is not None
