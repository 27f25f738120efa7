"""A backbone as what torch trains."""

from torch import nn

from pnetkit.errors import TrainingError
from pnetkit.interfaces import Backbone


def as_module(backbone: Backbone) -> nn.Module:
    """Give the backbone as a module. Raises TrainingError where it is none."""
    if not isinstance(backbone, nn.Module):
        raise TrainingError(
            f"The backbone {type(backbone).__name__} is not a torch.nn.Module, so it cannot be trained."
        )
    return backbone
