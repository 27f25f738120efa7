"""What a run is told of when it is laid out."""

from pathlib import Path

import pytest

from pnetkit.method.window_norms import window_hint
from pnetkit.pipeline.engine.session import Listener, open_session
from pnetkit.pipeline.plan.layout import lay_out
from pnetkit.pipeline.plan.request import RunRequest
from pnetkit.recipe.check import load_recipe
from pnetkit.store.store import Store

RECIPE = Path(__file__).parents[3] / "recipes" / "backbones" / "monai_unet.yaml"


@pytest.mark.slow
def test_that_norms_see_windows_of_another_size_is_said_before_anything_is_made(tmp_path):
    sets = ["cohort.phantom.cases=4", "cohort.folds=2", "inference.window_size=[32,32,32]"]
    loaded = load_recipe(RECIPE, "demo", sets)
    request = RunRequest(loaded, None, tmp_path, None, device="cpu", workers=0)
    said = []
    with open_session(request.machine()) as session:
        lay_out(request, Store(tmp_path), session, Listener(say=said.append))
    assert window_hint(loaded.recipe) in said
