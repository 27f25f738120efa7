"""A run in memory: typed rows, and DataFrames where pandas is there."""

import sys
from pathlib import Path

import pytest

from pnetkit import extras
from pnetkit.api.runs import Run, typed_row
from pnetkit.errors import MissingExtraError

LINE = {
    "case_id": "007",
    "abnormal": "1",
    "fold": "0",
    "status": "ok",
    "called_abnormal": "0",
    "score": "0.25",
    "probability": "",
    "fired": "",
    "missing": "arterial;portal",
    "venous_tumor_voxels": "12",
    "venous_tumor_dice": "undefined",
    "venous_tumor_hd95_mm": "inf",
    "venous_flags": "a;b",
    "reason": "",
}


def run():
    return Run(Path(), [typed_row(LINE), typed_row(LINE | {"case_id": "8", "abnormal": ""})], [], {}, {"recipe": "s4c"})


def test_values_are_numbers_truths_lists_and_texts_and_what_is_not_known_is_none():
    assert typed_row(LINE) == {
        "case_id": "007",
        "abnormal": True,
        "fold": 0,
        "status": "ok",
        "called_abnormal": False,
        "score": 0.25,
        "probability": None,
        "fired": [],
        "missing": ["arterial", "portal"],
        "venous_tumor_voxels": 12,
        "venous_tumor_dice": None,
        "venous_tumor_hd95_mm": float("inf"),
        "venous_flags": ["a", "b"],
        "reason": "",
    }


def test_cases_are_a_dataframe_by_case_id_whose_numbers_are_numbers():
    import pandas as pd  # slow to import

    cases = run().cases
    assert list(cases.index) == ["007", "8"]
    assert cases["probability"].dtype == float
    assert cases.loc["007", "venous_tumor_hd95_mm"] == float("inf")
    assert isinstance(cases, pd.DataFrame)


def test_without_pandas_it_is_said_how_to_get_it_and_that_the_rows_need_none(monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda _: None)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(
        MissingExtraError, match=r"\(rows has the same\) needs pandas.*pip install 'pnetkit\[notebook\]'"
    ):
        _ = run().cases
    assert run().rows[0]["score"] == 0.25
