"""What `run.json` says of its cases: patients and sites as numbers, never as names."""

import json
from types import SimpleNamespace

from pnetkit.pipeline.outcome.described import describe_cases


def item(case_id, patient, site):
    return SimpleNamespace(
        case=SimpleNamespace(id=case_id, patient=patient, site=site, abnormal=None, held_out=False, labeled=None),
        scans={},
    )


def test_patients_and_sites_stand_as_numbers_and_a_site_that_is_not_told_as_none():
    recipe = SimpleNamespace(
        phases=("venous",),
        networks={},
        cohort=SimpleNamespace(labels=None, unmapped_labels="error", seed=0),
        training=SimpleNamespace(seed=0),
    )
    items = [item("b", "Doe", "Utrecht"), item("a", "Roe", "Ghent"), item("c", "Doe", ""), item("d", "Poe", "Ghent")]
    describe = getattr(describe_cases, "__wrapped__", describe_cases)  # without the check of annotations
    found = describe(recipe, items, {"a": 1})
    assert {case: (of["patient"], of["site"], of["fold"]) for case, of in found["cases"].items()} == {
        "a": (0, 0, 1), "b": (1, 1, None), "c": (1, None, None), "d": (2, 0, None),
    }  # fmt: skip
    assert not any(name in json.dumps(found) for name in ("Doe", "Roe", "Poe", "Utrecht", "Ghent"))
