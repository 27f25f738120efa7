"""Checks of a backbone: that its spec is true, and that it can be trained, stored, moved and trusted."""

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

from pnetkit.errors import BrokenPluginError, PluginError
from pnetkit.interfaces import Backbone
from pnetkit.networks import build_seeded, require_backbone
from pnetkit.testing.backbone_conduct import (
    require_batch_items_apart,
    require_bf16,
    require_finite,
    require_gradients,
    require_input_kept,
    require_onnx,
    require_random_state_kept,
    require_repeated_evaluation,
    require_seeded_weights,
    require_state_round_trip,
)
from pnetkit.testing.backbone_inference import require_inference
from pnetkit.testing.backbone_promises import (
    require_auxiliary_outputs,
    require_features,
    require_meta,
    require_outputs_of,
    require_signature,
    require_sizes,
    require_spec,
)
from pnetkit.testing.backbone_transfer import require_transfer
from pnetkit.testing.checks import Check, builder, named_checks


def backbone_checks(
    plugin: str | Callable[..., Any],
    *,
    params: Mapping[str, Any] | None = None,
    expected_failures: Mapping[str, str] | None = None,
) -> list[Check]:
    """Give the checks of a backbone, by its registered name or its callable, with its parameters as in a recipe.

    Narrow networks make quick checks. `expected_failures` documents deviations.
    """
    name, bare = builder("backbone", plugin, params or {})

    def build(**given: Any) -> Backbone:
        made = bare(**given)
        try:
            return require_backbone(made)
        except PluginError as error:
            raise BrokenPluginError(str(error)) from error  # as what cannot be built at all: said once

    @cache
    def network(in_channels: int = 1, num_classes: int = 4) -> Backbone:
        return build_seeded(lambda: build(in_channels=in_channels, num_classes=num_classes), 0)

    checks: dict[str, Callable[[], None]] = {
        "signature": partial(require_signature, name, plugin),
        "meta": lambda: require_meta(build, network().spec),
        "spec": lambda: require_spec(network()),
        "sizes": lambda: require_sizes(network()),
        "in_channels": lambda: require_outputs_of(network(channels) for channels in (1, 2)),
        "num_classes": lambda: require_outputs_of(network(1, classes) for classes in (2, 4)),
        "auxiliary_outputs": lambda: require_auxiliary_outputs(network()),
        "features": lambda: require_features(network()),
        "gradients": lambda: require_gradients(network()),
        "batch_items_do_not_mix": lambda: require_batch_items_apart(network()),
        "evaluation_repeats": lambda: require_repeated_evaluation(network()),
        "seeded_weights_repeat": lambda: require_seeded_weights(build),
        "random_state_is_left_alone": lambda: require_random_state_kept(network()),
        "input_is_left_alone": lambda: require_input_kept(network()),
        "state_round_trip": lambda: require_state_round_trip(network(), build),
        "transfer": lambda: require_transfer(network(), build),
        "finite_on_extreme_input": lambda: require_finite(network()),
        "bf16": lambda: require_bf16(network()),
        "inference": lambda: require_inference(build),
        "onnx": lambda: require_onnx(name, network()),
    }
    return named_checks(name, checks, expected_failures or {}, network)
