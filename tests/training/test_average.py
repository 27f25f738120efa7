"""The moving average of weights: by hand, in checkpoints, what a training leaves."""

import pytest
import torch

from pnetkit.errors import StoreError
from pnetkit.training import loop
from pnetkit.training.average import Average, decay_after
from pnetkit.training.checkpoint import read_checkpoint
from pnetkit.training.loop import train

HOW = {"seed": 3, "device": "cpu", "maker": {"plugin": "tiny"}}


class KilledError(Exception):
    """Stands for a kill."""


def state_of(network):
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def test_little_of_the_first_weights_stays_at_first():
    assert [decay_after(0.9, steps) for steps in (1, 2, 79, 80, 81, 1000)] == [2 / 11, 3 / 12, 80 / 89, 0.9, 0.9, 0.9]


def test_an_average_is_that_of_weights_and_statistics_and_takes_counts_over(tiny_net):
    net = tiny_net()
    average = Average(net, 0.9)
    with torch.no_grad():
        for step, value in enumerate((2.0, 5.0), start=1):
            net.head.bias.fill_(value)
            net.norm.running_var.fill_(value)
            net.norm.num_batches_tracked.fill_(step)
            if step == 1:
                before = average.tensors["head.bias"].clone()
            average.take(net, step)
    first = before * 2 / 11 + 2.0 * 9 / 11
    assert torch.allclose(average.tensors["head.bias"], first * 3 / 12 + 5.0 * 9 / 12)
    variance = (1.0 * 2 / 11 + 2.0 * 9 / 11) * 3 / 12 + 5.0 * 9 / 12
    assert torch.allclose(average.tensors["norm.running_var"], torch.full((4,), variance))
    assert int(average.tensors["norm.num_batches_tracked"]) == 2


def test_a_network_has_the_average_for_a_while_and_then_its_own_weights_to_the_bit(tiny_net):
    net = tiny_net()
    average = Average(net, 0.9)
    with torch.no_grad():
        net.head.weight.mul_(1 / 3)
    own, averaged = state_of(net), {name: tensor.clone() for name, tensor in average.tensors.items()}
    assert not same(own, averaged)
    with average.in_place(net):
        assert same(state_of(net), averaged)
    assert same(state_of(net), own)
    assert same(average.tensors, averaged)


def test_a_training_leaves_the_average_of_the_weights_that_it_would_have_left(
    tiny_net, cases, plan, tmp_path, monkeypatch
):
    """The average moves no weight: each step is that of a training without one."""
    seen = []
    take = Average.take

    def noting(self, backbone, steps):
        seen.append(state_of(backbone))
        take(self, backbone, steps)

    monkeypatch.setattr(Average, "take", noting)
    first = tiny_net().state_dict()["head.weight"].clone()
    net, plain = tiny_net(), tiny_net()
    for network, decay in ((net, 0.95), (plain, None)):
        train(
            network,
            cases,
            plan(iterations=4, average_decay=decay),
            **HOW,
            checkpoint=tmp_path / "none",
            report=lambda *_: None,
        )
    assert same(seen[-1], state_of(plain))
    wanted = first.double()
    for step, state in enumerate(seen, start=1):
        kept = (1 + step) / (10 + step)
        wanted = kept * wanted + (1 - kept) * state["head.weight"]
    assert torch.allclose(net.state_dict()["head.weight"].double(), wanted, atol=1e-6)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_killed_training_goes_on_with_its_average_to_the_same_bytes(tiny_net, cases, plan, tmp_path, optimizer):
    chosen = plan(
        iterations=13,
        checkpoint_every=4,
        average_decay=0.8,
        optimizer=optimizer,
        learning_rate=0.01,
        schedule="cosine",
        warmup_iterations=6,
        decay="weights",
    )

    def kill(iteration, _loss):
        if iteration == 10:
            raise KilledError

    whole, cut = tiny_net(), tiny_net()
    trained = train(whole, cases, chosen, **HOW, checkpoint=tmp_path / "whole", report=lambda *_: None)
    with pytest.raises(KilledError):
        train(cut, cases, chosen, **HOW, checkpoint=tmp_path / "cut", report=kill)
    stored = read_checkpoint(tmp_path / "cut")
    assert stored.iteration == 8
    assert not same(dict(stored.average), dict(stored.model))
    again = tiny_net()
    torch.manual_seed(999)
    assert (
        train(again, cases, chosen, **HOW, checkpoint=tmp_path / "cut", report=lambda *_: None).losses == trained.losses
    )
    assert same(state_of(again), state_of(whole))
    last, lasting = read_checkpoint(tmp_path / "cut"), read_checkpoint(tmp_path / "whole")
    assert last.iteration == lasting.iteration == 12
    for part in ("model", "optimizer", "average"):
        assert same(dict(getattr(last, part)), dict(getattr(lasting, part)))


def test_a_checkpoint_without_the_average_that_is_wanted_is_refused(tiny_net, cases, plan, tmp_path):
    def kill(*_):
        raise KilledError

    with pytest.raises(KilledError):
        train(tiny_net(), cases, plan(), **HOW, checkpoint=tmp_path / "c", report=kill)
    with pytest.raises(StoreError, match=r"does not fit the network.*average is of other tensors"):
        train(tiny_net(), cases, plan(average_decay=0.9), **HOW, checkpoint=tmp_path / "c", report=kill)


def test_an_average_that_is_not_finite_at_the_end_is_refused(tiny_net, cases, plan, tmp_path, monkeypatch):
    def spoil(self, *_):
        self.tensors["head.bias"].fill_(float("nan"))

    monkeypatch.setattr(Average, "take", spoil)
    with pytest.raises(loop.TrainingError, match=r"After the last iteration 1 tensors of the network are not finite"):
        train(tiny_net(), cases, plan(average_decay=0.9), **HOW, checkpoint=tmp_path / "c", report=print)
