"""Segment one scan with one trained network."""

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from pnetkit.inference.averaging import ProbabilityPredictor, mean_labels
from pnetkit.inference.sliding import Fill
from pnetkit.inference.voting import Predictor, vote
from pnetkit.interfaces import Backbone
from pnetkit.networks import Precision, autocast, checked_output
from pnetkit.types import Grid, Segmentation, Triple

Combine = Literal["vote", "mean-softmax"]


def segment(
    backbone: Backbone,
    volume: NDArray[np.float32],
    grid: Grid,
    *,
    window: Triple,
    stride: Triple,
    batch_size: int,
    fill: Fill,
    device: str,
    precision: Precision,
    combine: Combine = "vote",
) -> Segmentation:
    """Give the labels of a volume (channel, x, y, z) of network input, with votes and voters where windows vote.

    `fill` is the input value of air. The network is put into evaluation mode on `device`.
    """
    backbone.eval()
    backbone.to(device)
    if combine == "mean-softmax":
        labels = mean_labels(
            probability_predictor(backbone, device=device, precision=precision),
            volume,
            num_classes=backbone.spec.num_classes,
            window=window,
            stride=stride,
            batch_size=batch_size,
            fill=fill,
        )
        return Segmentation(labels, grid)
    result = vote(
        label_predictor(backbone, device=device, precision=precision),
        volume,
        num_classes=backbone.spec.num_classes,
        window=window,
        stride=stride,
        batch_size=batch_size,
        fill=fill,
    )
    return Segmentation(result.labels, grid, votes=result.votes, voters=result.voters)


def label_predictor(backbone: Backbone, *, device: str, precision: Precision) -> Predictor:
    """Make a function from patches to hard labels (the largest logit, the lowest label on a tie)."""

    def predict(patches: NDArray[np.float32]) -> NDArray[np.uint8]:
        with torch.inference_mode(), autocast(device, precision):
            x = torch.from_numpy(patches).to(device)
            logits = checked_output(backbone, x).logits
            labels: NDArray[np.uint8] = logits.argmax(dim=1).to(torch.uint8).cpu().numpy()
        return labels

    return predict


def probability_predictor(backbone: Backbone, *, device: str, precision: Precision) -> ProbabilityPredictor:
    """Make a function from patches to the probability of each class (batch, class, x, y, z) float32."""

    def predict(patches: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode(), autocast(device, precision):
            x = torch.from_numpy(patches).to(device)
            probabilities: NDArray[np.float32] = checked_output(backbone, x).logits.float().softmax(dim=1).cpu().numpy()
        return probabilities

    return predict
