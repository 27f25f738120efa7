"""Where a scan comes from: what its header says is carried into the finding."""

import nibabel as nib
import numpy as np

from pnetkit.screening.source import nifti_source


def test_what_a_nifti_header_leaves_open_or_contradicts_is_flagged(tmp_path):
    voxels = np.random.default_rng(0).integers(-1000, 1000, size=(6, 5, 4)).astype(np.int16)
    image = nib.Nifti1Image(voxels, np.eye(4))
    nib.save(image, tmp_path / "unit.nii.gz")
    image.header.set_xyzt_units("mm")
    nib.save(image, tmp_path / "mm.nii.gz")
    image.set_qform(np.diag([-1.0, 1, 1, 1]), code=1)
    nib.save(image, tmp_path / "mirrored.nii.gz")
    said = {name: nifti_source(tmp_path / f"{name}.nii.gz").load().flags for name in ("unit", "mm", "mirrored")}
    assert said["mm"] == ()
    assert "does not say in which unit lengths are" in said["unit"][0]
    assert "its sform and qform disagree: a corner lies 10 mm elsewhere" in said["mirrored"][0]
