"""A run whose networks start from another run's, and one that uses them as they are."""

import json

import pytest

from pnetkit.model.folder import read_model
from pnetkit.pipeline.outcome.export import export_model
from pnetkit.recipe.check import load_recipe, resolved
from pnetkit.report.methods import methods_paragraph
from pnetkit.screening.screener import load_screener
from pnetkit.store.store import Store
from pnetkit.transfer import importing
from pnetkit.transfer.importing import import_weights
from pnetkit.transfer.reading import read

pytestmark = pytest.mark.slow


@pytest.fixture
def imported(model, tmp_path, monkeypatch):
    monkeypatch.setattr(importing, "read_apart", read)  # another process takes seconds to begin
    card = import_weights(model, tmp_path / "theirs", license_text="CC BY 4.0", input="venous", fold="0")
    assert card.kind == "pnetkit"
    return tmp_path / "theirs"


def test_networks_start_from_weights_and_tables_record_and_model_say_so(tiny, imported, tmp_path, monkeypatch):
    sets = [
        f"training.start_from.weights={imported}",
        "training.start_from.freeze_iterations=5",
        "training.iterations=6",
        "phases=[venous]",
    ]
    made = tiny("begun", sets=sets)
    record = json.loads((made.folder / "run.json").read_text())
    (started,) = record["started_from"]
    assert (started["license"], started["share"], started["freeze_iterations"]) == ("CC BY 4.0", 1, 5)
    assert "license: CC BY 4.0" in record["thresholds"]
    assert len({of["train"] for of in record["networks"]}) == 2
    folder = export_model(made.folder, tmp_path / "exported")
    assert "license: CC BY 4.0." in (folder / "README.md").read_text()
    assert str(imported) not in "".join(
        p.read_text() for p in folder.glob("*") if p.suffix in {".yaml", ".json", ".md"}
    )
    monkeypatch.chdir(tmp_path)
    (tmp_path / imported.name).rename(tmp_path / "away")
    assert load_screener(read_model(folder), device="cpu").parts.start is None  # its own weights are all that it needs
    (tmp_path / "away").rename(tmp_path / imported.name)
    again = tiny("begun again", sets=sets)
    assert json.loads((again.folder / "run.json").read_text())["run_key"] == record["run_key"]


def test_a_network_is_used_as_it_is_for_every_fold_and_input_without_training(tiny, imported, model, tmp_path):
    made = tiny("as it is", sets=[f"training.start_from.weights={imported}", "training.iterations=0"])
    record = json.loads((made.folder / "run.json").read_text())
    assert len({of["train"] for of in record["networks"]}) == 1
    assert not [of for of in record["stages"] if of["stage"] == "prepare"]
    assert "as they are; whether their makers had seen these cases is not known" in record["thresholds"]
    recipe = resolved(load_recipe(made.folder / "recipe.yaml").recipe)
    said = methods_paragraph(recipe, record, dict.fromkeys(("cases", "patients", "abnormal", "normal"), 2))
    assert "had seen no case of its fold" not in said
    assert "nothing was trained" in said
    weights = Store(tiny.folder / "store").folder("train", record["networks"][0]["train"]) / "weights.safetensors"
    folder = export_model(made.folder, tmp_path / "exported")
    imported.rename(tmp_path / "away")
    assert load_screener(read_model(folder), device="cpu").parts.start is None
    assert weights.read_bytes() == (model / "networks" / "venous" / "fold_0.safetensors").read_bytes()
