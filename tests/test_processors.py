"""Tests of pnetkit.processors: a process's own processors, and a container's share of them."""

import os

import pytest

from pnetkit.processors import container_share, usable_processors


@pytest.mark.parametrize(
    ("text", "share"), [("150000 100000", 1.5), ("max 100000", None), ("400000 100000", 4.0), ("", None), ("1 0", None)]
)
def test_a_share_of_version_2_is_read(tmp_path, text, share):
    (tmp_path / "cpu.max").write_text(text)
    assert container_share(tmp_path) == share


@pytest.mark.parametrize(("quota", "share"), [("50000", 0.5), ("-1", None)])
def test_a_share_of_version_1_is_read(tmp_path, quota, share):
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert container_share(tmp_path) == share


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="not on this system")
def test_a_process_that_is_bound_to_one_processor_uses_one(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3})
    assert usable_processors(tmp_path) == 1


def test_a_part_of_a_processor_counts_as_one_and_no_share_is_more_than_there_is(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    assert usable_processors(tmp_path) == 4
    for quota, usable in ((50_000, 1), (150_000, 2), (900_000, 4)):
        (tmp_path / "cpu.max").write_text(f"{quota} 100000")
        assert usable_processors(tmp_path) == usable
