"""The recipes of docs/scale.md: their scripts run, and what they call is what the command line takes."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from pnetkit.cli.run import run

PAGE = (Path(__file__).parents[2] / "docs" / "scale.md").read_text()

STAND_INS = {
    "srun": 'exec "$@"',
    "ssh": 'host="$1"; shift; HOST="$host" exec bash -c "$*"',
    "pnetkit": 'printf "%s\\n" "$HOST" "$PWD" "$@" > "$CALLS/${HOST:-task}.$SLURM_ARRAY_TASK_ID"',
}


def recipe(title):
    """Give the code of a recipe by its heading."""
    found = re.search(rf"### {title}\n.*?```\w+\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


def called(arguments):
    """Give what a call of the command line asks for; it fails where the command line does not take it."""
    assert arguments[0] == "run"
    asked = run.make_context("run", list(arguments[1:])).params
    return {name: str(asked[name]) for name in ("recipe_path", "table", "store", "out", "store_locks")}


WANTED = {
    "recipe_path": "recipe.yaml",
    "table": "cohort.csv",
    "store": "store",
    "out": "runs/study",
    "store_locks": "auto",
}


@pytest.fixture
def shell(tmp_path):
    """Run a script where `srun` and `ssh` start what they are given here, and `pnetkit` notes how it is called."""
    for name in ("bin", "study", "calls"):
        (tmp_path / name).mkdir()
    for name, text in STAND_INS.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/bash\n{text}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    found = {
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "STUDY": str(tmp_path / "study"),
        "CALLS": str(tmp_path / "calls"),
    }

    def ran(script, **variables):
        subprocess.run(["bash", "-c", script], check=True, env=os.environ | found | variables, cwd=tmp_path)
        return [path.read_text().splitlines() for path in sorted((tmp_path / "calls").iterdir())]

    return ran


def test_tasks_of_a_slurm_array_call_one_command_in_the_study_s_folder(shell, tmp_path):
    script = recipe("SLURM array")
    shell(script, SLURM_ARRAY_TASK_ID="0", HOST="")
    calls = shell(script, SLURM_ARRAY_TASK_ID="1", HOST="")
    assert len(calls) == 2
    assert {of[1] for of in calls} == {str(tmp_path / "study")}
    assert all(called(of[2:]) == WANTED for of in calls)
    assert "#SBATCH --array=0-7" in script


def test_ssh_starts_one_command_on_each_host_and_waits_for_all(shell, tmp_path):
    calls = shell(recipe("Plain ssh"), HOSTS="one two", SLURM_ARRAY_TASK_ID="")
    assert [of[:2] for of in calls] == [["one", str(tmp_path / "study")], ["two", str(tmp_path / "study")]]
    assert all(called(of[2:]) == WANTED for of in calls)


def test_pods_of_an_indexed_job_call_the_same_command():
    job = yaml.safe_load(recipe("Kubernetes indexed Job"))
    assert job["spec"]["completionMode"] == "Indexed"
    assert job["spec"]["template"]["spec"]["restartPolicy"] == "Never"
    container = job["spec"]["template"]["spec"]["containers"][0]
    assert container["command"][0] == "pnetkit"
    assert called(container["command"][1:]) == WANTED
    assert container["workingDir"] == container["volumeMounts"][0]["mountPath"]
