"""Kill runs, workers and screenings, and let two processes share a store, many times: same bytes, nothing lost.

By hand, in an environment with pnetkit and its plugins: `python -m tests.soak.soak`. It takes some 20 minutes on two
cores and ends with the lines that stand in docs/soak.md; the first thing that is not as it should be ends it with an
AssertionError that says what.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pnetkit import __version__
from tests.system.conftest import TINY

DIFFERS = {"run.json", "claim.json", "screening.json"}
"""Files that hold times, or where a thing lies: in two equal runs they are not the same."""


@dataclass
class Place:
    """A folder with the tiny recipe, and what was counted in it."""

    folder: Path
    rng: random.Random
    ended: dict[str, int] = field(default_factory=dict)

    def call(self, *arguments: str) -> list[str]:
        """Give the command of a program."""
        return [sys.executable, "-m", "pnetkit", *arguments]

    def run(self, store: str, out: str) -> list[str]:
        """Give the command of a run of the recipe with one worker."""
        places = ["--store", str(self.folder / store), "--out", str(self.folder / out)]
        return self.call("run", str(self.folder / "tiny.yaml"), *places, "--workers", "1", "--device", "cpu")

    def screen(self, out: str) -> list[str]:
        """Give the command of a screening of the run's cohort by its model."""
        table = next((self.folder / "reference").rglob("cohort.csv"))
        model, places = str(self.folder / "model"), ["--out", str(self.folder / out)]
        return self.call("screen", model, str(table), *places, "--device", "cpu", "--on-gate", "flag")

    def count(self, what: str) -> None:
        """Count how something ended."""
        self.ended[what] = self.ended.get(what, 0) + 1


def files_in(folder: Path) -> dict[str, bytes]:
    """Give all that has to be the same, by name."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in DIFFERS)
    return {str(path.relative_to(folder)): path.read_bytes() for path in found if not path.name.endswith(".tmp")}


def made_in(folder: Path, pattern: str) -> dict[Path, int]:
    """Give when each finished result was made; what is being made moves away while one looks."""
    found = {}
    for path in folder.glob(pattern):
        with suppress(FileNotFoundError):
            found[path] = path.stat().st_mtime_ns
    return {path: made for path, made in found.items() if "partial" not in path.parts}


def require(holds: bool, what: str) -> None:
    """Raise AssertionError with words."""
    if not holds:
        raise AssertionError(what)


def require_same(found: dict[str, bytes], wanted: dict[str, bytes], what: str) -> None:
    """Raise AssertionError with the names of files that differ."""
    differing = [name for name in sorted(found.keys() | wanted) if found.get(name) != wanted.get(name)]
    require(not differing, f"{what}: {differing} differ from those of the run that nobody disturbed")


def started(command: list[str]) -> subprocess.Popen[str]:
    """Start a command in a process group of its own."""
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def until_more(process: subprocess.Popen[str], count: Callable[[], int], more: int) -> None:
    """Wait until so many more results are there, or the process has ended."""
    wanted = count() + more
    while process.poll() is None and count() < wanted:
        time.sleep(0.01)


def kill_group(process: subprocess.Popen[str]) -> None:
    """Kill a process and all of its own."""
    with suppress(ProcessLookupError):  # it was faster
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def kill_worker(process: subprocess.Popen[str]) -> bool:
    """Kill one of a run's workers and let the run end by itself; False where it has none just now."""
    workers = [worker for server in _children(process.pid, "forkserver") for worker in _children(server, "forkserver")]
    if workers:
        os.kill(workers[0], signal.SIGKILL)
    process.communicate()
    return bool(workers)


def _children(pid: int, command: str) -> list[int]:
    """Give the processes that a process has begun and that run a command."""
    listed = subprocess.run(["pgrep", "-P", str(pid), "-f", command], capture_output=True, text=True, check=False)
    return [int(line) for line in listed.stdout.split()]


