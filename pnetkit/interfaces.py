"""The four interfaces of pnetkit: what a plugin gives, and what the core asks of it.

A plugin is a *callable*, named in an entry point:

    [project.entry-points."pnetkit.backbone"]
    my-net = "pnetkit_my_net:MyNet"

Its keyword-only, annotated, defaulted arguments are its parameters: the signature is the schema that recipes are
checked against, and what `pnetkit plugins show my-net` prints. Bounds and descriptions go into the annotation:

    def my_rule(*, minimum_voxels: Annotated[int, Field(ge=1, description="...")] = 40) -> MyRule: ...

What the callable returns has to fit one of the Protocols below; nothing has to be inherited. Where a Protocol has a
further ones below it (`FeatureBackbone`, `UsuallyTrainedBackbone`, `TransferBackbone`; `FeatureCaseClassifier`,
`TrainedCaseClassifier`; `TrainedPhaseFusion`), these are for plugins that can do more, and the core asks with
`isinstance` which of them it was given.

| interface | entry-point group | in one line |
|---|---|---|
| `Backbone` | `pnetkit.backbone` | a network: CT patch in, class scores out |
| `Postprocessor` | `pnetkit.postprocessor` | segmentation in, cleaner segmentation out |
| `CaseClassifier` | `pnetkit.case_classifier` | evidence of one phase in, finding out |
| `PhaseFusion` | `pnetkit.phase_fusion` | findings of all phases in, the case's finding out |

A plugin of any kind may say where it does otherwise than the conformance kit asks (`Deviating`).

A breaking change of an interface gets a new group (`pnetkit.backbone.v2`); see docs/plugins.md. What is called when,
what may raise and what is stored is in docs/reference/.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from torch import Tensor, nn

from pnetkit.types import BackboneSpec, CaseFinding, Evidence, FeatureNeeds, PhaseFinding, Segmentation


@dataclass(frozen=True, slots=True, eq=False)
class BackboneOutput:
    """Hold what a network answers.

    `logits` (batch, class, x, y, z) lie on the input's grid. `aux_logits` have the same shape and the order of
    `spec.aux_heads`; they are there in training mode only, and empty in evaluation mode. `lesion_logits` (batch,) say
    whether a patch holds tumor or duct; they are there in training mode when `spec.lesion_loss_weight` is above 0.
    """

    logits: Tensor
    aux_logits: tuple[Tensor, ...] = ()
    lesion_logits: Tensor | None = None


@runtime_checkable
class Backbone(Protocol):
    """A network that scores every voxel: a `torch.nn.Module` with a `spec`.

    The plugin is called as `plugin(in_channels=1, num_classes=4, **params)`, also with the default device set to
    `meta`, and under a seed that the core has set; it must not touch the network, files or global state.

    `__call__` takes `x` (batch, in_channels, x, y, z), float32, HU clipped and standardized by the recipe, with every
    axis a multiple of `spec.divisor`, and answers on the same grid. With a `spec.only_size` it is that size alone, and
    another raises ValueError. In evaluation mode the items of a batch must not influence each other.
    """

    spec: BackboneSpec

    def __call__(self, x: Tensor) -> BackboneOutput:
        """Score every voxel of a batch of patches."""

    def train(self, mode: bool = True) -> Any:
        """Switch between training and evaluation mode, as `torch.nn.Module` does."""

    def eval(self) -> Any:
        """Switch to evaluation mode, as `torch.nn.Module` does."""

    def to(self, device: Any) -> Any:
        """Move the parameters, as `torch.nn.Module` does."""

    def parameters(self, recurse: bool = True) -> Iterator[nn.Parameter]:
        """Yield the parameters, as `torch.nn.Module` does."""

    def state_dict(self) -> dict[str, Any]:
        """Give the tensors that describe the network's state; they are stored as safetensors."""

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> Any:
        """Take the tensors that `state_dict` gave."""


@runtime_checkable
class FeatureBackbone(Backbone, Protocol):
    """A backbone that also publishes feature maps: those named in `spec.features`."""

    def encode(self, x: Tensor, features: Collection[str]) -> Mapping[str, Tensor]:
        """Give exactly the named feature maps of `x`, doing no work that they do not need.

        A map has shape (batch, channels, x / stride, y / stride, z / stride). Raises KeyError for a name that
        `spec.features` does not have.
        """


@runtime_checkable
class UsuallyTrainedBackbone(Backbone, Protocol):
    """A backbone that says what it is usually trained with.

    `usual_training` maps keys of a recipe's section `training` to plain values, such as `{"optimizer": "adamw",
    "learning_rate": 1e-4}`: what its authors published, as far as a recipe can say it. It may depend on the parameters
    that the network was built with. No training follows it by itself: `pnetkit plan` proposes it.
    """

    usual_training: Mapping[str, Any]


