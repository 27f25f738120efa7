"""Case classifiers that are trained: they run in the place of the rule, and on whose evidence they learned is said."""

import json

import pytest

from pnetkit.errors import RecipeError
from pnetkit.store.store import Store
from tests.system.conftest import Runner, copy_store, results
from tests.system.written import rows, stages

SETS = [
    "classifier.plugin=roi-classifier",
    "classifier.params={channels: [8], groups: 4, iterations: 2, margin_voxels: 2}",
]


@pytest.fixture(scope="module")
def result(trained_once, tmp_path_factory):
    """A run whose networks were trained before, and whose classifier learns from what they had seen."""
    runner = Runner(tmp_path_factory.mktemp("roi"))
    copy_store(trained_once, runner.folder / "store")
    return runner(sets=SETS)


@pytest.mark.slow
def test_the_roi_classifier_runs_in_the_place_of_the_rule(result, warm):
    assert {"features", "fit"} <= {node["stage"] for node in stages(result.folder)}
    scores = [float(row[f"{phase}_score"]) for row in rows(result.folder) for phase in ("arterial", "venous")]
    assert all(0 <= score <= 1 for score in scores)
    assert {row["status"] for row in rows(result.folder)} == {"ok"}
    again = warm("again", sets=SETS)
    assert again.made.keys() == {"features", "fit", "classify"}
    assert results(again.folder) == results(result.folder)


PLAIN = """
from torch import nn
from torch.nn.functional import avg_pool3d

from pnetkit.interfaces import BackboneOutput
from pnetkit.types import BackboneSpec, FeatureSpec


class Plain(nn.Module):
    'One convolution, and a map that means the same in all networks and depends on nothing around it.'

    def __init__(self, *, in_channels: int, num_classes: int) -> None:
        super().__init__()
        shares = FeatureSpec(num_classes, (8, 8, 8), aligned=True, context_voxels=(0, 0, 0))
        self.spec = BackboneSpec(in_channels, num_classes, (8, 8, 8), features={"class_shares": shares})
        self.head = nn.Conv3d(in_channels, num_classes, 1)

    def forward(self, x):
        return BackboneOutput(self.head(x))

    def encode(self, x, features):
        return {name: avg_pool3d(self.head(x).softmax(dim=1), 8) for name in features}
"""

ROI = ["phases=[venous]", "classifier.plugin=roi-classifier"]
ROI_PARAMS = "classifier.params={feature: class_shares, channels: [8], groups: 4, iterations: 2, margin_voxels: 2}"


@pytest.mark.slow
def test_a_classifier_can_learn_from_networks_that_have_not_seen_its_cases(tiny, install):
    install("acme-plain", "acme_plain", PLAIN, backbone={"plain": "acme_plain:Plain"})
    sets = [
        *ROI,
        ROI_PARAMS,
        "backbone.plugin=plain",
        "cohort.folds=3",
        "cohort.phantom.cases=4",
        "training.iterations=1",
    ]
    result = tiny(sets=[*sets, "classifier_evidence=out-of-fold"])
    record = json.loads((result.folder / "run.json").read_text())
    fold_of = {case: of["fold"] for case, of in record["cases"].items()}
    assert {row["reason"] for row in rows(result.folder)} == {""}
    assert "had not seen its training cases" in (result.folder / "tables.md").read_text()
    trained = {node["label"]: node["key"] for node in record["stages"] if node["stage"] == "train"}
    pairs = {f"venous folds {a} and {b}" for a in range(3) for b in range(a + 1, 3)}
    assert trained.keys() == pairs | {f"venous fold {fold}" for fold in range(3)}
    store = Store(tiny.folder / "store")
    seen = 0
    for node in record["stages"]:
        if node["stage"] != "features" or not node["folds"]:
            continue
        case, (tested,) = node["case"], node["folds"]
        network = store.record("features", node["key"])["inputs"]["train"]
        assert network == trained["venous folds {} and {}".format(*sorted([tested, fold_of[case]]))]
        assert not {case, *(c for c, f in fold_of.items() if f == tested)} & cases_behind(store, network, record)
        seen += 1
    assert seen == 4 * 2


def cases_behind(store, network, record):
    """Name the cases that a network was trained on, from the keys of its inputs."""
    prepared = {node["key"]: node["case"] for node in record["stages"] if node["stage"] == "prepare"}
    return {prepared[key] for key in store.record("train", network)["inputs"].values()}


@pytest.mark.slow
def test_tables_say_when_a_classifier_learned_from_networks_that_had_seen_its_cases(result):
    assert "learned from networks that had seen its training cases" in (result.folder / "tables.md").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sets", "said"),
    [
        ([*ROI], "the channels of pool3 mean something else in each; 's4c' publishes class_shares"),
        ([], "'voxel-count' is not trained"),
        ([*ROI, ROI_PARAMS], "venous folds 0 and 1: no training case"),  # two folds leave nothing for a third
    ],
)
def test_out_of_fold_evidence_is_refused_where_it_cannot_be_had(tiny, sets, said):
    with pytest.raises(RecipeError) as caught:
        tiny(sets=[*sets, "classifier_evidence=out-of-fold"])
    assert any(said in str(fault) for fault in caught.value.faults), caught.value.faults
