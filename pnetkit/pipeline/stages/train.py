"""Train one network: one input, one fold."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pnetkit.imaging.intensity import Intensity
from pnetkit.pipeline.context import Context
from pnetkit.pipeline.node import Node
from pnetkit.pipeline.stages.inputs import BACKBONE, WEIGHTS, new_backbone
from pnetkit.pipeline.store import write_json
from pnetkit.sources import source_digest
from pnetkit.training.checkpoint import write_weights
from pnetkit.training.loop import TrainingPlan
from pnetkit.training.loop import train as train_backbone
from pnetkit.training.sampling import MixedPatches, Sampling, TrainingCase, load_case

CHECKPOINT = "checkpoint.safetensors"
"""The file from which an interrupted training goes on; it is gone when the training is done."""


def train(node: Node, context: Context, folder: Path) -> dict[str, Any]:
    """Write the trained weights, which network they belong to, and the course of the loss."""
    identity = node.identity
    backbone = new_backbone(identity["backbone"], in_channels=identity["in_channels"], seed=identity["seed"])

    def report(iteration: int, loss: float) -> None:
        write_json(folder / "progress.json", {"done": iteration, "loss": loss})

    trained = train_backbone(
        backbone,
        _cases(node, context),
        training_plan(identity["training"], checkpoint_every=node.given["checkpoint_every"]),
        seed=identity["seed"],
        device=context.device,
        checkpoint=folder / CHECKPOINT,
        report=report,
        maker=maker(identity["backbone"]),
    )
    (folder / CHECKPOINT).unlink(missing_ok=True)
    write_weights(folder / WEIGHTS, backbone.state_dict())
    write_json(folder / BACKBONE, {"backbone": identity["backbone"], "in_channels": identity["in_channels"]})
    write_json(folder / "losses.json", trained.losses)
    return {
        "parameters": sum(p.numel() for p in backbone.parameters()),
        "last_loss": trained.losses[-1],
        "makers": [dict(made) for made in trained.makers],
    }


def maker(backbone: Mapping[str, Any]) -> dict[str, str]:
    """Say what trains a network: the plugin with distribution and version, and the source that is installed now.

    With `--on-code-change warn` that is another source than the one in the network's key.
    """
    named = {key: str(backbone[key]) for key in ("plugin", "distribution", "version")}
    return named | {"source": source_digest(backbone["kind"], backbone["plugin"])}


def mixed_in_words(records: Sequence[Mapping[str, Any]]) -> str:
    """Say which of these trainings' records are of networks that several makers trained; empty where there is none."""
    mixed = [makers for record in records if len(makers := record["details"].get("makers", ())) > 1]
    if not mixed:
        return ""
    pairs = {" and ".join(f"{m['plugin']} {m['version']} of source {m['source'][:8]}" for m in of) for of in mixed}
    return (
        f"{len(mixed)} of {len(records)} networks were begun and ended by different code ({'; '.join(sorted(pairs))}): "
        "a checkpoint of one was taken up by the other."
    )


def training_plan(training: dict[str, Any], *, checkpoint_every: int) -> TrainingPlan:
    """Make the training loop's plan of a recipe's `training` section (without seed and checkpoints, as in a key)."""
    weights = training["class_weights"]
    return TrainingPlan(
        iterations=training["iterations"],
        sampling=Sampling(
            patch_size=tuple(training["patch_size"]),
            batch_size=training["batch_size"],
            foreground_fraction=training["foreground_fraction"],
            lesion_fraction=training["lesion_fraction"],
            case_sampling=training["case_sampling"],
            mixed=tuple(MixedPatches(tuple(m["size"]), m["share"]) for m in training["mixed_patches"]),
            accumulation=training["accumulation"],
        ),
        rotations=training["rotations"],
        flips=training["flips"],
        learning_rate=training["learning_rate"],
        poly_power=training["poly_power"],
        momentum=training["momentum"],
        weight_decay=training["weight_decay"],
        nesterov=training["nesterov"],
        accumulation=training["accumulation"],
        gradient_clip=training["gradient_clip"],
        class_weights=tuple(weights) if weights is not None else None,
        precision=training["precision"],
        checkpoint_every=checkpoint_every,
    )


def _cases(node: Node, context: Context) -> list[TrainingCase]:
    """Open the prepared cases, in the order of the node's inputs."""
    cases = []
    for index, (_, key) in enumerate(sorted(node.inputs.items())):
        folder = context.store.folder("prepare", key)
        fitted = json.loads((folder / "intensity.json").read_text(encoding="utf-8"))
        intensities = tuple(Intensity(**channel) for channel in fitted)
        case_id = node.given["case_ids"][index]
        abnormal = bool(node.identity["abnormal"][index])
        cases.append(load_case(folder, case_id=case_id, intensities=intensities, abnormal=abnormal))
    return cases
