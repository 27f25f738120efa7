"""Train one network: one input, the cases of all folds but some."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, ClassVar

from pnetkit.errors import Fault, StoreError, counted
from pnetkit.files import read_json, write_atomically, write_json
from pnetkit.imaging.spacing import Spacing, edges_at
from pnetkit.interfaces import Backbone
from pnetkit.method.parts import LATER_TRAINING_KEYS
from pnetkit.method.seeds import derived_seed
from pnetkit.method.starting import begin
from pnetkit.method.trained_network import load_weights, new_backbone
from pnetkit.pipeline.stages import prepare
from pnetkit.pipeline.stages.context import Context
from pnetkit.pipeline.stages.draft import Draft
from pnetkit.pipeline.stages.held_back import held_back
from pnetkit.pipeline.stages.needs import WHOLE_GPU
from pnetkit.pipeline.stages.scans import spacing_identity
from pnetkit.pipeline.stages.stage import Stage
from pnetkit.provenance import surroundings
from pnetkit.sources import source_digest
from pnetkit.store.node import File, Node, Ref, Subject
from pnetkit.store.store import Store
from pnetkit.training.checkpoint import write_weights
from pnetkit.training.freezing import may_be_held
from pnetkit.training.group import Helpers
from pnetkit.training.loop import REPORT_EVERY, Trained
from pnetkit.training.loop import train as train_backbone
from pnetkit.training.modules import as_module
from pnetkit.training.plan import TrainingPlan, Watch
from pnetkit.training.sampling import MixedPatches, Sampling, StoredCase, TrainingCase
from pnetkit.training.voxel_loss import VoxelLoss
from pnetkit.training.watch import Watched, as_csv, from_csv

WEIGHTS = "weights.safetensors"
"""The file of a trained network's tensors."""

BACKBONE = "backbone.json"
"""The file beside it that says which network they belong to."""

CHECKPOINT = "checkpoint.safetensors"
"""The file from which an interrupted training goes on; it is gone when the training is done."""

LOSSES = "losses.json"
"""The course of the loss."""


WATCHED = "watched.csv"
"""What was seen of the cases that are held back, where any are."""

OF_LOSS = {"name": "loss", "dice_over": "dice_over", "focal_gamma": "focal_gamma"}
"""The parts of the loss, and the keys of the section `training` that they stand under."""

LATER = tuple(key for key in LATER_TRAINING_KEYS if key not in {*OF_LOSS.values(), "watch"})
"""Keys that are in an identity only where they are not at their default, and that a plan has under the same names."""


@dataclass(frozen=True, slots=True)
class TrainSpec:
    """In the key: network, settings, seed, diagnoses and prepared cases. Not: the cases' names, how often is saved.

    Nor the voxels' edges (`spacings_mm`), which the prepared cases' scans have. `spacing_mm`, to which these were
    resampled, is in it where they were. `held_back` are the places of cases that are watched, and on which nothing is
    trained.
    """

    stage: ClassVar[str] = "train"
    version: ClassVar[int] = 2

    backbone: Mapping[str, Any]
    in_channels: int
    training: Mapping[str, Any]
    seed: int
    abnormal: tuple[bool | None, ...]
    prepared: tuple[Ref, ...]
    case_ids: tuple[str, ...]
    checkpoint_every: int
    spacings_mm: tuple[tuple[float, float, float], ...]
    start: File | None = None
    held_back: tuple[int, ...] = ()
    spacing_mm: Spacing | None = None

    @property
    def identity(self) -> dict[str, Any]:
        """Give what is trained, how, and on cases of which diagnoses; which cases are held back, where any are."""
        # once the parts of a batch drew dropout one after the other, which no two processes could have done
        parts = {"dropout": "of each part"} if self.training.get("accumulation", 1) > 1 else {}
        parts |= spacing_identity(self.spacing_mm)
        return (
            {
                "backbone": dict(self.backbone),
                "in_channels": self.in_channels,
                "training": dict(self.training),
                "seed": self.seed,
                "abnormal": list(self.abnormal),
            }
            | parts
            | ({"held_back": list(self.held_back)} if self.held_back else {})
        )

    @property
    def inputs(self) -> dict[str, Ref]:
        """Give the prepared cases, in their order."""
        return {f"{number:05}": ref for number, ref in enumerate(self.prepared)}

    @property
    def files(self) -> dict[str, File]:
        """Give the weights that it starts from, if any: scans are read by `prepare`."""
        return {} if self.start is None else {"start": self.start}


