"""A run of four cases, small enough to check a sheet by hand."""

from pnetkit.report.page.values import FlowStep
from pnetkit.report.sheet.values import RunValues


def files(*phases, spacing=(0.7, 0.7, 1.0), label="b"):
    return {phase: {"image": "a", "label": label, "shape": [512, 512, 90], "spacing_mm": spacing} for phase in phases}


CASES = {
    "A": {"abnormal": True, "patient": 0, "fold": 0, "site": 0, "files": files("arterial", "venous")},
    "B": {"abnormal": False, "patient": 1, "fold": 1, "site": 0, "files": files("arterial", spacing=(0.8, 0.8, 1.0))},
    "C": {"abnormal": True, "patient": 0, "fold": 0, "site": 1, "files": files("arterial", "venous", label=None)},
    "D": {"abnormal": None, "patient": 2, "fold": None, "site": None, "files": {}},
}


def plugin(name, **params):
    return {"plugin": name, "params": params, "distribution": f"dist-{name}", "version": "1.2", "source": "f" * 64}


RECORD = {
    "recipe": "s4c_dual",
    "profile": None,
    "run_key": "0" * 64,
    "cohort": "cohort.csv, 4 cases",
    "cases": CASES,
    "phases": ["arterial", "venous"],
    "inputs": {"arterial": ["arterial"], "venous": ["venous"]},
    "labels": {"mapping": {"9": 2}, "unmapped": "error"},
    "seeds": {"cohort": 3, "training": 5},
    "versions": {"python": "3.11", "pnetkit": "0.1.0", "torch": "2.13"},
    "hardware": {"machine": "x86_64", "system": "Linux", "cores": 8, "gpus": ["H100"]},
    "device": "cuda",
    "precision": {"training": "bf16", "inference": "fp16"},
    "plugins": {
        "backbone": plugin("s4c", width=8, init="kaiming", aux=None),
        "postprocess": [plugin("components", gap_voxels=5.0)],
        "classifier": plugin("voxel-count", tumor_voxels=100),
        "fusion": plugin("or", missing="present"),
    },
    "backbone_parameters": 1234567,
    "networks": [{"input": "arterial", "fold": 0}, {"input": "venous", "fold": 0}],
    "stages": [{"stage": "train"}, {"stage": "segment"}],
    "thresholds": "Thresholds: the recipe's, the same for every fold.",
    "costs": {"training_seconds": 60.0},
}

RECIPE = {
    "cohort": {"folds": 2},
    "intensity": {"window_hu": [-100.0, 240.0], "normalization": "z-score"},
    "inputs": None,
    "training": {"iterations": 80000, "patch_size": [64, 64, 64], "flips": True, "gradient_clip": None, "seed": 5},
    "inference": {"stride": 20, "combine": "vote", "search": "exhaustive", "window_size": None},
    "postprocess": [{"plugin": "components", "params": {"gap_voxels": 5.0}}],
    "fusion": {"plugin": "or", "params": {"missing": "present"}},
}


def rate(successes, total):
    return {"value": successes / total, "successes": successes, "total": total, "low": 0.25, "high": 0.75}


FUSED = {
    "misses": 1,
    "wrong_calls": 0,
    "sensitivity": rate(1, 2),
    "specificity": rate(1, 1),
    "auc": 0.5,
    "sensitivity_by_fold": {"0": rate(1, 2), "1": rate(1, 1)},
    "specificity_by_fold": {"0": rate(1, 1)},
}
METRICS = {"phases": {}, "fused": FUSED, "cases": 4, "unknown": 1, "failed": 0, "quarantined": 1}


def line(case, abnormal, called, *, status="ok", fired="", missing=""):
    return {
        "case_id": case, "abnormal": abnormal, "called_abnormal": called, "status": status, "fired": fired,
        "missing": missing,
    }  # fmt: skip


LINES = (
    line("A", "1", "1", fired="arterial"),
    line("B", "0", "1", fired="arterial", missing="venous"),
    line("C", "1", "0"),
    line("D", "", "", status="quarantined"),
)


def a_run(**changes):
    """Give the run, with other or fewer entries in its record."""
    record = {name: value for name, value in (RECORD | changes).items() if value is not ...}
    flow = (FlowStep("Given", 4, ("2 abnormal",), 1, "Set aside", (("the file is cut short", 1),)),)
    beside = frozenset({"report.html", "segmentations"})
    return RunValues(record, RECIPE, LINES, METRICS, flow, {"arterial": [8.0, 20.0, 31.0]}, beside)
