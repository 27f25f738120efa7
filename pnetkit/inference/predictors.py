"""Make functions from patches to labels or probabilities of networks: what windows are given to.

On a CPU, torch computes small convolutions in fp32 by other kernels when a batch holds one patch: up to twice as slow,
and rounded otherwise. So where windows are run in batches, one that is left alone is run with a copy of itself, and no
label depends on which windows shared a batch.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pnetkit import cuda
from pnetkit.acceleration import NUMBER_TYPES
from pnetkit.inference.averaging import ProbabilityPredictor
from pnetkit.inference.mirroring import mean_logits, mean_probabilities
from pnetkit.inference.voting import Predictor
from pnetkit.networks import FiniteLater, Network, Precision, checked_output, require_finite


def label_predictor(
    network: Network,
    *,
    device: str,
    precision: Precision,
    in_batches: bool = False,
    finite: FiniteLater | None = None,
    mirror: bool = False,
) -> Predictor:
    """Make a function from patches to hard labels (the largest logit, the lowest label on a tie), on the device.

    With `mirror` it is the label of the largest mean probability of all mirrored views.
    With `in_batches` a patch that is alone is answered as in company. What is not finite raises PluginError at once, or
    on a GPU, where `finite` is given, when that is asked: then no batch waits for the one before it.
    """
    return _predictor(
        network,
        lambda logits: logits.argmax(dim=1).to(torch.uint8),
        device=device,
        precision=precision,
        in_batches=in_batches,
        mirror=mirror,
        finite=finite if cuda.is_gpu(device) else None,
    )


def probability_predictor(
    network: Network,
    *,
    device: str,
    precision: Precision,
    in_batches: bool = False,
    mirror: bool = False,
    as_logits: bool = False,
) -> ProbabilityPredictor:
    """Make a function from patches to the probability of each class (batch, class, x, y, z) float32, or to its logit.

    `in_batches` and `mirror` are those of `label_predictor`.
    """
    shares = Tensor.float if as_logits else lambda logits: logits.float().softmax(dim=1)
    predict = _predictor(
        network,
        (lambda answered: answered) if mirror else shares,
        device=device,
        precision=precision,
        in_batches=in_batches,
        mirror=mirror,
        mean=mean_logits if as_logits else mean_probabilities,
    )

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
    network: Network,
    answer: Callable[[Tensor], Tensor],
    *,
    device: str,
    precision: Precision,
    in_batches: bool,
    mirror: bool,
    finite: FiniteLater | None = None,
    mean: Callable[[Callable[[Tensor], Tensor], Tensor], Tensor] = mean_probabilities,
) -> Callable[[NDArray[np.float32]], Tensor]:
    """Run a network on patches and give its answer to the logits, or with `mirror` to the `mean` over all views."""
    eager = isinstance(network, nn.Module)  # other runtimes have kernels of their own
    never_alone = in_batches and eager and device == "cpu" and precision == "fp32"

    def logits_of(x: Tensor) -> Tensor:
        logits = checked_output(network, x).logits
        (require_finite if finite is None else finite.note)(logits, f"The logits of {type(network).__name__}")
        return logits

    def predict(patches: NDArray[np.float32]) -> Tensor:
        if never_alone and len(patches) == 1:
            return predict(np.repeat(patches, 2, axis=0))[:1]
        with torch.inference_mode(), cuda.single_precision(tf32=precision == "tf32"):
            x = cuda.sent(patches, device)
            x = x.to(dtype=NUMBER_TYPES[precision], memory_format=torch.channels_last_3d)
            return answer(mean(logits_of, x) if mirror else logits_of(x))

    most: int | None = None  # windows at once that the accelerator's memory holds, once it is known

    def in_parts(patches: NDArray[np.float32]) -> Tensor:
        """Run a batch, in smaller ones where memory does not hold it: no case is lost to a batch size."""
        nonlocal most
        while True:
            size = len(patches) if most is None else min(most, len(patches))
            try:
                answers = [predict(patches[first : first + size]) for first in range(0, len(patches), size)]
            except torch.OutOfMemoryError:
                if size == 1:
                    raise
                most = size // 2
            else:
                return answers[0] if len(answers) == 1 else torch.cat(answers)
            cuda.give_back_freed()  # here: the error held what the network had computed

    return in_parts
