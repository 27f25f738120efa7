"""Networks that more than one source has made: said under the tables, in the record, and where the model is read."""

import json

import pytest

from pnetkit.model.folder import read_model
from pnetkit.pipeline.outcome.export import export_model
from pnetkit.pipeline.stages import train as stage
from pnetkit.store.store import Store

pytestmark = pytest.mark.slow

ONE_PHASE = ('phases=["venous"]',)


def test_a_training_that_another_source_takes_up_is_said_in_tables_record_and_model(tiny, monkeypatch, tmp_path):
    write_json, source_digest = stage.write_json, stage.source_digest

    def killed_at_ten(path, value):
        if path.name == "progress.json" and value["done"] == 10:
            raise RuntimeError("killed")
        write_json(path, value)

    monkeypatch.setattr(stage, "write_json", killed_at_ten)
    tiny("first", sets=ONE_PHASE)
    monkeypatch.setattr(stage, "write_json", write_json)
    monkeypatch.setattr(stage, "source_digest", lambda *_: "e" * 64)  # as with --on-code-change warn
    result = tiny("second", sets=ONE_PHASE)
    old = source_digest("backbone", "s4c")
    said = f"2 of 2 networks were begun and ended by different code (s4c 0.1.0 of source {old[:8]} and s4c 0.1.0 of"
    assert (result.folder / "tables.md").read_text().count(said) == 2
    store = Store(tiny.folder / "store")
    for network in json.loads((result.folder / "run.json").read_text())["networks"]:
        makers = store.record("train", network["train"])["details"]["makers"]
        assert [maker["source"] for maker in makers] == [old, "e" * 64]
        assert [(m["plugin"], m["distribution"], m["version"]) for m in makers] == [("s4c", "pnetkit-s4c", "0.1.0")] * 2
    folder = export_model(result.folder, tmp_path / "model", store)
    content = json.loads((folder / "model.json").read_text())
    assert {tuple(part["made_with"]["backbone s4c"]) for part in content["networks"]} == {(old, "e" * 64)}
    (note,) = read_model(folder).notes
    assert note.startswith("parts of the model were made by another source of the backbone 's4c'")


def test_a_model_of_one_source_has_nothing_to_say(model, finished):
    assert read_model(model).notes == ()
    assert "different code" not in (finished[1].folder / "tables.md").read_text()
    content = json.loads((model / "model.json").read_text())
    source = content["plugins"]["backbone"]["source"]
    assert all(part["made_with"] == {"backbone s4c": [source]} for part in content["networks"])
