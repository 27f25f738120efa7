"""Damaged DICOM: drawn from seeds, of which none ends in a traceback or in an answer that is not the study's own.

Two patients have two series each. A network that answers by HU alone stands in for a trained one, so that each voxel of
a finding tells whose it is: patient A is marked as pancreas, patient B as duct, and A has a tumor, in one phase only.
"""

import json
import os
import time
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pytest
import torch
from pydicom.uid import RLELossless
from torch import nn

from pnetkit.dicom.series import case_id_of
from pnetkit.interfaces import BackboneOutput
from pnetkit.model.folder import RECIPE, FoldModel, Model
from pnetkit.screening.screener import load_screener
from pnetkit.types import BackboneSpec
from tests.dicom.synthetic import write_series
from tests.system import dicom_damage as damages
from tests.system.damage import end

SLICES, TUMOR_HU, MARK_HU = 6, 150, {"A": 250, "B": 350}
STUDY = {"A": "1.2.3", "B": "1.2.4"}
AFFINE = np.diag([2.0, 2.0, 5.0, 1.0])
FEWEST, MOST = int(os.environ.get("PNETKIT_DAMAGES", "3")), 40
"""How many damages of each kind are tried, more by hand; and until when, while none was answered or none refused."""

MOST_SECONDS = 30.0
"""What one damaged folder may take of a processor; it takes a tenth of a second."""

TINY = """\
name: by-hu
intensity: {window_hu: [-200, 400], normalization: none}
backbone: {plugin: s4c, params: {width: 2}}
training: {patch_size: [16, 16, 16]}
inference: {window_size: [16, 16, 16], stride: 16, batch_size: 1}
classifier: {plugin: voxel-count, params: {tumor_voxels: 5, duct_voxels: 100000}}
fusion: {plugin: or}
"""


class ByHU(nn.Module):
    """A network that calls a voxel by its HU: 250 pancreas, 150 tumor, 350 duct."""

    def __init__(self):
        super().__init__()
        self.spec = BackboneSpec(1, 4, (1, 1, 1))
        self.none = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        away = [torch.full_like(x, 20.0), *((x - hu).abs() for hu in (MARK_HU["A"], TUMOR_HU, MARK_HU["B"]))]
        return BackboneOutput(-torch.cat(away, dim=1) + self.none)


@dataclass(frozen=True)
class Outcome:
    """What became of a damaged folder: by case id the finding, or why there is none."""

    code: int
    text: str
    findings: dict
    reasons: dict


