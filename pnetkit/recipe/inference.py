"""The recipe's section `inference`: how windows slide and vote, and where."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pnetkit.recipe.fields import Edges, Fraction, Positive, Precision, Section, Steps


class CoarseSettings(Section):
    """Say how a coarse-to-fine search finds the region in which it looks closely."""

    stride: Annotated[
        Steps | None,
        Field(description="Voxels between two windows of the coarse pass; null for the window's edges."),
    ] = None
    chessboard: Annotated[
        bool,
        Field(description="Whether half of these windows is run only beside what the other half, as dealt, found."),
    ] = False
    margin_voxels: Annotated[int, Field(ge=0, description="Margin around each candidate, along every axis.")] = 16
    inset_voxels: Annotated[
        int,
        Field(ge=0, description="Windows that see the region only this near to their edge are left out; 0 keeps all."),
    ] = 0
    region_stride: Annotated[
        Steps | None,
        Field(
            description="Voxels between two windows of the region; inference.stride then counts near tumor and duct "
            "only. Null for inference.stride everywhere."
        ),
    ] = None
    lesion_margin_voxels: Annotated[
        int, Field(ge=0, description="What is near: margin around tumor and duct, along every axis.")
    ] = 16
    candidate_fraction: Annotated[
        Fraction, Field(description="A candidate is larger than this share of the largest component.")
    ] = 0.1
    largest_share: Annotated[
        float, Field(gt=0, le=1, description="Share of all windows above which the whole body is searched instead.")
    ] = 0.5


class InferenceSettings(Section):
    """Say how windows slide and vote."""

    stride: Annotated[Steps, Field(description="Voxels between two windows.")] = 20
    window_size: Annotated[Edges | None, Field(description="Edges of a window; null for the training patch.")] = None
    batch_size: Annotated[
        Positive | Literal["auto"],
        Field(
            description="Windows run at once; changes no result of torch on a CPU, where in fp32 there are two at the "
            "least. auto is that, and on a GPU as many as hold what 16 windows of 64 x 64 x 64 do."
        ),
    ] = "auto"
    combine: Annotated[
        Literal["vote", "mean-softmax", "mean-logits"],
        Field(description="Majority of hard labels (the paper), mean probability, or mean logit as nnU-Net has it."),
    ] = "vote"
    window_weights: Annotated[
        Literal["uniform", "gaussian"],
        Field(
            description="What a voxel of a window weighs in a mean of probabilities: as any other, or by a Gaussian of "
            "an eighth of the window's edge, less where a network sees less. Of votes each counts alike."
        ),
    ] = "uniform"
    window_center: Annotated[
        tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]] | None,
        Field(
            description="Voxel of a window that its Gaussian is highest in, and almost nothing far from it, as nnU-Net "
            "has it; null for the window's middle and a thousandth at the least."
        ),
    ] = None
    test_time: Annotated[
        Literal["none", "mirror"],
        Field(
            description="mirror: each window is run eight times, mirrored along every set of axes, and the mean of the "
            "probabilities is its answer; for networks that training.flips has shown mirrored patches."
        ),
    ] = "none"
    body: Annotated[
        Literal["mask", "box", "none"],
        Field(
            description="mask: what lies outside the body is background, and windows without body are not run; box: "
            "the windows are also laid over the body's box instead of the volume; none: everything is segmented."
        ),
    ] = "mask"
    search: Annotated[
        Literal["exhaustive", "coarse-to-fine"],
        Field(description="All windows, or those near what a first pass of few windows finds."),
    ] = "exhaustive"
    coarse: CoarseSettings = CoarseSettings()
    runtime: Annotated[
        Literal["torch", "compiled", "openvino"],
        Field(
            description="What runs the network: torch as it is, torch's compiler, or OpenVINO (extra openvino, CPU "
            "only); the latter two start slowly."
        ),
    ] = "torch"
    keep_votes: Annotated[bool, Field(description="Whether a map of the windows' agreement is written.")] = False
    precision: Annotated[
        Precision,
        Field(
            description="Numbers that the network computes in; auto is bf16 where the device has it, tf32 is fp32 with "
            "rounded products, on GPUs since Ampere."
        ),
    ] = "fp32"

    @property
    def windows_at_once(self) -> int:
        """Give the size of a batch; 1 where that is not yet fitted to a device."""
        return 1 if self.batch_size == "auto" else self.batch_size

    @model_validator(mode="after")
    def _votes_to_keep(self) -> "InferenceSettings":
        if self.keep_votes and self.combine != "vote":
            raise ValueError(f"keep_votes needs combine 'vote'; with {self.combine!r} there are no votes")
        if self.window_weights != "uniform" and self.combine == "vote":
            raise ValueError(
                f"window_weights {self.window_weights!r} needs combine 'mean-softmax' or 'mean-logits': votes are "
                f"counted, not weighed"
            )
        if self.window_center is not None and self.window_weights != "gaussian":
            raise ValueError(f"window_center is of window_weights 'gaussian', which are {self.window_weights!r}")
        return self

    def require_windows(self, window: tuple[int, int, int]) -> None:
        """Raise ValueError where windows of this size would skip voxels at one of the strides."""
        for name, stride in (("stride", self.stride), ("coarse.stride", self.coarse.stride or window)):
            if _exceeds(stride, window):
                raise ValueError(
                    f"inference.{name} {stride} is larger than the window {list(window)}, so voxels would be skipped"
                )
        inset, region_stride = self.coarse.inset_voxels, self.coarse.region_stride
        left = tuple(edge - 2 * inset for edge in window)
        if inset and _exceeds(self.stride, left):
            raise ValueError(
                f"inference.coarse.inset_voxels {inset} leaves less of the window {list(window)} than "
                f"inference.stride {self.stride}, so voxels of the region would be skipped"
            )
        if region_stride is not None and _exceeds(region_stride, left):
            raise ValueError(
                f"inference.coarse.region_stride {region_stride} is larger than what inset_voxels {inset} leaves of "
                f"the window {list(window)}, so voxels of the region would be skipped"
            )


def _exceeds(stride: Steps, edges: tuple[int, ...]) -> bool:
    strides = (stride,) * 3 if isinstance(stride, int) else stride
    return any(s > edge for s, edge in zip(strides, edges, strict=True))
