"""Tests of pnetkit.transfer.fit and filling: what a network takes of foreign tensors, by hand on a small one."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from pnetkit.errors import WeightsError
from pnetkit.interfaces import TransferBackbone
from pnetkit.transfer.filling import fill, read_shapes, read_tensors
from pnetkit.transfer.fit import How, anatomy, fit, own_names
from tests.testing.broken_backbones import Sound

THEIRS = ("background", "vein", "pancreas", "mass")


class Told(Sound):
    """Says what its encoder is, and reads names that begin with `x_`."""

    def own_names(self, foreign):
        return {name: name.removeprefix("x_") for name in foreign}

    def part_of(self, name):
        return "encoder" if name.startswith("one.") else "head"


def of(kind=Sound, channels=1):
    return anatomy(
        kind(in_channels=channels), kind(in_channels=channels, num_classes=5), kind(in_channels=channels + 1)
    )


def state(**changes):
    """The state of a network of other first weights, as a foreign one."""
    torch.manual_seed(7)
    return {**Sound(in_channels=1).state_dict(), **changes}


def filled(foreign, how, network=None, kind=Sound):
    network = network or kind()
    found = fit(network, of(kind, network.spec.in_channels), {n: tuple(t.shape) for n, t in foreign.items()}, how)
    fill(network, found, foreign)
    return network, found


def test_heads_and_first_layer_are_found_by_what_depends_on_classes_and_channels():
    found = of()
    assert found.heads == {"two.weight": 0, "two.bias": 0, "side.weight": 0, "side.bias": 0}
    assert found.firsts == {"one.0.weight": 1}
    assert found.encoder is None
    assert "one.1.running_mean" in found.shapes
    assert "one.1.running_mean" not in found.learned


def test_of_its_own_kind_everything_is_taken_and_statistics_with_it():
    foreign = state(**{"one.1.running_mean": torch.full((4,), 2.5)})
    network, found = filled(foreign, How(head="keep"))
    assert (found.share, found.of_all, found.misfits, found.is_complete) == (1, 1, (), True)
    assert all(torch.equal(tensor, foreign[name]) for name, tensor in network.state_dict().items())


def test_dropped_heads_keep_their_seed_and_do_not_count():
    foreign = state()
    network, found = filled(foreign, How(head="drop"))
    assert found.share == 1
    assert found.of_all == (4 * 27 + 4 + 4 + 4) / (4 * 27 + 12 + 2 * 20)
    assert not found.is_complete
    assert not torch.equal(network.two.weight, foreign["two.weight"])
    assert torch.equal(network.one[0].weight, foreign["one.0.weight"])


def test_rows_of_heads_are_taken_where_labels_have_the_same_names():
    foreign = state()
    network = Sound()
    before = network.two.weight.detach().clone()
    network, found = filled(foreign, How(theirs=THEIRS, labels={"mass": "tumor"}), network)
    assert torch.equal(network.two.weight[0], foreign["two.weight"][0])
    assert torch.equal(network.two.weight[1], foreign["two.weight"][2])  # pancreas is their third
    assert torch.equal(network.two.bias[2], foreign["two.bias"][3])  # a mass is a tumor
    assert torch.equal(network.two.weight[3], before[3])  # they know no duct
    assert found.of_all == (4 * 27 + 12 + 2 * 15) / (4 * 27 + 12 + 2 * 20)
    assert "two.weight" not in found.frozen


def test_a_head_of_other_many_outputs_is_matched_by_their_number():
    foreign = state() | {"two.weight": torch.ones(2, 4, 1, 1, 1), "two.bias": torch.ones(2)}
    foreign |= {"side.weight": torch.ones(2, 4, 1, 1, 1), "side.bias": torch.ones(2)}
    network, _ = filled(foreign, How(theirs=("background", "pancreas")))
    assert network.two.weight[1].eq(1).all()
    assert not network.two.weight[2].eq(1).any()


def test_labels_that_cannot_be_matched_are_refused_in_words():
    with pytest.raises(WeightsError, match=r"does not name their outputs.*head: drop"):
        filled(state(), How())
    with pytest.raises(WeightsError, match="no output 'lump'; theirs are background, vein, pancreas, mass"):
        filled(state(), How(theirs=THEIRS, labels={"lump": "tumor"}))


def test_a_first_layer_of_other_channels_is_repeated_so_that_a_sum_keeps_its_size():
    foreign = state()
    network, found = filled(foreign, How(head="drop", first_layer="repeat"), Sound(in_channels=2))
    assert found.share == 1
    for channel in range(2):
        assert torch.equal(network.one[0].weight[:, channel], foreign["one.0.weight"][:, 0] / 2)
    _, found = filled(foreign, How(head="drop"), Sound(in_channels=2))
    (said,) = found.misfits
    assert said.startswith(
        "one.0.weight [4, 2, 3, 3, 3]: is [4, 1, 3, 3, 3] there, of other channels (first_layer: repeat"
    )
    assert found.share == 12 / (4 * 2 * 27 + 12)


def test_what_has_other_shapes_or_no_equal_is_named():
    foreign = state(**{"one.1.weight": torch.ones(5)})
    del foreign["one.0.bias"], foreign["one.1.running_var"]
    _, found = filled(foreign, How(head="drop"))
    assert found.misfits == (
        "one.0.bias [4]: has no equal there",
        "one.1.weight [4]: is [5] there",
        "one.1.running_var [4]: has no equal there",
    )
    assert found.share == (4 * 27 + 4) / (4 * 27 + 12)


def test_the_encoder_alone_is_taken_where_a_backbone_says_what_it_is():
    assert isinstance(Told(), TransferBackbone)
    assert not isinstance(Sound(), TransferBackbone)
    foreign = {f"x_{name}": tensor for name, tensor in state().items()}
    network, found = filled(foreign, How(part="encoder", theirs=THEIRS), kind=Told)
    assert set(found.taken) == {name for name in network.state_dict() if name.startswith("one.")}
    assert found.share == 1
    assert torch.equal(network.one[0].weight, foreign["x_one.0.weight"])
    with pytest.raises(WeightsError, match="Sound does not say which of its parts are the encoder"):
        filled(state(), How(part="encoder", theirs=THEIRS))


def test_names_are_matched_where_a_word_before_all_of_them_differs():
    own = ["network.a.weight", "network.b.weight"]
    assert own_names(["a.weight", "b.weight"], own) == {"a.weight": own[0], "b.weight": own[1]}
    assert own_names(["module.network.a.weight", "other"], own) == {"module.network.a.weight": own[0]}
    assert own_names(["c"], own) == {}


def test_a_module_that_stands_in_a_network_twice_is_counted_once():
    class Twice(Sound):
        def __init__(self, *, in_channels=1, num_classes=4):
            super().__init__(in_channels=in_channels, num_classes=num_classes)
            self.again = nn.ModuleList([self.one])

    found = of(Twice)
    assert found.aliases["again.0.0.weight"] == "one.0.weight"
    assert "again.0.0.weight" not in found.shapes
    foreign = {name.replace("one.", "again.0."): tensor for name, tensor in state().items()}
    network, result = filled(foreign, How(head="keep"), kind=Twice)
    assert result.share == 1
    assert torch.equal(network.one[0].weight, foreign["again.0.0.weight"])


def test_tensors_are_read_under_all_their_names(tmp_path):
    save_file({"a": torch.ones(2, 3)}, tmp_path / "w.safetensors")
    assert read_shapes(tmp_path / "w.safetensors", {"b": "a"}) == {"a": (2, 3), "b": (2, 3)}
    assert read_tensors(tmp_path / "w.safetensors", {"b": "a"})["b"].shape == (2, 3)
    (tmp_path / "w.safetensors").write_bytes(b"x")
    for read in (read_shapes, read_tensors):
        with pytest.raises(WeightsError, match="no readable safetensors file"):
            read(tmp_path / "w.safetensors", {})
