"""Make a trained network faster without retraining it: fold batch norms, choose layout and number type."""

import copy
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from pnetkit.interfaces import Backbone
from pnetkit.networks import Precision, to_channels_last

NUMBER_TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
"""The number type of each precision."""


def accelerated(backbone: Backbone, *, device: str, precision: Precision) -> Backbone:
    """Give a copy of a backbone for inference: in evaluation mode, channels last, in the number type of `precision`.

    Batch norms that follow a convolution in an `nn.Sequential` are folded into it, before the number type changes:
    folded weights lose less in bf16 than unfolded ones. Whatever stands elsewhere is left alone, because only a
    Sequential says in which order its modules run. The network's own `spec` and interface stay.
    """
    quick: Any = copy.deepcopy(backbone, {id(backbone.spec): backbone.spec})  # a spec is a value: it is shared
    quick.eval()
    if isinstance(quick, nn.Module):
        fold_batch_norms(quick)
        quick.to(device=device, dtype=NUMBER_TYPES[precision])
        to_channels_last(quick)
    result: Backbone = quick
    return result


def fold_batch_norms(module: nn.Module) -> int:
    """Fold each batch norm that directly follows a convolution in a Sequential, in place; give how many there were.

    Convolutions and norms with hooks are left alone: a hook would see other values.
    """
    folded = 0
    for child in module.children():
        folded += fold_batch_norms(child)
    if type(module) is not nn.Sequential:
        return folded
    names = list(module._modules)
    for first, second in pairwise(names):
        conv, norm = module._modules[first], module._modules[second]
        if not isinstance(conv, (nn.Conv3d, nn.ConvTranspose3d)) or not isinstance(norm, nn.BatchNorm3d):
            continue
        if norm.running_mean is None or _has_hooks(conv) or _has_hooks(norm):
            continue
        module._modules[first] = fuse_conv_bn_eval(conv, norm, transpose=isinstance(conv, nn.ConvTranspose3d))
        module._modules[second] = nn.Identity()
        folded += 1
    return folded


def _has_hooks(module: nn.Module) -> bool:
    return bool(module._forward_hooks or module._forward_pre_hooks)
