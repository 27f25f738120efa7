"""Tests of pnetkit.transfer.own_model: one network of a model folder, held to its digest."""

import json

import pytest
import torch
from safetensors.torch import save_file

from pnetkit.errors import WeightsError
from pnetkit.files import file_digest
from pnetkit.transfer.reading import read


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    networks = [
        {"input": name, "fold": fold, "weights": f"{name}_{fold}.safetensors"} for name in "av" for fold in (0, 1)
    ]
    content = {
        "name": "s4c_dual",
        "networks": networks,
        "inputs": {"a": ["arterial"], "v": ["venous"]},
        "classes": {"0": "background", "1": "pancreas", "2": "tumor", "3": "duct"},
        "plugins": {"backbone": {"plugin": "s4c", "params": {"width": 2}}},
        "intensity": {"window_hu": [-100, 240], "normalization": "z-score"},
        "started_from": [
            {
                "name": "theirs",
                "license": "CC BY-NC 4.0",
                "share": 1.0,
                "started_from": [{"name": "the first", "license": "MIT"}],
            }
        ],
    }
    folder.mkdir()
    (folder / "model.json").write_text(json.dumps(content))
    for of in networks:
        save_file({"w": torch.tensor([float(of["fold"])])}, folder / of["weights"])
    sums = [f"{file_digest(folder / of['weights'])}  {of['weights']}\n" for of in networks]
    (folder / "SHA256SUMS").write_text("".join(sums))
    return folder


def test_a_network_is_described_with_the_licenses_of_what_it_started_from(model, tmp_path):
    found = read(model, tmp_path, {"input": "v", "fold": "1"})
    assert (found["kind"], found["name"]) == ("pnetkit", "s4c_dual, v, fold 1")
    assert found["labels"] == ["background", "pancreas", "tumor", "duct"]
    assert found["started_from"] == [
        {"name": "theirs", "license": "CC BY-NC 4.0"},
        {"name": "the first", "license": "MIT"},
    ]
    assert found["spacing_mm"] is None
    assert "preprocess" not in found["recipe"]
    assert found["recipe"]["backbone"] == {"plugin": "s4c", "params": {"width": 2}}


def test_a_network_that_was_trained_at_a_spacing_is_described_with_it(model, tmp_path):
    content = json.loads((model / "model.json").read_text())
    content["networks"][3]["spacing_mm"] = [0.8, 0.8, 2.5]
    (model / "model.json").write_text(json.dumps(content))
    found = read(model, tmp_path, {"input": "v", "fold": "1"})
    assert found["spacing_mm"] == found["recipe"]["preprocess"]["spacing_mm"] == [0.8, 0.8, 2.5]


def test_which_network_has_to_be_said_and_a_damaged_one_is_refused(model, tmp_path):
    with pytest.raises(WeightsError, match=r"has networks of a, v\. Say which: --input v"):
        read(model, tmp_path, {})
    with pytest.raises(WeightsError, match="has no input 'x'"):
        read(model, tmp_path, {"input": "x"})
    with pytest.raises(WeightsError, match="has no fold 9"):
        read(model, tmp_path, {"input": "a", "fold": "9"})
    (model / "a_0.safetensors").write_bytes(b"")
    with pytest.raises(WeightsError, match="is missing, or is not what was exported"):
        read(model, tmp_path, {"input": "a"})