def hu_of(patient, phase):
    hu = np.full((16, 16, SLICES), 40.0, np.float32)
    hu[:2] = -1000
    hu[12:14, 12:14] = MARK_HU[patient]
    if (patient, phase) == ("A", "venous"):
        hu[5:8, 5:8, 1:5] = TUMOR_HU
    return hu + np.random.default_rng(0).integers(-2, 3, hu.shape)  # without noise a corner is padding


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    folder = tmp_path_factory.mktemp("archive")
    for patient, study in STUDY.items():
        for number, phase in enumerate(("arterial", "venous"), 1):

            def of_patient(dataset, _, patient=patient):
                dataset.PatientID, dataset.PatientName = f"id-{patient}", f"Name^{patient}"
                dataset.AcquisitionNumber = 1

            write_series(
                folder / patient / phase, hu_of(patient, phase), AFFINE, description=f"Abd {phase}", number=number,
                study=study, time=f"10{number}500", change=of_patient,
                syntax=RLELossless if phase == "arterial" else None,
            )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def by_hu(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    (folder / RECIPE).write_text(TINY)
    content = {"name": "by-hu", "phases": ["arterial", "venous"], "grid": {"seen": {}}, "operating_point": None}
    folds = tuple(FoldModel(phase, 0, folder, None) for phase in content["phases"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pnetkit.screening.screener.load_weights", lambda *_, **__: ByHU())
        patch.setattr("pnetkit.screening.screener.require_unchanged", lambda _: None)  # no file of it lies there
        return load_screener(Model(folder, "ab" * 32, MappingProxyType(content), folds, None, ()), device="cpu")


@pytest.fixture
def screened(by_hu, archive, tmp_path, monkeypatch, capsys):
    """Damage a copy of the archive, and screen it as the console does."""
    monkeypatch.setattr("pnetkit.model.folder.read_model", lambda _: by_hu.model)
    monkeypatch.setattr("pnetkit.screening.screener.load_screener", lambda *_, **__: by_hu)
    calls = iter(range(1000))

    def screen(damage=None, seed=0, *options):
        work = tmp_path / str(next(calls))
        for path in archive.rglob("IM*"):
            copy = work / "in" / path.relative_to(archive)
            copy.parent.mkdir(parents=True, exist_ok=True)
            os.link(path, copy)
        said = damage(np.random.default_rng(seed), work / "in") if damage else ""
        touched = {
            path.parts[-3]
            for path in archive.rglob("IM*")
            if not (work / "in" / path.relative_to(archive)).exists()
            or not path.samefile(work / "in" / path.relative_to(archive))
        }
        started = time.process_time()
        code, text = end(
            monkeypatch, capsys, "screen", "model", work / "in", "--out", work / "out", "--on-gate", "off", "--device",
            "cpu", "--threads", 1, *options,
        )  # fmt: skip
        assert time.process_time() - started < MOST_SECONDS, said
        return said, touched, outcome(work / "out", code, text)

    return screen


def outcome(out, code, text):
    def records(name):
        return {path.parent.name: json.loads(path.read_text()) for path in out.glob(f"*/{name}")}

    return Outcome(code, text, records("finding.json"), records("failed.json"))


def voxels(finding):
    return {phase: found["voxels"] for phase, found in finding["inputs"].items()}


CASES = {patient: case_id_of(study) for patient, study in STUDY.items()}
MARKED = 4 * SLICES
SOUND = {
    "A": {
        "arterial": {"pancreas": MARKED, "tumor": 0, "duct": 0},
        "venous": {"pancreas": MARKED, "tumor": 36, "duct": 0},
    },
    "B": {phase: {"pancreas": 0, "tumor": 0, "duct": MARKED} for phase in ("arterial", "venous")},
}


def test_sound_studies_are_answered_and_each_voxel_tells_whose_it_is(screened):
    _, _, found = screened()
    assert found.code == 0, found.text
    assert {case: finding["decision"] for case, finding in found.findings.items()} == {
        CASES["A"]: "abnormal",
        CASES["B"]: "normal",
    }
    for patient, case in CASES.items():
        assert voxels(found.findings[case]) == SOUND[patient]


def faults_of(found):
    """Say what no damage may ever lead to."""
    faults = []
    if "Traceback" in found.text or any("traceback" in reason for reason in found.reasons.values()):
        faults.append("a traceback")
    if found.code not in {0, 4, 8} or (found.code and "Error: " not in found.text):
        faults.append(f"ends with {found.code}")
    if any(said in found.text for said in ("id-A", "id-B", "Name^", "19500101")):
        faults.append("names a patient")
    for case, finding in found.findings.items():
        of = {patient for patient, part in (("A", "pancreas"), ("B", "duct")) for phase in voxels(finding).values()
              if phase[part] >= 4}  # fmt: skip
        allowed = [{"A"}] if case == CASES["A"] else [{"B"}] if case == CASES["B"] else [{"A"}, {"B"}]
        if of not in allowed:
            faults.append(f"{case} is of {sorted(of)}")
    finding = found.findings.get(CASES["A"])
    if finding is not None and finding["decision"] != "abnormal":
        faults.append(f"A is normal: {finding['flags']}")
    return faults


def fate_of(patient, found):
    """Say what became of a study: its own answer, one of fewer slices, another one, refused, or gone."""
    case = CASES[patient]
    if case in found.reasons:
        return "refused"
    if case not in found.findings:
        return "gone"
    got = voxels(found.findings[case])
    if got == SOUND[patient]:
        return "own"
    marked = {"A": "pancreas", "B": "duct"}[patient]
    less = {phase: part | {marked: MARKED} for phase, part in got.items()}
    return "shorter" if less == SOUND[patient] else "other"


OWN, LAST, MIXED = {"own", "refused"}, {"own", "refused", "shorter"}, {"own", "refused", "shorter", "other"}
"""What may become of a damaged study: its own answer, or none. Where one image comes to say that it is of another
study, the stack lacks it, which no gap shows if it was the last. Where images stand in the place of others, these are
lost, and flipped bytes may be voxels: but a tumor stays one, and whose a voxel is, is never mistaken."""

KINDS = {
    damages.dropped_from_one: LAST, damages.dropped_from_a_series: OWN, damages.swapped_between_images: LAST,
    damages.swapped_between_series: OWN, damages.swapped_within_an_image: LAST, damages.of_wrong_type_in_one: LAST,
    damages.of_wrong_type_in_a_series: OWN, damages.flipped_in_a_header: LAST, damages.flipped_anywhere: MIXED,
    damages.cut_or_filled: OWN, damages.mixed_between_series: MIXED, damages.mixed_between_patients: MIXED,
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("damage", "fates"), KINDS.items(), ids=[damage.__name__ for damage in KINDS])
def test_no_damage_gives_a_traceback_or_an_answer_that_is_not_the_study_s_own(damage, fates, screened):
    """Of each kind some studies are answered and some refused; a patient whose files are sound has the own answer."""
    wrong, seen = {}, set()
    for seed in range(max(FEWEST, MOST)):
        if seed >= FEWEST and seen >= OWN:
            break
        options = [] if seed else ["--dicom-results"]
        if seed or fates is not MIXED:
            options.append("--no-report")
        said, touched, found = screened(damage, seed, *options)
        became = {patient: fate_of(patient, found) for patient in CASES}
        seen |= set(became.values())
        faults = faults_of(found)
        touched = set(CASES) if fates is MIXED else touched
        faults += [
            f"{patient} is {fate}"
            for patient, fate in became.items()
            if fate not in (fates if patient in touched else {"own"})
        ]
        if faults:
            wrong[f"seed {seed}: {said}"] = faults
    assert wrong == {}
    assert seen >= OWN
