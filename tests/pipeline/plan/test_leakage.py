"""No case of a tested fold reaches what it is tested by: trainings, fittings, fusions, operating points.

Over random cohorts: patients with several cases, phases that are missing, cases without labels or diagnoses.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pnetkit.cohort.check import CheckedCase, CheckedScan
from pnetkit.cohort.folds import assign_folds
from pnetkit.errors import CohortError, RecipeError
from pnetkit.evaluation.summary import CaseRow, PhaseRow
from pnetkit.interfaces import PhaseFusion
from pnetkit.method.plugins import build, identify
from pnetkit.pipeline.outcome.tuning import tune
from pnetkit.pipeline.plan import graph as graph_module
from pnetkit.pipeline.plan.graph import make_graph
from pnetkit.pipeline.stages.fit import FitSpec
from pnetkit.pipeline.stages.prepare import PrepareSpec
from pnetkit.pipeline.stages.train import TrainSpec
from pnetkit.recipe.check import load_recipe
from pnetkit.recipe.models import OperatingPointSettings, WatchSettings
from pnetkit.types import Case, Grid, PhaseFinding, ScanFiles

RECIPES = Path(__file__).parents[3] / "recipes"
PHASES = ("arterial", "venous")
GRID = Grid((16, 16, 16), np.eye(4))


@pytest.fixture(autouse=True, scope="module")
def taken_apart_once():
    """Build the plugins of each recipe once, and not for every cohort that it is planned for."""
    known, take_apart = {}, graph_module.take_apart

    def once(recipe, sources):
        assert not sources
        if id(recipe) not in known:
            known[id(recipe)] = recipe, take_apart(recipe, sources)  # the recipe too, so that no other has its number
        return known[id(recipe)][1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(graph_module, "take_apart", once)
        yield


SCAN = st.sampled_from(["labeled", "labeled", "labeled", "bare"])
A_CASE = st.sampled_from([PHASES, PHASES, PHASES[:1], PHASES[1:]]).flatmap(
    lambda phases: st.fixed_dictionaries(dict.fromkeys(phases, SCAN))
)
PATIENT = st.tuples(st.sampled_from([True, False, None]), st.lists(A_CASE, min_size=1, max_size=2))
COHORTS = st.tuples(st.lists(PATIENT, min_size=7, max_size=10), st.integers(3, 4), st.integers(0, 99))
"""Patients with their diagnosis and cases, a number of folds, and a seed to deal them by."""


def checked(name, patient, abnormal, scans):
    """A case as its check leaves it; every scan has content of its own."""
    files, found = {}, {}
    for phase, kind in scans.items():
        label = Path(f"{name}_{phase}_label.nii.gz") if kind == "labeled" else None
        files[phase] = ScanFiles(Path(f"{name}_{phase}.nii.gz"), label)
        digest = f"{name} {phase}"
        found[phase] = CheckedScan(digest, None if label is None else f"{digest} label", GRID, digest)
    return CheckedCase(Case(name, patient, files, abnormal), found, ())


def planned(kind, cohort):
    """The graph of a recipe on a cohort, its cases, and their folds; cohorts that leave nothing to learn are passed."""
    patients, number, seed = cohort
    cases = [
        checked(f"P{i}_{j}", f"patient {i}", abnormal, scans)
        for i, (abnormal, of_patient) in enumerate(patients)
        for j, scans in enumerate(of_patient)
    ]
    try:
        folds = assign_folds([item.case for item in cases], folds=number, seed=seed)
        return make_graph((LEARNING | WATCHING)[kind], cases, folds), cases, folds
    except (CohortError, RecipeError) as error:
        assume("cannot be trained on this cohort" not in str(error) and not isinstance(error, CohortError))
        raise


def recipe(name, *sets):
    return load_recipe(RECIPES / f"{name}.yaml", "demo", list(sets)).recipe


LEARNING = {
    "a rule": recipe("s4c_dual"),
    "in fold": recipe("roi_classifier_dual"),
    "out of fold": recipe(
        "roi_classifier_dual", "classifier.params.feature=class_shares", "classifier_evidence=out-of-fold"
    ),
}

WATCHING = {
    f"{kind}, watched": of.model_copy(
        update={"training": of.training.model_copy(update={"watch": WatchSettings(patients=1)})}
    )
    for kind, of in LEARNING.items()
}


def behind(node, by_key):
    """Every node that a node builds on, itself among them."""
    seen, waiting = {}, [node]
    while waiting:
        now = waiting.pop()
        if now.key not in seen:
            seen[now.key] = now
            waiting += [by_key[key] for key in now.needs]
    return seen.values()


def learned_from(node, by_key):
    """The cases whose labels or diagnoses a node's result was learned from."""
    found = set()
    for other in behind(node, by_key):
        if isinstance(other.spec, PrepareSpec):
            found.add(other.subject.case_id)
        if isinstance(other.spec, FitSpec):
            found |= {of.case_id for of in other.spec.evidence}
    return found


