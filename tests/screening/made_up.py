"""A model that never learned, and what it says of a case: for tests of what is made of a finding."""

from pathlib import Path

import nibabel as nib
import numpy as np

from pnetkit.imaging.nifti import read_scan
from pnetkit.method.parts import Input, Parts
from pnetkit.model.folder import Model
from pnetkit.screening.screener import CaseResult, InputResult, Screener
from pnetkit.types import CaseFinding, FeatureNeeds, PhaseFinding, Segmentation

SHAPE = (40, 36, 20)
AFFINE = np.array([[2.0, 0, 0, -40.0], [0, 2.0, 0, -30.0], [0, 0, 3.0, 100.0], [0, 0, 0, 1.0]])
LEAST = {"tumor_voxels": 20, "duct_voxels": 30}


class Any1:
    """The fusion by OR, as plain as it gets."""

    def fuse(self, case_id, findings, *, expected):
        fired = tuple(name for name, of in findings.items() if of.abnormal)
        missing = tuple(name for name in expected if name not in findings)
        score = max(of.relative_score for of in findings.values())
        return CaseFinding(case_id, bool(fired), score, fired, findings, missing)


def screener_of(*inputs):
    """A screener of inputs (name, phases); its networks are never asked."""
    seen = tuple(Input(name, phases, resample=len(phases) > 1) for name, phases in inputs)
    rule = {"plugin": "voxel-count", "distribution": "pnetkit-s4c", "version": "0.1.0", "params": LEAST}
    fusion = {"plugin": "or", "distribution": "pnetkit-s4c", "version": "0.1.0", "params": {}}
    parts = Parts(seen, {}, [], rule, fusion, FeatureNeeds(), False, False, False, {}, {}, {}, {}, 0)
    content = {"name": "made-up", "grid": {"seen": {}}, "operating_point": None}
    model = Model(Path("made-up"), "ab" * 32, content, (), None, ())
    return Screener(model, parts, (0, 1), "cpu", 1, {}, Any1())


DUAL = (("arterial", ("arterial",)), ("venous", ("venous",)))


def labels_of(*, tumor=True):
    """A pancreas with a tumor of 4 x 4 x 3 voxels in it, and a duct of 5."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[10:30, 12:24, 5:14] = 1
    labels[12:17, 15, 8] = 3
    if tumor:
        labels[20:24, 16:20, 8:11] = 2
    return labels


def write_scan(path, *, seed=0, tumor=True, affine=AFFINE):
    """A soft body with noise; the tumor, where there is one, is brighter."""
    rng = np.random.default_rng(seed)
    hu = rng.normal(60, 10, SHAPE) + 60 * (labels_of(tumor=tumor) == 2)
    hu[:3], hu[-3:], hu[:, :3], hu[:, -3:] = -1000, -1000, -1000, -1000
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(np.round(hu).astype(np.int16), affine), path)
    return read_scan(path)


def said_of(case_id, scans, screener, *, tumor=("arterial",)):
    """What the model says of scans by phase: a tumor in the inputs that are named."""
    inputs = {}
    for seen in screener.parts.inputs:
        if not all(phase in scans for phase in seen.phases):
            continue
        labels = labels_of(tumor=seen.name in tumor)
        counts = {"tumor_voxels": float((labels == 2).sum()), "duct_voxels": float((labels == 3).sum())}
        score = max(counts[name] / least for name, least in LEAST.items())
        finding = PhaseFinding(seen.name, score, 1.0, counts)
        segmentation = Segmentation(labels, scans[seen.phases[0]].grid)
        inputs[seen.name] = InputResult(segmentation, finding, 0.9, 8, "")
    findings = {name: of.finding for name, of in inputs.items()}
    fused = screener.fusion.fuse(case_id, findings, expected=tuple(of.name for of in screener.parts.inputs))
    return CaseResult(fused, inputs)
