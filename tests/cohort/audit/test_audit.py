"""An audit finds what public sets are known for, one remark each, and leaves what is sound alone."""

import csv
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner

from pnetkit.cli.main import cli
from pnetkit.cohort.audit.audit import audit
from pnetkit.cohort.audit.judge import KINDS, Limits, judge
from pnetkit.cohort.audit.look import Drawn, Piece, Seen, is_half, look_at, tumors_of
from pnetkit.cohort.check import LabelPolicy
from pnetkit.imaging.landmarks import Landmarks
from pnetkit.pipeline.engine.workers import SerialExecutor
from pnetkit.report.audit import audit_page, audit_table
from pnetkit.screening.gates import phase_gate
from pnetkit.types import Case, Grid, ScanFiles
from tests.cohort.audit.test_copies import body

AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])
PLACES = np.arange(4, dtype=np.uint64)


def save(path, voxels, affine=AFFINE):
    nib.save(nib.Nifti1Image(voxels, affine), path)
    return path


def label(*places, tumor=2):
    """A pancreas of 12 x 6 x 4 voxels, and tumors of 4 x 4 x 4 at some places."""
    drawn = np.zeros((70, 60, 16), dtype=np.uint8)
    drawn[20:32, 20:26, 4:8] = 1
    for x, y, z in places:
        drawn[x : x + 4, y : y + 4, z : z + 4] = tumor
    return drawn


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    """A cohort with a fault of each kind, and two cases without any."""
    folder = tmp_path_factory.mktemp("faulty")
    scans = {name: body(seed) for seed, name in enumerate("ABCDEFGH")}
    scans["copy"] = np.clip(scans["A"], -100, 240)[::-1, 4:56, 2:14]
    half = AFFINE.copy()
    half[:3, 3] = [1.0, -1.0, 0.0]
    labels = {
        "A": label((30, 20, 4)),
        "B": label(),
        "C": label((30, 20, 4)),
        "D": label((22, 21, 4), (50, 20, 4)),
        "E": np.zeros((70, 60, 16), dtype=np.uint8),
        "F": label((30, 20, 4)),
        "G": label((31, 20, 4)),
        "H": label(),
    }
    labels["G"][31:35, 20:24, 4:8] = 0
    labels["G"][31, 20:23, 4] = 2
    rows = ["case_id,patient_id,abnormal,venous_image,venous_label,fold,lesion_count"]
    for name, hu in scans.items():
        save(folder / f"{name}.nii.gz", hu.astype(np.int16) if name != "copy" else hu.astype(np.float32))
        if name in labels:
            save(folder / f"{name}_l.nii.gz", labels[name], half if name == "F" else AFFINE)
        abnormal, count = ("0", "") if name in "CH" else ("1", "1" if name == "D" else "")
        at = f"{name}_l.nii.gz" if name in labels else ""
        fold = 1 if name in ("copy", "B", "C") else 0
        rows.append(f"{name},p{name},{abnormal},{name}.nii.gz,{at},{fold},{count}")
    (folder / "cohort.csv").write_text("\n".join(rows) + "\n")
    return folder / "cohort.csv"


@pytest.fixture(scope="module")
def found(faulty):
    def wrong_of_a(phase, landmarks):
        return ([f"{phase}: looks arterial"] if landmarks.height_mm == 48 else []), ["unclear"]

    return audit(faulty, ("venous",), LabelPolicy(), Limits(), wrong_of_a, SerialExecutor())


def test_each_fault_is_found_once_and_sound_cases_have_none(found):
    by_kind = {kind: [of for of in found.remarks if of.kind == kind] for kind in KINDS}
    where = {kind: [of.case_id for of in remarks] for kind, remarks in by_kind.items()}
    assert where == {
        "copy": ["A"],
        "copy within a patient": [],
        "phase": ["A", "B", "C", "D", "E", "F", "G", "H"],
        "label off the image": ["F"],
        "empty label": ["B", "E"],
        "tumor in a normal case": ["C"],
        "small tumor": ["G"],
        "tumor off the pancreas": ["D"],
        "tumor count": ["D"],
        "unreadable": [],
    }
    (copied,) = by_kind["copy"]
    assert copied.others == ("copy",)
    assert copied.says.endswith("of their noise; in the folds 0, 1")
    (off,) = by_kind["label off the image"]
    assert off.says == "half a voxel: 0.5 x -0.5 x 0 voxels"
    (away,) = by_kind["tumor off the pancreas"]
    assert (away.value, away.unit) == (pytest.approx(2 * (50 - 31)), "mm")
    (small,) = by_kind["small tumor"]
    assert small.says == "3 voxels, 36 mm³"
    assert [of.says for of in by_kind["empty label"]] == [
        "the case is abnormal, and no tumor is drawn",
        "nothing is drawn",
    ]


def test_an_audit_is_a_table_a_csv_and_a_page(found):
    assert (found.cases, found.scans, found.labels) == (9, 9, 8)
    lines = list(csv.DictReader(found.to_csv().splitlines()))
    assert len(lines) == len(found.remarks) == sum(found.counts.values())
    assert [line["value"] for line in lines if line["kind"] == "tumor off the pancreas"] == ["38"]
    rows = {row[0]: row for row in audit_table(found).rows}
    assert rows["copy"][1:] == ("1", f"A (venous): {found.remarks[0].says}")
    assert rows["phase"][2].endswith("; and 5 more")
    page = audit_page(found).decode()
    assert "half a voxel: 0.5 x -0.5 x 0 voxels" in page
    assert "Looked for, and not found: copy within a patient, unreadable." in page
    assert "<script" not in page


