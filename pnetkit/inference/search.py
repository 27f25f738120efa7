"""Search a volume: all its windows, or those near what a first pass finds."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pnetkit.inference.averaging import mean_labels
from pnetkit.inference.coarse import EMPTY, SPREAD, Coarse, candidate_region
from pnetkit.inference.constant import remembering
from pnetkit.inference.predictors import label_predictor, mean_of, probability_predictor
from pnetkit.inference.sliding import Fill, pad_mask, pad_to_window, volume_shape, windows_over
from pnetkit.inference.voting import vote
from pnetkit.networks import Network, Precision
from pnetkit.types import Triple

Combine = Literal["vote", "mean-softmax"]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Settings:
    """Say how a scan is segmented: the names are those of a recipe's `inference` section.

    `fill` is the input value of air. `body_box` lays the windows over the body's box instead of the volume; `coarse` is
    None for an exhaustive search.
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


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Hold what a search found, and what it took, as `Segmented` says it to others; maps (x, y, z) of its volume.

    `votes` and `voters` are None where probabilities were averaged.
    """

    labels: NDArray[np.uint8]
    votes: NDArray[np.unsignedinteger[Any]] | None
    voters: NDArray[np.unsignedinteger[Any]] | None
    windows: int
    coarse_windows: int = 0
    fallback: str = ""
    region: Mask | None = None


def search(networks: Sequence[Network], volume: NDArray[np.float32], settings: Settings, body: Mask | None) -> Found:
    """Run the windows of the whole body, or of the region that a coarse pass finds."""
    if settings.coarse is None:
        return _run(networks, volume, settings, body)
    first = _run(networks, volume, replace(settings, stride=settings.coarse.stride, combine="vote"), body)
    region = candidate_region(first.labels, settings.coarse)
    fallback = EMPTY
    if region is not None:
        if body is not None:
            region &= body
        wanted = _count_windows(volume, settings, region, settings.coarse.inset_voxels)
        fallback = SPREAD if wanted > settings.coarse.largest_share * _count_windows(volume, settings, body) else ""
    if fallback:
        return replace(_run(networks, volume, settings, body), coarse_windows=first.windows, fallback=fallback)
    result = _run(networks, volume, settings, region, settings.coarse.inset_voxels)
    return replace(result, coarse_windows=first.windows, region=region)


def _run(
    networks: Sequence[Network], volume: NDArray[np.float32], settings: Settings, where: Mask | None, inset: int = 0
) -> Found:
    how: dict[str, Any] = {
        "num_classes": networks[0].spec.num_classes,
        "window": settings.window,
        "stride": settings.stride,
        "batch_size": settings.batch_size,
        "fill": settings.fill,
        "where": where,
        "inset": inset,
    }
    on: dict[str, Any] = {"device": settings.device, "precision": settings.precision}
    if settings.combine == "mean-softmax":
        each = [probability_predictor(network, **on) for network in networks]
        found_labels = mean_labels(mean_of(each), volume, **how)
        return Found(found_labels, None, None, _count_windows(volume, settings, where, inset))
    predictors = [remembering(label_predictor(network, **on)) for network in networks]
    found = vote(predictors, volume, **how, device=settings.device)
    return Found(found.labels, found.votes, found.voters, found.windows)


def _count_windows(volume: NDArray[np.float32], settings: Settings, where: Mask | None, inset: int = 0) -> int:
    shape = volume_shape(pad_to_window(volume[:1], settings.window, 0.0)[0])
    padded = None if where is None else pad_mask(where, settings.window)
    return len(windows_over(shape, settings.window, settings.stride, padded, inset))
