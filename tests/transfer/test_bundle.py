"""Tests of pnetkit.transfer.bundle: a MONAI bundle's description is read as data, and what would run is refused."""

import json

import pytest
import torch

from pnetkit.errors import WeightsError
from pnetkit.transfer.bundle import describe, network_of
from pnetkit.transfer.reading import read

NETWORK = {
    "_target_": "UNet",
    "spatial_dims": 3,
    "in_channels": 1,
    "out_channels": 3,
    "channels": [4, 8],
    "strides": [2],
}
METADATA = {
    "task": "Pancreas",
    "network_data_format": {
        "inputs": {"image": {"value_range": [0, 1]}},
        "outputs": {"pred": {"channel_def": {"0": "background", "1": "pancreas", "2": "tumor"}}},
    },
}


@pytest.fixture
def bundle(tmp_path):
    for name in ("configs", "models"):
        (tmp_path / name).mkdir()
    (tmp_path / "configs" / "metadata.json").write_text(json.dumps(METADATA))
    (tmp_path / "configs" / "inference.json").write_text(
        json.dumps({"imports": ["$import os"], "network_def": NETWORK, "network": "$@network_def.to('cpu')"})
    )
    (tmp_path / "LICENSE").write_text("\n  CC BY-NC-SA 4.0\n\nIn full: ...")
    torch.save({"model.0.conv.weight": torch.ones(4, 1, 3, 3, 3)}, tmp_path / "models" / "model.pt")
    return tmp_path


def test_network_outputs_and_license_are_read_and_the_code_beside_them_is_not_looked_at(bundle, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    found = read(bundle, out, {})
    assert found["kind"] == "monai"
    assert found["architecture"]["target"] == "monai.networks.nets.UNet"
    assert found["architecture"]["args"]["channels"] == [4, 8]
    assert found["labels"] == ["background", "pancreas", "tumor"]
    assert (found["license"], found["license_from"]) == ("CC BY-NC-SA 4.0", "LICENSE")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"in_channels": "$__import__('os').system('x')"},
            r"network_def\.in_channels is .*, code that MONAI would evaluate",
        ),
        ({"channels": ["@width", 8]}, r"network_def\.channels\[0\] is '@width', a reference that MONAI"),
        ({"norm": {"_target_": "os.system"}}, r"network_def\.norm makes an object of its own \(os\.system\)"),
        ({"_target_": "os.system"}, "its network is 'os.system', none of monai"),
        ({"_target_": "monai.networks.nets.UNett"}, "Did you mean 'UNet'"),
        ({"_requires_": ["x"]}, "makes an object of its own"),
    ],
)
def test_what_monai_would_evaluate_is_refused_in_words(change, said):
    with pytest.raises(WeightsError, match=said):
        network_of(NETWORK | change, "b")


def test_a_definition_of_endless_aliases_is_refused():
    deep = ["x"]
    for _ in range(30):
        deep = [deep, deep]
    with pytest.raises(WeightsError, match="more than 10000 values"):
        network_of(NETWORK | {"channels": deep}, "b")


def test_a_bundle_without_a_plain_definition_says_how_its_tensors_are_taken(bundle):
    (bundle / "configs" / "inference.json").write_text(json.dumps({"network": "$code()"}))
    with pytest.raises(
        WeightsError, match=r"none of its configurations defines the network as data.*--kind state-dict"
    ):
        describe(bundle)


def test_yaml_is_read_as_data_only(bundle):
    (bundle / "configs" / "inference.json").unlink()
    (bundle / "configs" / "inference.yaml").write_text("network_def: !!python/object/apply:os.system ['x']\n")
    with pytest.raises(WeightsError, match=r"inference\.yaml: cannot be read \(could not determine a constructor"):
        describe(bundle)
