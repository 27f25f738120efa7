"""The graph of a run: which nodes there are, and what each builds on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pnetkit.cohort.check import CheckedCase
from pnetkit.errors import Fault, RecipeError
from pnetkit.label_sets import ANNOTATABLE
from pnetkit.method.fusion import fold_faults
from pnetkit.method.parts import Parts, take_apart
from pnetkit.pipeline.plan.drafting import AdoptedLabels, CaseNodes, FoldNodes, adopted_nodes, case_nodes, fold_nodes
from pnetkit.pipeline.stages import prepare
from pnetkit.pipeline.stages.draft import Draft
from pnetkit.recipe.models import Recipe
from pnetkit.sources import Sources
from pnetkit.store.node import Node


@dataclass(frozen=True, slots=True)
class Graph:
    """Hold all nodes of a run, in an order in which each comes after what it builds on.

    `cases` are by case and input, `folds` by input and fold. `fusion_is_trained` tells whether the fusion learns;
    `started` describes the weights that networks start from.
    """

    nodes: tuple[Node, ...]
    cases: Mapping[tuple[str, str], CaseNodes]
    folds: Mapping[tuple[str, int], FoldNodes]
    plugins: Mapping[str, Any]
    parameters: int
    fusion_is_trained: bool
    started: Mapping[str, Any] | None = None


def make_graph(
    recipe: Recipe,
    cases: Sequence[CheckedCase],
    folds: Mapping[str, int],
    sources: Sources | None = None,
    adopted: AdoptedLabels | None = None,
) -> Graph:
    """Lay out training, segmentation, rules, features and measurement for every phase, case and fold.

    Cases are taken in the order of their ids, so that the order of a table's rows changes nothing. `sources` are the
    plugins' source digests that stand in keys; those of the present sources where none is given. With `adopted` no
    network is trained or asked.

    Raises:
        PluginError: a plugin cannot be built, or does not fit the others or the recipe's patch size.
        RecipeError: a network has no case with a reference label to train on; a fusion that learns has no normal or no
            abnormal case to learn from; or the classifier, or the grid that rules see, needs networks, and there are
            none, because segmentations were made elsewhere.
    """
    cases = sorted(cases, key=lambda item: item.case.id)
    parts = take_apart(recipe, sources or {})
    if adopted is not None:
        _require_no_network(recipe, parts)
    nodes: dict[str, Node] = {}
    final: dict[tuple[str, str], CaseNodes] = {}
    trained: dict[tuple[str, int], FoldNodes] = {}
    faults: list[Fault] = []
    if parts.fusion_is_trained:
        diagnoses = {item.case.id: None if item.case.held_out else item.case.abnormal for item in cases}
        faults += fold_faults(recipe.fusion.plugin, diagnoses, folds)
    for seen in parts.inputs:
        there = [item for item in cases if all(phase in item.scans for phase in seen.phases)]
        labeled = [item for item in there if item.scans[seen.phases[0]].label_digest is not None]
        learned = [item for item in labeled if not item.case.held_out]
        annotated = frozenset(name for item in learned for name in item.case.labeled or ANNOTATABLE)
        draft = Draft(recipe, parts, seen, folds, nodes, faults, learned, annotated=annotated)
        if adopted is not None:
            final |= {(item.case.id, seen.name): adopted_nodes(draft, item, adopted) for item in there}
            continue
        if recipe.training.iterations and parts.spacing_mm != "median":  # else that of each training is another
            for item in learned:
                prepare.draft(draft, item, parts.spacing_mm)
        for fold in sorted({folds[item.case.id] for item in there}):
            of_fold = fold_nodes(draft, fold)
            if of_fold is None:
                continue
            trained[seen.name, fold] = of_fold
            for item in there:
                if folds[item.case.id] == fold:
                    final[item.case.id, seen.name] = case_nodes(draft, item, of_fold)
    if faults:
        raise RecipeError(f"The recipe {recipe.name} cannot be trained on this cohort:", list(dict.fromkeys(faults)))
    if adopted is not None:
        plugins = parts.plugins | {"backbone": None}
        return Graph(tuple(nodes.values()), final, {}, plugins, 0, parts.fusion_is_trained)
    frozen = 0 if recipe.training.start_from is None else recipe.training.start_from.freeze_iterations
    started = None if parts.start is None else parts.start.described(frozen)
    learns = parts.fusion_is_trained
    return Graph(tuple(nodes.values()), final, trained, parts.plugins, parts.parameters, learns, started)


def _require_no_network(recipe: Recipe, parts: Parts) -> None:
    """Raise RecipeError where rules need what only a network of the run's own has."""
    faults = []
    if parts.is_trained or parts.needs.names:
        message = f"{recipe.classifier.plugin!r} needs networks, which predictions do not bring"
        faults.append(Fault("classifier", message))
    if parts.rules_on == "network":
        message = "is network, and predictions bring no network's voxels; set it to scan"
        faults.append(Fault("preprocess.rules_on", message))
    if faults:
        raise RecipeError(f"The recipe {recipe.name} cannot judge predictions made elsewhere:", faults)
