"""Make functions from patches to labels or probabilities of networks: what windows are given to."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pnetkit.inference.acceleration import NUMBER_TYPES
from pnetkit.inference.averaging import ProbabilityPredictor
from pnetkit.inference.voting import Predictor
from pnetkit.networks import Network, Precision, checked_output


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


def mean_of(predictors: Sequence[ProbabilityPredictor]) -> ProbabilityPredictor:
    """Give the mean of what several predict."""

    def predict(patches: NDArray[np.float32]) -> NDArray[np.float32]:
        total = predictors[0](patches)
        for other in predictors[1:]:
            total = total + other(patches)
        mean: NDArray[np.float32] = total / np.float32(len(predictors))
        return mean

    return predictors[0] if len(predictors) == 1 else predict


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
