"""What is in the key of each stage, and what is not: every field of its spec but those named here."""

from dataclasses import fields, replace
from pathlib import Path

import pytest

from pnetkit.pipeline.stages.adopt import AdoptSpec
from pnetkit.pipeline.stages.classify import ClassifySpec
from pnetkit.pipeline.stages.features import FeaturesSpec
from pnetkit.pipeline.stages.fit import FitSpec, TrainingEvidence
from pnetkit.pipeline.stages.measure import MeasureSpec
from pnetkit.pipeline.stages.postprocess import PostprocessSpec
from pnetkit.pipeline.stages.prepare import PrepareSpec
from pnetkit.pipeline.stages.scans import Reading, Scanned
from pnetkit.pipeline.stages.segment import SegmentSpec
from pnetkit.pipeline.stages.table import STAGES
from pnetkit.pipeline.stages.train import TrainSpec
from pnetkit.store.node import File, Ref, key_of

IMAGE, LABEL, OTHER = File(Path("i"), "d1"), File(Path("l"), "d2"), File(Path("o"), "d3")
PLUGIN, OTHER_PLUGIN = {"plugin": "a"}, {"plugin": "b"}
POLICY, OTHER_POLICY = {"mapping": None, "unmapped": "error"}, {"mapping": None, "unmapped": "background"}
READING = Reading((IMAGE,), {"normalization": "zscore"}, resample=False)
OTHER_READING = replace(READING, images=(OTHER,))
SCANNED = Scanned(("venous",), (IMAGE,))
EVIDENCE = (TrainingEvidence("P1", True, SCANNED, Ref("features", "f"), Ref("postprocess", "p")),)

SPECS = [
    (
        PrepareSpec(READING, LABEL, POLICY),
        {"reading": OTHER_READING, "label": OTHER, "labels": OTHER_POLICY, "annotated": ("pancreas",)},
    ),
    (
        TrainSpec(PLUGIN, 1, {"iterations": 5}, 7, (True,), (Ref("prepare", "p"),), ("P1",), 100, ((1.0, 1.0, 2.0),)),
        {
            "backbone": OTHER_PLUGIN,
            "in_channels": 2,
            "training": {"iterations": 6},
            "seed": 8,
            "abnormal": (False,),
            "prepared": (Ref("prepare", "q"),),
            "case_ids": ("P2",),
            "checkpoint_every": 200,
            "spacing_mm": (1.0, 1.0, 2.5),
            "spacings_mm": ((1.0, 1.0, 3.0),),
            "start": OTHER,
            "held_back": (0,),
        },
    ),
    (
        SegmentSpec(READING, {"stride": [20]}, Ref("train", "t"), 4, (9, 9, 9), (9, 9, 9)),
        {
            "reading": OTHER_READING,
            "inference": {"stride": [10]},
            "network": Ref("train", "u"),
            "batch_size": 8,
            "shape": (8, 8, 8),
            "own_shape": (8, 8, 8),
        },
    ),
    (AdoptSpec(LABEL, POLICY, IMAGE), {"prediction": OTHER, "labels": OTHER_POLICY, "image": OTHER}),
    (
        PostprocessSpec((PLUGIN,), Ref("segment", "s")),
        {"chain": (OTHER_PLUGIN,), "segmentation": Ref("adopt", "s"), "rules_on": "network"},
    ),
    (
        FeaturesSpec(READING, ("pool3",), 4, POLICY, Ref("train", "t"), Ref("postprocess", "p")),
        {
            "reading": OTHER_READING,
            "names": ("pool2",),
            "margin_voxels": 5,
            "labels": OTHER_POLICY,
            "network": Ref("train", "u"),
            "around": LABEL,
        },
    ),
    (
        FitSpec(PLUGIN, "venous", 7, EVIDENCE),
        {
            "classifier": OTHER_PLUGIN,
            "phase": "arterial",
            "seed": 8,
            "evidence": (replace(EVIDENCE[0], segmentation=Ref("postprocess", "q")),),
            "rules_on": "network",
        },
    ),
    (
        ClassifySpec(PLUGIN, "venous", Ref("postprocess", "p"), Ref("features", "f"), Ref("fit", "g"), SCANNED),
        {
            "classifier": OTHER_PLUGIN,
            "phase": "arterial",
            "clean": Ref("postprocess", "q"),
            "maps": None,
            "fitted": None,
            "scan": replace(SCANNED, images=(OTHER,)),
            "rules_on": "network",
        },
    ),
    (
        MeasureSpec(LABEL, POLICY, Ref("postprocess", "p"), Ref("segment", "s")),
        {
            "label": OTHER,
            "labels": OTHER_POLICY,
            "clean": Ref("postprocess", "q"),
            "searched": None,
            "annotated": ("tumor",),
        },
    ),
]
"""A spec of each stage, and another value for each of its fields."""

