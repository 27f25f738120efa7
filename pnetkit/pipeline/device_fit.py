"""Fit a recipe to a device: which numbers its networks compute in, and whether its runtime runs there."""

from pnetkit.errors import Fault, RecipeError
from pnetkit.networks import best_precision, is_emulated
from pnetkit.recipe.inference import InferenceSettings
from pnetkit.recipe.models import Recipe, TrainingSettings


def fit_to_device(recipe: Recipe, device: str, *, training: bool = True) -> Recipe:
    """Give a recipe whose `precision: auto` is bf16 where the device computes in it, and fp32 elsewhere.

    Where nothing is to be trained, the section `training` stays as it is, and need not fit.

    Raises:
        RecipeError: a precision is asked for that this processor has no arithmetic for, or a runtime that the device
            does not have.
    """
    sections: dict[str, TrainingSettings | InferenceSettings] = {
        "inference": recipe.inference,
        **({"training": recipe.training} if training else {}),
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
    if recipe.inference.runtime == "openvino" and device != "cpu":
        message = f"is openvino, which runs on the CPU, and the device is {device}; set it to torch, or --device cpu"
        faults.append(Fault("inference.runtime", message))
    if faults:
        raise RecipeError(f"The recipe {recipe.name} does not fit this machine:", faults)
    settled = {
        name: section.model_copy(update={"precision": best_precision(device)})
        for name, section in sections.items()
        if section.precision == "auto"
    }
    return recipe.model_copy(update=settled)
