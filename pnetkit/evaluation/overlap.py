"""Overlap of two masks."""

import numpy as np
from numpy.typing import NDArray


def dice(prediction: NDArray[np.bool_], reference: NDArray[np.bool_]) -> float | None:
    """Give the Dice coefficient 2 |A and B| / (|A| + |B|) of two masks of one shape.

    None when both are empty: there is nothing to agree on, and neither 0 nor 1 would be true. Raises ValueError when
    the shapes differ.
    """
    if prediction.shape != reference.shape:
        raise ValueError(f"the masks differ in shape: prediction {prediction.shape} and reference {reference.shape}")
    total = int(np.count_nonzero(prediction)) + int(np.count_nonzero(reference))
    if total == 0:
        return None
    return 2 * int(np.count_nonzero(prediction & reference)) / total
