"""What a recipe's sections have in common: strictness, and the types of their values."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Edges = tuple[Annotated[int, Field(ge=4)], Annotated[int, Field(ge=4)], Annotated[int, Field(ge=4)]]
Precision = Literal["fp32", "tf32", "bf16", "fp16", "auto"]
Steps = Positive | tuple[Positive, Positive, Positive]


class Section(BaseModel):
    """A part of a recipe: it refuses unknown keys, takes no value for another type, and cannot be changed."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)
