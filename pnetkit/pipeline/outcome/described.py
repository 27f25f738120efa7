"""Say what cases a run was made of, so that two runs can be told to be of the same ones: without names or paths."""

from collections.abc import Mapping, Sequence
from typing import Any

from pnetkit.cohort.check import CheckedCase
from pnetkit.recipe.models import Recipe


def describe_cases(recipe: Recipe, cases: Sequence[CheckedCase], folds: Mapping[str, int]) -> dict[str, Any]:
    """Give the part of `run.json` that comparisons need.

    Patients and sites stand as numbers, in the order of their cases' ids; files as digests of their contents. A case
    that was set aside has no fold, and one whose site the table does not tell no site.
    """
    ordered = sorted(cases, key=lambda item: item.case.id)
    patients: dict[str, int] = {}
    sites: dict[str, int] = {}
    for item in ordered:
        patients.setdefault(item.case.patient, len(patients))
        if item.case.site:
            sites.setdefault(item.case.site, len(sites))
    return {
        "phases": list(recipe.phases),
        "inputs": {name: list(found.phases) for name, found in recipe.networks.items()},
        "labels": {
            "mapping": None if recipe.cohort.labels is None else {str(k): v for k, v in recipe.cohort.labels.items()},
            "unmapped": recipe.cohort.unmapped_labels,
        },
        "seeds": {"cohort": recipe.cohort.seed, "training": recipe.training.seed},
        "cases": {
            item.case.id: {
                "abnormal": item.case.abnormal,
                "patient": patients[item.case.patient],
                "site": sites.get(item.case.site),
                "fold": folds.get(item.case.id),
                **({"held_out": True} if item.case.held_out else {}),
                **({"labeled": list(item.case.labeled)} if item.case.labeled is not None else {}),
                "files": {
                    phase: {
                        "image": scan.image_digest,
                        "label": scan.label_digest,
                        "shape": list(scan.grid.shape),
                        "spacing_mm": [round(edge, 4) for edge in scan.grid.spacing_mm],
                    }
                    for phase, scan in sorted(item.scans.items())
                },
            }
            for item in ordered
        },
    }
