"""The learning rate of each iteration: a warm-up, where there is one, and then one of three courses."""

import math

from pnetkit.training.plan import TrainingPlan


def learning_rate(plan: TrainingPlan, iteration: int) -> float:
    """Give the learning rate of an iteration (counted from 0).

    A warm-up rises in equal steps, so that the first iteration after it has the whole rate. The schedule runs over the
    iterations that are left then: `poly` and `cosine` would reach 0 after the last one, `constant` stays.
    """
    warmup = plan.warmup_iterations
    if iteration < warmup:
        return plan.learning_rate * (iteration + 1) / (warmup + 1)
    done, whole = iteration - warmup, plan.iterations - warmup
    if plan.schedule == "cosine":
        return cosine_learning_rate(plan.learning_rate, done, whole)
    if plan.schedule == "constant":
        return plan.learning_rate
    return poly_learning_rate(plan.learning_rate, done, whole, plan.poly_power)


def poly_learning_rate(base: float, iteration: int, iterations: int, power: float) -> float:
    """Give the learning rate of an iteration (counted from 0): base (1 - iteration / iterations)^power."""
    return base * float((1 - iteration / iterations) ** power)


def cosine_learning_rate(base: float, iteration: int, iterations: int) -> float:
    """Give the learning rate of an iteration (counted from 0): half a cosine, from base down to 0."""
    return base * (1 + math.cos(math.pi * iteration / iterations)) / 2
