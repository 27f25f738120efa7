"""The learning rate of each iteration: torch's own schedulers say the same, and ends are counted by hand."""

import pytest
import torch
from torch.optim import lr_scheduler

from pnetkit.training.schedule import learning_rate

BASE = 0.04
MAIN = {
    "poly": lambda optimizer, whole: lr_scheduler.PolynomialLR(optimizer, total_iters=whole, power=0.9),
    "cosine": lambda optimizer, whole: lr_scheduler.CosineAnnealingLR(optimizer, T_max=whole),
    "constant": lambda optimizer, _: lr_scheduler.ConstantLR(optimizer, factor=1.0),
}


def torchs(schedule, iterations, warmup):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=BASE)
    course = MAIN[schedule](optimizer, iterations - warmup)
    if warmup:
        rise = lr_scheduler.LinearLR(optimizer, start_factor=1 / (warmup + 1), total_iters=warmup)
        course = lr_scheduler.SequentialLR(optimizer, [rise, course], milestones=[warmup])
    found = []
    for _ in range(iterations):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        course.step()
    return found


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("warmup", [0, 1, 9])
@pytest.mark.parametrize("schedule", MAIN)
def test_a_schedule_is_torchs_with_and_without_a_warm_up(plan, schedule, warmup):
    chosen = plan(iterations=40, learning_rate=BASE, schedule=schedule, warmup_iterations=warmup)
    ours = [learning_rate(chosen, iteration) for iteration in range(40)]
    assert ours == pytest.approx(torchs(schedule, 40, warmup), rel=1e-9)


def test_a_warm_up_of_three_steps_rises_by_quarters_and_the_fourth_step_has_the_whole_rate(plan):
    chosen = plan(iterations=7, learning_rate=1.0, schedule="cosine", warmup_iterations=3)
    ours = [learning_rate(chosen, iteration) for iteration in range(7)]
    assert ours == pytest.approx([0.25, 0.5, 0.75, 1.0, 0.5 + 0.5**1.5, 0.5, 0.5 - 0.5**1.5])


def test_without_a_warm_up_the_paper_s_rates_are_those_that_they_were_to_the_bit(plan):
    chosen = plan(iterations=80000, learning_rate=0.01)
    for iteration in (0, 1, 777, 79999):
        assert learning_rate(chosen, iteration) == 0.01 * float((1 - iteration / 80000) ** 0.9)