NOT_IN_KEYS = {
    ("train", "case_ids"),
    ("train", "checkpoint_every"),
    ("train", "spacings_mm"),
    ("segment", "batch_size"),
    ("segment", "shape"),
    ("segment", "own_shape"),
}
"""Names of cases, how often a checkpoint is written, what scans in the key say, how many windows are run at once."""

CHANGES = [(spec, name, value) for spec, others in SPECS for name, value in others.items()]


def test_every_stage_and_each_of_its_fields_is_looked_at():
    assert {spec.stage for spec, _ in SPECS} == STAGES.keys()
    assert all(set(others) == {field.name for field in fields(spec)} for spec, others in SPECS)


@pytest.mark.parametrize(("spec", "name", "value"), CHANGES, ids=[f"{spec.stage}-{name}" for spec, name, _ in CHANGES])
def test_a_field_is_in_the_key_unless_it_changes_no_result(spec, name, value):
    is_in_key = key_of(replace(spec, **{name: value})) != key_of(spec)
    assert is_in_key == ((spec.stage, name) not in NOT_IN_KEYS)


def test_the_name_of_a_training_case_of_a_classifier_is_in_no_key_and_all_else_of_it_is():
    spec = FitSpec(PLUGIN, "venous", 7, EVIDENCE)
    changes = {
        "case_id": "P2",
        "abnormal": False,
        "scan": Scanned(("venous",), (OTHER,)),
        "features": Ref("features", "g"),
        "segmentation": None,
    }
    assert set(changes) == {field.name for field in fields(TrainingEvidence)}
    for name, value in changes.items():
        changed = replace(spec, evidence=(replace(EVIDENCE[0], **{name: value}),))
        assert (key_of(changed) != key_of(spec)) == (name != "case_id")


def test_which_phase_an_image_is_of_is_in_the_key_of_what_looks_at_it():
    one, two = (
        ClassifySpec(PLUGIN, "both", Ref("postprocess", "p"), None, None, Scanned(phases, (IMAGE, OTHER)))
        for phases in (("venous", "arterial"), ("arterial", "venous"))
    )
    assert key_of(one) != key_of(two)


AT_A_SPACING = (1.0, 1.0, 2.5)


@pytest.mark.parametrize(
    "spec",
    [
        PrepareSpec(READING, LABEL, POLICY),
        SegmentSpec(READING, {"stride": [20]}, Ref("train", "t"), 4, (9, 9, 9), (9, 9, 9)),
        FeaturesSpec(READING, ("pool3",), 4, POLICY, Ref("train", "t"), Ref("postprocess", "p")),
    ],
    ids=lambda spec: spec.stage,
)
def test_the_spacing_that_scans_are_read_at_is_in_the_key_and_without_one_nothing_is(spec):
    at, other = (replace(spec, reading=replace(READING, spacing_mm=of)) for of in (AT_A_SPACING, (1.0, 1.0, 2.0)))
    assert len({key_of(spec), key_of(at), key_of(other)}) == 3
    assert not {"spacing_mm", "resampling"} & set(spec.identity)
    assert at.identity["spacing_mm"] == [1.0, 1.0, 2.5]


def test_the_spacing_of_the_scans_that_a_classifier_looks_at_is_in_its_key():
    at = replace(SCANNED, spacing_mm=AT_A_SPACING)
    decided = ClassifySpec(PLUGIN, "venous", Ref("postprocess", "p"), None, None, SCANNED)
    fitted = FitSpec(PLUGIN, "venous", 7, EVIDENCE)
    assert key_of(replace(decided, scan=at)) != key_of(decided)
    assert key_of(replace(fitted, evidence=(replace(EVIDENCE[0], scan=at),))) != key_of(fitted)


def test_specs_without_a_spacing_have_the_identity_that_they_had_before_there_was_one():
    assert PostprocessSpec((PLUGIN,), Ref("segment", "s")).identity == {"chain": [PLUGIN]}
    edges = ((1.0, 1.0, 2.0),)
    of_training = TrainSpec(PLUGIN, 1, {"iterations": 5}, 7, (True,), (Ref("prepare", "p"),), ("P1",), 100, edges)
    assert set(of_training.identity) == {"backbone", "in_channels", "training", "seed", "abnormal"}
    decided = ClassifySpec(PLUGIN, "venous", Ref("postprocess", "p"), None, None, SCANNED)
    assert decided.identity == {"classifier": PLUGIN, "phase": "venous"}
    assert set(FitSpec(PLUGIN, "venous", 7, EVIDENCE).identity) == {"classifier", "phase", "seed", "abnormal"}
