"""Segment one scan with one trained network, or with several that vote together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pnetkit.imaging.boxes import Box, bounding_box
from pnetkit.inference.acceleration import NUMBER_TYPES
from pnetkit.inference.averaging import ProbabilityPredictor, mean_labels
from pnetkit.inference.coarse import EMPTY, SPREAD, Coarse, candidate_region
from pnetkit.inference.constant import remembering
from pnetkit.inference.sliding import Fill, pad_mask, pad_to_window, volume_shape, windows_over
from pnetkit.inference.voting import Predictor, vote
from pnetkit.networks import Network, Precision, checked_output
from pnetkit.types import BACKGROUND, Grid, Segmentation, Triple

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
class Segmented:
    """Hold a segmentation, and what it took: windows of both passes, and why the search was not kept to a region.

    `region` (x, y, z) is where the second pass looked; None where it looked everywhere.
    """

    segmentation: Segmentation
    windows: int
    coarse_windows: int = 0
    fallback: str = ""
    region: Mask | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Result:
    labels: NDArray[np.uint8]
    votes: NDArray[np.unsignedinteger[Any]] | None
    voters: NDArray[np.unsignedinteger[Any]] | None
    windows: int
    coarse_windows: int = 0
    fallback: str = ""
    region: Mask | None = None


def segment(
    networks: Network | Sequence[Network],
    volume: NDArray[np.float32],
    grid: Grid,
    settings: Settings,
    *,
    body: Mask | None = None,
) -> Segmented:
    """Give the labels of a volume (channel, x, y, z) of network input, with votes and voters where windows vote.

    What is not in `body` (x, y, z) is background. `networks` are what `accelerated` gave for the same device and
    precision; several have a vote in each window, or a share in the mean of probabilities.
    """
    networks = networks if isinstance(networks, Sequence) else [networks]
    box = bounding_box(body) if settings.body_box and body is not None else None
    if box is None:
        result = _search(networks, volume, settings, body)
    else:
        inside = _at_least(box, settings.window, volume_shape(volume))
        cropped = np.ascontiguousarray(volume[(slice(None), *inside)])
        part = _search(networks, cropped, settings, None if body is None else body[inside])
        shape = volume_shape(volume)
        result = replace(
            part,
            labels=_pasted(part.labels, inside, shape),
            votes=None if part.votes is None else _pasted(part.votes, inside, shape),
            voters=None if part.voters is None else _pasted(part.voters, inside, shape),
            region=None if part.region is None else _pasted(part.region, inside, shape),
        )
    segmentation = Segmentation(result.labels, grid, votes=result.votes, voters=result.voters)
    return Segmented(segmentation, result.windows, result.coarse_windows, result.fallback, result.region)


def label_predictor(network: Network, *, device: str, precision: Precision) -> Predictor:
    """Make a function from patches to hard labels (the largest logit, the lowest label on a tie), on the device."""
    return _predictor(network, lambda logits: logits.argmax(dim=1).to(torch.uint8), device=device, precision=precision)


def probability_predictor(network: Network, *, device: str, precision: Precision) -> ProbabilityPredictor:
    """Make a function from patches to the probability of each class (batch, class, x, y, z) float32."""
    predict = _predictor(network, lambda logits: logits.float().softmax(dim=1), device=device, precision=precision)

    def probabilities(patches: NDArray[np.float32]) -> NDArray[np.float32]:
        found: NDArray[np.float32] = predict(patches).cpu().numpy()
        return found

    return probabilities


def _predictor(
    network: Network, answer: Callable[[Tensor], Tensor], *, device: str, precision: Precision
) -> Callable[[NDArray[np.float32]], Tensor]:
    def predict(patches: NDArray[np.float32]) -> Tensor:
        with torch.inference_mode():
            x = torch.from_numpy(patches)
            x = x.to(device=device, dtype=NUMBER_TYPES[precision], memory_format=torch.channels_last_3d)
            return answer(checked_output(network, x).logits)

    def halving(patches: NDArray[np.float32]) -> Tensor:
        """Run a batch, in halves where the accelerator's memory does not hold it: no case is lost to a batch size."""
        try:
            return predict(patches)
        except torch.OutOfMemoryError:
            if len(patches) == 1:
                raise
            torch.cuda.empty_cache()
        middle = len(patches) // 2
        return torch.cat([halving(patches[:middle]), halving(patches[middle:])])

    return halving


def _search(networks: Sequence[Network], volume: NDArray[np.float32], settings: Settings, body: Mask | None) -> _Result:
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
) -> _Result:
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
        found_labels = mean_labels(_mean_of(each), volume, **how)
        return _Result(found_labels, None, None, _count_windows(volume, settings, where, inset))
    predictors = [remembering(label_predictor(network, **on)) for network in networks]
    found = vote(predictors, volume, **how, device=settings.device)
    return _Result(found.labels, found.votes, found.voters, found.windows)


def _mean_of(predictors: Sequence[ProbabilityPredictor]) -> ProbabilityPredictor:
    def predict(patches: NDArray[np.float32]) -> NDArray[np.float32]:
        total = predictors[0](patches)
        for other in predictors[1:]:
            total = total + other(patches)
        mean: NDArray[np.float32] = total / np.float32(len(predictors))
        return mean

    return predictors[0] if len(predictors) == 1 else predict


def _count_windows(volume: NDArray[np.float32], settings: Settings, where: Mask | None, inset: int = 0) -> int:
    shape = volume_shape(pad_to_window(volume[:1], settings.window, 0.0)[0])
    padded = None if where is None else pad_mask(where, settings.window)
    return len(windows_over(shape, settings.window, settings.stride, padded, inset))


def _at_least(box: Box, window: Triple, shape: Triple) -> tuple[slice, slice, slice]:
    """Widen a box to a window where the volume has the room: real tissue instead of padding."""
    places = []
    for start, stop, w, n in zip(box.start, box.stop, window, shape, strict=True):
        missing = max(min(w, n) - (stop - start), 0)
        first = min(max(start - missing // 2, 0), n - (stop - start) - missing)
        places.append(slice(first, first + stop - start + missing))
    return places[0], places[1], places[2]


def _pasted(array: NDArray[Any], inside: tuple[slice, slice, slice], shape: Triple) -> NDArray[Any]:
    full = np.full(shape, BACKGROUND, dtype=array.dtype)
    full[inside] = array
    return full
