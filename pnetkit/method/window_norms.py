"""Say where a network's norms will meet windows of another size than the patches that it is trained on."""

from torch import nn

from pnetkit.method.plugins import build, identify
from pnetkit.networks import build_seeded, without_values
from pnetkit.recipe.models import Recipe
from pnetkit.training.modules import as_module
from pnetkit.types import CLASSES


def window_hint(recipe: Recipe) -> str | None:
    """Say what a search loses whose windows have another size than any patch; None where nothing is lost.

    Instance and group norms take mean and deviation of the window that they see, and these change with its size; batch
    norms bring theirs from the training. Where nothing is trained the size is not known, and nothing is said.

    Raises:
        PluginError: the backbone cannot be built.
    """
    patches = [recipe.training.patch_size, *(other.size for other in recipe.training.mixed_patches)]
    window = recipe.inference.window_size
    if window is None or window in patches or not recipe.training.iterations:
        return None
    identity = identify("backbone", recipe.backbone.plugin, recipe.backbone.params)
    with without_values():
        network = as_module(build_seeded(lambda: build(identity, in_channels=1, num_classes=len(CLASSES)), 0))
    norms = norms_of_the_window(network)
    if not norms:
        return None
    return (
        f"The {norms[0]} of {recipe.backbone.plugin} takes mean and deviation of the window that it sees. "
        f"inference.window_size is {list(window)} and training.patch_size {list(patches[0])}, so these will be others "
        f"than in training: on the demo's phantoms that cost nnU-Net's network 38 of 88 points of Dice. Set "
        f"inference.window_size to null or to the patch's."
    )


def norms_of_the_window(network: nn.Module) -> list[str]:
    """Name the kinds of norms in a network that take their statistics of what they see in evaluation too, sorted."""
    kinds = (nn.GroupNorm, nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)
    found = {type(layer).__name__ for layer in network.modules() if isinstance(layer, kinds) and _sees(layer)}
    return sorted(found)


def _sees(layer: nn.Module) -> bool:
    return not getattr(layer, "track_running_stats", False)
