"""What was made is written even when something after the last stage fails, and a run knows its store."""

import json
import shutil

import pytest

from pnetkit.errors import StoreError
from pnetkit.pipeline.outcome import gathered, record
from pnetkit.pipeline.outcome.cases_csv import read_cases
from pnetkit.pipeline.outcome.export import export_model
from pnetkit.pipeline.outcome.finished import behind, read_run
from pnetkit.pipeline.run import require_success
from tests.system.conftest import results

BREAKS_AT_ONE = '''
from pnetkit.types import CaseFinding

class Breaks:
    """Fuse all cases but one."""

    def fuse(self, case_id, findings, *, expected):
        if case_id == "P001":
            return 1 // 0
        return CaseFinding(case_id, False, 0.5, (), findings)
'''


def test_a_fusion_that_breaks_at_a_case_costs_that_case_and_is_told(finished, install):
    runner, first = finished
    install("acme-breaks", "acme_breaks", BREAKS_AT_ONE, phase_fusion={"breaks": "acme_breaks:Breaks"})
    result = runner("broken", sets=["fusion.plugin=breaks"])
    assert result.failed["fusing P001"].startswith("ZeroDivisionError")
    written = json.loads((result.folder / "run.json").read_text())
    (failed,) = written["failed"]
    assert (failed["stage"], failed["label"]) == ("after the stages", "fusing P001")
    assert "acme_breaks.py" in failed["traceback"]
    statuses = {row["case_id"]: row["status"] for row in read_cases(result.folder)}
    assert statuses == {"P000": "ok", "P001": "failed", "P002": "ok", "P003": "ok"}
    assert {"tables.md", "metrics.json", "lesions.csv"} <= {path.name for path in result.folder.iterdir()}
    assert results(result.folder / "segmentations") == results(first.folder / "segmentations")
    with pytest.raises(Exception, match="1 part of the run failed"):
        require_success(result)


@pytest.mark.parametrize(
    ("module", "function", "what", "missing"),
    [
        (gathered, "summarize", "figures", {"tables.md", "metrics.json"}),
        (gathered, "remarks", "remarks", set()),
        (record, "costs", "costs", set()),
    ],
)
def test_what_cannot_be_told_keeps_nothing_else_from_being_written(
    finished, monkeypatch, module, function, what, missing
):
    def broken(*_, **__):
        raise RuntimeError("it broke")

    monkeypatch.setattr(module, function, broken)
    runner, first = finished
    result = runner(f"without {what}")
    assert result.made == {}
    assert result.failed == {what: "RuntimeError: it broke (unexpected)"}
    there = {path.name for path in result.folder.iterdir()}
    assert there == {path.name for path in first.folder.iterdir()} - missing
    assert (result.folder / "cases.csv").read_bytes() == (first.folder / "cases.csv").read_bytes()


def test_a_run_knows_its_store_from_any_folder_and_when_both_are_moved(finished, tmp_path, monkeypatch):
    runner, result = finished
    shutil.copytree(runner.folder, tmp_path / "moved")
    monkeypatch.chdir(tmp_path)
    run = read_run(tmp_path / "moved" / "out")
    assert run.store == tmp_path / "moved" / "store"
    model = export_model(tmp_path / "moved" / "out", tmp_path / "model")
    assert (model / "SHA256SUMS").is_file()
    assert {of["stage"] for of in behind(run, "P000")} == {
        "prepare", "train", "segment", "postprocess", "classify", "measure",
    }  # fmt: skip
    assert {of["case"] for of in behind(run, "P000")} == {"P000", None}
    assert result.folder.is_dir()


def test_a_run_of_an_earlier_release_is_said_not_to_know_its_store(finished, tmp_path):
    _, result = finished
    old = tmp_path / "old"
    shutil.copytree(result.folder, old)
    written = json.loads((old / "run.json").read_text())
    del written["store"]
    written["stages"] = [{key: of[key] for key in ("stage", "label", "key")} for of in written["stages"]]
    (old / "run.json").write_text(json.dumps(written))
    run = read_run(old)
    with pytest.raises(StoreError, match="written by an earlier release, and does not say where its store is; give"):
        _ = run.store
    with pytest.raises(StoreError, match="does not say what its results are of"):
        behind(run, "P000")
