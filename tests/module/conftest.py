"""A module with a model that never learned."""

import pytest

from pnetkit.module.job import Job
from pnetkit.module.settings import settings_of
from pnetkit.screening import screen
from tests.screening.made_up import DUAL, said_of, screener_of

GRID = {
    "seen": {"arterial": {"spacing_mm": [[2, 2], [2, 2], [3, 3]]}, "venous": {"spacing_mm": [[2, 2], [2, 2], [3, 3]]}}
}


@pytest.fixture(autouse=True)
def asked(monkeypatch):
    """Cases whose scans were put to the model, with their scans; a tumor is found in the arterial phase, and alone."""
    calls = []

    def said(screener, case_id, scans):
        calls.append(scans)
        return said_of(case_id, scans, screener)

    monkeypatch.setattr(screen, "screen_scans", said)
    return calls


@pytest.fixture
def job(tmp_path):
    """Make a job of tmp_path/in and tmp_path/out."""
    screener = screener_of(*DUAL)
    screener.model.content.update(phases=["arterial", "venous"], grid=GRID)
    (tmp_path / "in").mkdir()

    def make(**said):
        settings = settings_of({"on_gate": "off", **said}, "test")
        return Job(tmp_path / "in", tmp_path / "out", settings, screener.model, lambda _: None, lambda *_: screener)

    return make
