"""Proposed settings: what fits the memory, thresholds in mm³, a recipe that loads."""

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from torch import nn

from pnetkit.cli.main import cli
from pnetkit.cohort.fingerprint import Fingerprint, PhaseFingerprint, Range
from pnetkit.cohort.phantom import PhantomSpec, write_cohort
from pnetkit.errors import PluginError, RecipeError
from pnetkit.interfaces import BackboneOutput
from pnetkit.networks import kept_bytes_per_voxel
from pnetkit.pipeline.budget import proposal
from pnetkit.pipeline.budget.proposal import propose
from pnetkit.recipe.check import load_recipe
from pnetkit.recipe.models import MixedPatchSettings, PluginChoice
from pnetkit.recipe.preprocess import PreprocessSettings
from pnetkit.types import BackboneSpec

OF_ONE_SIZE = """
from torch import nn
from pnetkit.interfaces import BackboneOutput
from pnetkit.types import BackboneSpec, FeatureSpec

class Net(nn.Module):
    def __init__(self, *, in_channels: int = 1, num_classes: int = 4):
        super().__init__()
        maps = {"pool3": FeatureSpec(1, (8, 8, 8), context_voxels=(13, 13, 13))}
        self.spec = BackboneSpec(in_channels, num_classes, (8, 8, 8), maps, only_size=(24, 24, 16))
        self.one = nn.Conv3d(in_channels, num_classes, 1)

    def forward(self, x):
        return BackboneOutput(self.one(x))

    def encode(self, x, features):
        return {}
"""

RECIPE = Path(__file__).parents[3] / "recipes" / "s4c_dual.yaml"


def just(value):
    return Range(value, value, value)


def phase(shape=(512, 512, 200), spacing=((0.7, 0.7), (0.7, 0.7), (1, 1)), tumor=2000.0):
    edges = tuple(Range(low, low, high) for low, high in spacing)
    voxel = just(spacing[0][0] * spacing[1][0] * spacing[2][0])
    return PhaseFingerprint(10, 10, tuple(map(just, shape)), edges, voxel, just(90.0), just(tumor), None)


def found(**phases):
    return Fingerprint(5, 5, 0, 10, {"": 10}, phases or {"arterial": phase(), "venous": phase()})


