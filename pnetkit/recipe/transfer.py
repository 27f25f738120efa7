"""What a recipe may say about weights that its networks start from."""

from typing import Annotated, Literal

from pydantic import Field

from pnetkit.recipe.fields import Section


class StartFromSettings(Section):
    """Say which weights networks start from, and what of them is taken."""

    weights: Annotated[
        str,
        Field(min_length=1, description="Folder that `pnetkit weights import` wrote; by its path from the recipe."),
    ]
    part: Annotated[Literal["all", "encoder"], Field(description="What is taken: all that fits, or the encoder.")] = (
        "all"
    )
    head: Annotated[
        Literal["drop", "match-labels", "keep"],
        Field(description="Outputs: drawn anew, taken where labels have one name, or kept as they are."),
    ] = "match-labels"
    labels: Annotated[
        dict[str, Literal["background", "pancreas", "tumor", "duct"]],
        Field(description="Names of the weights' outputs -> ours, for match-labels, where they are not the same."),
    ] = Field(default_factory=dict)
    freeze_iterations: Annotated[
        int, Field(ge=0, description="Steps for which what was taken stays as it is, batch norms included.")
    ] = 0
    first_layer: Annotated[
        Literal["repeat", "error"],
        Field(description="Where the network has other channels: repeat theirs, or count it as what does not fit."),
    ] = "error"
    least_share: Annotated[
        float, Field(gt=0, le=1, description="Share of the part's parameters that has to fit; less is refused.")
    ] = 1.0