@pytest.mark.parametrize("kind", LEARNING)
@settings(max_examples=6)
@given(cohort=COHORTS)
def test_no_case_is_decided_by_what_has_seen_its_fold(kind, cohort):
    graph, cases, folds = planned(kind, cohort)
    by_key = {node.key: node for node in graph.nodes}
    patients = {item.case.id: item.case.patient for item in cases}
    assert graph.cases
    for (case_id, phase), nodes in graph.cases.items():
        seen = learned_from(nodes.classify, by_key)
        assert seen, "a network without a training case"
        assert {folds[other] for other in seen}.isdisjoint({folds[case_id]})
        assert {patients[other] for other in seen}.isdisjoint({patients[case_id]})
        assert nodes.classify.subject.input == phase


@pytest.mark.parametrize("kind", LEARNING)
@settings(max_examples=6)
@given(cohort=COHORTS, out=st.sets(st.integers(0, 9), min_size=1, max_size=3))
def test_nothing_is_learned_from_a_case_that_is_held_out(kind, cohort, out):
    graph, cases, folds = planned(kind, cohort)
    out = {f"patient {number}" for number in out}
    cases = [replace(item, case=replace(item.case, held_out=item.case.patient in out)) for item in cases]
    try:
        graph = make_graph(LEARNING[kind], cases, folds)
    except RecipeError:
        assume(False)
    by_key = {node.key: node for node in graph.nodes}
    held_out = {item.case.id for item in cases if item.case.held_out}
    assert held_out <= {case for case, _ in graph.cases} | {item.case.id for item in cases if not item.scans}
    for nodes in graph.cases.values():
        assert learned_from(nodes.classify, by_key).isdisjoint(held_out)


@pytest.mark.parametrize("kind", ["a rule, watched", "out of fold, watched"])
@settings(max_examples=6)
@given(cohort=COHORTS)
def test_cases_that_a_training_watches_are_of_its_own_folds_and_of_no_patient_that_it_trains_on(kind, cohort):
    graph, cases, folds = planned(kind, cohort)
    patients = {item.case.id: item.case.patient for item in cases}
    trainings = [node for node in graph.nodes if isinstance(node.spec, TrainSpec)]
    assert trainings
    for node in trainings:
        ids, places = node.spec.case_ids, set(node.spec.held_back)
        watched = {case for place, case in enumerate(ids) if place in places}
        trained_on = set(ids) - watched
        assert trained_on
        assert len({patients[case] for case in watched}) == 1
        assert {folds[case] for case in ids}.isdisjoint(node.subject.folds)
        assert {patients[case] for case in watched}.isdisjoint(patients[case] for case in trained_on)


def test_a_training_that_would_hold_back_all_of_its_cases_is_refused():
    cases = [checked(f"P{n}", f"patient {n}", bool(n % 2), {"venous": "labeled"}) for n in range(4)]
    chosen = recipe("ablations/venous_only", "training.watch={patients: 2}")
    with pytest.raises(RecipeError, match=r"training\.watch holds back all its 2 cases; set patients to fewer"):
        make_graph(chosen, cases, {f"P{n}": n % 2 for n in range(4)})


@pytest.mark.parametrize("kind", ["in fold", "out of fold"])
@settings(max_examples=6)
@given(cohort=COHORTS)
def test_a_classifier_learns_from_every_diagnosed_case_of_the_other_folds(kind, cohort):
    graph, cases, folds = planned(kind, cohort)
    for (phase, fold), nodes in graph.folds.items():
        labeled = {item.case.id for item in cases if phase in item.scans and item.scans[phase].label_digest is not None}
        diagnosed = {item.case.id for item in cases if item.case.abnormal is not None}
        wanted = {case for case in labeled & diagnosed if folds[case] != fold}
        assert {of.case_id for of in nodes.fit.spec.evidence} == wanted


