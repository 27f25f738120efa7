"""How large scans are as networks see them, before folds are dealt and medians known: at the most."""

import math
from collections.abc import Mapping, Sequence
from statistics import median

import numpy as np

from pnetkit.errors import Fault, RecipeError
from pnetkit.imaging.spacing import Spacing, shape_at
from pnetkit.recipe.models import Recipe
from pnetkit.types import Grid, Triple


def finest_spacing(recipe: Recipe, labeled: Mapping[str, Sequence[Grid]]) -> dict[str, Spacing | None]:
    """Give by input the finest spacing that one of its networks can have; None for the scanner's voxels.

    `labeled` are the grids of each input's labeled scans. A median is taken of the finest of them that leaving out a
    fold, or two for evidence out of fold, can leave, where folds are dealt evenly.
    """
    wanted = recipe.preprocess.spacing
    if wanted == "median":
        return {name: _least_median(recipe, grids) for name, grids in labeled.items()}
    return dict.fromkeys(labeled, wanted)


def shape_of_ct(recipe: Recipe, shape: Triple, spacing_mm: Spacing) -> Triple:
    """Give the shape of a CT of these voxels as the recipe's networks see it.

    Raises RecipeError where that is the median of a cohort, which nobody gave.
    """
    wanted = recipe.preprocess.spacing
    if wanted == "median":
        fault = Fault("preprocess.spacing_mm", "is the median of a cohort; give it as a number with --set")
        raise RecipeError(f"What {recipe.name} takes cannot be told:", [fault])
    return shape_at(Grid(shape, np.diag([*spacing_mm, 1.0])), wanted)


def _least_median(recipe: Recipe, grids: Sequence[Grid]) -> Spacing | None:
    if not grids:
        return None
    folds = 2 if recipe.classifier_evidence == "out-of-fold" else 1
    left_out = math.ceil(folds * len(grids) / recipe.cohort.folds) + 1
    x, y, z = (
        round(float(median(sorted(edges)[: max(len(edges) - left_out, 1)])), 4)
        for edges in zip(*(grid.spacing_mm for grid in grids), strict=True)
    )
    return x, y, z