@runtime_checkable
class TransferBackbone(Backbone, Protocol):
    """A backbone that knows its parts, and under what names weights made elsewhere hold them.

    It is not needed to start from weights: without it, heads and first layer are found by what depends on the numbers
    of classes and channels, and names are matched where nothing but a word before all of them differs.
    """

    def own_names(self, foreign: Mapping[str, tuple[int, ...]]) -> Mapping[str, str]:
        """Give the own name of each foreign tensor that has a place here, from names and shapes; leave others out.

        Its own names stand for themselves.
        """

    def part_of(self, name: str) -> Literal["encoder", "decoder", "head"]:
        """Tell of a tensor of the network's state to which part it belongs."""


@runtime_checkable
class Postprocessor(Protocol):
    """A rule that cleans a segmentation up. A recipe chains any number of them.

    Called as `plugin(**params)`. Must leave its argument untouched, keep grid and classes, and work on segmentations
    that are empty, full, or one slice thick.
    """

    def __call__(self, segmentation: Segmentation) -> Segmentation:
        """Give the cleaned segmentation."""


@runtime_checkable
class CaseClassifier(Protocol):
    """A rule or network that decides on one phase of one case.

    Called as `plugin(**params)`. A segmentation without any foreground has to be decided, and flagged, not refused.
    """

    def classify(self, evidence: Evidence) -> PhaseFinding:
        """Give score, threshold and the measurements behind them."""


@runtime_checkable
class FeatureCaseClassifier(CaseClassifier, Protocol):
    """A case classifier that looks at more than the segmentation: feature maps of the backbone, or the scan itself."""

    needs: FeatureNeeds


@runtime_checkable
class TrainedCaseClassifier(FeatureCaseClassifier, Protocol):
    """A case classifier that learns from the cases of the training folds, one model per phase and fold."""

    def fit(self, evidence: Sequence[Evidence], abnormal: Sequence[bool], *, seed: int, device: str) -> None:
        """Learn from the evidence of the training cases, whose diagnoses are `abnormal`, in the same order.

        Their segmentations are what a network says of them. The same evidence, seed and CPU give the same model, to the
        bit.
        """

    def save(self, folder: Path) -> None:
        """Write the fitted model into an existing empty folder, as `.safetensors`, `.json` or `.txt` files only."""

    def load(self, folder: Path) -> None:
        """Take the model that `save` wrote."""


@runtime_checkable
class PhaseFusion(Protocol):
    """A rule that makes one finding of the findings of a case's phases.

    Called as `plugin(**params)`. It works on findings, so phases need no registration and may lie on different grids.
    """

    def fuse(self, case_id: str, findings: Mapping[str, PhaseFinding], *, expected: tuple[str, ...]) -> CaseFinding:
        """Give the case's finding; the order of `findings` must not matter.

        `expected` names the phases that the recipe asks for. Where some are missing, decide as the plugin's
        documentation says and name them in the finding's `missing`, or raise `pnetkit.errors.MissingPhaseError`.
        """


@runtime_checkable
class ProbabilityPhaseFusion(PhaseFusion, Protocol):
    """A fusion whose score can be read as a probability, which is what calibration is asked of."""

    def probability(self, finding: CaseFinding) -> float:
        """Give the probability, from 0 to 1, that the case of a finding that `fuse` gave is abnormal."""


@runtime_checkable
class TrainedPhaseFusion(PhaseFusion, Protocol):
    """A fusion that learns from the findings of diagnosed cases, one model for each fold.

    For the cases of a fold the core fits it on the findings of the cases of all other folds, each made by a network
    that had not seen the case. `fuse` is called after `fit` or `load` only.
    """

    def fit(
        self,
        findings: Sequence[Mapping[str, PhaseFinding]],
        abnormal: Sequence[bool],
        *,
        expected: tuple[str, ...],
        seed: int,
    ) -> None:
        """Learn from the findings of cases, whose diagnoses are `abnormal`, in the same order.

        `expected` names the phases that the recipe asks for; a case has findings of one or more of them. Both diagnoses
        occur. The same findings and seed give the same model, to the bit, whatever the order of a case's phases. Raises
        `pnetkit.errors.TrainingError` where nothing can be learned.
        """

    def save(self, folder: Path) -> None:
        """Write the fitted model into an existing empty folder, as `.safetensors`, `.json` or `.txt` files only."""

    def load(self, folder: Path) -> None:
        """Take the model that `save` wrote. Raises `pnetkit.errors.StoreError` where it cannot be used."""


@runtime_checkable
class Deviating(Protocol):
    """A plugin of any kind that says, once it is built, where it deviates from the conformance kit, and why.

    `deviations` maps names of checks to reasons; it may depend on the parameters that the plugin was built with.
    `pnetkit plugins check`, `pnetkit plugins doctor` and a plugin's own tests report a check that fails as documented
    then, and not as a failure.
    """

    deviations: Mapping[str, str]