def draft(draft: Draft, left_out: Sequence[int]) -> Node | None:
    """Lay out a training on all folds but some; None, and a fault, where no case is left."""
    name, recipe, start = draft.seen.name, draft.recipe, draft.parts.start
    weights = None if start is None else File(start.weights, start.digest)
    if not recipe.training.iterations:
        return draft.add(_as_it_is(draft, weights), Subject(name, folds=tuple(left_out)))
    training, subject = draft.outside(left_out), Subject(name, folds=tuple(left_out))
    if not training:
        draft.faults.append(Fault(subject.label, "no training case has a reference label"))
        return None
    watch = recipe.training.watch
    apart = set() if watch is None else held_back(training, watch.patients, seed=recipe.training.seed)
    if len(apart) == len(training):
        message = f"training.watch holds back all its {counted(len(apart), 'case')}; set patients to fewer, or to null"
        draft.faults.append(Fault(subject.label, message))
        return None
    spacing_mm = draft.spacing_without(left_out)
    balanced = recipe.training.case_sampling == "balanced"  # else diagnoses decide nothing, and keys stay as they are
    spec = TrainSpec(
        backbone=draft.parts.backbone,
        in_channels=len(draft.seen.phases),
        training=draft.parts.training,
        seed=derived_seed(recipe.training.seed, "train", name, *left_out),
        abnormal=tuple(item.case.abnormal if balanced else bool(item.case.abnormal) for item in training),
        prepared=tuple(prepare.draft(draft, item, spacing_mm).ref for item in training),
        case_ids=tuple(item.case.id for item in training),
        checkpoint_every=recipe.training.checkpoint_every,
        spacings_mm=tuple(edges_at(item.scans[draft.seen.phases[0]].grid, spacing_mm) for item in training),
        start=weights,
        held_back=tuple(sorted(apart)),
        spacing_mm=spacing_mm,
    )
    return draft.add(spec, subject, weight=recipe.training.iterations)


def spacing_of(network: Node) -> Spacing | None:
    """Give the spacing that a network was trained at, and so is run at; None for the scanner's voxels."""
    if not isinstance(network.spec, TrainSpec):
        raise TypeError(f"{network.label} is no training")
    return network.spec.spacing_mm


def _as_it_is(draft: Draft, weights: File | None) -> TrainSpec:
    """Ask for a network that nothing is trained of: the same for all folds, and for all inputs of as many channels."""
    channels, training, at = len(draft.seen.phases), draft.parts.training, draft.spacing_without([])
    return TrainSpec(draft.parts.backbone, channels, training, 0, (), (), (), 1, (), weights, spacing_mm=at)


def run(spec: TrainSpec, context: Context, folder: Path) -> dict[str, Any]:
    """Write the trained weights, which network they belong to, and the course of the loss."""
    backbone, cases = opened(spec, context.store)
    identity = dict(spec.backbone)
    plan = training_plan(spec.training, checkpoint_every=spec.checkpoint_every)
    if spec.start is not None:
        how = spec.training["start_from"]
        found = begin(backbone, identity, spec.in_channels, spec.start.path, how)
        taken = may_be_held(as_module(backbone), found.frozen)
        plan = replace(plan, taken=taken, freeze_iterations=how["freeze_iterations"])
    helpers = Helpers(context.helpers, partial(opened, spec, context.store), context.gpu_bytes)
    processes = {"processes": str(1 + len(context.helpers))} if context.helpers else {}

    told: dict[str, Any] = {}

    def tell(**what: Any) -> None:
        told.update(what)
        write_json(folder / "progress.json", told)

    trained = (
        _untouched(identity)
        if not plan.iterations
        else train_backbone(
            backbone,
            cases,
            plan,
            seed=spec.seed,
            device=context.device,
            checkpoint=folder / CHECKPOINT,
            report=lambda iteration, loss: tell(done=iteration, loss=loss),
            maker=maker(identity),
            where=surroundings(context.device) | processes,
            helpers=helpers,
            held_back=opened_cases(spec, context.store, spec.held_back),
            seen=lambda seen: tell(watched=seen.to_json()),
        )
    )
    (folder / CHECKPOINT).unlink(missing_ok=True)
    write_weights(folder / WEIGHTS, backbone.state_dict())
    write_json(folder / BACKBONE, {"backbone": identity, "in_channels": spec.in_channels})
    write_json(folder / LOSSES, trained.losses)
    if trained.watched:
        write_atomically(folder / WATCHED, as_csv(trained.watched).encode())
    tested = {"weights": averaged_in_words(spec.training)} if plan.average_decay and plan.iterations else {}
    return tested | {
        "parameters": sum(p.numel() for p in backbone.parameters()),
        "last_loss": trained.losses[-1] if trained.losses else None,
        "makers": [dict(made) for made in trained.makers],
        "attempts": [dict(attempt) for attempt in trained.attempts],
    }


