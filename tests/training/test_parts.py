"""Parts of a batch: dealt out evenly, drawn alike by whoever computes them, each with a dropout of its own."""

import numpy as np
import pytest
import torch

from pnetkit.errors import TrainingError
from pnetkit.training.parts import add_gradients, draw, share_of
from pnetkit.training.sampling import Sampling, Share


def parts_of(cases, plan, share):
    return draw(cases, plan, seed=3, iteration=7, share=share, device="cpu")


def test_processes_that_read_their_own_parts_draw_what_one_draws(cases, plan):
    four = plan(accumulation=4, sampling=Sampling((8, 8, 8), 8, 0.5, 0.5, "balanced", accumulation=4))
    whole = parts_of(cases, four, Share(range(4), 4))
    shares = [parts_of(cases, four, share_of(rank, 2, 4)) for rank in range(2)]
    assert [drawn.case_ids for drawn in shares] == [whole.case_ids] * 2
    for one, other in zip([part for drawn in shares for part in drawn.parts], whole.parts, strict=True):
        assert one.x.shape == (2, 1, 8, 8, 8)
        assert torch.equal(one.x, other.x)
        assert torch.equal(one.y, other.y)
        assert one.dropout_seed == other.dropout_seed


def test_each_part_has_a_seed_of_its_own_and_the_first_one_that_of_the_undivided_batch(cases, plan):
    whole = parts_of(cases, plan(), Share(range(1), 1))
    divided = parts_of(cases, plan(accumulation=2), Share(range(2), 2))
    assert divided.parts[0].dropout_seed == whole.parts[0].dropout_seed
    assert divided.parts[0].dropout_seed != divided.parts[1].dropout_seed


def test_parts_are_dealt_out_one_after_the_other_or_refused():
    assert [list(share_of(rank, 3, 6).parts) for rank in range(3)] == [[0, 1], [2, 3], [4, 5]]
    with pytest.raises(TrainingError, match=r"6 parts .* dealt out to 4 processes\..*it: 1, 2, 3 or 6\."):
        share_of(0, 4, 6)
    with pytest.raises(TrainingError, match=r"1 parts .*it: 1\."):
        share_of(0, 2, 1)


def test_gradients_of_elsewhere_are_added_as_a_backward_pass_here_would():
    """In float32 (1 + 2^-24) + 2^-24 is 1, and 1 + (2^-24 + 2^-24) is more: the order shows."""
    tiny = 2.0**-24
    weight = torch.nn.Parameter(torch.zeros(2))
    unused = torch.nn.Parameter(torch.zeros(2))
    for gradient in (1.0, tiny, tiny):
        add_gradients([weight, unused], [torch.full((2,), gradient), None])
    here = torch.nn.Parameter(torch.zeros(2))
    for gradient in (1.0, tiny, tiny):
        (here * gradient).sum().backward()
    assert torch.equal(weight.grad, here.grad)
    assert np.float32(weight.grad[0]) == 1.0
    assert unused.grad is None
