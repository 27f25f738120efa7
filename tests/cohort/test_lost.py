from concurrent.futures import ThreadPoolExecutor

import nibabel as nib
import numpy as np
import pytest

from pnetkit.cohort.check import LabelPolicy, check_case
from pnetkit.cohort.lost import lost_notes
from pnetkit.types import Case, ScanFiles


@pytest.fixture
def cases(tmp_path):
    """Two patients with a large and a small tumor, in slices of 2 and of 4 mm; a third without labels."""
    rng = np.random.default_rng(0)
    found = []
    for number, slices in enumerate([2.0, 4.0, 9.0]):
        labels = np.zeros((20, 20, 12), np.uint8)
        labels[4:12, 4:12, 4:9] = 2
        labels[16, 16, 2] = 2
        hu = rng.integers(-100, 120, labels.shape).astype(np.int16)
        paths = [tmp_path / f"P{number}{part}.nii.gz" for part in ("", "_label")]
        for path, volume in zip(paths, (hu, labels), strict=True):
            nib.save(nib.Nifti1Image(volume, np.diag([1.0, 1.0, slices, 1.0])), path)
        files = ScanFiles(paths[0], paths[1] if number < 2 else None)
        found.append(check_case(Case(f"P{number}", f"{number}", {"venous": files}, True), LabelPolicy()))
    assert not any(item.faults for item in found)
    return found


@pytest.mark.parametrize(
    ("spacing", "lost"),
    [
        ((3.0, 3.0, 3.0), ["P0", "P1"]),
        ((1.0, 1.0, 1.0), []),
        ("median", []),  # 1 x 1 x 3: that of the labeled scans, not of all
    ],
)
def test_lesions_that_a_spacing_leaves_no_voxel_of_are_named_before_any_training(cases, spacing, lost):
    with ThreadPoolExecutor(1) as pool:
        notes = lost_notes(cases, "venous", spacing, LabelPolicy(), pool)
    assert [note.where for note in notes] == [f"case {name}, venous" for name in lost]
    assert all(note.message == "1 of 2 pieces of tumor have no voxel left at 3 x 3 x 3 mm" for note in notes)
