"""A recipe that runs in seconds, on phantoms that are no larger than they have to be."""

import shutil
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pytest

from pnetkit.cohort.phantom import PhantomSpec, generate, write_cohort
from pnetkit.pipeline.engine.session import Listener
from pnetkit.pipeline.outcome.export import export_model
from pnetkit.pipeline.plan.request import RunRequest
from pnetkit.pipeline.run import RunResult
from pnetkit.pipeline.run import run as run_recipe
from pnetkit.recipe.check import load_recipe
from pnetkit.store.store import Store

TINY = """\
name: tiny
cohort:
  folds: 2
backbone: {plugin: s4c, params: {width: 2}}
training:
  iterations: 20
  batch_size: 2
  patch_size: [16, 16, 16]
  learning_rate: 0.2
  checkpoint_every: 5
  class_weights: [1, 100, 1000, 1000]  # finds pancreas in all scans and tumors in some, wrong as they are
inference: {window_size: [16, 16, 16], stride: 16, batch_size: 4}
postprocess:
  - {plugin: components, params: {gap_voxels: 4}}
classifier: {plugin: voxel-count, params: {tumor_voxels: 5, duct_voxels: 5}}
fusion: {plugin: or}
profiles:
  demo:
    cohort:
      phantom: {cases: 4, shape: [32, 32, 24], difficulty: 0}
"""


KEPT = lru_cache(64)(generate.phantom_case)


@pytest.fixture(scope="package", autouse=True)
def phantoms_are_drawn_once():
    """Keep the phantoms that were drawn: nearly every test here begins with the same four, which take half a second."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(generate, "phantom_case", KEPT)
        yield


@dataclass(frozen=True)
class Runner:
    """Runs the tiny recipe in a folder of its own; without the page, which takes a third of so small a run."""

    folder: Path
    report: bool = False

    @property
    def recipe(self) -> Path:
        path = self.folder / "tiny.yaml"
        path.write_text(TINY)
        return path

    def __call__(
        self,
        out="out",
        *,
        store="store",
        table=None,
        device="cpu",
        workers=0,
        sets=(),
        progress=lambda _: None,
        **options,
    ) -> RunResult:
        loaded = load_recipe(self.recipe, None if table else "demo", sets)
        request = RunRequest(
            loaded, table, self.folder / store, self.folder / out, device=device, workers=workers,
            **{"report": self.report} | options,
        )  # fmt: skip
        return run_recipe(request, Listener(progress=progress))


@pytest.fixture
def tiny(tmp_path) -> Runner:
    return Runner(tmp_path)


@pytest.fixture(scope="session")
def trained_once(tmp_path_factory) -> Path:
    """The folder of a run of the tiny recipe from nothing, which nobody changes."""
    folder = tmp_path_factory.mktemp("trained")
    Runner(folder)()
    return folder


def copy_store(trained_once: Path, store: Path) -> None:
    """Lay down what the tiny recipe's run made, of which no run in this place knows."""
    shutil.copytree(trained_once / "store", store, ignore=shutil.ignore_patterns("runs"))


@pytest.fixture
def warm(tiny, trained_once) -> Runner:
    """The tiny recipe in a folder of its own, where all of it is made: for tests of what comes after a training."""
    copy_store(trained_once, tiny.folder / "store")
    return tiny


@pytest.fixture(scope="module")
def finished(tmp_path_factory, trained_once) -> tuple[Runner, RunResult]:
    """A run that is done, for tests that only look: in a folder of its own, whose trainings were made once."""
    folder = tmp_path_factory.mktemp("finished")
    copy_store(trained_once, folder / "store")
    runner = Runner(folder)
    return runner, runner()


def results(folder: Path) -> dict[str, bytes]:
    """All that has to be the same in two equal runs: everything but what holds times, and the claim."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ("run.json", "report.html", "claim.json")
    }


@pytest.fixture(scope="module")
def model(finished, tmp_path_factory) -> Path:
    runner, result = finished
    made = export_model(result.folder, runner.folder / "model", Store(runner.folder / "store"))
    moved = tmp_path_factory.mktemp("elsewhere") / "model"
    shutil.move(made, moved)
    return moved


@pytest.fixture
def table(finished) -> Path:
    return next((finished[0].folder / "store").rglob("cohort.csv"))


@pytest.fixture
def cohort(tmp_path) -> Path:
    """The table of four small phantoms, which a test may change."""
    return write_cohort(tmp_path / "cohort", PhantomSpec(cases=4, seed=1, shape=(32, 32, 24), difficulty=0))