@pytest.mark.slow
def test_check_audits_before_it_refuses_and_writes_what_was_asked_for(faulty, tmp_path):
    out = ("--audit-csv", tmp_path / "a" / "audit.csv", "--audit-page", tmp_path / "audit.html")
    result = CliRunner().invoke(
        cli, list(map(str, ["cohort", "check", faulty, "--phase", "venous", "--workers", 0, *out]))
    )
    assert result.exit_code != 0, "the check itself finds faults too"
    assert "Audit of 9 cases, 9 scans, 8 label maps" in result.output
    lines = list(csv.DictReader((tmp_path / "a" / "audit.csv").read_text().splitlines()))
    assert {"copy", "small tumor", "phase"} <= {line["kind"] for line in lines}
    phase = next(line["says"] for line in lines if line["kind"] == "phase")
    assert phase.endswith("which looks non-contrast"), "the gate of screen takes a block of soft tissue for a liver"
    assert (tmp_path / "audit.html").read_bytes().startswith(b"<!doctype html>")


def test_the_gate_of_screen_judges_the_phase():
    venous = Landmarks(140.0, 110.0, 500.0, 20.0, 0.0, 300.0)
    case = Case("P", "p", {"arterial": ScanFiles(Path("i"))}, None)
    seen = {("P", "arterial"): Seen(venous, PLACES, None, ())}
    (remark,) = judge([case], seen, Limits(), phase_gate, {}, {})
    assert (remark.kind, remark.phase) == ("phase", "arterial")
    assert remark.says == "the image shows the aorta at 140 HU and the liver at 110 HU, which looks venous"


def judged(drawn, *, abnormal=True, labeled=None, limits=None, patients=("p",)):
    cases = [Case(f"P{i}", of, {"venous": ScanFiles(Path("i"))}, abnormal) for i, of in enumerate(patients)]
    cases = [replace(case, labeled=labeled) for case in cases]
    seen = {(case.id, "venous"): Seen(None, np.arange(9, dtype=np.uint64), drawn, ()) for case in cases}
    return [(of.kind, of.case_id) for of in judge(cases, seen, limits or Limits(), phase_gate, {}, {})]


SOUND = (0.0, 0.0, 0.0)


def test_nothing_is_missed_where_nobody_looked_for_it():
    pancreas = Drawn((100, 0, 0), (), SOUND, is_off=False)
    assert judged(pancreas) == [("empty label", "P0")]
    assert judged(pancreas, labeled=("pancreas",)) == []
    assert judged(Drawn((100, 0, 9), (), SOUND, is_off=False)) == [], "a dilated duct is a finding too"
    alone = Drawn((0, 90, 0), (Piece(90, 90.0, None),), SOUND, is_off=False)
    assert judged(alone) == [("tumor off the pancreas", "P0")]
    assert judged(alone, labeled=("tumor",)) == []
    nothing = Drawn((0, 0, 0), (), SOUND, is_off=False)
    assert judged(nothing, abnormal=False) == [("empty label", "P0")]
    assert judged(nothing, abnormal=False, labeled=("tumor",)) == [], "nobody drew the pancreas, and there is no tumor"
    assert judged(nothing, labeled=("tumor",)) == [("empty label", "P0")]


@pytest.mark.parametrize(("limits", "small"), [(Limits(91), True), (Limits(90, 46.0), True), (Limits(90, 45.0), False)])
def test_a_tumor_is_small_by_voxels_or_by_volume(limits, small):
    drawn = Drawn((100, 90, 0), (Piece(90, 45.0, 2.0),), SOUND, is_off=False)
    assert judged(drawn, limits=limits) == ([("small tumor", "P0")] if small else [])


def test_copies_within_a_patient_are_told_from_those_across_patients():
    sound = Drawn((100, 90, 0), (Piece(90, 90.0, 2.0),), SOUND, is_off=False)
    assert judged(sound, patients=("p", "p")) == [("copy within a patient", "P0")]
    assert judged(sound, patients=("p", "q")) == [("copy", "P0")]


def test_the_distance_of_a_tumor_is_that_of_the_nearest_voxels_in_mm():
    labels = np.zeros((20, 10, 10), dtype=np.uint8)
    labels[0, 0, 0], labels[4, 0, 3] = 1, 2
    labels[15, 5, 5] = labels[16, 6, 6] = 2  # one tumor: corners touch
    turned = AFFINE[[1, 0, 2, 3]]
    one, two = tumors_of(labels, Grid(labels.shape, turned))
    assert one.distance_mm == pytest.approx(np.hypot(8, 9))
    assert (two.voxels, two.volume_mm3) == (2, 24)
    assert tumors_of(np.where(labels == 1, 0, labels), Grid(labels.shape, turned))[0].distance_mm is None


@pytest.mark.parametrize(
    ("off", "said"), [((0.5, 0, -0.5), True), ((0.45, 0, 0), True), ((1.0, 0.5, 0), False), ((0.25, 0, 0), False)]
)
def test_half_a_voxel_is_half_or_none_along_each_axis(off, said):
    assert is_half(off) is said


def test_what_cannot_be_read_is_a_remark_and_the_rest_is_seen(tmp_path):
    image = save(tmp_path / "i.nii.gz", body(0).astype(np.int16))
    (tmp_path / "broken.nii.gz").write_bytes(b"x")
    seen = look_at(ScanFiles(image, tmp_path / "broken.nii.gz"), LabelPolicy())
    assert (seen.drawn, len(seen.faults), seen.places.size) == (None, 1, 256)
    seen = look_at(ScanFiles(tmp_path / "broken.nii.gz", save(tmp_path / "l.nii.gz", label())), LabelPolicy())
    assert (seen.landmarks, seen.places.size, len(seen.faults)) == (None, 0, 2)
