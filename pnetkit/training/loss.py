"""The loss of a network with deep supervision; the paper's is the voxelwise cross-entropy (Section 3.1)."""

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from pnetkit.interfaces import BackboneOutput
from pnetkit.training.unsure import lesion_loss, unsure_loss
from pnetkit.training.voxel_loss import CROSS_ENTROPY, VoxelLoss, voxel_loss
from pnetkit.types import PANCREAS, BackboneSpec


def deep_supervision_loss(
    output: BackboneOutput,
    labels: Tensor,
    spec: BackboneSpec,
    *,
    of: VoxelLoss = CROSS_ENTROPY,
    class_weights: tuple[float, ...] | None = None,
    is_unsure: bool = False,
) -> Tensor:
    """Add up the losses of the main output and of the auxiliary ones, each with the weight the backbone states.

    `labels` (batch, x, y, z) int64. Each term is `voxel_loss` over all voxels of the batch; that of a lesion score is
    the mean over patches, of which those with a voxel of tumor or duct are positive. `is_unsure` says that
    voxels may be of several classes (`unsure.py`). Raises ValueError when the
    backbone gave other outputs than its spec promises.
    """
    if len(output.aux_logits) != len(spec.aux_heads):
        raise ValueError(
            f"the backbone gave {len(output.aux_logits)} auxiliary outputs in training mode, "
            f"its spec promises {len(spec.aux_heads)}"
        )
    if (output.lesion_logits is not None) != (spec.lesion_loss_weight > 0):
        raise ValueError(
            f"the backbone gave {'no' if output.lesion_logits is None else 'a'} lesion score in training mode, "
            f"its spec has a lesion_loss_weight of {spec.lesion_loss_weight:g}"
        )
    weights = weights_on_device(class_weights, output.logits)
    of_voxels = unsure_loss if is_unsure else voxel_loss
    total = spec.loss_weight * of_voxels(output.logits, labels, of, weights)
    for head, logits in zip(spec.aux_heads, output.aux_logits, strict=True):
        total = total + head.loss_weight * of_voxels(logits, labels, of, weights)
    if output.lesion_logits is not None and is_unsure:
        total = total + spec.lesion_loss_weight * lesion_loss(output.lesion_logits, labels)
    elif output.lesion_logits is not None:
        holds_lesion = (labels > PANCREAS).flatten(1).any(dim=1)
        term = binary_cross_entropy_with_logits(output.lesion_logits.float(), holds_lesion.float())
        total = total + spec.lesion_loss_weight * term
    return total


def weights_on_device(class_weights: tuple[float, ...] | None, like: Tensor) -> Tensor | None:
    """Give weights of classes as a tensor of the kind of another one, and on its device; None for None."""
    return None if class_weights is None else _on_device(class_weights, like.dtype, like.device)


@lru_cache(maxsize=4)
def _on_device(weights: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Keep weights where they are used: to copy them there would make each step wait for the GPU."""
    return torch.tensor(weights, dtype=dtype, device=device)
