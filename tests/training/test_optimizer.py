"""Optimizers: which parameters decay, torch's defaults, a state that comes back by names."""

import pytest
import torch
from torch import nn

from pnetkit.training.optimizer import copies_of_weights, new_optimizer, parameter_groups, restore_state, state_of


class Mixed(nn.Module):
    """Weights, biases, norms of each kind, one of two axes, and a table of biases as windowed attention has it."""

    def __init__(self):
        super().__init__()
        self.body = nn.Conv3d(1, 4, 3)
        self.norms = nn.ModuleList([nn.BatchNorm3d(4), nn.InstanceNorm3d(4, affine=True), nn.GroupNorm(2, 4)])
        self.layer = nn.LayerNorm((2, 2))
        self.relative_position_bias_table = nn.Parameter(torch.zeros(3, 2))
        self.scale = nn.Parameter(torch.ones(4))
        self.head = nn.Linear(4, 2)


def names_of(group, network):
    ids = {id(parameter) for parameter in group["params"]}
    return {name for name, parameter in network.named_parameters() if id(parameter) in ids}


def test_weights_alone_decay_where_the_plan_says_so_and_all_else_is_in_a_group_without(plan):
    network = Mixed()
    weights, rest = parameter_groups(network, plan(decay="weights", weight_decay=0.1))
    assert names_of(weights, network) == {"body.weight", "head.weight"}
    assert names_of(rest, network) == {name for name, _ in network.named_parameters()} - names_of(weights, network)
    assert (weights["weight_decay"], rest["weight_decay"]) == (0.1, 0.0)
    (all_of_them,) = parameter_groups(network, plan())
    assert [id(p) for p in all_of_them["params"]] == [id(p) for p in network.parameters()]


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_step_without_a_gradient_shrinks_what_decays_and_leaves_the_rest(plan, optimizer):
    network = Mixed()
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    chosen = plan(optimizer=optimizer, decay="weights", weight_decay=0.1, learning_rate=0.5, momentum=0.0)
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    new_optimizer(network, chosen).step()
    for name, parameter in network.named_parameters():
        factor = 1 - 0.5 * 0.1 if name in {"body.weight", "head.weight"} else 1
        assert torch.allclose(parameter, factor * before[name]), name


def test_adamw_is_torchs_with_its_defaults(plan):
    ours = new_optimizer(Mixed(), plan(optimizer="adamw", learning_rate=1e-3, weight_decay=0.02))
    assert type(ours) is torch.optim.AdamW
    (group,) = ours.param_groups
    assert (group["betas"], group["eps"], group["lr"], group["weight_decay"]) == ((0.9, 0.999), 1e-8, 1e-3, 0.02)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_state_goes_through_names_and_the_next_step_is_the_same_to_the_bit(plan, optimizer):
    chosen = plan(optimizer=optimizer, decay="weights", learning_rate=0.01)

    def stepped(network, own, many):
        for step in range(many):
            for parameter in network.parameters():
                parameter.grad = torch.full_like(parameter, 0.1 * (step + 1))
            own.step()

    one, other = Mixed(), Mixed()
    first = new_optimizer(one, chosen)
    stepped(one, first, 3)
    names = {id(p): name for name, p in one.named_parameters()}
    state = {name: tensor.clone() for name, tensor in state_of(first, names).items()}
    if optimizer == "sgd":
        assert state.keys() == set(names.values())  # as in checkpoints of earlier releases
    else:
        assert {name.partition("/")[0] for name in state} == {"exp_avg", "exp_avg_sq", "step"}
    other.load_state_dict(one.state_dict())
    second = new_optimizer(other, chosen)
    restore_state(second, {id(p): name for name, p in other.named_parameters()}, state)
    stepped(one, first, 1)
    stepped(other, second, 1)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_a_state_that_is_given_back_lies_in_memory_as_its_parameter(plan):
    """As it did before: sums of tensors that lie otherwise are other kernels', and slow."""
    network = nn.Conv3d(2, 3, 3).to(memory_format=torch.channels_last_3d)
    own = new_optimizer(network, plan(optimizer="adamw"))
    names = {id(p): name for name, p in network.named_parameters()}
    kept = {f"{part}/weight": torch.ones(3, 2, 3, 3, 3) for part in ("exp_avg", "exp_avg_sq")}
    restore_state(own, names, kept)
    assert own.state[network.weight]["exp_avg"].stride() == network.weight.stride()
    assert own.state[network.weight]["exp_avg"].eq(1).all()


def test_what_a_training_holds_of_the_weights_size_is_counted(plan):
    assert copies_of_weights(plan()) == 3  # weights, gradients, momentum
    assert copies_of_weights(plan(optimizer="adamw")) == 4
    assert copies_of_weights(plan(optimizer="adamw", average_decay=0.99)) == 5
