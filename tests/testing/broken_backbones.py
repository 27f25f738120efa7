"""A sound backbone, and one for each way of being broken that a check of backbones looks for."""

from dataclasses import replace
from types import MappingProxyType
from typing import Annotated

import torch
from pydantic import Field
from torch import nn

from pnetkit.interfaces import BackboneOutput
from pnetkit.types import AuxHead, BackboneSpec, FeatureSpec


class Sound(nn.Module):
    """Two convolutions, an auxiliary head, a feature map."""

    def __init__(self, *, in_channels: int = 1, num_classes: int = 4, width: Annotated[int, Field(ge=1)] = 4):
        super().__init__()
        half = FeatureSpec(width, (2, 2, 2), context_voxels=(1, 1, 1))
        self.spec = BackboneSpec(in_channels, num_classes, (2, 2, 2), {"half": half}, (AuxHead("side", 0.5),))
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


class NoSpec(Sound):
    def __init__(self, *, in_channels: int = 1, num_classes: int = 4):
        super().__init__(in_channels=in_channels, num_classes=num_classes)
        del self.spec


class ValuesOnMeta(Sound):
    def __init__(self, *, in_channels: int = 1, num_classes: int = 4):
        super().__init__(in_channels=in_channels, num_classes=num_classes)
        self.register_buffer("scale", torch.ones(1, device="cpu"))


class OtherSpecOnMeta(Sound):
    def __init__(self, *, in_channels: int = 1, num_classes: int = 4):
        super().__init__(in_channels=in_channels, num_classes=num_classes)
        if self.two.weight.device.type == "meta":
            self.spec = replace(self.spec, divisor=(4, 4, 4))


class SideOnTheCpu(Sound):
    def forward(self, x):
        found = super().forward(x)
        return BackboneOutput(found.logits, tuple(of + torch.zeros(of.shape, device="cpu") for of in found.aux_logits))


class EncodesOnTheCpu(Sound):
    def encode(self, x, features):
        found = super().encode(x, features)
        return {name: of + torch.zeros(of.shape, device="cpu") for name, of in found.items()}


class FalseSpec(Sound):
    def __init__(self, *, in_channels: int = 1, num_classes: int = 4):
        super().__init__(in_channels=in_channels, num_classes=num_classes)
        self.spec = BackboneSpec(in_channels + 1, num_classes, (2, 2, 2), self.spec.features, self.spec.aux_heads)


class LosesTheBorder(Sound):
    def forward(self, x):
        return BackboneOutput(super().forward(x).logits[..., 1:], super().forward(x).aux_logits)


class NormalizesOneVoxel(Sound):
    """Cannot answer for one divisor, and lets torch say so."""

    def forward(self, x):
        found = super().forward(x)
        whole = nn.functional.instance_norm(nn.functional.max_pool3d(found.logits, 2))
        return BackboneOutput(found.logits + nn.functional.interpolate(whole, scale_factor=2), found.aux_logits)


class SaysTooLittle(Sound):
    def forward(self, x):
        if tuple(x.shape[2:]) == self.spec.divisor:
            raise ValueError("too small")
        return super().forward(x)


class Softmax(Sound):
    """Gives probabilities where logits are wanted."""

    def forward(self, x):
        found = super().forward(x)
        return BackboneOutput(found.logits.softmax(1), found.aux_logits)


class SoftmaxAside(Sound):
    def forward(self, x):
        found = super().forward(x)
        return BackboneOutput(found.logits, tuple(of.softmax(1) for of in found.aux_logits))


class HalvesThrice(Sound):
    """Says that it divides by 2, and joins levels that meet only where 8 divides."""

    def forward(self, x):
        found = super().forward(x)
        deep = x
        for _ in range(3):
            deep = nn.functional.max_pool3d(deep, 2)
        level = nn.functional.interpolate(deep, scale_factor=8)
        joined = torch.cat([found.logits, level], dim=1)
        return BackboneOutput(joined[:, : found.logits.shape[1]], found.aux_logits)


class SaysHowLarge(NormalizesOneVoxel):
    """Cannot answer for one divisor either, and says so; sound."""

    def forward(self, x):
        try:
            return super().forward(x)
        except ValueError as error:
            raise ValueError(f"{tuple(x.shape[2:])} leaves one voxel; take more than {self.spec.divisor}") from error


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


class SaysThatItLooksLessFar(Sound):
    def __init__(self, *, in_channels: int = 1, num_classes: int = 4):
        super().__init__(in_channels=in_channels, num_classes=num_classes)
        half = replace(self.spec.features["half"], context_voxels=(1, 1, 0))
        self.spec = replace(self.spec, features={"half": half})


