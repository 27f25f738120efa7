"""Say what a reader of the tables has to know of how their figures came about, beside the thresholds."""

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from pnetkit.errors import counted
from pnetkit.imaging.spacing import spacing_in_words
from pnetkit.label_sets import ANNOTATABLE, IGNORED, not_annotated
from pnetkit.method.starting import started_in_words
from pnetkit.pipeline.outcome.otherwise import trained_otherwise
from pnetkit.pipeline.outcome.tuning import EVIDENCE
from pnetkit.pipeline.plan.graph import Graph
from pnetkit.pipeline.stages import adopt, fit, measure, prepare, train
from pnetkit.recipe.models import Recipe
from pnetkit.store.small_files import SmallFiles
from pnetkit.store.store import Store


def remarks(recipe: Recipe, graph: Graph, store: Store, small: SmallFiles) -> list[str]:
    """Give sentences on the classifier's evidence, adopted segmentations, changed code, training, weights, search."""
    said = [EVIDENCE[recipe.classifier_evidence]] if any(node.stage == fit.STAGE.name for node in graph.nodes) else []
    said += in_part([node.spec.annotated for node in graph.nodes if isinstance(node.spec, measure.MeasureSpec)])
    if IGNORED in (recipe.cohort.labels or {}).values():
        said += ignored_in_words(_records(graph, store, small, measure.STAGE.name))
    if any(node.stage == adopt.STAGE.name for node in graph.nodes):
        return [*said, "Segmentations were made elsewhere; whether by who had seen these cases is not known."]
    if graph.started is not None:
        said.append(started_in_words(graph.started, trained=recipe.training.iterations > 0))
    trained = _records(graph, store, small, train.STAGE.name)
    said += filter(None, [train.mixed_in_words(trained), train.moved_in_words(trained)])
    learned = recipe.training.iterations > 0
    said += filter(None, [trained_otherwise(recipe) if learned else ""])
    averaged = train.averaged_in_words(recipe.training.model_dump()) if learned else ""
    said += [f"What is tested of each network is {averaged}."] if averaged else []
    said += of_spacing(recipe, graph, _records(graph, store, small, prepare.STAGE.name))
    if recipe.inference.search == "coarse-to-fine":
        decided = [of.segment for of in graph.cases.values()]  # not those that a classifier learns from
        searched = [small.record(n.stage, n.key) for n in decided if store.has(n.stage, n.key)]
        said += of_search(searched, _records(graph, store, small, measure.STAGE.name))
    return said


def of_spacing(recipe: Recipe, graph: Graph, prepared: list[dict[str, Any]]) -> list[str]:
    """Say at which spacing networks saw scans, whose voxels rules counted, and which lesions were lost by it."""
    if recipe.preprocess.spacing_mm is None:
        return []
    by_input: dict[str, list[str]] = {}
    for (name, _), nodes in sorted(graph.folds.items()):
        at = train.spacing_of(nodes.train)
        by_input.setdefault(name, []).append("" if at is None else spacing_in_words(at))
    whose = "the median of each fold's training cases" if recipe.preprocess.spacing_mm == "median" else "the recipe's"
    edges = "; ".join(f"{name} {' or '.join(dict.fromkeys(words))}" for name, words in by_input.items())
    seen = (
        f"Networks saw scans at a spacing of {edges} ({whose}); labels and Dice are on the scans' own grids, and rules "
        f"counted the {recipe.preprocess.rules_on}'s voxels."
    )
    return [seen, *lost_in_words([record["details"]["lesions"] for record in prepared])]


def lost_in_words(lesions: Sequence[Mapping[str, Sequence[int]]]) -> list[str]:
    """Say how many lesions of training labels have no voxel at a spacing; `lesions` counts all and those by class."""
    said = []
    for name in lesions[0] if lesions else ():
        there, lost = (sum(of[name][place] for of in lesions) for place in (0, 1))
        if lost:
            said.append(
                f"{lost} of {counted(there, 'piece')} of {name} in the prepared labels have no voxel left at the "
                f"spacing: no network learned from them."
            )
    return said


def held_out_in_words(cases: int) -> str:
    """Say how many cases nothing was learned from, though they could have been; empty where there are none."""
    return f"{counted(cases, 'case')} held out: tested, and nothing was learned from them." if cases else ""


def in_part(annotated: Sequence[tuple[str, ...] | None]) -> list[str]:
    """Say how many of some reference labels have no label of a class; empty where all have all."""
    counts = Counter(name for of in annotated for name in not_annotated(of))
    if not counts:
        return []
    each = ", ".join(f"{counts[name]} of {len(annotated)} of {name}" for name in ANNOTATABLE if counts[name])
    return [f"Scans with a reference that has no label of a class, and are in no loss and no figure of it: {each}."]


def ignored_in_words(measured: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say how many voxels of the reference labels are ignored; empty where none is."""
    ignored = [voxels for record in measured if (voxels := record["details"].get("ignored_voxels"))]
    if not ignored:
        return []
    counts = f"{sum(ignored):,} voxels in {len(ignored)} of {len(measured)} reference labels"
    return [f"{counts} are to be ignored, and are in no loss and no figure."]


def of_search(segmented: list[dict[str, Any]], measured: list[dict[str, Any]]) -> list[str]:
    """Say how many scans were searched as a whole, and how much of the reference lay in the regions of the others."""
    whole = sum("fallback" in record["details"] for record in segmented)
    said = [f"Coarse-to-fine search; {whole} of {len(segmented)} scans were searched as a whole."]
    held = [share for record in measured if (share := record["details"].get("region_recall")) is not None]
    if held:
        said.append(
            f"The region held {fmean(held):.1%} of the reference's pancreas set, {min(held):.1%} at worst, in the "
            f"{len(held)} scans where there is both."
        )
    return said


def _records(graph: Graph, store: Store, small: SmallFiles, stage: str) -> list[dict[str, Any]]:
    return [small.record(stage, n.key) for n in graph.nodes if n.stage == stage and store.has(stage, n.key)]
