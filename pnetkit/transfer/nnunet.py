"""Read what an nnU-Net v2 trained folder says of itself: plans.json, dataset.json, and which fold is meant.

    nnUNetTrainer__nnUNetPlans__3d_fullres/
      plans.json  dataset.json  fold_0/checkpoint_final.pth  [fold_1/ …]

nnU-Net's arrays have the file's axes backwards (z, y, x), then in the order of `transpose_forward`; which way they
point is up to the files that it was trained on, unless its reader turns them to RAS. A card says axes as three
letters, one for each axis of the network in its order: `SPL` runs to superior, posterior, left.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pnetkit.errors import WeightsError, did_you_mean
from pnetkit.transfer.archives import read_text
from pnetkit.transfer.outputs import meanings

REORIENTING = "NibabelIOWithReorient"
"""nnU-Net's reader that turns every image to RAS; the others take it as it is stored."""

AS_STORED = ("SimpleITKIO", "NibabelIO", "SimpleITKIOWithReorient")

AXIS_OF = {"R": 0, "L": 0, "A": 1, "P": 1, "S": 2, "I": 2}
"""Which of pnetkit's axes x, y, z a direction lies along."""

PLUGINS = {"PlainConvUNet": "nnunet-plain", "ResidualEncoderUNet": "nnunet-residual"}
"""nnU-Net's networks that pnetkit-nnunet builds."""


def is_trained_folder(folder: Path) -> bool:
    """Tell whether a folder is one that nnU-Net trained into."""
    return (folder / "plans.json").is_file() and (folder / "dataset.json").is_file()


def checkpoint_of(folder: Path, fold: str | None) -> Path:
    """Give the checkpoint of a fold: the one asked for, or the only one. Raises WeightsError naming those there are."""
    there = {
        path.parent.name.removeprefix("fold_"): path for path in sorted(folder.glob("fold_*/checkpoint_final.pth"))
    }
    if not there:
        raise WeightsError(
            f"{folder}: holds no fold_*/checkpoint_final.pth; its training is not done, or not all of it is here."
        )
    if fold is None and len(there) > 1:
        raise WeightsError(
            f"{folder}: has the folds {', '.join(there)}. Import one of them at a time: --fold {next(iter(there))}"
        )
    if fold is not None and fold not in there:
        raise WeightsError(f"{folder}: has no fold {fold}.{did_you_mean(fold, there)}")
    return there[fold] if fold is not None else next(iter(there.values()))


def describe(folder: Path, configuration: str | None, orientation: str | None) -> dict[str, Any]:
    """Give what a card says of a trained folder: architecture, labels, axes, voxels, intensity, and a recipe's part.

    Raises:
        WeightsError: a file is missing or damaged, or the model is of a kind that pnetkit cannot run.
    """
    plans, dataset = _json(folder / "plans.json"), _json(folder / "dataset.json")
    try:
        named = configuration or folder.resolve().name.rpartition("__")[2]
        found = _configuration(plans, named)
        return _described(folder, plans, dataset, found, orientation)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise WeightsError(
            f"{folder}: its plans.json and dataset.json are not those of nnU-Net v2 ({error!r})."
        ) from error


def with_mirroring(said: Mapping[str, Any], checkpoint: Any) -> dict[str, Any]:
    """Add to a description whether nnU-Net mirrors windows of this network: along all axes, or it is said."""
    axes = checkpoint.get("inference_allowed_mirroring_axes") if isinstance(checkpoint, Mapping) else None
    recipe, notes = dict(said["recipe"]), list(said["notes"])
    if set(axes or ()) == {0, 1, 2}:
        recipe["inference"] = recipe["inference"] | {"test_time": "mirror"}
    elif axes:
        notes.append(f"nnU-Net mirrors windows along its axes {list(axes)} alone; here they are not mirrored.")
    return {**said, "recipe": recipe, "notes": notes}


