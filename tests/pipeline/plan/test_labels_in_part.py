"""Which classes a case's label is taken to have, where not all are annotated."""

from dataclasses import replace

import pytest

from pnetkit.label_sets import ANNOTATABLE
from pnetkit.pipeline.plan.graph import make_graph
from pnetkit.pipeline.stages.measure import MeasureSpec
from pnetkit.pipeline.stages.prepare import PrepareSpec
from tests.pipeline.plan.test_leakage import LEARNING, checked


def annotated(*labeled):
    """What is prepared and measured of cases whose labels have these classes."""
    cases = [checked(f"P{i}", f"p{i}", bool(i % 2), {"venous": "labeled"}) for i in range(len(labeled))]
    cases = [replace(item, case=replace(item.case, labeled=of)) for item, of in zip(cases, labeled, strict=True)]
    graph = make_graph(LEARNING["a rule"], cases, {f"P{i}": i % 2 for i in range(len(labeled))})
    by_case = {(type(node.spec), node.subject.case_id): node.spec for node in graph.nodes}
    return [tuple(by_case[kind, f"P{i}"].annotated for kind in (PrepareSpec, MeasureSpec)) for i in range(len(labeled))]


@pytest.mark.parametrize(
    ("labeled", "prepared"),
    [
        ((None, ("pancreas",)), (None, ("pancreas",))),
        ((("pancreas", "tumor"), ("pancreas",)), (None, ("pancreas", "duct"))),
        ((("pancreas",), ("pancreas",)), (None, None)),
    ],
)
def test_a_class_that_no_case_has_counts_as_had_by_all_in_training_and_never_in_figures(labeled, prepared):
    assert set(ANNOTATABLE) == {"pancreas", "tumor", "duct"}
    assert annotated(*labeled) == list(zip(prepared, labeled, strict=True))
