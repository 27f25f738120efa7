"""Propose settings for a cohort and a GPU, as a recipe that extends a shipped one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from pnetkit.cohort.fingerprint import Fingerprint, PhaseFingerprint
from pnetkit.errors import Fault, RecipeError
from pnetkit.interfaces import Backbone
from pnetkit.method.plugins import build, identify
from pnetkit.networks import build_seeded, check_patch_size, kept_bytes_per_voxel, small_size
from pnetkit.pipeline.budget.usual import usual_training
from pnetkit.pipeline.stages.train import training_plan
from pnetkit.recipe.models import Recipe
from pnetkit.training.optimizer import copies_of_weights
from pnetkit.training.recomputation import kept_when_recomputing
from pnetkit.types import CLASSES, BackboneSpec, Triple

USABLE = 0.8
"""Share of the memory that is planned with: convolutions need workspace, and a driver and a context are there too."""

OVERHEAD = 1.25
"""Memory beyond what is kept for the backward pass: gradients of activations that are alive at once."""

PAPER_TUMOR_VOXELS, PAPER_DUCT_VOXELS, PAPER_GAP_VOXELS = 40, 500, 27
"""The paper's thresholds (Section 3.2), which are of its voxels."""

UNEVEN = 1.5
"""Spacings that differ by more than this factor along an axis are said to be uneven."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """Hold what is proposed, as sections of a recipe, and why, in sentences."""

    sections: Mapping[str, Any]
    reasons: tuple[str, ...]

    def to_yaml(self, *, extends: str, name: str) -> str:
        """Write a recipe file that extends another."""
        head = [f"# {line}" for line in ("Proposed by `pnetkit plan` from the cohort's fingerprint.", *self.reasons)]
        body = yaml.safe_dump({"extends": extends, "name": name, **self.sections}, sort_keys=False, width=110)
        return "\n".join(head) + "\n" + body


def propose(recipe: Recipe, found: Fingerprint, *, vram_bytes: int) -> Proposal:
    """Propose training, spacing and thresholds for a recipe's networks on a cohort.

    Raises:
        RecipeError: the cohort lacks the recipe's phases, or not even the smallest patch fits the memory.
        PluginError: the recipe mixes in patches that its network does not take.
    """
    missing = [phase for phase in recipe.phases if phase not in found.phases]
    if missing:
        faults = [Fault(phase, "the cohort has no scan of it") for phase in missing]
        raise RecipeError(f"The recipe {recipe.name} does not fit the cohort:", faults)
    phases = {name: found.phases[name] for name in recipe.phases}
    channels = max(len(seen.phases) for seen in recipe.networks.values())
    network = build_seeded(
        lambda: build(
            identify("backbone", recipe.backbone.plugin, recipe.backbone.params),
            in_channels=channels,
            num_classes=len(CLASSES),
        ),
        0,
    )
    usual, trained_as = usual_training(recipe, network)
    training, why = _training(recipe, network, phases, vram_bytes, usual)
    sections: dict[str, Any] = {"training": training | usual}
    if network.spec.only_size is not None:
        sections["inference"] = {"window_size": list(network.spec.only_size)}
    rules, because = _rules(recipe, phases)
    spacing, uneven = _spacing(recipe, phases)
    return Proposal(spacing | sections | rules, (*why, *trained_as, *because, *uneven))


def _training(
    recipe: Recipe, network: Backbone, phases: Mapping[str, PhaseFingerprint], vram_bytes: int, usual: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Choose a patch, and split its batch so that the parts fit the memory, trained as is proposed."""
    plan = training_plan(recipe.training.model_dump(mode="json") | dict(usual), checkpoint_every=1)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    kept = kept_when_recomputing if plan.gradient_checkpointing else kept_bytes_per_voxel
    per_voxel = kept(network, small_size(network.spec)) * OVERHEAD
    room = vram_bytes * USABLE - copies_of_weights(plan) * 4 * parameters
    patch = _patch(recipe, network.spec, phases, most_voxels=room / per_voxel)
    for other in recipe.training.mixed_patches:
        check_patch_size(network, other.size, "training.mixed_patches.size")
    fits = int(room // (per_voxel * _volume(patch)))
    if fits < 1:
        fault = Fault("--vram", f"{vram_bytes / 1e9:.1f} GB do not hold one patch of {patch}; take a smaller network")
        raise RecipeError(f"The recipe {recipe.name} does not fit the memory:", [fault])
    batch = recipe.training.batch_size
    accumulation = next(n for n in range(1, batch + 1) if batch % n == 0 and batch // n <= fits)
    size = " x ".join(map(str, patch))
    memory = (
        f"Memory: training takes {per_voxel:.0f} bytes for a voxel of a patch (counted on the CPU, not run on a GPU), "
        f"so {fits} patches of {size} fit {vram_bytes / 1e9:.1f} GB; batches of {batch} in {accumulation} parts."
    )
    why = [memory]
    if network.spec.only_size is not None:
        why.append(f"The network takes patches and windows of {size} alone; smaller scans are padded with air.")
    elif tuple(patch) != recipe.training.patch_size:
        why.append(
            f"The patch is smaller than the recipe's {list(recipe.training.patch_size)}: memory, or the smallest scan."
        )
    return {"patch_size": patch, "batch_size": batch, "accumulation": accumulation}, why


def _patch(
    recipe: Recipe, spec: BackboneSpec, phases: Mapping[str, PhaseFingerprint], *, most_voxels: float
) -> list[int]:
    """Give the network's only size, or the largest patch up to the recipe's that fits the scans and the memory."""
    if spec.only_size is not None:
        return list(spec.only_size)
    divisor = spec.divisor
    smallest = [min(of.shape[axis].low for of in phases.values()) for axis in range(3)]
    patch = [
        _down(min(want, int(n)), d) for want, n, d in zip(recipe.training.patch_size, smallest, divisor, strict=True)
    ]
    while _volume(patch) > most_voxels and max(patch) > 2 * max(divisor):
        axis = patch.index(max(patch))
        patch[axis] = _down(patch[axis] - 1, divisor[axis])
    return patch


def _rules(recipe: Recipe, phases: Mapping[str, PhaseFingerprint]) -> tuple[dict[str, Any], list[str]]:
    """Put the paper's voxel thresholds into mm³ of this cohort's voxels, where the recipe counts voxels."""
    voxel = float(max(of.voxel_mm3.median for of in phases.values()))
    tumors = [of.tumor_mm3.low for of in phases.values() if of.tumor_mm3 is not None]
    sections: dict[str, Any] = {}
    why = []
    if recipe.classifier.plugin == "voxel-count":
        tumor, duct = PAPER_TUMOR_VOXELS * voxel, PAPER_DUCT_VOXELS * voxel
        why.append(
            f"Thresholds: the paper's {PAPER_TUMOR_VOXELS} and {PAPER_DUCT_VOXELS} voxels at {voxel:.3g} mm³ a voxel."
        )
        if tumors and min(tumors) < tumor:
            tumor = min(tumors) / 2
            why.append(
                f"The smallest labeled tumor has {min(tumors):.3g} mm³, less than that: half of it is the threshold. "
                f"It was chosen on this cohort's labels; an operating_point chooses on other folds."
            )
        params = {"tumor_voxels": None, "duct_voxels": None, "tumor_mm3": round(tumor, 2), "duct_mm3": round(duct, 2)}
        sections["classifier"] = {"plugin": "voxel-count", "params": params}
    if any(choice.plugin == "components" for choice in recipe.postprocess):
        gap = round(PAPER_GAP_VOXELS * voxel ** (1 / 3), 1)
        chain = [choice.model_dump(mode="json") for choice in recipe.postprocess]
        for choice in chain:
            if choice["plugin"] == "components":
                choice["params"] = choice["params"] | {"gap_voxels": None, "gap_mm": gap}
        sections["postprocess"] = chain
        why.append(
            f"Gap between components: the paper's {PAPER_GAP_VOXELS} voxels, at the edge of a cube of that volume."
        )
    return sections, why


def _spacing(recipe: Recipe, phases: Mapping[str, PhaseFingerprint]) -> tuple[dict[str, Any], list[str]]:
    """Propose one spacing for networks where scans differ much in theirs."""
    if recipe.preprocess.spacing_mm is not None:
        return {}, []
    said = []
    for name, of in phases.items():
        uneven = [axis for axis, found in zip("xyz", of.spacing_mm, strict=True) if found.high > UNEVEN * found.low]
        if uneven:
            said.append(f"Spacing: along {', '.join(uneven)} the {name} scans differ by more than {UNEVEN} times.")
    if not said:
        return {}, []
    said.append(
        "Networks see all scans at the median spacing of their own training cases (preprocess.spacing_mm); with null "
        "they would see the scanner's voxels, and have to learn every size."
    )
    return {"preprocess": {"spacing_mm": "median"}}, said


def _down(edge: int, divisor: int) -> int:
    return max(divisor, edge // divisor * divisor)


def _volume(patch: list[int] | Triple) -> int:
    return patch[0] * patch[1] * patch[2]
