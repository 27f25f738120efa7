"""The recipe's section `preprocess`: at which spacing networks see scans, and whose voxels rules count."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from pnetkit.recipe.fields import Section

LEAST_MM, MOST_MM = 0.1, 20.0
"""Edges that a network's voxels may have: beyond them a unit is wrong."""

Edge = Annotated[float, Field(ge=LEAST_MM, le=MOST_MM)]


def _spacing(value: Any) -> Any:
    """Take one edge for all three, and say in one sentence what is no spacing."""
    if value is None or value == "median":
        return value
    edges = [value] * 3 if isinstance(value, int | float) and not isinstance(value, bool) else value
    if (
        isinstance(edges, list | tuple)
        and len(edges) == 3  # noqa: PLR2004
        and all(isinstance(edge, int | float) and not isinstance(edge, bool) for edge in edges)
        and all(LEAST_MM <= edge <= MOST_MM for edge in edges)
    ):
        return tuple(float(edge) for edge in edges)
    raise ValueError(
        f"wanted one edge or three in mm ({LEAST_MM:g} to {MOST_MM:g}), median (of the training folds) or null (the "
        f"scanner's voxels), got {value!r}"
    )


class PreprocessSettings(Section):
    """Say at which spacing networks see scans. Labels, segmentations and findings stay those of the scan's own grid."""

    spacing_mm: Annotated[
        tuple[Edge, Edge, Edge] | Edge | Literal["median"] | None,
        BeforeValidator(_spacing),
        Field(
            description="Edges of the voxels that networks see, one or three (x, y, z); median is that of each "
            "training's own cases; null for the scanner's voxels."
        ),
    ] = None
    rules_on: Annotated[
        Literal["scan", "network"],
        Field(description="Whose voxels postprocessors and classifier see and count: the scan's, or the network's."),
    ] = "scan"

    @property
    def spacing(self) -> tuple[float, float, float] | Literal["median"] | None:
        """Give three edges where there are any: one stands for all."""
        return (self.spacing_mm,) * 3 if isinstance(self.spacing_mm, float) else self.spacing_mm

    @model_validator(mode="after")
    def _rules_have_a_grid(self) -> "PreprocessSettings":
        if self.rules_on == "network" and self.spacing_mm is None:
            raise ValueError("rules_on: network needs a spacing_mm: without one the network's voxels are the scan's")
        return self