@settings(max_examples=6)
@given(cohort=COHORTS)
def test_evidence_out_of_fold_is_of_networks_that_saw_neither_its_fold_nor_the_tested_one(cohort):
    graph, _, folds = planned("out of fold", cohort)
    by_key = {node.key: node for node in graph.nodes}
    for (_, fold), nodes in graph.folds.items():
        for of in nodes.fit.spec.evidence:
            seen = learned_from(by_key[of.features.key], by_key)
            assert {folds[other] for other in seen}.isdisjoint({fold, folds[of.case_id]})


VOLUMES = '''
"""Learns from segmentations alone."""

from pnetkit.types import FeatureNeeds, PhaseFinding

class Volumes:
    def __init__(self) -> None:
        self.needs = FeatureNeeds()

    def fit(self, evidence, abnormal, *, seed, device):
        pass

    def save(self, folder):
        (folder / "model.json").write_text("{}")

    def load(self, folder):
        pass

    def classify(self, evidence):
        return PhaseFinding(evidence.phase, 0.0, 1.0)
'''


@pytest.mark.parametrize("evidence", ["in-fold", "out-of-fold"])
def test_what_a_classifier_without_maps_learns_from_is_what_networks_say_and_no_reference_label(install, evidence):
    install("acme-volumes", "acme_volumes", VOLUMES, case_classifier={"volumes": "acme_volumes:Volumes"})
    chosen = recipe("s4c_dual", "classifier={plugin: volumes}", f"classifier_evidence={evidence}")
    scans = dict.fromkeys(PHASES, "labeled")
    cases = [checked(f"P{n}", f"patient {n}", bool(n % 2), scans) for n in range(6)]
    folds = {f"P{n}": n % 3 for n in range(6)}
    graph = make_graph(chosen, cases, folds)
    by_key = {node.key: node for node in graph.nodes}
    assert not any(node.stage == "features" for node in graph.nodes)  # any backbone will do
    assert len(graph.folds) == 6
    for (phase, fold), nodes in graph.folds.items():
        assert nodes.fit.spec.files == {}
        assert 0 <= nodes.fit.spec.seed < 2**32  # what NumPy and scikit-learn take
        for of in nodes.fit.spec.evidence:
            clean = by_key[of.segmentation.key]
            searched = by_key[clean.spec.segmentation.key]
            assert (clean.stage, searched.stage, searched.subject) == ("postprocess", "segment", clean.subject)
            assert (clean.subject.input, clean.subject.case_id) == (phase, of.case_id)
            assert list(searched.spec.files) == ["image"]
            asked = by_key[searched.spec.network.key]
            left_out = {fold} if evidence == "in-fold" else {fold, folds[of.case_id]}
            assert set(asked.subject.folds) == left_out


def test_a_classifier_that_learns_from_maps_alone_costs_no_search_of_its_training_cases():
    cases = [checked(f"P{n}", f"patient {n}", bool(n % 2), dict.fromkeys(PHASES, "labeled")) for n in range(4)]
    graph = make_graph(LEARNING["in fold"], cases, {f"P{n}": n % 2 for n in range(4)})
    assert sum(node.stage == "segment" for node in graph.nodes) == 4 * len(PHASES)
    evidence = [of for nodes in graph.folds.values() for of in nodes.fit.spec.evidence]
    assert len(evidence) == 4 * len(PHASES)
    assert all(of.segmentation is None and of.features is not None for of in evidence)


SPACINGS = st.lists(
    st.tuples(*[st.sampled_from([0.6, 0.7, 0.8, 1.0, 2.5, 5.0])] * 3), min_size=20, max_size=20, unique=True
)
MEDIAN = {
    "a rule": recipe("s4c_dual", "preprocess.spacing_mm=median"),
    "out of fold": recipe(
        "roi_classifier_dual", "classifier.params.feature=class_shares", "classifier_evidence=out-of-fold",
        "preprocess.spacing_mm=median",
    ),
}  # fmt: skip


