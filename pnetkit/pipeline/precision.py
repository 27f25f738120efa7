"""Settle which numbers a recipe's networks compute in on a device."""

from pnetkit.errors import Fault, RecipeError
from pnetkit.networks import best_precision, is_emulated
from pnetkit.recipe.models import InferenceSettings, Recipe, TrainingSettings


def settle_precision(recipe: Recipe, device: str) -> Recipe:
    """Give a recipe whose `precision: auto` is bf16 where the device computes in it, and fp32 elsewhere.

    Raises:
        RecipeError: a precision is asked for that this processor has no arithmetic for.
    """
    sections: dict[str, TrainingSettings | InferenceSettings] = {
        "training": recipe.training,
        "inference": recipe.inference,
    }
    faults = [
        Fault(
            f"{name}.precision",
            f"is {section.precision}, which this processor only emulates, a hundred times slower than fp32. "
            f"Set it to auto (bf16 where there is hardware for it, else fp32) or fp32, or choose another --device.",
        )
        for name, section in sections.items()
        if section.precision != "auto" and is_emulated(device, section.precision)
    ]
    if faults:
        raise RecipeError(f"The recipe {recipe.name} does not fit this machine:", faults)
    settled = {
        name: section.model_copy(update={"precision": best_precision(device)})
        for name, section in sections.items()
        if section.precision == "auto"
    }
    return recipe.model_copy(update=settled)
