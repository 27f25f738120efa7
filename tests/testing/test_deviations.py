"""Deviations are documented with a reason, by the plugin or by its tests; what cannot be checked is a skipped test."""

import subprocess
import sys
import textwrap
from dataclasses import replace

import numpy as np
import pytest

from pnetkit.interfaces import Deviating
from pnetkit.testing import ConformanceError, postprocessor_checks
from tests.testing.outcomes import failing, outcomes
from tests.testing.test_postprocessor_checks import AtLeastSomeVoxels, Keep, Overwrites


class InVoxels(AtLeastSomeVoxels):
    """Says itself that it counts voxels."""

    deviations = {"scale_in_mm": "counts voxels"}  # noqa: RUF012


class InVoxelsAndWorse(Overwrites):
    deviations = {"scale_in_mm": "counts voxels"}  # noqa: RUF012


class NamesNoCheck(Keep):
    deviations = {"scale": "misspelled"}  # noqa: RUF012


class NoMapping(Keep):
    deviations = ("scale_in_mm",)


class WithoutAReason(AtLeastSomeVoxels):
    deviations = {"scale_in_mm": " "}  # noqa: RUF012


class FewVoxels(Keep):
    """Counts voxels, and removes only what has none: no sample shows it."""

    def __init__(self, *, least: int = 1):
        self.deviations = {"scale_in_mm": "counts voxels"}
        self.least = least

    def __call__(self, segmentation):
        tumor = segmentation.labels == 2
        few = tumor.sum() < self.least
        return replace(segmentation, labels=np.where(few & tumor, 0, segmentation.labels).astype("u1"))


class ByParameter(AtLeastSomeVoxels):
    def __init__(self, *, counts: bool = True):
        self.deviations = {"scale_in_mm": "counts voxels"} if counts else {}


def test_a_deviation_that_a_plugin_declares_is_reported_as_such_with_its_reason():
    assert isinstance(InVoxels(), Deviating)
    assert not isinstance(Keep(), Deviating)
    assert outcomes(postprocessor_checks(InVoxels))["scale_in_mm"] == ("deviates as documented", "counts voxels")
    for check in postprocessor_checks(InVoxels):
        check()


def test_a_declared_deviation_covers_no_other_check():
    found = failing(postprocessor_checks(InVoxelsAndWorse))
    assert "argument_is_left_alone" in found
    assert "scale_in_mm" not in found


def test_a_declaration_may_depend_on_parameters():
    assert "scale_in_mm" not in failing(postprocessor_checks(ByParameter))
    assert "scale_in_mm" in failing(postprocessor_checks(ByParameter, params={"counts": False}))


def test_a_declared_deviation_passes_where_the_samples_do_not_show_it_and_that_is_said():
    """No number of samples shows every deviation: what a plugin says of itself may be true all the same."""
    unseen = "a deviation is declared (counts voxels), and was not seen here"
    assert outcomes(postprocessor_checks(FewVoxels))["scale_in_mm"] == ("passed", unseen)
    seen = outcomes(postprocessor_checks(FewVoxels, params={"least": 500}))["scale_in_mm"]
    assert seen == ("deviates as documented", "counts voxels")


def test_a_deviation_that_a_test_expects_has_to_be_seen():
    expected = {"scale_in_mm": "counts voxels"}
    assert "passes, although" in failing(postprocessor_checks(FewVoxels, expected_failures=expected))["scale_in_mm"]


def test_a_declaration_of_no_check_and_one_without_reasons_are_failures():
    assert "deviations names 'scale'; the checks are interface" in failing(postprocessor_checks(NamesNoCheck))["result"]
    assert "deviations is a tuple, wanted reasons" in failing(postprocessor_checks(NoMapping))["result"]


def test_a_deviation_without_a_reason_is_refused_whoever_documents_it():
    said = "deviations gives no reason for 'scale_in_mm'; wanted why it deviates, in words"
    assert said in failing(postprocessor_checks(WithoutAReason))["scale_in_mm"]
    for reason in ("", " "):
        with pytest.raises(ConformanceError, match="expected_failures gives no reason for 'scale_in_mm'"):
            postprocessor_checks(AtLeastSomeVoxels, expected_failures={"scale_in_mm": reason})


@pytest.mark.slow
def test_a_check_that_cannot_be_made_is_a_skipped_test_and_no_failure(tmp_path):
    (tmp_path / "test_net.py").write_text(
        textwrap.dedent(
            """
            import unittest

            import pytest
            from pnetkit.testing import Check, SkippedCheck

            def cannot():
                raise SkippedCheck("needs the extra onnx")

            CHECKS = [Check("onnx", "my-net", cannot), Check("spec", "my-net", lambda: None)]

            @pytest.mark.parametrize("check", CHECKS, ids=str)
            def test_my_net_conforms(check):
                check()

            class Conforms(unittest.TestCase):
                def test_onnx(self):
                    CHECKS[0]()
            """
        ),
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "pytest", "-rs", "-p", "no:cacheprovider", "test_net.py"]
    made = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout
    assert "1 passed, 2 skipped" in made.stdout
    assert made.stdout.count("needs the extra onnx") >= 1
