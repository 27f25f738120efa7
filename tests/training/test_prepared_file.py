"""A prepared case in its file: what is read is what was written; it holds nothing open; damage is told in words."""

from pathlib import Path

import numpy as np
import pytest

from pnetkit.errors import StoreError
from pnetkit.imaging.boxes import Box
from pnetkit.training.bricks import cut_bricks
from pnetkit.training.prepared_file import map_prepared, write_prepared
from pnetkit.training.sampling import StoredCase, draw_batch
from tests.training.test_sampling import SAMPLING


def written(path: Path, case) -> StoredCase:
    write_prepared(path, list(case.hu), case.labels, case.foreground, case.lesion)
    return StoredCase(case.id, path, case.intensities, case.abnormal)


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_a_case_is_read_as_it_was_written(tmp_path, cases, dtype):
    case, other = cases[0], cases[0].hu[0].astype(dtype)[::-1]
    write_prepared(tmp_path / "case", [case.hu[0], other], case.labels, case.foreground, case.lesion)
    found = map_prepared(tmp_path / "case")
    whole = Box((0, 0, 0), case.labels.shape)
    for bricks, wanted in zip((*found.hu, found.labels), (case.hu[0], other, case.labels), strict=True):
        got = cut_bricks(bricks, whole, fill=0)
        assert got.dtype == wanted.dtype
        assert np.array_equal(got, wanted)
    assert np.array_equal(found.foreground, case.foreground)
    assert np.array_equal(found.lesion, case.lesion)


def test_patches_of_stored_cases_are_those_of_cases_in_memory(tmp_path, cases):
    stored = [written(tmp_path / case.id, case) for case in cases]
    for seed in range(5):
        one = draw_batch(cases, SAMPLING, np.random.default_rng(seed))
        two = draw_batch(stored, SAMPLING, np.random.default_rng(seed))
        assert one.case_ids == two.case_ids
        assert one.x.tobytes() == two.x.tobytes()
        assert one.y.tobytes() == two.y.tobytes()


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="says nothing of what a process holds open")
def test_a_stored_case_is_not_held_open(tmp_path, cases):
    stored = [written(tmp_path / case.id, case) for case in cases]
    before = len(list(Path("/proc/self/fd").iterdir()))
    draw_batch(stored, SAMPLING, np.random.default_rng(0))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize("damage", ["cut off", "no header", "empty", "gone"])
def test_a_damaged_file_is_an_error_in_words(tmp_path, cases, damage):
    case = written(tmp_path / "case", cases[0])
    data = case.path.read_bytes()
    case.path.write_bytes({"cut off": data[:-9], "no header": b"\7" * 99, "empty": b"", "gone": data}[damage])
    if damage == "gone":
        case.path.unlink()
    with pytest.raises(StoreError, match=r"case: cannot be read .* Delete .* to prepare the case again"):
        case.mapped()
