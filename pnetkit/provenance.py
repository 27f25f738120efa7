"""Say what a result was made with: versions, hardware, the commit of pnetkit where that is known."""

import json
import os
import platform
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Any

from pnetkit import cuda


@lru_cache(maxsize=1)
def versions() -> dict[str, str]:
    """Give the versions of pnetkit, Python and the libraries that numbers depend on."""
    names = ("pnetkit", "torch", "numpy", "scipy", "nibabel")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


def hardware(device: str) -> dict[str, Any]:
    """Give what a reader of a run on this device has to know of the machine; no host or user name.

    GPUs are named where the device is one, or this process has begun to use them: a run on the CPU does not begin to.
    """
    return {
        "machine": platform.machine(),
        "system": platform.system(),
        "cores": os.cpu_count(),
        "gpus": cuda.names(begin=cuda.is_gpu(device)),
    }


def surroundings(device: str) -> dict[str, str | None]:
    """Give what the last bits of a training on this device depend on beside its code; begins CUDA on a GPU."""
    name = cuda.names(begin=True)[int(device.partition(":")[2] or 0)] if cuda.is_gpu(device) else platform.machine()
    known = versions()
    return {"torch": known["torch"], "pnetkit": known["pnetkit"], "commit": commit(), "device": device, "on": name}


@lru_cache(maxsize=1)
def commit() -> str | None:
    """Give the commit of this pnetkit: of its checkout, or of the repository it was installed from; None elsewhere.

    What was changed since is not seen here; of plugins the digests of their files say it.
    """
    top = Path(__file__).parents[1]
    if (top / ".git").exists():
        return commit_of(top)
    try:
        said = json.loads(distribution("pnetkit").read_text("direct_url.json") or "{}")
        found: str | None = said.get("vcs_info", {}).get("commit_id")
    except (PackageNotFoundError, ValueError):
        return None
    return found


def commit_of(checkout: Path) -> str | None:
    """Read the commit that a checkout of git stands at; None where its files do not say it."""
    try:
        git = checkout / ".git"
        if git.is_file():  # a worktree: the folder that is meant
            git = (checkout / git.read_text(encoding="utf-8").removeprefix("gitdir:").strip()).resolve()
        head = (git / "HEAD").read_text(encoding="utf-8").strip()
        if not head.startswith("ref:"):
            return head
        ref = head.removeprefix("ref:").strip()
        shared = git / "commondir"
        places = [git, *([(git / shared.read_text(encoding="utf-8").strip())] if shared.is_file() else [])]
        for place in places:
            if (place / ref).is_file():
                return (place / ref).read_text(encoding="utf-8").strip()
        packed = (places[-1] / "packed-refs").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((line.partition(" ")[0] for line in packed if line.partition(" ")[2] == ref), None)
