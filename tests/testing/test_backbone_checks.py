"""Each check of a backbone catches a plugin that is broken in just that way, and a sound one passes all."""

import re
from contextlib import suppress
from functools import cache

import pytest

from pnetkit.errors import PluginError
from pnetkit.testing import ConformanceError, backbone_checks, backbone_facts, run_checks
from tests.testing.broken_backbones import (
    BROKEN,
    AsksHowItLies,
    BranchesOnValues,
    EncodesOneVoxel,
    EncodesOnTheCpu,
    FloatInside,
    ForgetsItsNames,
    HalvesThrice,
    HasNoEncoder,
    HeadWithoutWeight,
    LooksBehindTheConvolution,
    NoDefault,
    NormalizesOneVoxel,
    NoSpec,
    NotInHalf,
    NotUnderAutocast,
    OfNoMultiple,
    OfOneSize,
    OfOneSizeInWords,
    OfOneSizeWithTorchsError,
    OtherSpecOnMeta,
    RaisesToTheContrast,
    RaisesToTheSpread,
    SaysAnOptimizer,
    SaysHowLarge,
    SaysTooLittle,
    SideOnTheCpu,
    Softmax,
    SoftmaxAside,
    Sound,
    Untrained,
    Views,
)
from tests.testing.outcomes import failing, one


@pytest.fixture(scope="module")
def one_registry():
    """Let torch list what it can write as ONNX once, and not at each export: half of the time of a network so small.

    Where another torch has the list elsewhere, it is made each time.
    """
    with pytest.MonkeyPatch.context() as patch:
        with suppress(ImportError, AttributeError):
            from torch.onnx._internal.exporter._registration import ONNXRegistry

            patch.setattr(ONNXRegistry, "from_torchlib", staticmethod(cache(ONNXRegistry.from_torchlib)))
        yield


exports = pytest.mark.usefixtures("one_registry")


@exports
@pytest.mark.slow
@pytest.mark.parametrize("check", backbone_checks(Sound), ids=str)
def test_a_sound_backbone_passes(check):
    check()


def test_there_is_a_broken_backbone_for_each_check():
    assert list(dict.fromkeys(check for _, check in BROKEN)) == [check.name for check in backbone_checks(Sound)]


@exports
@pytest.mark.slow
@pytest.mark.parametrize(("broken", "name"), BROKEN)
def test_the_check_catches_what_is_broken(broken, name):
    check = one(backbone_checks(broken), name)
    with pytest.raises(ConformanceError, match=f"{broken.__name__}, {name}: "):
        check()


@exports
@pytest.mark.slow
@pytest.mark.parametrize(
    "broken",
    [
        OtherSpecOnMeta, SideOnTheCpu, EncodesOnTheCpu, NormalizesOneVoxel, SaysTooLittle, EncodesOneVoxel,
        HeadWithoutWeight, RaisesToTheContrast, RaisesToTheSpread, NotUnderAutocast, NotInHalf, FloatInside, Views,
        AsksHowItLies, BranchesOnValues, Softmax, SoftmaxAside, ForgetsItsNames, HasNoEncoder,
    ],
)  # fmt: skip
def test_nothing_but_its_own_check_catches_it(broken):
    assert list(failing(backbone_checks(broken))) == [dict(BROKEN)[broken]]