class CountsFromTheBeginning(Sound):
    """Tells where in the input a voxel lies, which depends on where the input begins."""

    def encode(self, x, features):
        places = torch.arange(x.shape[2] // 2, device=x.device)[:, None, None]
        return {name: of + places for name, of in super().encode(x, features).items()}


class LooksBackwards(Sound):
    def __init__(self, *, in_channels: int = 1, num_classes: int = 4):
        super().__init__(in_channels=in_channels, num_classes=num_classes)
        half = replace(self.spec.features["half"], context_voxels=(1, -1, 1))
        self.spec = replace(self.spec, features={"half": half})


class EncodesOneVoxel(Sound):
    def encode(self, x, features):
        return {name: nn.functional.instance_norm(of) for name, of in super().encode(x, features).items()}


class HeadWithoutWeight(Sound):
    """Has an auxiliary head, and a spec by which its loss counts nothing."""

    def __init__(self, *, in_channels: int = 1, num_classes: int = 4):
        super().__init__(in_channels=in_channels, num_classes=num_classes)
        self.spec = replace(self.spec, aux_heads=(AuxHead("side", 0.0),))


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


class RaisesToTheContrast(Sound):
    """Overflows where one voxel differs much from the mean; a constant has no such voxel."""

    def forward(self, x):
        found = super().forward(x)
        contrast = (x - x.mean(dim=(1, 2, 3, 4), keepdim=True)).amax(dim=1, keepdim=True)
        return BackboneOutput(found.logits + (contrast / 4).exp(), found.aux_logits)


class RaisesToTheSpread(Sound):
    """Overflows where many voxels differ much."""

    def forward(self, x):
        found = super().forward(x)
        return BackboneOutput(found.logits + (x.std(dim=(1, 2, 3, 4), keepdim=True) / 8).exp(), found.aux_logits)


class NotUnderAutocast(Sound):
    def forward(self, x):
        found = super().forward(x)
        factor = float("inf") if found.logits.dtype != x.dtype else 1.0
        return BackboneOutput(found.logits * factor, found.aux_logits)


class NotInHalf(Sound):
    def forward(self, x):
        found = super().forward(x)
        factor = float("inf") if x.dtype == torch.bfloat16 else 1.0
        return BackboneOutput(found.logits * factor, found.aux_logits)


class FloatInside(Sound):
    def forward(self, x):
        middle = self.one(x).float()
        return BackboneOutput(self.two(middle), (self.side(middle),) if self.training else ())


class Views(Sound):
    """Takes for granted in which order tensors lie in memory."""

    def forward(self, x):
        found = super().forward(x)
        level = found.logits.view(found.logits.shape[0], -1).mean(dim=1)
        return BackboneOutput(found.logits + level[:, None, None, None, None], found.aux_logits)


class LooksBehindTheConvolution(Sound):
    """Takes a convolution's answer out of a Sequential, which folding would change; sound, as it is not folded."""

    def forward(self, x):
        middle = self.one(x) + self.one[0](x)
        return BackboneOutput(self.two(middle), (self.side(middle),) if self.training else ())


class AsksHowItLies(Sound):
    """Says something else where its maps lie channels last."""

    def forward(self, x):
        found = super().forward(x)
        factor = 1 if self.one(x).is_contiguous() else 2
        return BackboneOutput(factor * found.logits, found.aux_logits)


class BranchesOnValues(Sound):
    """Asks what the values are: an exporter sees none."""

    def forward(self, x):
        found = super().forward(x)
        if not self.training and x.device.type != "meta" and float(x.amax()) > 1e6:
            return BackboneOutput(-found.logits)
        return found


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


class ForgetsItsNames(Sound):
    def own_names(self, foreign):
        return {f"x.{name}": name for name in foreign}

    def part_of(self, name):
        return "encoder" if name.startswith("one.") else "head"


class HasNoEncoder(ForgetsItsNames):
    def own_names(self, foreign):
        return {name: name for name in foreign}

    def part_of(self, name):
        return "decoder" if name.startswith("one.") else "head"


class SaysAnOptimizer(Sound):
    """Says what it is usually trained with, as no recipe could."""

    usual_training = MappingProxyType({"optimizer": torch.optim.AdamW})


BROKEN = [
    (NoDefault, "signature"),
    (ValuesOnMeta, "meta"),
    (OtherSpecOnMeta, "meta"),
    (SideOnTheCpu, "meta"),
    (EncodesOnTheCpu, "meta"),
    (FalseSpec, "spec"),
    (OfNoMultiple, "spec"),
    (SaysAnOptimizer, "spec"),
    (LooksBackwards, "spec"),
    (LosesTheBorder, "sizes"),
    (NormalizesOneVoxel, "sizes"),
    (SaysTooLittle, "sizes"),
    (OfOneSizeInWords, "sizes"),
    (OfOneSizeWithTorchsError, "sizes"),
    (Softmax, "sizes"),
    (HalvesThrice, "sizes"),
    (OneChannel, "in_channels"),
    (FourClasses, "num_classes"),
    (NoAux, "auxiliary_outputs"),
    (SoftmaxAside, "auxiliary_outputs"),
    (OtherFeatures, "features"),
    (SaysThatItLooksLessFar, "features"),
    (CountsFromTheBeginning, "features"),
    (EncodesOneVoxel, "features"),
    (Untrained, "gradients"),
    (HeadWithoutWeight, "gradients"),
    (BatchNormOfTheBatch, "batch_items_do_not_mix"),
    (DropsAlways, "evaluation_repeats"),
    (OwnSeed, "seeded_weights_repeat"),
    (DrawsForNothing, "random_state_is_left_alone"),
    (WritesIntoItsInput, "input_is_left_alone"),
    (HiddenState, "state_round_trip"),
    (ForgetsItsNames, "transfer"),
    (HasNoEncoder, "transfer"),
    (DividesByTheSpread, "finite_on_extreme_input"),
    (RaisesToTheContrast, "finite_on_extreme_input"),
    (RaisesToTheSpread, "finite_on_extreme_input"),
    (NotUnderAutocast, "bf16"),
    (NotInHalf, "inference"),
    (FloatInside, "inference"),
    (Views, "inference"),
    (AsksHowItLies, "inference"),
    (BranchesOnValues, "onnx"),
]
"""What is broken, and the check that catches it."""