def with_spacings(cases, spacings):
    """The same cases, whose scans have voxels of these edges."""
    grids = [Grid((16, 16, 16), np.diag([*edges, 1.0])) for edges in spacings]
    return [
        replace(item, scans={phase: replace(scan, grid=grid) for phase, scan in item.scans.items()})
        for item, grid in zip(cases, grids, strict=False)
    ]


@pytest.mark.parametrize("kind", MEDIAN)
@settings(max_examples=6)
@given(cohort=COHORTS, spacings=SPACINGS)
def test_the_median_spacing_of_a_network_is_that_of_the_cases_it_learns_from(kind, cohort, spacings):
    _, cases, folds = planned(kind, cohort)
    cases = with_spacings(cases, spacings)
    graph = make_graph(MEDIAN[kind], cases, folds)
    by_key, by_id = {node.key: node for node in graph.nodes}, {item.case.id: item for item in cases}
    for node in graph.nodes:
        if node.stage == "train":
            learned = [by_key[ref.key] for ref in node.spec.prepared]
            own = [by_id[of.subject.case_id].scans[node.subject.input].grid.spacing_mm for of in learned]
            assert node.spec.spacing_mm == tuple(np.median(own, axis=0).round(4))
            assert {of.spec.reading.spacing_mm for of in learned} == {node.spec.spacing_mm}
        if node.stage in ("segment", "features"):  # a network is asked at the spacing that it was trained at
            assert node.spec.reading.spacing_mm == by_key[node.spec.network.key].spec.spacing_mm


@settings(max_examples=6)
@given(cohort=COHORTS, spacings=SPACINGS, others=SPACINGS, fold=st.integers(0, 2))
def test_the_spacing_of_a_network_does_not_depend_on_the_cases_of_the_fold_it_is_tested_on(
    cohort, spacings, others, fold
):
    _, cases, folds = planned("a rule", cohort)
    usual, changed = with_spacings(cases, spacings), with_spacings(cases, others)
    changed = [other if folds[item.case.id] == fold else item for item, other in zip(usual, changed, strict=True)]
    one, other = (make_graph(MEDIAN["a rule"], of, folds) for of in (usual, changed))
    tested = {key for key in one.folds if key[1] == fold}
    assert {key: one.folds[key].train.key for key in tested} == {key: other.folds[key].train.key for key in tested}


def row(number, fold, tumor_score):
    """A case whose diagnosis alternates, found with the same score in both phases."""
    found = {phase: PhaseRow(PhaseFinding(phase, tumor_score, 40.0, {}), {}, None) for phase in PHASES}
    return CaseRow(f"P{number}", bool(number % 2), fold, "ok", "", found, None)


@settings(max_examples=6)
@given(
    scores=st.lists(st.integers(0, 99), min_size=12, max_size=12),
    others=st.lists(st.integers(0, 99), min_size=12, max_size=12),
    fold=st.integers(0, 2),
)
def test_an_operating_point_does_not_depend_on_the_cases_of_the_fold_it_is_for(scores, others, fold):
    fusion: PhaseFusion = build(identify("phase-fusion", "or", {}))
    wanted = OperatingPointSettings(target="sensitivity", at_least=0.8)
    rows = [row(number, number % 3, score) for number, score in enumerate(scores)]
    changed = [
        row(number, number % 3, other if number % 3 == fold else score)
        for number, (score, other) in enumerate(zip(scores, others, strict=True))
    ]
    before, after = (tune(of, fusion, PHASES, wanted)[1][fold] for of in (rows, changed))
    assert before == after


@settings(max_examples=6)
@given(scores=st.lists(st.integers(0, 99), min_size=12, max_size=12), other=st.integers(0, 99))
def test_an_operating_point_does_not_depend_on_cases_that_are_held_out(scores, other):
    fusion: PhaseFusion = build(identify("phase-fusion", "or", {}))
    wanted = OperatingPointSettings(target="sensitivity", at_least=0.8)
    rows = [row(number, number % 3, score) for number, score in enumerate(scores)]
    more = [replace(row(20 + number, number % 3, other), held_out=True) for number in range(6)]
    assert tune([*rows, *more], fusion, PHASES, wanted)[1] == tune(rows, fusion, PHASES, wanted)[1]