def killed_runs(place: Place, kills: int, wanted: dict[str, bytes]) -> None:
    """Kill a run once or twice, then one of the workers of the same run, which has to end well; and begin anew."""
    begun, made = 0, {}
    for kill in range(kills):
        store, out = f"store{begun}", f"out{begun}"
        of_store = place.folder / store
        process = started(place.run(store, out))
        until_more(process, lambda of=of_store: len(made_in(of, "*/*/stage.json")), place.rng.randint(0, 10))
        time.sleep(place.rng.uniform(0, 0.5))
        of_a_worker = kill % 3 == 2
        if of_a_worker:
            killed = kill_worker(process)
            require(process.returncode == 0, f"{out}: ended with {process.returncode} after a worker was killed")
            require_same(files_in(place.folder / out), wanted, out)
            place.count("a worker killed, and its run ended with the same bytes" if killed else "no worker to kill")
        else:
            kill_group(process)
            place.count("a run killed" if process.returncode == -signal.SIGKILL else "a run was faster")
        now = made_in(of_store, "*/*/stage.json")
        require({path: now.get(path) for path in made} == made, f"{store}: a finished result was lost or made again")
        begun, made = (begun + 1, {}) if of_a_worker else (begun, now)


def killed_screenings(place: Place, kills: int, wanted: dict[str, bytes]) -> None:
    """Kill a screening again and again, and let it end."""
    for kill in range(kills):
        out = f"screened{kill // 4}"
        process = started(place.screen(out))
        of_out = place.folder / out
        until_more(process, lambda of=of_out: len(made_in(of, "*/finding.json")), place.rng.randint(0, 2))
        time.sleep(place.rng.uniform(0, 0.3))
        kill_group(process)
        place.count("a screening killed" if process.returncode == -signal.SIGKILL else "a screening was faster")
        if kill % 4 == 3:
            ended = subprocess.run(place.screen(out), capture_output=True, text=True, check=False)
            require(ended.returncode == 0, f"{out}: {ended.stdout}{ended.stderr}")
            require_same(files_in(of_out), wanted, out)
            place.count("a killed screening ended with the same bytes")


def pairs(place: Place, times: int, wanted: dict[str, bytes]) -> None:
    """Let two processes share an empty store; in every second pair one of them is killed."""
    for pair in range(times):
        store = f"shared{pair}"
        of_store = place.folder / store
        outs = [f"one{pair}", f"two{pair}"]
        processes = [started(place.run(store, out)) for out in outs]
        if pair % 2:
            until_more(processes[0], lambda of=of_store: len(made_in(of, "*/*/stage.json")), place.rng.randint(0, 20))
            kill_group(processes.pop(0))
            outs.pop(0)
            place.count("one of a pair killed")
        for process, out in zip(processes, outs, strict=True):
            said = process.communicate()[0]
            require(process.returncode == 0, f"{out}: {said}")
            require_same(files_in(place.folder / out), wanted, out)
        if not pair % 2:
            partial = list((of_store / "partial").iterdir())
            require(not partial, f"{store}: {partial} was left behind")
            place.count("two at once gave the same bytes")


def main() -> None:
    """Do all of it and print what it came to."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--kills", type=int, default=40)
    options.add_argument("--pairs", type=int, default=20)
    options.add_argument("--seed", type=int, default=2004)
    asked = options.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        place = Place(Path(folder), random.Random(asked.seed))  # not for secrets
        (place.folder / "tiny.yaml").write_text(TINY)
        subprocess.run(place.run("reference", "undisturbed"), check=True, capture_output=True)
        export = ["export", str(place.folder / "undisturbed"), str(place.folder / "model")]
        subprocess.run(place.call(*export), check=True, capture_output=True)
        subprocess.run(place.screen("screened"), check=True, capture_output=True)
        run, screened = files_in(place.folder / "undisturbed"), files_in(place.folder / "screened")
        third = asked.kills // 3 // 4 * 4
        killed_runs(place, asked.kills - third, run)
        killed_screenings(place, third, screened)
        pairs(place, asked.pairs, run)
    minutes = (time.monotonic() - begun) / 60
    print(f"pnetkit {__version__}, seed {asked.seed}, {datetime.now(UTC):%Y-%m-%d}, {minutes:.0f} minutes:")  # noqa: T201
    for what, times in place.ended.items():
        print(f"- {what}: {times}")  # noqa: T201


if __name__ == "__main__":
    main()
