"""Batch norms: what calls saw, replayed, gives the running statistics that torch itself would have given."""

import pytest
import torch
from torch import nn

from pnetkit.training.norms import replay, running_norms, statistics_apart


class TwoNorms(nn.Module):
    """One norm that is called twice in a pass, one with the cumulative average, one that is frozen."""

    def __init__(self):
        super().__init__()
        self.twice = nn.BatchNorm3d(5, momentum=0.03)
        self.average = nn.BatchNorm3d(5, momentum=None)
        self.frozen = nn.BatchNorm3d(5)

    def forward(self, x):
        return self.frozen(self.average(self.twice(self.twice(x) * 3)))


def network():
    made = TwoNorms().train()
    made.frozen.eval()
    return made


def batches(number, dtype=torch.float32, layout=torch.contiguous_format):
    torch.manual_seed(1)
    scale = torch.rand(5)[:, None, None, None] * 9
    return [((torch.randn(2, 5, 4, 6, 7) + 2) * scale).to(dtype).to(memory_format=layout) for _ in range(number)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
def test_a_replay_gives_the_bits_of_torchs_own_running_statistics(dtype, layout):
    plain, apart = network(), network()
    given = batches(12, dtype, layout)
    expected = [plain(x) for x in given]
    norms = running_norms(apart)
    for some in (given[:5], given[5:]):
        with statistics_apart(norms) as calls:
            outputs = [apart(x) for x in some]
        assert len(calls) == 3 * len(some)
        replay(norms, calls)
    assert torch.equal(outputs[-1], expected[-1])
    found = apart.state_dict()
    assert all(torch.equal(found[name], value) for name, value in plain.state_dict().items())
    assert found["twice.num_batches_tracked"] == 24


def test_running_statistics_stay_as_they_are_until_the_replay_and_momentum_comes_back():
    made = network()
    before = {name: value.clone() for name, value in made.state_dict().items()}
    with statistics_apart(running_norms(made)):
        made(batches(1)[0])
    assert all(torch.equal(before[name], value) for name, value in made.state_dict().items())
    assert (made.twice.momentum, made.average.momentum) == (0.03, None)
    assert not made.twice._forward_hooks


def test_a_norm_that_is_frozen_normalizes_by_what_it_has_learned():
    made = network()
    assert made.frozen not in running_norms(made)
