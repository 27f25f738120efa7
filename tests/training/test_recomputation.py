"""Gradient checkpointing: the same bytes as without, norms and dropout included; what cannot be computed twice."""

from functools import partial

import pytest
import torch
from torch import nn

from pnetkit.errors import PluginError, TrainingError
from pnetkit.interfaces import BackboneOutput
from pnetkit.networks import build_seeded, kept_bytes_per_voxel
from pnetkit.training.loop import train
from pnetkit.training.recomputation import groups_of_layers, kept_when_recomputing, recomputing, require_groups
from pnetkit.types import AuxHead, BackboneSpec


def drops():
    return nn.Dropout3d(0.3)


def block(given, made, *, third=drops):
    return nn.Sequential(nn.Conv3d(given, made, 3, padding=1), nn.BatchNorm3d(made), third(), nn.ReLU())


class Grouped(nn.Module):
    """A level of two blocks, a block beside it, heads that are no group."""

    def __init__(self, third=drops):
        super().__init__()
        self.spec = BackboneSpec(1, 4, (2, 2, 2), aux_heads=(AuxHead("aux", 0.5),))
        self.level = nn.Sequential(block(1, 4, third=third), block(4, 4, third=third))
        self.beside = nn.ModuleList([block(4, 4, third=third)])
        self.head, self.aux = nn.Conv3d(4, 4, 1), nn.Conv3d(4, 4, 1)

    def forward(self, x):
        y = self.level(x)
        z = y + self.beside[0](y)
        return BackboneOutput(self.head(z), (self.aux(y),) if self.training else ())


class Counts(nn.Module):
    """Keeps how often it was called, as a power iteration keeps its vector."""

    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls += 1
        return x


class OverwritesFirst(Grouped):
    """Has a group whose first layer writes into what it is given."""

    def __init__(self):
        super().__init__()
        self.beside = nn.ModuleList([nn.Sequential(nn.LeakyReLU(inplace=True), *block(4, 4))])


def trained(cases, plan, folder, *, kind=Grouped, **changes):
    net = build_seeded(kind, 1)
    done = train(
        net,
        cases,
        plan(iterations=3, **changes),
        seed=3,
        device="cpu",
        checkpoint=folder / "none",
        report=lambda *_: None,
        maker={},
    )
    return done.losses, net.state_dict()


def test_groups_are_the_smallest_modules_of_several_layers_with_a_convolution():
    net = Grouped()
    assert groups_of_layers(net) == [net.level[0], net.level[1], net.beside[0]]


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"accumulation": 2},
        {"optimizer": "adamw", "learning_rate": 1e-3, "average_decay": 0.9, "gradient_clip": 0.5},
        {"precision": "bf16"},
    ],
)
def test_weights_statistics_and_losses_are_those_without_to_the_bit(cases, plan, tmp_path, changes):
    (losses, plain), (same_losses, again) = (
        trained(cases, plan, tmp_path, gradient_checkpointing=of, **changes) for of in (False, True)
    )
    assert losses == same_losses
    assert all(torch.equal(plain[name], again[name]) for name in plain)
    assert int(plain["level.0.1.num_batches_tracked"]) == 3 * changes.get("accumulation", 1)


def test_a_step_keeps_what_groups_are_given_and_what_one_of_them_computes_again():
    net, size = Grouped(), (8, 8, 8)
    plain, counted = kept_bytes_per_voxel(net, size), kept_when_recomputing(net, size)
    with recomputing(net):
        given = kept_bytes_per_voxel(net, size)
    assert given < 0.45 * plain  # what lies outside of groups is there too: heads, a sum
    assert given < counted < plain
    assert not any("forward" in vars(group) for group in net.modules())


def test_a_network_of_one_group_gains_nothing_and_its_input_is_counted_twice():
    class One(nn.Module):
        def __init__(self):
            super().__init__()
            self.spec = BackboneSpec(1, 4, (2, 2, 2))
            self.all = block(1, 4)

        def forward(self, x):
            return BackboneOutput(self.all(x))

    net, size = One(), (8, 8, 8)
    weights = sum(parameter.nbytes for parameter in net.parameters()) / (2 * 8**3)  # which plain counting leaves out
    more = kept_when_recomputing(net, size) - kept_bytes_per_voxel(net, size)
    assert 4 <= more <= 4 + weights


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (partial(Grouped, Counts), "cannot compute Sequential again: it writes its buffer 2.calls whenever"),
        (OverwritesFirst, r"cannot compute OverwritesFirst again: a group .* overwritten in place \(one of the var"),
    ],
)
def test_a_group_that_has_an_effect_when_it_is_computed_again_is_refused(cases, plan, tmp_path, kind, said):
    with pytest.raises(TrainingError, match=said):
        trained(cases, plan, tmp_path, kind=kind, gradient_checkpointing=True)


def test_a_network_without_groups_is_refused_before_anything_is_trained(tiny_net):
    with pytest.raises(PluginError, match=r"gradient_checkpointing saves nothing with TinyNet.*Set it to false"):
        require_groups(tiny_net())