def _untouched(identity: Mapping[str, Any]) -> Trained:
    """Give the course of a training of no steps."""
    return Trained([], (maker(identity),), ())


def opened(spec: TrainSpec, store: Store) -> tuple[Backbone, list[TrainingCase | StoredCase]]:
    """Build the untrained network and open the cases that it trains on: in each process that computes for it."""
    trained_on = [place for place in range(len(spec.prepared)) if place not in spec.held_back]
    cases = opened_cases(spec, store, trained_on)
    return new_backbone(dict(spec.backbone), in_channels=spec.in_channels, seed=spec.seed), cases


def opened_cases(spec: TrainSpec, store: Store, places: Sequence[int]) -> list[TrainingCase | StoredCase]:
    """Open the prepared cases at some places."""
    return [
        prepare.read(
            store,
            spec.prepared[place],
            case_id=spec.case_ids[place],
            abnormal=spec.abnormal[place],
            spacing_mm=spec.spacings_mm[place],
        )
        for place in places
    ]


def read(store: Store, ref: Ref) -> Backbone:
    """Load the network of a fold, as it was trained; a worker keeps the last one it loaded."""
    return _loaded(store.of(ref))


def read_losses(store: Store, ref: Ref, iterations: int) -> list[tuple[int, float]]:
    """Give the loss of a training that is done, each with the iteration that it is the mean up to."""
    losses = read_json(store.of(ref) / LOSSES)
    return [(min((place + 1) * REPORT_EVERY, iterations), float(loss)) for place, loss in enumerate(losses)]


def read_watched(store: Store, ref: Ref) -> list[Watched]:
    """Give what a training that is done saw of the cases that it held back; nothing where it held none back."""
    path = store.of(ref) / WATCHED
    return from_csv(path.read_text(encoding="utf-8")) if path.is_file() else []


@lru_cache(maxsize=1)
def _loaded(folder: Path) -> Backbone:
    described = read_json(folder / BACKBONE)
    try:
        return load_weights(folder / WEIGHTS, described["backbone"], in_channels=described["in_channels"])
    except StoreError as error:
        raise StoreError(f"{error} Delete {folder} to train again.") from error


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


def moved_in_words(records: Sequence[Mapping[str, Any]]) -> str:
    """Say which of these trainings' records are of networks whose training went on with another torch, or elsewhere.

    Empty where there is none. Such a network is as good as another, and its last bits are those of no single training.
    """
    all_attempts = [record["details"].get("attempts", ()) for record in records]  # not in records of earlier releases
    moved = [places for of in all_attempts if len(places := list(dict.fromkeys(map(_place, of)))) > 1]
    if not moved:
        return ""
    ways = sorted({", then ".join(places) for places in moved})
    return (
        f"{len(moved)} of {len(records)} networks were begun and ended in other surroundings ({'; '.join(ways)}): "
        "nobody gets their last bits again."
    )


def averaged_in_words(training: Mapping[str, Any]) -> str:
    """Say which weights a training leaves, where these are not the last ones; empty where they are."""
    decay = training.get("average_decay")
    return "" if decay is None else f"an exponential moving average of the weights (decay {decay:g})"


def _place(attempt: Mapping[str, Any]) -> str:
    commit = f" at {attempt['commit'][:8]}" if attempt.get("commit") else ""
    return (
        f"torch {attempt.get('torch')} on {attempt.get('device')} ({attempt.get('on')}), "
        f"pnetkit {attempt.get('pnetkit')}{commit}"
    )


def training_plan(training: Mapping[str, Any], *, checkpoint_every: int) -> TrainingPlan:
    """Make the training loop's plan of a recipe's `training` section (without seed and checkpoints, as in a key)."""
    weights, watch = training["class_weights"], training.get("watch")
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
        watch=None if watch is None else Watch(watch["patches"], watch["every"]),
        loss=VoxelLoss(**{ours: training[key] for ours, key in OF_LOSS.items() if key in training}),
        **{key: training[key] for key in LATER if key in training},
    )


STAGE = Stage(TrainSpec.stage, run, needs=WHOLE_GPU, keeps_partial=True)