@pytest.fixture(autouse=True, scope="module")
def measured_once():
    """Build each network, and run it for what a step keeps, once, and not for every proposal."""
    networks, measured = {}, {}
    build, kept = proposal.build, proposal.kept_bytes_per_voxel

    def build_once(identity, **channels):
        asked = repr((identity, channels))
        if asked not in networks:
            networks[asked] = build(identity, **channels)
        return networks[asked]

    def kept_once(network, size):
        asked = id(network), size  # `networks` keeps it, so that no other has its number
        if asked not in measured:
            measured[asked] = kept(network, size)
        return measured[asked]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(proposal, "build", build_once)
        patch.setattr(proposal, "kept_bytes_per_voxel", kept_once)
        yield


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A cohort of two, which no test changes."""
    spec = PhantomSpec(cases=2, seed=1, shape=(32, 32, 24), difficulty=0)
    return write_cohort(tmp_path_factory.mktemp("cohort") / "c", spec)


@pytest.fixture(scope="module")
def recipe():
    return load_recipe(RECIPE).recipe


@pytest.fixture(scope="module")
def narrow(recipe):
    """The recipe with the narrowest network, for what does not depend on it."""
    return recipe.model_copy(update={"backbone": PluginChoice(plugin="s4c", params={"width": 1})})


class OneConvolution(nn.Module):
    """A network of which it is known what it keeps: its input and its output, after a ReLU."""

    def __init__(self):
        super().__init__()
        self.spec = BackboneSpec(1, 4, (1, 1, 1))
        self.convolution = nn.Conv3d(1, 4, 3, padding=1)

    def forward(self, x):
        return BackboneOutput(torch.relu(self.convolution(x)))


def test_what_a_step_keeps_is_counted_from_the_tensors_that_autograd_saves():
    assert kept_bytes_per_voxel(OneConvolution(), (8, 8, 8)) == pytest.approx(4 * (1 + 4))


@pytest.mark.slow
def test_more_memory_takes_larger_parts_of_the_paper_s_batch(recipe):
    small, large = (propose(recipe, found(), vram_bytes=gb * 10**9).sections["training"] for gb in (8, 80))
    assert large["patch_size"] == [64, 64, 64]
    assert (large["batch_size"], small["batch_size"]) == (16, 16)
    assert small["accumulation"] > large["accumulation"]


def test_thresholds_are_the_paper_s_in_mm3_of_the_cohort_s_voxels(narrow):
    sections = propose(narrow, found(), vram_bytes=24 * 10**9).sections
    assert sections["classifier"]["params"]["tumor_mm3"] == pytest.approx(40 * 0.49, abs=0.01)
    assert sections["classifier"]["params"]["duct_mm3"] == pytest.approx(500 * 0.49, abs=0.01)
    (components,) = [choice for choice in sections["postprocess"] if choice["plugin"] == "components"]
    assert components["params"]["gap_mm"] == pytest.approx(27 * 0.49 ** (1 / 3), abs=0.06)


def test_a_tumor_smaller_than_the_threshold_lowers_it_and_says_so(narrow):
    phases = {"arterial": phase(tumor=10.0), "venous": phase()}
    proposal = propose(narrow, found(**phases), vram_bytes=24 * 10**9)
    assert proposal.sections["classifier"]["params"]["tumor_mm3"] == 5.0
    assert any("chosen on this cohort's labels" in reason for reason in proposal.reasons)


@pytest.mark.slow
def test_thin_scans_and_little_memory_make_patches_smaller_and_too_little_is_refused(recipe):
    thin = {name: phase(shape=(512, 512, 40)) for name in ("arterial", "venous")}
    assert propose(recipe, found(**thin), vram_bytes=24 * 10**9).sections["training"]["patch_size"][2] <= 40
    with pytest.raises(RecipeError, match="do not hold one patch"):
        propose(recipe, found(), vram_bytes=10**8)


def test_a_network_of_one_size_gets_that_size_whatever_the_recipe_and_the_scans_say(narrow, install):
    install("acme-one", "acme_one", OF_ONE_SIZE, backbone={"acme-one": "acme_one:Net"})
    only = narrow.model_copy(update={"backbone": PluginChoice(plugin="acme-one")})
    thin = {name: phase(shape=(512, 512, 12)) for name in ("arterial", "venous")}
    proposal = propose(only, found(**thin), vram_bytes=24 * 10**9)
    assert proposal.sections["training"]["patch_size"] == [24, 24, 16]
    assert proposal.sections["inference"] == {"window_size": [24, 24, 16]}
    assert any("24 x 24 x 16 alone" in reason for reason in proposal.reasons)
    assert "inference" not in propose(narrow, found(), vram_bytes=24 * 10**9).sections
    mixed = only.training.model_copy(update={"mixed_patches": (MixedPatchSettings(size=(32, 32, 32), share=0.5),)})
    with pytest.raises(PluginError, match=r"mixed_patches\.size is \(32, 32, 32\).*no other size"):
        propose(only.model_copy(update={"training": mixed}), found(), vram_bytes=24 * 10**9)


def test_uneven_spacing_is_evened_out_unless_the_recipe_does_and_a_missing_phase_refused(narrow):
    uneven = {name: phase(spacing=((0.7, 0.7), (0.7, 0.7), (1, 5))) for name in ("arterial", "venous")}
    assert any(
        "along z the arterial scans differ" in reason
        for reason in propose(narrow, found(**uneven), vram_bytes=24 * 10**9).reasons
    )
    assert propose(narrow, found(**uneven), vram_bytes=24 * 10**9).sections["preprocess"] == {"spacing_mm": "median"}
    assert "preprocess" not in propose(narrow, found(), vram_bytes=24 * 10**9).sections
    at_one = narrow.model_copy(update={"preprocess": PreprocessSettings(spacing_mm=1.0)})
    evened = propose(at_one, found(**uneven), vram_bytes=24 * 10**9)
    assert "preprocess" not in evened.sections
    assert not any("differ by more" in reason for reason in evened.reasons)
    with pytest.raises(RecipeError, match="no scan of it"):
        propose(narrow, found(venous=phase()), vram_bytes=24 * 10**9)


@pytest.mark.slow
def test_the_command_writes_a_recipe_that_loads(table, tmp_path):
    arguments = ["plan", table, "--vram", "12GB", "--recipe", RECIPE, "--out", tmp_path / "Mine.yaml", "--workers", 0]
    result = CliRunner().invoke(cli, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    planned = load_recipe(tmp_path / "Mine.yaml").recipe
    assert planned.name == "mine"
    assert planned.classifier.params["tumor_mm3"] > 0
    assert max(planned.training.patch_size) <= 32
    again = CliRunner().invoke(cli, list(map(str, arguments)))
    assert "is there already" in str(again.exception)
    wrong = CliRunner().invoke(cli, ["plan", str(table), "--vram", "lots", "--out", "x.yaml"])
    assert "wanted a size as 12GB" in wrong.output


@pytest.mark.slow
@pytest.mark.parametrize("named", [[], ["--recipe", "s4c_dual"], ["--recipe", str(RECIPE)]])
def test_a_planned_recipe_names_the_shipped_one_that_it_extends_and_may_be_moved(table, tmp_path, named):
    out = tmp_path / "mine.yaml"
    result = CliRunner().invoke(cli, ["plan", str(table), "--vram=12GB", "--out", str(out), "--workers=0", *named])
    assert result.exit_code == 0, result.output
    assert "\nextends: pnetkit:s4c_dual\n" in out.read_text()
    (tmp_path / "elsewhere").mkdir()
    assert load_recipe(out.rename(tmp_path / "elsewhere" / "mine.yaml")).recipe.name == "mine"


@pytest.mark.slow
def test_a_planned_recipe_names_one_of_the_user_s_own_by_its_file(table, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("base.yaml").write_bytes(RECIPE.read_bytes())
    Path("planned").mkdir()
    arguments = ["plan", str(table), "--vram=12GB", "--recipe=base.yaml", "--out=planned/mine.yaml", "--workers=0"]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    assert "\nextends: ../base.yaml\n" in Path("planned/mine.yaml").read_text()
