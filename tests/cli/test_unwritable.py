"""Every command that writes says in a line what the disk does not take, with its exit code and without a traceback."""

import os
import sys

import pytest

from pnetkit.cohort.phantom import PhantomSpec, write_cohort


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A folder with a small cohort, a file in the place of a folder, and one that nobody may write."""
    folder = tmp_path_factory.mktemp("unwritable")
    write_cohort(folder / "ph", PhantomSpec(cases=2, shape=(32, 32, 24)))
    (folder / "file").write_text("mine")
    (folder / "locked").mkdir()
    (folder / "locked").chmod(0o500)
    yield folder
    (folder / "locked").chmod(0o700)


@pytest.fixture
def place(prepared, monkeypatch):
    monkeypatch.chdir(prepared)
    return prepared


TABLE, PHASE = "ph/cohort.csv", ("--phase", "venous")
COMMANDS = [
    ("cohort", "phantom", "{}/x", "--cases", "2"),
    ("cohort", "export", TABLE, "{}/raw", *PHASE, "--workers", "0"),
    ("cohort", "split", TABLE, "--folds", "2", "--out", "{}/s.csv"),
    ("cohort", "import", "pattern", "ph", "--images", "images/{{case}}_{{phase}}.nii.gz", "--phase", "venous=venous",
     "--out", "{}/c.csv"),
    ("compare", "--reference", "paper", "--format", "html", "--out", "{}/c.html"),
    ("plan", TABLE, "--vram", "12GB", "--workers", "0", "--out", "{}/p.yaml"),
    ("plugins", "new", "backbone", "my-net", "--dir", "{}"),
    ("run", "s4c_dual", "--profile", "demo", "--workers", "0", "--store", "{}/st", "--out", "o"),
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("into", ["file", "locked"])
def test_a_command_that_may_not_write_says_so_in_words(pnetkit, place, into, command):
    if into == "locked" and (os.geteuid() == 0 or sys.platform == "win32"):
        pytest.skip("this user may write everywhere")
    code, _, err = pnetkit(*(part.format(into) for part in command))
    assert code in (4, 5, 7), err
    assert err.startswith("Error: ")
    assert into in err
    assert (place / "file").read_text() == "mine"


def test_a_comparison_is_not_written_over_a_folder(pnetkit, place):
    code, _, err = pnetkit("compare", "--reference", "paper", "--format", "html", "--out", "ph")
    assert code == 7
    assert "ph: it is a folder; choose another name" in err
    assert (place / "ph" / "cohort.csv").is_file()
