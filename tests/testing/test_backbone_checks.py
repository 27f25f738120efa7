"""Each check of a backbone catches a plugin that is broken in just that way, and a sound one passes all."""

from dataclasses import replace
from typing import Annotated

import pytest
import torch
from pydantic import Field
from torch import nn

from pnetkit.errors import PluginError
from pnetkit.interfaces import BackboneOutput
from pnetkit.testing import ConformanceError, backbone_checks, backbone_facts, run_checks
from pnetkit.types import AuxHead, BackboneSpec, FeatureSpec


class Sound(nn.Module):
    """Two convolutions, an auxiliary head, a feature map."""

    def __init__(self, *, in_channels: int = 1, num_classes: int = 4, width: Annotated[int, Field(ge=1)] = 4):
        super().__init__()
        self.spec = BackboneSpec(
            in_channels, num_classes, (2, 2, 2), {"half": FeatureSpec(width, (2, 2, 2))}, (AuxHead("side", 0.5),)
        )
        self.one = nn.Sequential(nn.Conv3d(in_channels, width, 3, padding=1), nn.BatchNorm3d(width), nn.ReLU())
        self.two = nn.Conv3d(width, num_classes, 1)
        self.side = nn.Conv3d(width, num_classes, 1)

    def forward(self, x):
        middle = self.one(x)
        aux = (self.side(middle),) if self.training else ()
        return BackboneOutput(self.two(middle), aux)

    def encode(self, x, features):
        if set(features) - {"half"}:
            raise KeyError(features)
        return {"half": nn.functional.avg_pool3d(self.one(x), 2)} if features else {}


class NoDefault(Sound):
    def __init__(self, depth: int, *, in_channels: int = 1, num_classes: int = 4):  # noqa: ARG002
        super().__init__(in_channels=in_channels, num_classes=num_classes)


class ValuesOnMeta(Sound):
    def __init__(self, *, in_channels: int = 1, num_classes: int = 4):
        super().__init__(in_channels=in_channels, num_classes=num_classes)
        self.register_buffer("scale", torch.ones(1, device="cpu"))


class FalseSpec(Sound):
    def __init__(self, *, in_channels: int = 1, num_classes: int = 4):
        super().__init__(in_channels=in_channels, num_classes=num_classes)
        self.spec = BackboneSpec(in_channels + 1, num_classes, (2, 2, 2), self.spec.features, self.spec.aux_heads)


class LosesTheBorder(Sound):
    def forward(self, x):
        return BackboneOutput(super().forward(x).logits[..., 1:], super().forward(x).aux_logits)


class OneChannel(Sound):
    def __init__(self, *, in_channels: int = 1, num_classes: int = 4):
        super().__init__(in_channels=1, num_classes=num_classes)
        self.spec = BackboneSpec(in_channels, num_classes, (2, 2, 2), self.spec.features, self.spec.aux_heads)


class FourClasses(Sound):
    def __init__(self, *, in_channels: int = 1, num_classes: int = 4):
        super().__init__(in_channels=in_channels, num_classes=4)
        self.spec = BackboneSpec(in_channels, num_classes, (2, 2, 2), self.spec.features, self.spec.aux_heads)


class NoAux(Sound):
    def forward(self, x):
        return BackboneOutput(super().forward(x).logits + 0 * self.side(self.one(x)))


class OtherFeatures(Sound):
    def encode(self, x, features):  # noqa: ARG002
        return {name: super(OtherFeatures, self).encode(x, {"half"})["half"] for name in ("half", "more")}


class Untrained(Sound):
    def __init__(self, *, in_channels: int = 1, num_classes: int = 4):
        super().__init__(in_channels=in_channels, num_classes=num_classes)
        self.forgotten = nn.Conv3d(1, 1, 1)


class BatchNormOfTheBatch(Sound):
    def __init__(self, *, in_channels: int = 1, num_classes: int = 4):
        super().__init__(in_channels=in_channels, num_classes=num_classes)
        self.one[1] = nn.BatchNorm3d(4, track_running_stats=False)


class DropsAlways(Sound):
    def forward(self, x):
        found = super().forward(x)
        return BackboneOutput(nn.functional.dropout(found.logits, 0.5, training=True), found.aux_logits)


class OwnSeed(Sound):
    def __init__(self, *, in_channels: int = 1, num_classes: int = 4):
        super().__init__(in_channels=in_channels, num_classes=num_classes)
        if self.two.weight.device.type != "meta":
            generator = torch.Generator()
            generator.seed()
            self.two.weight.data = torch.randn(self.two.weight.shape, generator=generator)


class DrawsForNothing(Sound):
    def forward(self, x):
        torch.rand(1, device="cpu")
        return super().forward(x)


class WritesIntoItsInput(Sound):
    def forward(self, x):
        x.clamp_(-1, 1)
        return super().forward(x)


