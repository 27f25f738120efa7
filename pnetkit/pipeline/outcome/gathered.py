"""Gather what the stages found: a row for every case, fused, counted, and in words."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pnetkit.evaluation.operating_point import OperatingPoint
from pnetkit.evaluation.summary import CaseRow, Metrics, summarize
from pnetkit.interfaces import PhaseFusion
from pnetkit.method.plugins import build
from pnetkit.pipeline.engine.schedule import Outcome
from pnetkit.pipeline.outcome.attempts import Attempts
from pnetkit.pipeline.outcome.fusing import FittedFusion, fuse_rows, fusion_in_words
from pnetkit.pipeline.outcome.remarks import held_out_in_words, remarks
from pnetkit.pipeline.outcome.rows import case_rows
from pnetkit.pipeline.outcome.tuning import thresholds_in_words, tune
from pnetkit.pipeline.plan.layout import Layout
from pnetkit.recipe.models import Recipe
from pnetkit.store.small_files import small_files
from pnetkit.store.store import Store


@dataclass(frozen=True, slots=True)
class Gathered:
    """Hold what a run found.

    `rows` are the cases, `fitted` and `chosen` the fusions and operating points by fold. `thresholds` says for the
    tables how their figures came about; `metrics` is None where they could not be counted. `attempts` names what failed
    after the stages.
    """

    rows: list[CaseRow]
    fitted: Mapping[int, FittedFusion]
    chosen: Mapping[int, OperatingPoint | None]
    thresholds: str
    metrics: Metrics | None
    attempts: Attempts = field(default_factory=Attempts)


def gather(recipe: Recipe, layout: Layout, outcome: Outcome, store: Store, *, raises: bool = False) -> Gathered:
    """Gather the cases' findings, fuse the phases, and move thresholds where the recipe asks for it.

    With `raises` an error passes through as it is.
    """
    attempts, graph, names = Attempts(raises=raises), layout.graph, tuple(recipe.networks)
    with small_files(store, [node.ref for node in graph.nodes]) as small:
        found = case_rows(graph, outcome, small, good=layout.good, bad=layout.bad, folds=layout.folds, phases=names)
        remarked = attempts.of("remarks", lambda: remarks(recipe, graph, store, small), list[str]())
    rows, fitted = fuse_rows(found, graph.plugins["fusion"], names, seed=recipe.training.seed, attempts=attempts)
    chosen: dict[int, OperatingPoint | None] = {}
    wanted = recipe.operating_point
    if wanted is not None:
        fusion: PhaseFusion = build(graph.plugins["fusion"])
        rows, chosen = attempts.of("operating point", lambda: tune(rows, fusion, names, wanted), (rows, chosen))
    said = [
        thresholds_in_words(wanted, chosen),
        fusion_in_words(recipe.fusion.plugin, fitted),
        held_out_in_words(sum(row.held_out for row in rows)),
        *remarked,
    ]
    metrics = attempts.of("figures", lambda: summarize(rows, names), None)
    return Gathered(rows, fitted, chosen, " ".join(filter(None, said)), metrics, attempts)
