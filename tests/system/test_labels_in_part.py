"""A whole run on what public sets are: one phase a case, labels of some classes only, voxels to be ignored."""

import csv
import json

import nibabel as nib
import numpy as np
import pytest

from pnetkit.cohort.phantom import PhantomSpec, write_cohort
from pnetkit.pipeline.outcome.finished import read_run
from pnetkit.pipeline.run import require_success

OTHER = {"arterial": "venous", "venous": "arterial"}


def public(folder):
    """Phantoms as a public set: a phase each, half of them without a label of tumors, a corner that nobody labeled."""
    table = write_cohort(folder, PhantomSpec(cases=8, seed=1, shape=(32, 32, 24), difficulty=0))
    lines = list(csv.DictReader(table.read_text().splitlines()))
    for number, line in enumerate(lines):
        phase = ("arterial", "venous")[number // 2 % 2]
        line[f"{OTHER[phase]}_image"] = line[f"{OTHER[phase]}_label"] = ""
        path = folder / line[f"{phase}_label"]
        image = nib.load(path)
        labels = np.asarray(image.dataobj).astype(np.uint8)
        line["labeled"] = "pancreas" if number < 4 else ""
        if line["labeled"]:
            labels[labels > 1] = 1
        else:
            labels[:2] = 7
        nib.save(nib.Nifti1Image(labels, image.affine), path)
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, lines[0])
        writer.writeheader()
        writer.writerows(lines)
    return table


@pytest.mark.slow
def test_a_run_of_unpaired_phases_and_labels_in_part_learns_and_measures_what_is_known(tiny, tmp_path):
    table = public(tmp_path / "public")
    ignoring = "cohort.labels={1: 1, 2: 2, 3: 3, 7: ignore}"
    result = tiny(table=table, sets=(ignoring, "training.iterations=3"), report=True)
    require_success(result)
    rows = list(csv.DictReader((result.folder / "cases.csv").read_text().splitlines()))
    assert [row["status"] for row in rows] == ["ok"] * 8
    assert all(row["missing"] in OTHER for row in rows)
    for number, row in enumerate(rows):
        phase = OTHER[row["missing"]]
        told = [bool(row[f"{phase}_{part}_dice"]) for part in ("pancreas", "tumor", "duct")]
        assert told == ([True, False, False] if number < 4 else [True, True, True])
    record = json.loads((result.folder / "run.json").read_text())
    assert record["cases"][rows[0]["case_id"]]["labeled"] == ["pancreas"]
    assert "in no loss and no figure of it: 4 of 8 of tumor, 4 of 8 of duct." in record["thresholds"]
    assert (
        "voxels in 4 of 8 reference labels are to be ignored, and are in no loss and no figure." in record["thresholds"]
    )
    by_phase = read_run(result.folder).lesions
    assert [len(of["any"]) for of in by_phase.values()] == [2, 2]
    assert (result.folder / "report.html").stat().st_size > 10_000
