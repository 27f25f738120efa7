"""A run whose trainings are shared by processes: the bytes of any other run, or a refusal before anything begins."""

import json

import pytest
from click.testing import CliRunner

from pnetkit.cli.main import cli
from pnetkit.errors import RecipeError
from tests.system.conftest import results

SETS = (
    'phases=["venous"]',
    "training.iterations=6",
    "training.batch_size=4",
    "training.accumulation=2",
    "training.checkpoint_every=4",
)


@pytest.mark.slow
def test_a_run_with_two_processes_a_training_gives_the_bytes_of_a_plain_one(tiny, monkeypatch):
    plain = tiny("plain", store="plain-store", sets=SETS)
    monkeypatch.chdir(tiny.folder)
    sets = [word for value in SETS for word in ("--set", value)]
    options = ["--out", "shared", "--store", "shared-store", "--device", "cpu", "--workers", "1"]
    said = CliRunner().invoke(cli, ["run", str(tiny.recipe), *sets, *options, "--devices-per-training", "2"])
    assert said.exit_code == 0, said.output
    assert results(tiny.folder / "shared") == results(plain.folder)
    weights = [
        {path.parent.name: path.read_bytes() for path in (tiny.folder / store / "train").glob("*/weights.safetensors")}
        for store in ("plain-store", "shared-store")
    ]
    assert len(weights[0]) == 2
    assert weights[0] == weights[1]  # by key
    record = json.loads((tiny.folder / "shared" / "run.json").read_text())
    assert (record["workers"], record["devices_per_training"]) == (1, 2)
    (attempt,) = json.loads(next((tiny.folder / "shared-store" / "train").glob("*/stage.json")).read_text())["details"][
        "attempts"
    ]
    assert attempt["processes"] == "2"


def test_a_number_of_processes_that_a_batch_cannot_be_dealt_out_to_is_refused_before_anything_is_made(tiny):
    with pytest.raises(RecipeError, match=r"training\.accumulation: cuts a batch of 4 into 2 parts.*training 1 or 2"):
        tiny(sets=SETS, per_training=3)
    assert not (tiny.folder / "store").exists()
