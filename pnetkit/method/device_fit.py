"""Fit a recipe to a device: which numbers its networks compute in, how many windows at once, whether its runtime runs.

On a GPU a window alone leaves most of it idle: on an H100, S4C's windows of 64 x 64 x 64 take less than half of the
time in batches of 16, and no less in larger ones (docs/benchmarks.md). On a CPU torch is slower with one window in fp32
than with two, and rounds otherwise, so there are two at the least.
"""

import math
from collections.abc import Sequence

from pnetkit import cuda
from pnetkit.errors import Fault, RecipeError
from pnetkit.networks import best_precision, has_tf32, is_emulated
from pnetkit.recipe.inference import InferenceSettings
from pnetkit.recipe.models import Recipe, TrainingSettings

GPU_BATCH_VOXELS, LARGEST_BATCH = 16 * 64**3, 64
"""Voxels that `inference.batch_size: auto` gives a GPU at once, and the most windows, however small they are."""


def fit_to_device(recipe: Recipe, device: str, *, training: bool = True) -> Recipe:
    """Give a recipe whose `precision: auto` is bf16 where the device computes in it, and fp32 elsewhere.

    `inference.batch_size` becomes a number in the same way. Where nothing is to be trained, the section
    `training` stays as it is, and need not fit.

    Raises:
        RecipeError: a precision is asked for that the device has no arithmetic for, or a runtime that it does not have.
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
    faults += [
        Fault(
            f"{name}.precision",
            f"is tf32, which {device} does not compute in; only NVIDIA's GPUs since Ampere do. Set it to fp32 or auto, "
            f"or choose another --device.",
        )
        for name, section in sections.items()
        if section.precision == "tf32" and not has_tf32(device)
    ]
    if recipe.inference.runtime == "openvino" and device != "cpu":
        message = f"is openvino, which runs on the CPU, and the device is {device}; set it to torch, or --device cpu"
        faults.append(Fault("inference.runtime", message))
    if faults:
        raise RecipeError(f"The recipe {recipe.name} does not fit this machine:", faults)
    changes: dict[str, dict[str, object]] = {
        name: {"precision": best_precision(device)} for name, section in sections.items() if section.precision == "auto"
    }
    batch_size = _windows_at_once(recipe, device)
    if batch_size != recipe.inference.batch_size:
        changes.setdefault("inference", {})["batch_size"] = batch_size
    return recipe.model_copy(
        update={name: sections[name].model_copy(update=change) for name, change in changes.items()}
    )


def precision_hint(recipe: Recipe, device: str) -> str | None:
    """Say what a GPU would gain by a training in another precision than fp32; None where there is nothing to gain."""
    if not cuda.is_gpu(device) or recipe.training.precision != "fp32" or not recipe.training.iterations:
        return None
    return (
        "Networks are trained in fp32, as the recipe says. A GPU has faster arithmetic: on an H200 S4C's steps took a "
        "ninth of the time in tf32 and a sixteenth in bf16 (docs/benchmarks.md). --set training.precision=bf16 changes "
        "that, and makes other results."
    )


def weakest(recipe: Recipe, devices: Sequence[str]) -> str:
    """Give the first of several GPUs that lacks arithmetic which the recipe would use; the first of all if none does.

    Numbers are fitted to that one, so that a result is the same whichever of them makes it. Begins CUDA where the
    recipe leaves the numbers to the device, or asks for TF32, and there is more than one device.
    """
    asked = {recipe.inference.precision, recipe.training.precision}
    if len(devices) > 1 and asked & {"auto", "tf32"}:
        return next((of for of in devices if not (best_precision(of) == "bf16" and has_tf32(of))), devices[0])
    return devices[0]


def fewest_windows(recipe: Recipe, device: str) -> int:
    """Give how many windows are run at once at the least: two on a CPU in fp32, by torch as it is."""
    settings = recipe.inference
    precision = best_precision(device) if settings.precision == "auto" else settings.precision
    return 2 if device == "cpu" and precision == "fp32" and settings.runtime == "torch" else 1


def _windows_at_once(recipe: Recipe, device: str) -> int:
    settings = recipe.inference
    if device == "cpu":
        return max(fewest_windows(recipe, device), settings.windows_at_once)
    if settings.batch_size != "auto":
        return settings.batch_size
    voxels = math.prod(recipe.inference.window_size or recipe.training.patch_size)
    return min(max(GPU_BATCH_VOXELS // voxels, 1), LARGEST_BATCH)
