"""The plugins held to their interfaces by the conformance kit, in the paper's voxels and in millimeters."""

import pytest

from pnetkit.testing import case_classifier_checks, postprocessor_checks, run_checks

IN_MM = {"gap_voxels": None, "gap_mm": 20.0}
CLEANING = {
    "fill-holes": [{}, {"within": "axial-slice"}, {"of": "tumor"}],
    "minimum-volume": [{}, {"tumor_mm3": 50.0, "pancreas_mm3": 100.0, "lesions_become": "background"}],
    "near-organ": [{}, {"gap_mm": 2.5, "without_pancreas": "remove"}],
    "keep-largest": [{}, {"of": ["pancreas", "tumor", "duct"]}],
}
CHECKS = [
    check
    for name, choices in CLEANING.items()
    for params in choices
    for check in postprocessor_checks(name, params=params)
]
IN_MM3 = {"tumor_voxels": None, "duct_voxels": None, "tumor_mm3": 20.0, "duct_mm3": 200.0}


@pytest.mark.parametrize("check", postprocessor_checks("components"), ids=str)
def test_components_conforms(check):
    check()


@pytest.mark.parametrize("check", postprocessor_checks("components", params=IN_MM), ids=str)
def test_components_in_mm_conforms(check):
    check()


@pytest.mark.parametrize("check", case_classifier_checks("voxel-count"), ids=str)
def test_voxel_count_conforms(check):
    check()


@pytest.mark.parametrize("check", case_classifier_checks("voxel-count", params=IN_MM3), ids=str)
def test_voxel_count_in_mm3_conforms(check):
    check()


@pytest.mark.parametrize("kit", [postprocessor_checks("components"), case_classifier_checks("voxel-count")])
def test_what_is_declared_as_a_deviation_is_one(kit):
    deviating = {result.name for result in run_checks(kit) if result.outcome == "deviates as documented"}
    assert deviating == {"scale_in_mm"}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: f"{check.plugin}-{check.name}")
def test_rules_that_clean_conform(check):
    check()
