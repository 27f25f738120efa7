"""Time a DICOM service: how long until it is ready, and from a study's last image to its result, beside `screen`.

    python -m tests.benchmarks.serve

The model has the paper's eight networks (two phases, four folds, S4C at its full width), hardly trained: it says
nothing, and takes as long as one that does. The scans are small phantoms, so that what the service adds can be seen.
"""

import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from pnetkit.imaging.nifti import read_scan
from pnetkit.pipeline.outcome.export import export_model
from pnetkit.serve.screened import Screening, open_screening
from pnetkit.store.store import Store
from tests.dicom.synthetic import write_series
from tests.serve.hospital import Archive, dimse, free_port, send, write_config
from tests.serve.parts import wait_until
from tests.system.conftest import Runner

STUDY, STABLE_S = "1.2.840.99.7", 2.0

SETTINGS = (
    "backbone.params.width=32",
    "cohort.folds=4",
    "training.iterations=1",
    "training.checkpoint_every=1",
    "inference.window_size=[64, 64, 64]",
    "inference.stride=64",
    "cohort.phantom.shape=[64, 64, 64]",
)


def make_model(folder: Path) -> tuple[Path, Path]:
    """Give a model of eight networks, and the folder of a study."""
    runner = Runner(folder)
    result = runner(sets=SETTINGS, report=False)
    model = export_model(result.folder, folder / "model", Store(folder / "store"))
    images = next((folder / "store").rglob("cohort.csv")).parent / "images"
    for phase in ("arterial", "venous"):
        scan = read_scan(images / f"P000_{phase}.nii.gz")
        write_series(folder / "study" / phase, scan.hu, scan.grid.affine, description=f"Abd {phase}", study=STUDY)
    return model, folder / "study"


def screened(model: Path, study: Path, out: Path) -> float:
    """Time `pnetkit screen`, from its start to its end."""
    command = [sys.executable, "-m", "pnetkit", "screen", str(model), str(study), "--out", str(out)]
    options = ["--dicom-results", "--pdf", "--device", "cpu", "--on-gate", "off", "--threads", "1"]
    started = time.perf_counter()
    subprocess.run([*command, *options], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def served(model: Path, study: Path, folder: Path) -> tuple[str, float]:
    """Give what the service says of its start, and the seconds from the last image to the last of five results."""
    archive, port = Archive(), free_port()
    config = write_config(folder / "serve.yaml", port, {"pacs": dimse(archive.port)})
    command = [sys.executable, "-m", "pnetkit", "serve", "dicom", str(model), "--config", str(config)]
    options = [
        "--state",
        str(folder / "state"),
        "--stable-after",
        f"{STABLE_S}s",
        "--device",
        "cpu",
        "--on-gate",
        "off",
    ]
    log = folder / "log"
    with log.open("wb") as stream:
        process = subprocess.Popen([*command, *options, "--at-once", "1"], stdout=stream, stderr=stream)
    try:
        wait_until(lambda: "listening" in log.read_text(), 300)
        send(port, sorted(path for path in study.rglob("IM*")))
        last = time.perf_counter()
        wait_until(lambda: len(archive.got) == 5, 600)
        took = time.perf_counter() - last
    finally:
        process.terminate()
        process.wait(60)
        archive.close()
    return next(line for line in log.read_text().splitlines() if "ready" in line), took


def loading(model: Path) -> tuple[float, float]:
    """Time what a process does that has imported everything: load the networks and run a window through each.

    Gives seconds by the clock and of the processor; on a busy machine they are far apart.
    """
    started, cpu = time.perf_counter(), time.process_time()
    open_screening(Screening(model, device="cpu", threads=1))
    return time.perf_counter() - started, time.process_time() - cpu


@click.command()
def main() -> None:
    """Print the times."""
    with TemporaryDirectory() as place:
        folder = Path(place)
        model, study = make_model(folder)
        loaded, loaded_cpu = loading(model)
        alone = screened(model, study, folder / "found")
        ready, took = served(model, study, folder)
    click.echo(f"eight networks are loaded and warm in {loaded:.1f} s, {loaded_cpu:.1f} s of one core")
    click.echo(ready)
    click.echo(f"from the last image to the last result: {took:.1f} s, {STABLE_S:.0f} s of which it waits for more")
    click.echo(f"`pnetkit screen` from its start: {alone:.1f} s")


if __name__ == "__main__":
    main()
