"""`pnetkit sheet` on a run that was made."""

import shutil

import pytest
from click.testing import CliRunner

from pnetkit.cli.main import cli

pytestmark = pytest.mark.slow


def test_the_sheets_of_a_run_are_filled_in_from_its_files_and_name_no_case(finished, tmp_path):
    _, result = finished
    done = CliRunner().invoke(cli, ["sheet", str(result.folder), "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "sheet_claim.md", "sheet_stard-ai.md", "sheet_tripod-ai.md",
    ]  # fmt: skip
    text = (tmp_path / "sheet_claim.md").read_text(encoding="utf-8")
    for words in (
        "4 cases of 4 phantoms: 2 abnormal, 2 normal. (`run.json`",
        "2-fold cross-validation. fold 0: 2 cases, 1 abnormal; fold 1: 2 cases, 1 abnormal.",
        "s4c: distribution pnetkit-s4c",
        "synthetic pictures, not patients",
    ):
        assert words in text, words
    assert "P000" not in text
    assert str(result.folder.parent) not in text


def test_a_run_without_its_figures_and_its_recipe_has_a_sheet_with_more_open_rows(finished, tmp_path):
    _, result = finished
    shutil.copytree(result.folder, tmp_path / "run")
    before = CliRunner().invoke(cli, ["sheet", str(tmp_path / "run"), "--checklist", "claim"])
    for name in ("metrics.json", "recipe.yaml"):
        (tmp_path / "run" / name).unlink()
    after = CliRunner().invoke(cli, ["sheet", str(tmp_path / "run"), "--checklist", "claim"])
    assert (before.exit_code, after.exit_code) == (0, 0)
    open_rows = [int(done.output.split(" open")[0].split()[-1]) for done in (before, after)]
    assert open_rows[0] < open_rows[1] < 44