@pytest.mark.parametrize(
    ("broken", "name", "said"),
    [
        (OtherSpecOnMeta, "meta", r"divisor=\(4, 4, 4\).* when built on meta, and .*divisor=\(2, 2, 2\)"),
        (
            NormalizesOneVoxel,
            "sizes",
            r"raises ValueError .* a window of one divisor \(2, 2, 2\) in evaluation; wanted",
        ),
        (Softmax, "sizes", "answers probabilities, which add up to 1 over the classes; wanted logits"),
        (SoftmaxAside, "auxiliary_outputs", "the auxiliary output side gives probabilities"),
        (
            HalvesThrice,
            "sizes",
            r"cannot take an input of \(18, 16, 16\), although .* its divisor \(2, 2, 2\).* Its divisor is larger",
        ),
        (EncodesOneVoxel, "features", r"raises ValueError .* a box for 'half' of one divisor \(2, 2, 2\)"),
        (HeadWithoutWeight, "gradients", r"2 parameters get no gradient, such as \['side.weight', 'side.bias'\]"),
        (RaisesToTheContrast, "finite_on_extreme_input", "is not finite on a single 1000 among 0"),
        (RaisesToTheSpread, "finite_on_extreme_input", "is not finite on -1000 and 1000 at random"),
        (FloatInside, "inference", r"raises RuntimeError .* with all of it in torch.bfloat16, channels last"),
        (AsksHowItLies, "inference", "logits change by .* when batch norms are folded"),
        (ForgetsItsNames, "transfer", r"own_names makes None of its own name \['one.0.weight'\]"),
        (HasNoEncoder, "transfer", "part_of calls nothing the encoder"),
        (OfOneSizeInWords, "sizes", r"\(8, 8, 4\) is its only size, and answers on \(10, 8, 4\)"),
        (OfOneSizeWithTorchsError, "sizes", "raises RuntimeError.*wanted a ValueError in words"),
        (OfNoMultiple, "spec", r"only_size is \(8, 8, 3\), which are no multiples of the divisor \(2, 2, 2\)"),
        (SaysAnOptimizer, "spec", r"usual_training is \{'optimizer': .*AdamW.*\}, wanted plain values"),
    ],
)
def test_a_check_says_what_is_wrong(broken, name, said):
    assert re.search(said, one(backbone_checks(broken), name).result().reason)


@pytest.mark.parametrize("broken", [NoDefault, NoSpec])
def test_what_cannot_be_built_is_the_fault_of_one_check_and_the_others_cannot_be_made(broken):
    results = run_checks(backbone_checks(broken))
    failed = [of for of in results if of.outcome == "failed"]
    assert len(failed) == 1, [of.name for of in failed]
    others = {(of.outcome, of.reason) for of in results} - {(of.outcome, of.reason) for of in failed}
    assert others <= {("skipped", f"it cannot be built, as the check {failed[0].name} says"), ("passed", "")}
    assert len(results) - sum(of.outcome == "skipped" for of in results) <= 2


@exports
@pytest.mark.slow
def test_a_backbone_that_refuses_a_single_divisor_in_words_passes():
    assert failing(backbone_checks(SaysHowLarge)) == {}


@exports
def test_a_backbone_that_looks_inside_a_sequential_passes():
    assert failing(backbone_checks(LooksBehindTheConvolution)) == {}


@exports
@pytest.mark.slow
def test_a_documented_deviation_has_to_be_one():
    reason = {"gradients": "a spare layer, for later"}
    results = {of.name: of for of in run_checks(backbone_checks(Untrained, expected_failures=reason))}
    assert results["gradients"].outcome == "deviates as documented"
    assert results["gradients"].reason == "a spare layer, for later"
    with pytest.raises(ConformanceError, match="passes, although a deviation is documented"):
        one(backbone_checks(Sound, expected_failures=reason), "gradients")()
    with pytest.raises(ConformanceError, match="names 'gradient'; the checks are signature"):
        backbone_checks(Sound, expected_failures={"gradient": "misspelled"})


@exports
@pytest.mark.slow
@pytest.mark.parametrize("check", backbone_checks(OfOneSize), ids=str)
def test_a_sound_backbone_of_one_size_passes(check):
    check()


def test_facts_of_a_backbone_of_one_size_are_of_that_size():
    assert backbone_facts(OfOneSize).window == (8, 8, 4)
    with pytest.raises(PluginError, match=r"window is \(64, 64, 64\).*no other size"):
        backbone_facts(OfOneSize, window=(64, 64, 64))


def test_facts_are_counted_as_by_hand():
    facts = backbone_facts(Sound, window=(8, 8, 8))
    assert facts.parameters == (4 * 27 + 4) + 8 + 2 * (4 * 4 + 4)
    assert facts.multiply_adds == 8**3 * (4 * 27 + 4 * 4)
    assert "M parameters" in facts.in_words
