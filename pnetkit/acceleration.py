"""Make a trained network faster without retraining it: fold batch norms, choose layout and number type."""

import copy
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.nn.utils.parametrize import is_parametrized

from pnetkit.interfaces import Backbone
from pnetkit.networks import Precision, small_size, to_channels_last

NUMBER_TYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
"""The number type of each precision."""

PROOFS = ((torch.float64, 1e-6), (torch.float32, 1e-4))
"""In what folding is proven, and how far logits may lie apart, of their largest; the second for what takes no other."""

PROOF_EDGE = 16
"""Edge of the patch on which folding is proven, where the network takes it."""


def accelerated(backbone: Backbone, *, device: str, precision: Precision) -> Backbone:
    """Give a copy of a backbone for inference: in evaluation mode, channels last, in the number type of `precision`.

    Batch norms that follow a convolution in an `nn.Sequential` are folded into it, before the number type changes:
    folded weights lose less in bf16 than unfolded ones. Whatever stands elsewhere is left alone, because only a
    Sequential says in which order its modules run. A network that says something else on a random patch once it is
    folded, because it takes a map from inside a Sequential, is not folded. The network's own `spec` and interface stay.
    """
    quick: Any = copy.deepcopy(backbone, {id(backbone.spec): backbone.spec})  # a spec is a value: it is shared
    quick.eval()
    if isinstance(quick, nn.Module):
        if _says_the_same_folded(backbone):
            fold_batch_norms(quick)
        quick.to(device=device, dtype=NUMBER_TYPES[precision])
        to_channels_last(quick)
    result: Backbone = quick
    return result


def _says_the_same_folded(backbone: Any) -> bool:
    """Fold a copy of a network, and tell whether it says the same on a random patch.

    In double precision what is the same is so to a dozen digits. On `meta` there is nothing to compare, and no answer.
    """
    if any(tensor.is_meta for tensor in backbone.state_dict().values()):
        return True
    size = small_size(backbone.spec, PROOF_EDGE)
    patch = torch.randn(1, backbone.spec.in_channels, *size, generator=torch.Generator().manual_seed(0))
    for number_type, largest_change in PROOFS:
        folded = copy.deepcopy(backbone, {id(backbone.spec): backbone.spec}).to("cpu").to(number_type).eval()
        try:
            with torch.inference_mode():
                wanted = folded(patch.to(number_type)).logits
        except Exception:  # noqa: BLE001  # whatever it is, it has nothing to do with folding: not proven
            continue
        if not fold_batch_norms(folded):
            return True
        with torch.inference_mode():
            found = folded(patch.to(number_type)).logits
        return bool((found - wanted).abs().max() <= largest_change * wanted.abs().max().clamp(min=1.0))
    return False


def fold_batch_norms(module: nn.Module) -> int:
    """Fold each batch norm that directly follows a convolution in a Sequential, in place; give how many there were.

    Convolutions and norms with hooks are left alone: a hook would see other values. So are those with parametrized
    weights, as weight norm and spectral norm make them: these are computed anew at every call.
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
        if norm.running_mean is None or any(_has_hooks(of) or is_parametrized(of) for of in (conv, norm)):
            continue
        module._modules[first] = fuse_conv_bn_eval(conv, norm, transpose=isinstance(conv, nn.ConvTranspose3d))
        module._modules[second] = nn.Identity()
        folded += 1
    return folded


def _has_hooks(module: nn.Module) -> bool:
    return bool(module._forward_hooks or module._forward_pre_hooks)
