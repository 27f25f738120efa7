"""A plugin says what the kit builds it with, where its defaults take long."""

from pnetkit.testing import postprocessor_checks
from pnetkit.testing.checks import builder


class Keep:
    """Keeps everything, and remembers what it was built with."""

    kit_params = {"rounds": 2, "size": 3}  # noqa: RUF012

    def __init__(self, *, rounds: int = 1000, size: int = 5) -> None:
        self.built_with = (rounds, size)

    def __call__(self, segmentation):
        return segmentation


def test_the_kit_builds_with_the_plugin_s_own_parameters():
    assert builder("postprocessor", Keep, {})[1]().built_with == (2, 3)


def test_what_is_asked_for_goes_before_them():
    assert builder("postprocessor", Keep, {"size": 7})[1]().built_with == (2, 7)


def test_what_is_counted_of_a_plugin_is_of_its_defaults():
    assert builder("postprocessor", Keep, {}, quick=False)[1]().built_with == (1000, 5)


def test_parameters_for_the_kit_that_are_no_mapping_are_said():
    class Wrong(Keep):
        kit_params = 3

    (first, *_) = postprocessor_checks(Wrong)
    assert "kit_params is a int, wanted values by names of parameters" in first.result().reason


def test_the_roi_classifier_is_not_trained_for_its_20_000_steps():
    assert builder("case-classifier", "roi-classifier", {})[1]()._iterations == 40
