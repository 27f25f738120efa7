"""What a result says of where it was made."""

import pytest
import torch

from pnetkit.provenance import commit_of, surroundings
from tests.cuda_stand_in import CudaStandIn

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def git(tmp_path):
    folder = tmp_path / ".git"
    (folder / "refs" / "heads").mkdir(parents=True)
    (folder / "HEAD").write_text("ref: refs/heads/main\n")
    return folder


def test_the_commit_of_a_checkout_is_that_of_its_branch(git, tmp_path):
    (git / "refs" / "heads" / "main").write_text(f"{COMMIT}\n")
    assert commit_of(tmp_path) == COMMIT


def test_the_commit_of_a_packed_branch_is_found(git, tmp_path):
    (git / "packed-refs").write_text(f"# pack-refs\n{'f' * 40} refs/heads/maintained\n{COMMIT} refs/heads/main\n")
    assert commit_of(tmp_path) == COMMIT


def test_the_commit_of_a_worktree_is_its_own(git, tmp_path):
    own = git / "worktrees" / "other"
    own.mkdir(parents=True)
    (own / "commondir").write_text("../..\n")
    (git / "refs" / "heads" / "main").write_text("f" * 40)
    (git / "refs" / "heads" / "other").write_text(COMMIT)
    (own / "HEAD").write_text("ref: refs/heads/other\n")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / ".git").write_text(f"gitdir: {own}\n")
    assert commit_of(tmp_path / "tree") == COMMIT


def test_a_checkout_of_a_single_commit_says_it_and_what_is_no_checkout_says_none(git, tmp_path):
    (git / "HEAD").write_text(f"{COMMIT}\n")
    assert commit_of(tmp_path) == COMMIT
    (git / "HEAD").unlink()
    assert commit_of(tmp_path) is None


def test_surroundings_name_torch_and_the_gpu_itself(monkeypatch):
    CudaStandIn().install(monkeypatch)
    found = surroundings("cuda:1")
    assert (found["torch"], found["device"], found["on"]) == (torch.__version__, "cuda:1", "Stand-in 1")


def test_surroundings_on_a_cpu_do_not_begin_cuda(monkeypatch):
    stand_in = CudaStandIn().install(monkeypatch)
    assert surroundings("cpu")["device"] == "cpu"
    assert not stand_in.begun
