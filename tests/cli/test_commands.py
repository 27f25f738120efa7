"""The command line as a user meets it: what it prints, how it ends, how fast it answers."""

import gzip
import json
import struct
import subprocess
import sys
from functools import cache
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from pnetkit import __version__
from pnetkit.cli.main import cli
from pnetkit.cohort.phantom import PhantomSpec, write_cohort
from pnetkit.pipeline.budget import throughput
from pnetkit.recipe import catalog
from tests.forked import begin_module
from tests.widths import WIDTHS, require_readable

RECIPES = Path(__file__).parents[2] / "recipes"


ANSWER = """
import contextlib, io, json, sys
from pnetkit.cli.main import cli

said = []
for arguments in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        cli(arguments, standalone_mode=False)
    said.append([arguments, bool(out.getvalue()), "torch" in sys.modules])
print(json.dumps(said))
"""


@pytest.mark.slow
def test_help_and_lists_import_no_torch_and_answer_at_once():
    """All in one process: what one of them imports is there when the next has answered."""
    asked = [["--help"], ["plugins", "list"], ["recipe", "list"], ["run", "--help"], ["--version"]]
    command = [sys.executable, "-c", ANSWER, json.dumps(asked)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[arguments, True, False] for arguments in asked]


def test_the_version_is_the_distribution_s():
    assert CliRunner().invoke(cli, ["--version"]).output == f"pnetkit, version {__version__}\n"


def test_plugins_are_listed_with_where_they_come_from(pnetkit):
    code, out, _ = pnetkit("plugins", "list")
    assert code == 0
    line = next(line for line in out.splitlines() if " s4c " in line)
    assert line.split()[:4] == ["backbone", "s4c", "pnetkit-s4c", __version__]
    found = json.loads(pnetkit("plugins", "list", "--json", "--kind", "phase-fusion")[1])
    assert [p["name"] for p in found] == ["and", "k-of-n", "logistic", "max", "mean", "noisy-or", "or", "single"]


