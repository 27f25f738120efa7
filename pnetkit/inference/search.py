"""Search a volume: all its windows, or those near what a first pass finds."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pnetkit.inference.averaging import WindowWeights, labels_of, probability_sums, softmax_of_means
from pnetkit.inference.coarse import EMPTY, SPREAD, Coarse, candidate_region, near_lesions
from pnetkit.inference.constant import remembering
from pnetkit.inference.predictors import label_predictor, mean_of, probability_predictor
from pnetkit.inference.sliding import Fill, Slices, chessboard, holding, pad_mask, volume_shape, windows_over
from pnetkit.inference.voting import vote
from pnetkit.inference.windows import padded_shape
from pnetkit.networks import FiniteLater, Network, Precision
from pnetkit.types import Triple

Combine = Literal["vote", "mean-softmax", "mean-logits"]
TestTime = Literal["none", "mirror"]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Settings:
    """Say how a scan is segmented: the names are those of a recipe's `inference` section.

    `fill` is the input value of air. `body_box` lays the windows over the body's box instead of the volume; `coarse` is
    None for an exhaustive search. With `keep_shares` what decides each voxel is kept, to decide it on another grid.
    """

    window: Triple
    stride: Triple
    batch_size: int
    fill: Fill
    device: str
    precision: Precision
    combine: Combine = "vote"
    body_box: bool = False
    coarse: Coarse | None = None
    keep_shares: bool = False
    test_time: TestTime = "none"
    window_weights: WindowWeights = "uniform"
    window_center: Triple | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Hold what a search found, and what it took, as `Segmented` says it to others; maps (x, y, z) of its volume.

    `votes` and `voters` are None where probabilities were averaged. `shares` (class, x, y, z), where they are kept, are
    counts of votes or sums of probabilities; 0 where nobody was asked.
    """

    labels: NDArray[np.uint8]
    votes: NDArray[np.unsignedinteger[Any]] | None
    voters: NDArray[np.unsignedinteger[Any]] | None
    windows: int
    coarse_windows: int = 0
    fallback: str = ""
    region: Mask | None = None
    shares: NDArray[Any] | None = None


def search(networks: Sequence[Network], volume: NDArray[np.float32], settings: Settings, body: Mask | None) -> Found:
    """Run the windows of the whole body, or of the region that a coarse pass finds."""
    coarse = settings.coarse
    if coarse is None:
        return _run(networks, volume, settings, body)
    first = _first_pass(networks, volume, settings, coarse, body)
    region = candidate_region(first.labels, coarse)
    if region is None:
        return replace(_run(networks, volume, settings, body), coarse_windows=first.windows, fallback=EMPTY)
    if body is not None:
        region &= body
    most = coarse.largest_share * len(_windows(volume, settings, body))
    if len(_windows(volume, settings, region, coarse.inset_voxels)) > most:
        return replace(_run(networks, volume, settings, body), coarse_windows=first.windows, fallback=SPREAD)
    found = _closely(networks, volume, settings, coarse, region)
    return replace(found, coarse_windows=first.windows, region=region)


def _first_pass(
    networks: Sequence[Network], volume: NDArray[np.float32], settings: Settings, coarse: Coarse, body: Mask | None
) -> Found:
    """Run all windows, or those of one color of a chessboard and, of the other, those beside what they found."""
    looking = replace(settings, stride=coarse.stride, combine="vote", keep_shares=False)
    if not coarse.chessboard:
        return _run(networks, volume, looking, body)
    shape, seen = _padded(volume, settings, body)
    black, white = (holding(color, shape, seen) for color in chessboard(shape, settings.window, coarse.stride))
    first = _run(networks, volume, looking, body, black)
    region = candidate_region(first.labels, coarse)
    if region is not None:
        white = holding(white, shape, pad_mask(region, settings.window))
    second = _run(networks, volume, looking, body, white)
    # where both looked either may be right, and all that counts here is what is not background
    return Found(np.maximum(first.labels, second.labels), None, None, first.windows + second.windows)


def _closely(
    networks: Sequence[Network], volume: NDArray[np.float32], settings: Settings, coarse: Coarse, region: Mask
) -> Found:
    """Run the windows of the region at its own stride, if it has one, and those of the full grid near lesions."""
    if coarse.region_stride is None:
        return _run(networks, volume, settings, region, _windows(volume, settings, region, coarse.inset_voxels))
    sparse = replace(settings, stride=coarse.region_stride)
    found = _run(networks, volume, sparse, region, _windows(volume, sparse, region, coarse.inset_voxels))
    near = near_lesions(found.labels, coarse)
    if near is None:
        return found
    near &= region  # all else is background, whatever a window says
    lesions = _run(networks, volume, settings, near, _windows(volume, settings, near, coarse.inset_voxels))
    labels = _patched(found.labels, lesions.labels, near)
    votes, voters, shares = (
        None if first is None or then is None else _patched(first, then, near)
        for first, then in (
            (found.votes, lesions.votes), (found.voters, lesions.voters), (found.shares, lesions.shares)
        )
    )  # fmt: skip
    return Found(labels, votes, voters, found.windows + lesions.windows, shares=shares)


def _patched(array: NDArray[Any], by: NDArray[Any], where: Mask) -> NDArray[Any]:
    """Give an array with the values of another in some places, in whichever of their types is the wider."""
    result = array.astype(np.result_type(array, by), copy=False)
    np.copyto(result, by, where=where)
    return result


def _run(
    networks: Sequence[Network],
    volume: NDArray[np.float32],
    settings: Settings,
    where: Mask | None,
    windows: Sequence[Slices] | None = None,
) -> Found:
    """Let the windows vote, or average their probabilities: those given, or all that hold something of `where`."""
    windows = _windows(volume, settings, where) if windows is None else windows
    how: dict[str, Any] = {
        "num_classes": networks[0].spec.num_classes,
        "window": settings.window,
        "stride": settings.stride,
        "batch_size": settings.batch_size,
        "fill": settings.fill,
        "where": where,
        "windows": windows,
    }
    on: dict[str, Any] = {"device": settings.device, "precision": settings.precision}
    on |= {"in_batches": settings.batch_size > 1, "mirror": settings.test_time == "mirror"}
    if settings.combine != "vote":
        on["as_logits"] = settings.combine == "mean-logits"
        how |= {"weights": settings.window_weights, "center": settings.window_center}
        each = [probability_predictor(network, **on) for network in networks]
        is_kept_logits = settings.keep_shares and settings.combine == "mean-logits"
        sums = (softmax_of_means if is_kept_logits else probability_sums)(mean_of(each), volume, **how)
        return Found(labels_of(sums), None, None, len(windows), shares=sums if settings.keep_shares else None)
    finite = FiniteLater()
    predictors = [remembering(label_predictor(network, **on, finite=finite)) for network in networks]
    found = vote(predictors, volume, **how, device=settings.device, keep_counts=settings.keep_shares)
    finite.require()
    return Found(found.labels, found.votes, found.voters, found.windows, shares=found.counts)


def _windows(volume: NDArray[np.float32], settings: Settings, where: Mask | None, inset: int = 0) -> list[Slices]:
    shape, held = _padded(volume, settings, where)
    return windows_over(shape, settings.window, settings.stride, held, inset)


def _padded(volume: NDArray[np.float32], settings: Settings, mask: Mask | None) -> tuple[Triple, Mask | None]:
    """Give the shape of the volume as windows see it, and a mask of it."""
    return padded_shape(volume_shape(volume), settings.window), None if mask is None else pad_mask(
        mask, settings.window
    )
