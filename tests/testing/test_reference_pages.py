"""docs/reference says what the code says: every member, field and check, nothing else, and examples that run."""

import importlib
import re

import pytest

from pnetkit import errors, interfaces, testing, types
from pnetkit.pipeline.stages.table import STAGES
from pnetkit.recipe.inference import InferenceSettings
from pnetkit.recipe.models import Recipe, TrainingSettings
from pnetkit.registry import GROUPS
from tests.testing.broken_backbones import Sound
from tests.testing.reference_pages import CHECKS, FOLDER, ROOTS, members, of_page, protocols, with_members
from tests.testing.test_classifier_checks import ByVolume
from tests.testing.test_fusion_checks import Either
from tests.testing.test_postprocessor_checks import Keep

PAGES = {page: (FOLDER / f"{page}.md").read_text(encoding="utf-8") for page in ROOTS}
SOUND = {"backbone": Sound, "postprocessor": Keep, "case_classifier": ByVolume, "phase_fusion": Either}

FILES = {
    "weights.safetensors": ("pnetkit.pipeline.stages.train", "WEIGHTS"),
    "backbone.json": ("pnetkit.pipeline.stages.train", "BACKBONE"),
    "losses.json": ("pnetkit.pipeline.stages.train", "LOSSES"),
    "watched.csv": ("pnetkit.pipeline.stages.train", "WATCHED"),
    "checkpoint.safetensors": ("pnetkit.pipeline.stages.train", "CHECKPOINT"),
    "labels.nii.gz": ("pnetkit.pipeline.stages.segmentation", "LABELS"),
    "voxels.json": ("pnetkit.pipeline.stages.postprocess", "VOXELS"),
    "finding.json": ("pnetkit.pipeline.stages.classify", "FINDING"),
    "run.json": ("pnetkit.store.store", "RUN_RECORD"),
}
"""Files that pages name, and the constants that hold their names."""

ELSEWHERE = {"meta", "onnx", "Sequential", "torch.nn.Module", "torch.autocast", "cases.csv", "metrics.json"}
"""What pages name and pnetkit's interfaces do not: torch's, an extra, and files without a constant."""


def known(page):
    of = of_page(page)
    names = {member for name in of for member, _, _ in members(name)} | set(of)
    names |= set(re.findall(r"(\w+)[:=,)]", " ".join(kind for name in of for _, kind, _ in members(name))))
    names |= {check.name for check in CHECKS[page](SOUND[page])}
    names |= {"expected_failures", CHECKS[page].__name__, *STAGES, *GROUPS.values()}
    names |= {member for member, _, _ in members("Deviating")}
    names |= {name for name in vars(errors) if name.endswith("Error")}
    names |= set(Recipe.model_fields)
    names |= {f"training.{key}" for key in TrainingSettings.model_fields}
    return names | {f"inference.{key}" for key in InferenceSettings.model_fields} | set(FILES) | ELSEWHERE


def section(page, heading):
    return PAGES[page].partition(f"## {heading}\n")[2].partition("\n## ")[0]


def test_every_interface_is_on_one_page():
    shown = [name for page in ROOTS for name in of_page(page) if name in protocols()]
    assert sorted([*shown, "Deviating"]) == sorted(protocols())
    assert len(protocols()) == 12
    of_all_kinds = (FOLDER.parent / "plugins.md").read_text(encoding="utf-8")
    assert "`pnetkit.interfaces.Deviating`" in of_all_kinds
    assert {f"pnetkit.{page}" for page in ROOTS} == set(GROUPS.values())


@pytest.mark.parametrize("page", ROOTS)
def test_the_tables_of_members_are_those_of_the_code(page):
    assert with_members(page, PAGES[page]) == PAGES[page], "python -m tests.testing.reference_pages --write"


@pytest.mark.parametrize("page", ROOTS)
def test_the_tables_hold_what_the_classes_have_when_they_are_imported(page):
    """The tables are read off the source; this asks the classes themselves."""
    for name in of_page(page):
        cls = getattr(interfaces, name, None) or getattr(types, name)
        own = {key for key in [*cls.__dict__, *cls.__annotations__] if key == "__call__" or not key.startswith("_")}
        assert {member for member, _, _ in members(name)} == own
        assert f"### `{name}`" in PAGES[page]


@pytest.mark.parametrize("page", ROOTS)
def test_the_checks_of_a_page_are_those_of_its_kit(page):
    listed = re.findall(r"^\| `(\w+)` \|", section(page, "Checks"), re.MULTILINE)
    assert listed == [check.name for check in CHECKS[page](SOUND[page])]


@pytest.mark.parametrize("page", ROOTS)
def test_what_a_page_names_exists(page):
    prose = re.sub(r"```.*?```", "", PAGES[page].partition("## Members")[0], flags=re.DOTALL)
    named = set(re.findall(r"`([A-Za-z_][\w.]*)`", prose))
    assert len(named) > 15
    assert sorted(named - known(page)) == []


def test_the_files_that_pages_name_are_called_so():
    for name, (module, constant) in FILES.items():
        assert getattr(importlib.import_module(module), constant) == name


@pytest.mark.parametrize("page", ROOTS)
def test_every_protocol_member_is_spoken_of_in_the_prose(page):
    prose = PAGES[page].partition("## Checks")[0]
    own = {member for name in of_page(page) if name in protocols() for member, _, _ in members(name)}
    assert [member for member in own if f"`{member}`" not in prose] == []


@pytest.mark.slow
@pytest.mark.parametrize("page", ROOTS)
def test_the_example_runs(page):
    (code,) = re.findall(r"```python\n(.*?)```", section(page, "An example"), re.DOTALL)
    assert "assert " in code
    exec(compile(code, f"{page}.md", "exec"), {"__name__": f"example_of_{page}"})


def test_there_is_a_page_for_each_kit():
    kits = {name for name in testing.__all__ if name.endswith("_checks")} - {"run_checks"}
    assert {f"{page}_checks" for page in ROOTS} == kits