def test_a_plugin_s_parameters_are_shown_with_type_default_bounds_and_meaning(pnetkit):
    _, out, _ = pnetkit("plugins", "show", "voxel-count")
    assert "case-classifier plugin, pnetkit_rules.voxel_count:VoxelCount, from pnetkit-rules" in out
    line = next(line for line in out.splitlines() if line.startswith("tumor_voxels"))
    assert "int | None" in line
    assert "40" in line
    assert ">= 1" in line
    assert "Least tumor" in line
    schema = json.loads(pnetkit("plugins", "show", "s4c", "--json")[1])["parameters"]
    assert schema["properties"]["width"]["minimum"] == 1


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["plugins", "show", "s4d"], 5, "Did you mean 's4c'"),
        (["recipe", "check", "nowhere.yaml"], 3, "there is no such file"),
        (["run", "nowhere.yaml"], 3, "there is no such file, and no shipped recipe of that name"),
        (["run", "s4c_duel"], 3, "Did you mean 's4c_dual'"),
        (["run", "pnetkit:../s4c_dual"], 3, "there is no shipped recipe of that name"),
        (["compare", "nowhere"], 3, "there is no such file, and no shipped recipe of that name"),
        (["compare", "s4c_dual", "--profile", "dmo"], 3, "Did you mean 'demo'"),
        (["run", "s4c_dual", "--profile", "dmo"], 3, "Did you mean 'demo'"),
        (["bench", "s4c_dual", "--profile", "dmo"], 3, "Did you mean 'demo'"),
        (["cohort", "check", "nowhere.csv", "--recipe", "s4c_dual"], 4, "nowhere.csv"),
        (["plan", "nowhere.csv", "--vram", "12GB", "--out", "x.yaml"], 4, "nowhere.csv"),
        (["run", RECIPES / "s4c_dual.yaml", "--profile", "dmo"], 3, "Did you mean 'demo'"),
        (["run", RECIPES / "s4c_dual.yaml", "--cohort", "nowhere.csv"], 4, "nowhere.csv"),
        (["run", RECIPES / "s4c_dual.yaml", "--device", "cuda:9"], 1, "There is no device"),
        (["cohort", "check", "nowhere.csv"], 4, "nowhere.csv"),
        (["run"], 2, "Missing argument"),
        (["rnu"], 2, "No such command"),
    ],
)
def test_mistakes_end_with_one_message_and_their_exit_code(pnetkit, arguments, code, words, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    got, out, err = pnetkit(*arguments)
    assert got == code
    assert words in err
    assert "Traceback" not in out + err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_recipes_are_checked_with_all_their_profiles(pnetkit, tmp_path):
    (tmp_path / "bad.yaml").write_text((RECIPES / "s4c_dual.yaml").read_text().replace("width: 8", "widht: 8"))
    code, out, err = pnetkit("recipe", "check", RECIPES / "s4c_dual.yaml", tmp_path / "bad.yaml")
    assert code == 3
    assert "s4c_dual.yaml: fine (profiles: demo)" in out
    assert "unknown key. Did you mean 'width'" in err


@pytest.mark.slow
def test_shipped_recipes_are_listed_with_what_they_need(pnetkit, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(catalog, "describe_shipped", cache(catalog.describe_shipped))  # printed twice
    code, out, _ = pnetkit("recipe", "list")
    assert code == 0
    line = next(line for line in out.splitlines() if line.startswith("s4c_dual "))
    assert line.split()[:5] == ["s4c_dual", "yes", "pnetkit-fusion,", "pnetkit-rules,", "pnetkit-s4c"]
    assert "S4C on the arterial and the venous phase, fused by OR." in line
    assert "pnetkit run NAME" in out.splitlines()[-1]
    found = {of["name"]: of for of in json.loads(pnetkit("recipe", "list", "--json")[1])}
    unet = found["backbones/monai_unet"]
    assert unet["distributions"] == ["pnetkit-fusion", "pnetkit-monai", "pnetkit-rules"]
    assert unet["missing"] == []
    assert unet["plugins"][0] == {
        "kind": "backbone",
        "plugin": "monai-unet",
        "distribution": "pnetkit-monai",
        "installed": True,
    }


def test_a_shipped_recipe_is_checked_by_name_beside_one_that_does_not_exist(pnetkit, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = pnetkit("recipe", "check", "s4c_duel", "ablations/and_fusion")
    assert code == 3
    assert out == "ablations/and_fusion: fine (profiles: demo)\n"
    assert "s4c_duel: there is no such file, and no shipped recipe of that name." in err


def test_a_shown_recipe_has_all_defaults(pnetkit, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, out, _ = pnetkit("recipe", "show", "s4c_dual", "--set", "training.seed=7")
    assert "connectivity: 26" in out
    assert "seed: 7" in out
    assert "iterations: 80000" in out
    assert json.loads(pnetkit("recipe", "schema")[1])["title"] == "Recipe"


@pytest.mark.slow
def test_a_cohort_of_phantoms_is_made_and_found_fine(pnetkit, tmp_path):
    code, out, _ = pnetkit("cohort", "phantom", tmp_path / "c", "--cases", 2, "--seed", 4)
    assert code == 0
    assert "synthetic, not patients" in out
    code, out, _ = pnetkit("cohort", "check", tmp_path / "c" / "cohort.csv", "--workers", 0)
    assert code == 0
    assert "2 cases of 2 patients: 1 abnormal, 1 normal, 0 unknown; phases arterial, venous." in out


def test_every_fault_of_a_cohort_is_listed(pnetkit, tmp_path):
    table = write_cohort(tmp_path / "c", PhantomSpec(cases=3, shape=(32, 32, 24)))
    for name in ("P000_arterial", "P002_venous"):
        (table.parent / "images" / f"{name}.nii.gz").write_bytes(b"")
    code, _, err = pnetkit("cohort", "check", table, "--workers", 0)
    assert code == 4
    assert "P000" in err
    assert "P002" in err


@pytest.mark.slow
def test_a_damaged_header_has_one_message_and_not_nibabel_s_too(tmp_path):
    table = write_cohort(tmp_path / "c", PhantomSpec(cases=2, shape=(32, 32, 24)))
    image = table.parent / "images" / "P001_venous.nii.gz"
    header = bytearray(gzip.decompress(image.read_bytes()))
    struct.pack_into("<i", header, 0, 77)
    struct.pack_into("<h", header, 70, 9999)
    image.write_bytes(gzip.compress(header))
    said = tmp_path / "said.txt"  # by a process of its own, whose stderr nobody has caught
    process = begin_module(said, "pnetkit", "cohort", "check", str(table), "--workers", "0")
    process.join()
    assert process.exitcode == 4
    reason = "HeaderDataError: data code 9999 not recognized; sizeof_hdr should be 348"
    printed = said.read_text()
    assert printed.splitlines()[-2:] == [
        f"Error: {table}: 1 fault in 2 cases:",
        f"  case P001, venous: {image}: cannot be read as an image ({reason}). Export it again.",
    ]
    assert [printed.count(of) for of in ("code 9999", "sizeof_hdr", "Error")] == [1, 1, 2]  # the reason is one of them


@pytest.mark.slow
def test_the_doctor_names_versions_plugins_and_broken_ones(pnetkit, install):
    code, out, _ = pnetkit("doctor")
    assert code == 0
    assert f"pnetkit:     {__version__}" in out
    assert "backbone s4c (pnetkit-s4c 0.1.0): fine" in out
    assert "CPU build" in out or "CUDA" in out
    install("acme-bad", "acme_bad", "import nothing_at_all", backbone={"bad": "acme_bad:Net"})
    code, out, _ = pnetkit("doctor", "--json")
    report = json.loads(out)
    assert code == 5
    assert report["plugins"]["backbone bad (acme-bad 1.2)"] == "broken"
    assert any("nothing_at_all" in problem for problem in report["problems"])


@pytest.fixture
def at_width(pnetkit, monkeypatch):
    """Run a command on a terminal of some width; gives stdout and stderr without color."""

    def call(width, *arguments):
        monkeypatch.setenv("FORCE_COLOR", "1")  # to rich it is a terminal then
        monkeypatch.setenv("COLUMNS", str(width))
        _, out, err = pnetkit(*arguments)
        return click.unstyle(out), click.unstyle(err)

    return call


@pytest.mark.parametrize(
    "command",
    [["compare", "--reference", "paper"], ["plugins", "list"], ["plugins", "show", "smp3d"]],
    ids=lambda command: " ".join(command[:2]),
)
def test_what_is_printed_can_be_read_at_any_width(pnetkit, at_width, command):
    _, wide, _ = pnetkit(*command)
    for width in WIDTHS:
        require_readable(at_width(width, *command)[0], [wide], width)


@pytest.mark.slow
def test_a_cohort_s_description_and_faults_can_be_read_at_any_width(pnetkit, at_width, tmp_path):
    table = write_cohort(tmp_path / "c", PhantomSpec(cases=2, shape=(32, 32, 24)))
    check = ["cohort", "check", table, "--workers", 0]
    sound = pnetkit(*check)[1]
    require_readable(at_width(40, *check)[0], [sound], 40)
    (table.parent / "images" / "P000_arterial.nii.gz").write_bytes(b"")
    _, faults = at_width(10**6, *check)
    for width in WIDTHS:
        require_readable(at_width(width, *check)[1], [faults], width)


def small_recipe(folder, inference):
    path = folder / "r.yaml"
    path.write_text(
        "name: r\nbackbone: {plugin: s4c, params: {width: 1}}\n"
        "classifier: {plugin: voxel-count}\nfusion: {plugin: or}\n"
        f"training: {{patch_size: [16, 16, 16]}}\ninference: {inference}\n"
    )
    return path


@pytest.fixture
def unmeasured(monkeypatch):
    """Leave out the memory of a prediction, which a process of its own measures."""
    return lambda: monkeypatch.setattr(throughput, "segmenting_bytes", lambda *_: 2**20)


@pytest.mark.slow
def test_bench_counts_the_windows_of_a_ct_and_predicts_its_time(tmp_path, unmeasured):
    recipe = small_recipe(tmp_path, "{stride: 8}")
    result = CliRunner().invoke(cli, ["bench", str(recipe), "--shape", "32", "24", "16", "--device", "cpu", "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.output)
    assert found["windows"] == 3 * 2 * 1
    assert found["coarse_windows"] == 0
    assert found["seconds"] == pytest.approx(found["window_seconds"] * 6)
    assert found["memory_mib"] > 50
    unmeasured()
    sets = ["--set", "inference.search=coarse-to-fine"]
    text = CliRunner().invoke(cli, ["bench", str(recipe), "--shape", "32", "24", "16", *sets]).output
    assert "4 windows to find the region, then some of 6: " in text
    ct = ["--shape", "32", "24", "16", "--spacing", "0.5", "1", "2", "--device", "cpu", "--json"]
    result = CliRunner().invoke(cli, ["bench", str(recipe), "--set", "preprocess.spacing_mm=1", *ct])
    assert json.loads(result.output)["windows"] == 1 * 2 * 3  # it sees 16 x 24 x 32 voxels


def test_bench_says_what_a_first_pass_takes_at_the_least(tmp_path, unmeasured):
    unmeasured()
    recipe = small_recipe(tmp_path, "{stride: 8, search: coarse-to-fine, coarse: {chessboard: true}}")
    result = CliRunner().invoke(cli, ["bench", str(recipe), "--shape", "32", "32", "16", "--device", "cpu", "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.output)
    assert (found["coarse_windows"], found["windows"]) == (4, 9)
    assert found["least_seconds"] == pytest.approx(found["window_seconds"] * 2)
    assert found["seconds"] == pytest.approx(found["window_seconds"] * 13)