def _described(
    folder: Path,
    plans: Mapping[str, Any],
    dataset: Mapping[str, Any],
    found: Mapping[str, Any],
    orientation: str | None,
) -> dict[str, Any]:
    labels = _labels(dataset, folder)
    plugin, params = _architecture(found, folder)
    axes, notes = _axes(plans, orientation)
    places = [AXIS_OF[letter] for letter in axes]
    in_ours = [places.index(axis) for axis in range(3)]
    spacing = [round(float(found["spacing"][place]), 6) for place in in_ours]
    patch = [int(found["patch_size"][place]) for place in in_ours]
    params |= {"axes": axes, "outputs": meanings(labels)}
    intensity, more = _intensity(plans, found)
    if plans["label_manager"] != "LabelManager" or found.get("previous_stage"):
        raise WeightsError(
            f"{folder}: is a cascade or has a label manager of its own; pnetkit runs single stages of nnU-Net."
        )
    recipe: dict[str, Any] = {
        "backbone": {"plugin": plugin, "params": params},
        "intensity": intensity,
        "training": {"patch_size": patch},
        "preprocess": {"spacing_mm": spacing},
        "inference": {
            "window_size": patch,
            "stride": [edge // 2 for edge in patch],
            "window_center": _center(patch, [axes[place] for place in in_ours]),
        },
    }
    return {
        "name": str(plans["dataset_name"]),
        "architecture": {"plugin": plugin, "params": params, "in_channels": len(dataset["channel_names"])},
        "labels": labels,
        "axes": axes,
        "spacing_mm": spacing,
        "intensity": intensity,
        "recipe": {key: value for key, value in recipe.items() if value},
        "notes": [*notes, *more],
    }


def _center(patch: Sequence[int], directions: Sequence[str]) -> list[int]:
    """Give the voxel above a patch's middle as the network has it: the one below where an axis runs the other way."""
    return [n // 2 if way in "RAS" else n - 1 - n // 2 for n, way in zip(patch, directions, strict=True)]


def _configuration(plans: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Give a configuration of plans with all that it inherits."""
    there = plans["configurations"]
    if name not in there:
        raise WeightsError(
            f"The plans have no configuration {name!r}.{did_you_mean(name, there)} Choose with --configuration."
        )
    found, seen = dict(there[name]), {name}
    while (parent := found.pop("inherits_from", None)) is not None:
        if parent in seen or parent not in there:
            raise WeightsError(
                f"The plans' configuration {name!r} inherits from {parent!r}, which is not there, or from itself."
            )
        seen.add(parent)
        found = dict(there[parent]) | found
    return found


def _labels(dataset: Mapping[str, Any], folder: Path) -> list[str]:
    values = {name: value for name, value in dataset["labels"].items() if name != "ignore"}
    if any(isinstance(value, list) for value in values.values()):
        raise WeightsError(
            f"{folder}: learned regions that overlap (lists in dataset.json's labels); pnetkit takes one label a voxel."
        )
    names = sorted(values, key=lambda name: int(values[name]))
    if [int(values[name]) for name in names] != list(range(len(names))):
        raise WeightsError(f"{folder}: its labels are {values}, wanted 0, 1, 2, …")
    return names


def _axes(plans: Mapping[str, Any], orientation: str | None) -> tuple[str, list[str]]:
    """Give the directions of the network's axes, and what has to be known of how they were found."""
    reader, notes = plans.get("image_reader_writer", "SimpleITKIO"), []
    if reader == REORIENTING:
        stored = "RAS"
    elif reader in AS_STORED or orientation is not None:
        stored = orientation or "LPS"
        if orientation is None:
            notes.append(
                "nnU-Net took images as they are stored, and the folder does not say how: LPS is assumed, as DICOM and "
                "SimpleITK have it. Say another with --orientation, as nibabel.aff2axcodes gives it for its images."
            )
    else:
        raise WeightsError(
            f"The images were read with {reader}, whose axes are not known. Say them with --orientation."
        )
    if len(stored) != 3 or {AXIS_OF.get(letter) for letter in stored} != {0, 1, 2}:  # noqa: PLR2004
        raise WeightsError(
            f"The orientation {stored!r} is none: wanted three letters as LPS or RAS, one of each pair RL, AP, SI."
        )
    backwards = stored[::-1]
    return "".join(backwards[axis] for axis in plans["transpose_forward"]), notes


def _architecture(found: Mapping[str, Any], folder: Path) -> tuple[str, dict[str, Any]]:
    """Give the plugin and its parameters for a configuration, of plans since nnU-Net 2.4 or before."""
    if "architecture" not in found:
        return _older_architecture(found)
    of = found["architecture"]
    name, kwargs = of["network_class_name"].rpartition(".")[2], of["arch_kwargs"]
    if name not in PLUGINS:
        raise WeightsError(f"{folder}: is a {name}; pnetkit-nnunet builds {', '.join(PLUGINS)}.")
    norm = _one_of(kwargs["norm_op"], {"InstanceNorm3d": "instance", "BatchNorm3d": "batch"}, "norm_op")
    nonlin = _one_of(kwargs["nonlin"], {"LeakyReLU": "leaky-relu", "ReLU": "relu"}, "nonlin")
    _one_of(kwargs["conv_op"], {"Conv3d": ""}, "conv_op")
    said = kwargs.get("norm_op_kwargs") or {}
    if kwargs.get("dropout_op") or said.get("eps", 1e-5) != 1e-5 or not said.get("affine", True) or (  # noqa: PLR2004
        (kwargs.get("nonlin_kwargs") or {}).get("negative_slope", 0.01) != 0.01  # noqa: PLR2004
    ):  # fmt: skip
        raise WeightsError(
            f"{folder}: has dropout, or settings of its norms and activations that pnetkit-nnunet does not build."
        )
    levels = int(kwargs["n_stages"])
    params = {
        "features": _each(kwargs["features_per_stage"], levels),
        "strides": [_three(stride) for stride in _each(kwargs["strides"], levels)],
        "kernels": [_three(kernel) for kernel in _each(kwargs["kernel_sizes"], levels)],
        "decoder_convolutions": _each(kwargs["n_conv_per_stage_decoder"], levels - 1),
    }
    depth = {"nnunet-plain": ("convolutions", "n_conv_per_stage"), "nnunet-residual": ("blocks", "n_blocks_per_stage")}
    ours, theirs = depth[PLUGINS[name]]
    chosen = {"norm": norm, "activation": nonlin, "bias": bool(kwargs.get("conv_bias", False))}
    return PLUGINS[name], {**params, ours: _each(kwargs[theirs], levels), **chosen}


def _older_architecture(found: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Read plans that name numbers of features and poolings and no class, as until nnU-Net 2.3."""
    plugin = PLUGINS[found["UNet_class_name"]]
    kernels, strides = found["conv_kernel_sizes"], found["pool_op_kernel_sizes"]
    levels = len(kernels)
    features = [
        min(int(found["UNet_base_num_features"]) * 2**level, int(found["unet_max_num_features"]))
        for level in range(levels)
    ]
    depth = _each(found["n_conv_per_stage_encoder"], levels)
    return plugin, {
        "features": features,
        "strides": [_three(stride) for stride in strides],
        "kernels": [_three(kernel) for kernel in kernels],
        "decoder_convolutions": _each(found["n_conv_per_stage_decoder"], levels - 1),
        "convolutions" if plugin == "nnunet-plain" else "blocks": depth,
        "norm": "instance",
        "activation": "leaky-relu",
        "bias": True,
    }


def _intensity(plans: Mapping[str, Any], found: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Give the recipe's `intensity` for the first channel, and a note where a recipe cannot say it."""
    schemes = found["normalization_schemes"]
    if set(schemes) != {"CTNormalization"}:
        return {}, [f"Images were normalized by {', '.join(schemes)}; set the recipe's intensity by hand."]
    channels = plans["foreground_intensity_properties_per_channel"]
    of = channels["0"]
    said = {
        "window_hu": [float(of["percentile_00_5"]), float(of["percentile_99_5"])],
        "normalization": "fixed",
        "mean_hu": float(of["mean"]),
        "deviation_hu": float(of["std"]),
    }
    return said, ["Its channels are normalized each by its own numbers; a recipe has those of the first."] * (
        len(schemes) > 1
    )


def _one_of(path: Any, known: Mapping[str, str], what: str) -> str:
    name = str(path).rpartition(".")[2]
    if name not in known:
        raise WeightsError(f"The plans' {what} is {path}; pnetkit-nnunet builds {', '.join(known)}.")
    return known[name]


def _each(value: Any, count: int) -> list[Any]:
    """Give a value of each level, where plans may say one for all."""
    found = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value] * count
    if len(found) != count:
        raise WeightsError(f"The plans give {found} for {count} levels.")
    return found


def _three(value: Any) -> list[int]:
    return [int(edge) for edge in (value if isinstance(value, Sequence) else [value] * 3)]


def _json(path: Path) -> Any:
    try:
        return json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{path}: is no JSON ({error}).") from error
