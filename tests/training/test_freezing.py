"""Tests of pnetkit.training.freezing: what was taken stays for its steps, statistics too, resumed and shared or not."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from pnetkit.training.freezing import hold_taken, may_be_held
from pnetkit.training.group import Helpers
from pnetkit.training.loop import train
from tests.shared_training import TwoNorms, opened

TAKEN = ("body.weight", "norm.weight", "norm.bias", "norm.running_mean", "norm.running_var")
FREE = {"head.weight", "head.bias", "aux.weight", "aux.bias"}


def trained(network, cases, plan, checkpoint, **options):
    asked = {"seed": 3, "device": "cpu", "report": lambda *_: None, "maker": {"plugin": "tiny"}} | options
    train(network, cases, plan, checkpoint=checkpoint, **asked)
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def moved(before, after):
    return {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}


def test_until_they_are_set_free_taken_parameters_and_statistics_stay_and_all_else_learns(
    tiny_net, cases, plan, tmp_path
):
    network = tiny_net()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    frozen = plan(taken=TAKEN, freeze_iterations=12)
    assert moved(before, trained(network, cases, frozen, tmp_path / "c")) == FREE
    freed = plan(taken=TAKEN, freeze_iterations=6)
    assert moved(before, trained(tiny_net(), cases, freed, tmp_path / "d")) == {
        *FREE,
        *TAKEN,
        "norm.num_batches_tracked",
    }


def test_a_norm_whose_statistics_were_not_taken_moves_them(tiny_net, cases, plan, tmp_path):
    before = {name: tensor.clone() for name, tensor in tiny_net().state_dict().items()}
    after = trained(tiny_net(), cases, plan(taken=TAKEN[:3], freeze_iterations=12), tmp_path / "c")
    assert moved(before, after) == {*FREE, "norm.running_mean", "norm.running_var", "norm.num_batches_tracked"}


class KilledError(Exception):
    """Stands for a kill."""


@pytest.mark.parametrize("killed_after", [10, 20])
def test_a_training_that_was_interrupted_while_frozen_or_after_gives_the_same_bits(
    tiny_net, cases, plan, tmp_path, killed_after
):
    asked = plan(iterations=24, taken=TAKEN, freeze_iterations=12)
    whole = trained(tiny_net(), cases, asked, tmp_path / "whole")

    def kill(done, _loss):
        if done == killed_after:
            raise KilledError

    with pytest.raises(KilledError):
        trained(tiny_net(), cases, asked, tmp_path / "c", report=kill)
    assert moved(whole, trained(tiny_net(), cases, asked, tmp_path / "c")) == set()


def test_nothing_is_touched_where_nothing_was_taken(tiny_net, plan):
    network = tiny_net().train()
    network.body.weight.requires_grad_(False)  # a backbone's own business
    for iteration in range(3):
        hold_taken(network, plan(), iteration)
    assert not network.body.weight.requires_grad
    assert network.norm.training


def test_parameters_that_a_network_never_trains_are_not_to_be_set_free(tiny_net):
    network = tiny_net()
    network.body.weight.requires_grad_(False)
    assert may_be_held(network, TAKEN) == TAKEN[1:]


def test_norms_that_a_network_keeps_from_training_itself_stay_so_when_the_others_are_set_free(plan):
    network = KeepsItsNorm().train()
    asked = plan(taken=("own.running_mean", "other.running_mean"), freeze_iterations=1)
    hold_taken(network, asked, 0)
    assert not network.other.training
    hold_taken(network, asked, 1)
    assert (network.own.training, network.other.training) == (False, True)
    network.other.eval()  # with no steps to be frozen for nothing is touched at all
    hold_taken(network, plan(taken=("other.running_mean",), freeze_iterations=0), 0)
    assert not network.other.training


class KeepsItsNorm(nn.Module):
    """Never trains the first of its two norms."""

    def __init__(self):
        super().__init__()
        self.own, self.other = nn.BatchNorm3d(1), nn.BatchNorm3d(1)

    def train(self, mode=True):
        super().train(mode)
        self.own.eval()
        return self


@pytest.mark.slow
def test_two_processes_hold_the_same_as_one(plan, tmp_path):
    sampling = replace(plan().sampling, batch_size=4, accumulation=2)
    opening = partial(opened, TwoNorms)
    names = [name for name in opening()[0].state_dict() if name.startswith("first_")]
    assert any(name.endswith("running_mean") for name in names)
    asked = plan(sampling=sampling, accumulation=2, iterations=6, taken=tuple(names), freeze_iterations=3)
    found = []
    for helpers in ((), ("cpu",)):
        network, cases = opening()
        found.append(trained(network, cases, asked, tmp_path / str(len(helpers)), helpers=Helpers(helpers, opening)))
    assert moved(*found) == set()
