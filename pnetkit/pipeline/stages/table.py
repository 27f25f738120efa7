"""All stages, in their order: a new one is a module of its own and a line here."""

from pnetkit.pipeline.stages import adopt, classify, features, fit, measure, postprocess, prepare, segment, train
from pnetkit.pipeline.stages.stage import Stage

STAGES: dict[str, Stage] = {
    module.STAGE.name: module.STAGE
    for module in (prepare, train, segment, adopt, postprocess, features, fit, classify, measure)
}
"""The stages by name."""