class HiddenState(Sound):
    def __init__(self, *, in_channels: int = 1, num_classes: int = 4):
        super().__init__(in_channels=in_channels, num_classes=num_classes)
        self.shift = torch.randn(1)

    def forward(self, x):
        found = super().forward(x)
        shift = self.shift if x.device.type != "meta" else 0
        return BackboneOutput(found.logits + shift * found.logits.detach()[:, :1], found.aux_logits)


class DividesByTheSpread(Sound):
    def forward(self, x):
        return super().forward(x / x.std(dim=(2, 3, 4), keepdim=True))


class NotInHalf(Sound):
    def forward(self, x):
        found = super().forward(x)
        factor = float("inf") if found.logits.dtype == torch.bfloat16 else 1.0
        return BackboneOutput(found.logits * factor, found.aux_logits)


class ThroughNumpy(Sound):
    def forward(self, x):
        found = super().forward(x)
        if not self.training and x.device.type != "meta":
            return BackboneOutput(torch.from_numpy(found.logits.detach().float().numpy().copy()))
        return found


BROKEN = {
    "signature": NoDefault,
    "meta": ValuesOnMeta,
    "spec": FalseSpec,
    "sizes": LosesTheBorder,
    "in_channels": OneChannel,
    "num_classes": FourClasses,
    "auxiliary_outputs": NoAux,
    "features": OtherFeatures,
    "gradients": Untrained,
    "batch_items_do_not_mix": BatchNormOfTheBatch,
    "evaluation_repeats": DropsAlways,
    "seeded_weights_repeat": OwnSeed,
    "random_state_is_left_alone": DrawsForNothing,
    "input_is_left_alone": WritesIntoItsInput,
    "state_round_trip": HiddenState,
    "finite_on_extreme_input": DividesByTheSpread,
    "bf16": NotInHalf,
    "onnx": ThroughNumpy,
}


@pytest.mark.parametrize("check", backbone_checks(Sound), ids=str)
def test_a_sound_backbone_passes(check):
    check()


def test_there_is_a_broken_backbone_for_each_check():
    assert list(BROKEN) == [check.name for check in backbone_checks(Sound)]


@pytest.mark.parametrize("name", BROKEN)
def test_the_check_catches_what_is_broken(name):
    (check,) = [check for check in backbone_checks(BROKEN[name]) if check.name == name]
    with pytest.raises(ConformanceError, match=f"{BROKEN[name].__name__}, {name}: "):
        check()


def test_a_documented_deviation_has_to_be_one():
    reason = {"gradients": "a spare layer, for later"}
    results = {of.name: of for of in run_checks(backbone_checks(Untrained, expected_failures=reason))}
    assert results["gradients"].outcome == "deviates as documented"
    assert results["gradients"].reason == "a spare layer, for later"
    (check,) = [check for check in backbone_checks(Sound, expected_failures=reason) if check.name == "gradients"]
    with pytest.raises(ConformanceError, match="passes, although a deviation is documented"):
        check()
    with pytest.raises(ConformanceError, match="names 'gradient'; the checks are signature"):
        backbone_checks(Sound, expected_failures={"gradient": "misspelled"})


class OfOneSize(Sound):
    """Takes 8 x 8 x 4 alone, as a learned position of each place makes it."""

    def __init__(self, *, in_channels: int = 1, num_classes: int = 4):
        super().__init__(in_channels=in_channels, num_classes=num_classes)
        self.spec = replace(self.spec, only_size=(8, 8, 4))
        self.position = nn.Parameter(torch.zeros(1, 1, 8, 8, 4))

    def forward(self, x):
        if tuple(x.shape[2:]) != self.spec.only_size:
            raise ValueError(f"takes {self.spec.only_size} alone, got {tuple(x.shape[2:])}")
        return super().forward(x + self.position)


class OfOneSizeInWords(OfOneSize):
    def forward(self, x):
        return Sound.forward(self, x)


class OfOneSizeWithTorchsError(OfOneSize):
    def forward(self, x):
        return Sound.forward(self, x + self.position)


class OfNoMultiple(OfOneSize):
    def __init__(self, *, in_channels: int = 1, num_classes: int = 4):
        super().__init__(in_channels=in_channels, num_classes=num_classes)
        self.spec = replace(self.spec, only_size=(8, 8, 3))


@pytest.mark.parametrize("check", backbone_checks(OfOneSize), ids=str)
def test_a_sound_backbone_of_one_size_passes(check):
    check()


@pytest.mark.parametrize(
    ("broken", "name", "said"),
    [
        (OfOneSizeInWords, "sizes", r"\(8, 8, 4\) is its only size, and answers on \(10, 8, 4\)"),
        (OfOneSizeWithTorchsError, "sizes", r"raises RuntimeError.*wanted a ValueError in words"),
        (OfNoMultiple, "spec", r"only_size is \(8, 8, 3\), which are no multiples of the divisor \(2, 2, 2\)"),
    ],
)
def test_a_backbone_of_one_size_is_held_to_it(broken, name, said):
    (check,) = [check for check in backbone_checks(broken) if check.name == name]
    with pytest.raises(ConformanceError, match=said):
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
