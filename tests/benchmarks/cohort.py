"""Time runs over cohorts of many tiny scans, whose segmentations are given: what pnetkit itself costs, case by case.

Nothing is trained and no network asked, so all that is timed is checking, planning, small stages, gathering, writing.
The first run makes everything, the second finds it there, the third has ten cases more; then the runs are looked at,
tidied and compared. Each in a process of its own.
"""

import csv
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import nibabel as nib
import numpy as np

RECIPE = """\
extends: pnetkit:s4c_dual
name: many
phases: [venous]
fusion: {plugin: single}
classifier: {plugin: voxel-count, params: {tumor_voxels: 5, duct_voxels: 5}}
"""
EDGE = 16
MORE = 10


def write_cases(folder: Path, numbers: range) -> None:
    """Write tiny scans with labels, and predictions that are the labels; every second case is abnormal."""
    for name in ("images", "labels", "made"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    affine = np.diag([2.0, 2.0, 3.0, 1.0])
    for number in numbers:
        rng = np.random.default_rng(number)
        hu = rng.normal(40, 20, (EDGE, EDGE, EDGE)).astype(np.int16)
        hu[:4] = rng.normal(-100, 10, hu[:4].shape)  # fat, as every body has
        labels = np.zeros((EDGE, EDGE, EDGE), np.uint8)
        labels[6:12, 6:12, 6:12] = 1
        labels[8:10, 8:10, 8:10] = 2 if number % 2 else 1
        name = f"C{number:05}_venous.nii.gz"
        nib.save(nib.Nifti1Image(hu, affine), folder / "images" / name)
        for of in ("labels", "made"):
            nib.save(nib.Nifti1Image(labels, affine), folder / of / name)


def write_table(folder: Path, count: int) -> Path:
    """Write the table of the first cases."""
    table = folder / f"cohort_{count}.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["case_id", "patient_id", "abnormal", "venous_image", "venous_label"])
        for number in range(count):
            name = f"C{number:05}_venous.nii.gz"
            writer.writerow([f"C{number:05}", f"P{number:05}", number % 2, f"images/{name}", f"labels/{name}"])
    return table


def timed(folder: Path, command: list[str]) -> tuple[float, float, float]:
    """Run pnetkit in a folder; give its seconds, its processor seconds, and its largest process in MiB."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "pnetkit", *command], cwd=folder, check=True, capture_output=True)
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, used, after.ru_maxrss / 2**10


@click.command()
@click.option("--cases", type=int, multiple=True, default=(1000, 3000, 10000), show_default=True)
@click.option("--workers", type=int, default=2, show_default=True)
def main(cases: tuple[int, ...], workers: int) -> None:
    """Print a row for each cohort and run."""
    click.echo("Cohorts of generated scans of 16 x 16 x 16 voxels (synthetic, not clinical data), predictions given.")
    click.echo("| cases | run | seconds | processor s | ms a case | largest process so far, MiB | results |")
    click.echo("|---|---|---|---|---|---|---|")
    for count in cases:
        with TemporaryDirectory() as place:
            folder = Path(place)
            (folder / "many.yaml").write_text(RECIPE, encoding="utf-8")
            write_cases(folder, range(count + MORE))
            first, more = write_table(folder, count), write_table(folder, count + MORE)
            for what, table, out in (
                ("first", first, "one"), ("again", first, "one"), (f"{MORE} more", more, "two"),
            ):  # fmt: skip
                given = ["--cohort", table.name, "--predictions", "made", "--workers", str(workers), "--device", "cpu"]
                seconds, used, peak = timed(folder, ["run", "many.yaml", *given, "--out", out])
                record = json.loads((folder / out / "run.json").read_text(encoding="utf-8"))
                rows = len((folder / out / "cases.csv").read_text(encoding="utf-8").splitlines()) - 1
                if rows != (count if out == "one" else count + MORE):
                    raise click.ClickException(f"{out} has {rows} cases")
                each = 1000 * seconds / rows
                results = len(record["stages"])
                click.echo(f"| {count} | {what} | {seconds:.1f} | {used:.1f} | {each:.1f} | {peak:.0f} | {results} |")
            for command in (
                ["runs", "show", "one"],
                ["runs", "gc", "--runs", "."],
                ["compare", "one", "two", "--anyway"],
            ):
                seconds, used, peak = timed(folder, command)
                what = " ".join(command[:2])
                click.echo(
                    f"| {count} | {what} | {seconds:.1f} | {used:.1f} | {1000 * seconds / count:.1f} | {peak:.0f} | |"
                )


if __name__ == "__main__":
    main()
