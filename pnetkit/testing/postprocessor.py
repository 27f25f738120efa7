"""Checks of a postprocessor."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from pnetkit.interfaces import Postprocessor
from pnetkit.testing.checks import Check, builder, named_checks, require
from pnetkit.testing.samples import arrays_of, changed, finer, samples
from pnetkit.types import Segmentation


def postprocessor_checks(
    plugin: str | Callable[..., Any],
    *,
    params: Mapping[str, Any] | None = None,
    expected_failures: Mapping[str, str] | None = None,
) -> list[Check]:
    """Give the checks of a postprocessor, by its registered name or its callable, with its parameters.

    `scale_in_mm` asks for the same result on the same tissue in finer voxels: a rule that counts voxels fails it, and
    says so in its `deviations`, or its tests in `expected_failures`.
    """
    name, build = builder("postprocessor", plugin, params or {})
    checks: dict[str, Callable[[], None]] = {
        "interface": lambda: require(isinstance(build(), Postprocessor), "cannot be called with a segmentation"),
        "result": lambda: _result(build()),
        "argument_is_left_alone": lambda: _argument(build()),
        "repeats": lambda: _repeats(build),
        "scale_in_mm": lambda: _scale(build()),
    }
    return named_checks(name, checks, expected_failures or {}, build)


def _result(rule: Postprocessor) -> None:
    """Hold results on every sample to grid, classes, type and labels of the argument."""
    for name, given in samples().items():
        found: Any = rule(given)
        require(isinstance(found, Segmentation), f"{name}: gives a {type(found).__name__}, wanted a Segmentation")
        require(
            found.labels.shape == given.labels.shape,
            f"{name}: gives shape {found.labels.shape}, got {given.labels.shape}",
        )
        require(found.grid.matches(given.grid), f"{name}: gives another grid")
        require(found.classes == given.classes, f"{name}: gives other classes")
        shapes = {of: array.shape for of, array in arrays_of(found).items()}
        require(set(shapes.values()) == {given.labels.shape}, f"{name}: gives arrays of several shapes, {shapes}")
        highest = int(found.labels.max())
        require(
            highest < len(given.classes),
            f"{name}: gives the label {highest}, the classes end at {len(given.classes) - 1}",
        )


def _argument(rule: Postprocessor) -> None:
    for name, given in samples().items():
        kept = {of: array.copy() for of, array in arrays_of(given).items()}
        found = rule(given)
        now = changed(arrays_of(given), kept)
        require(not now, f"{name}: changes the {' and '.join(now)} that it was given")
        if found.labels is not given.labels and np.shares_memory(found.labels, given.labels):
            found.labels.flat[0] = 0
            same = np.array_equal(given.labels, kept["labels"])
            require(same, f"{name}: gives labels that share memory with its argument's")


def _repeats(build: Callable[..., Any]) -> None:
    rule = build()
    for name, given in samples().items():
        one, again, other = rule(given).labels, rule(given).labels, build()(given).labels
        require(np.array_equal(one, again), f"{name}: gives something else the second time")
        require(np.array_equal(one, other), f"{name}: gives something else when it is built anew")


def _scale(rule: Postprocessor) -> None:
    given = samples()["an abdomen"]
    expected = finer(rule(given)).labels
    found = rule(finer(given)).labels
    differing = int((found != expected).sum())
    require(
        differing == 0, f"{differing} voxels differ on the same tissue in voxels half as wide: it counts voxels, not mm"
    )
