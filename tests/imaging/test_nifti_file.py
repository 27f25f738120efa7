"""Reading a NIfTI file takes what header and file agree on; what is not there, or too much, is said before."""

import bz2
import gzip
import struct
import tracemalloc
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from pnetkit.errors import ImageError
from pnetkit.imaging.gz import pack
from pnetkit.imaging.nifti import read_grid, read_labels, read_scan, write_labels

SHAPE = (6, 5, 4)
CT = np.random.default_rng(0).integers(-1000, 1000, size=SHAPE).astype(np.int16)


def sound(kind=nib.Nifti1Image, voxels=CT) -> bytes:
    image = kind(voxels, np.diag([2.0, 2.0, 3.0, 1.0]))
    image.header.set_xyzt_units("mm")
    return image.to_bytes()


def changed(*changes, data=None) -> bytes:
    made = bytearray(sound() if data is None else data)
    for offset, layout, *values in changes:
        struct.pack_into("<" + layout, made, offset, *values)
    return bytes(made)


def saved(folder: Path, name: str, data: bytes) -> Path:
    (folder / name).write_bytes(data)
    return folder / name


@pytest.fixture
def peak_mib():
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()


HUGE = changed((42, "3h", 1200, 1200, 1200))


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("ct.nii.gz", gzip.compress(HUGE[:352]), r"has \d+ bytes, which cannot unpack to as many"),
        ("ct.nii", HUGE[:352], r"has 352 bytes"),
        ("ct.nii.bz2", bz2.compress(HUGE[:352]), r"unpacks to 352"),
    ],
    ids=["gzip", "plain", "bzip2"],
)
def test_a_small_file_whose_header_tells_of_a_huge_scan_takes_no_memory(tmp_path, peak_mib, name, data, message):
    with pytest.raises(ImageError, match=r"tells of 3456000352 bytes, shape \(1200, 1200, 1200\), and it " + message):
        read_scan(saved(tmp_path, name, data))
    if name.endswith("bz2"):  # memory that is asked for and never touched
        return
    assert peak_mib() < 2


def test_more_voxels_than_any_ct_has_are_refused_although_a_small_file_holds_them_all(tmp_path, peak_mib):
    with (tmp_path / "ct.nii").open("wb") as file:
        file.write(changed((42, "3h", 1500, 1500, 1500))[:352])
        file.truncate(352 + 2 * 1500**3)  # a hole, which takes no disk
    with pytest.raises(ImageError, match=r"has 3375000000 voxels, shape .*; wanted a CT of at most 2147483648"):
        read_scan(tmp_path / "ct.nii")
    assert peak_mib() < 2


def test_unpacking_stops_where_the_header_says(tmp_path, peak_mib):
    path = saved(tmp_path, "ct.nii.gz", pack(sound() + bytes(32 * 2**20)))
    tracemalloc.reset_peak()
    with pytest.raises(ImageError, match=r"tells of 592 bytes, .* unpacks to more than 1049168\)\. Export it again"):
        read_scan(path)
    assert peak_mib() < 8


def test_what_stands_between_header_and_voxels_is_not_kept(tmp_path, peak_mib):
    begin = 352 + 32 * 2**20
    path = saved(tmp_path, "ct.nii.gz", pack(changed((108, "f", begin))[:352] + bytes(32 * 2**20) + CT.tobytes("F")))
    tracemalloc.reset_peak()
    assert np.array_equal(read_scan(path).hu, CT)
    assert peak_mib() < 8


@pytest.mark.parametrize("name", ["ct.nii", "ct.nii.gz"])
def test_a_little_padding_is_no_fault_and_a_second_scan_behind_the_first_is(tmp_path, name):
    def write(data):
        return saved(tmp_path, name, pack(data) if name.endswith("gz") else data)

    assert np.array_equal(read_scan(write(sound() + bytes(4096))).hu, CT)
    with pytest.raises(ImageError, match=r"its header tells of 592 bytes, shape \(6, 5, 4\), and it"):
        read_scan(write(sound() + bytes(2**21)))


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("name", ["ct.nii", "ct.nii.gz", "CT.NII.GZ", "ct.nii.bz2", "packed_and_not_called_so.nii"])
def test_a_scan_is_the_same_however_it_is_packed_and_called(tmp_path, name, kind):
    data = sound(kind)
    packed = {"ct.nii": data, "ct.nii.bz2": bz2.compress(data)}.get(name, gzip.compress(data))
    scan = read_scan(saved(tmp_path, name, packed))
    assert np.array_equal(scan.hu, CT)
    assert scan.grid.spacing_mm == (2, 2, 3)


def test_a_path_that_leads_nowhere_is_an_error_in_words(tmp_path):
    (tmp_path / "loop.nii.gz").symlink_to(tmp_path / "loop.nii.gz")
    with pytest.raises(ImageError, match="there is no such file"):
        read_scan(tmp_path / "loop.nii.gz")
    with pytest.raises(ImageError, match=r"cannot be read as an image \(OSError: .*File name too long"):
        read_scan(tmp_path / ("x" * 300 + ".nii"))


OTHER_PACKINGS = {"Zstandard": b"\x28\xb5\x2f\xfd", "xz": b"\xfd7zXZ\0", "zip": b"PK\3\4"}


@pytest.mark.parametrize("name", OTHER_PACKINGS)
def test_other_packings_are_refused_by_name(tmp_path, name):
    with pytest.raises(ImageError, match=rf"packed as {name}\)\. Wanted \.nii or \.nii\.gz: unpack it first"):
        read_scan(saved(tmp_path, "ct.nii.zst", OTHER_PACKINGS[name] + bytes(999)))


def test_damage_in_bzip2_is_found(tmp_path):
    data = bytearray(bz2.compress(sound()))
    data[len(data) // 2] ^= 1
    with pytest.raises(ImageError, match="cannot be unpacked"):
        read_scan(saved(tmp_path, "ct.nii.bz2", bytes(data)))


FOREIGN = {
    "it is macOS's note on another file": b"\0\5\x16\7" + bytes(999),
    "it is DICOM": bytes(128) + b"DICM" + bytes(999),
    "it is NRRD": b"NRRD0004" + bytes(999),
    "it is empty": b"",
    "it does not begin as NIfTI does": b"hello",
}


@pytest.mark.parametrize("what", FOREIGN)
def test_what_is_no_nifti_is_called_what_it_is(tmp_path, what):
    with pytest.raises(ImageError, match=f"cannot be read as an image \\({what}"):
        read_grid(saved(tmp_path, "._ct.nii", FOREIGN[what]))


EXTENSIONS = {
    "endless": struct.pack("<2i", -5, 4),
    "of no size": struct.pack("<2i", 0, 6),
    "longer than the file": struct.pack("<2i", 2**31 - 16, 6),
    "DICOM that is none": struct.pack("<2i", 32, 2) + b"\xff" * 24,
    "CIFTI that is none": struct.pack("<2i", 32, 32) + b"<broken" + b"\xff" * 17,
}


@pytest.mark.parametrize("name", ["ct.nii", "ct.nii.gz"])
@pytest.mark.parametrize("extension", EXTENSIONS.values(), ids=EXTENSIONS)
def test_damaged_extensions_are_nobodys_business(tmp_path, name, extension):
    data = changed((108, "f", 384), (348, "B", 1))[:352] + extension.ljust(32, b"\0") + CT.tobytes("F")
    path = saved(tmp_path, name, gzip.compress(data) if name.endswith("gz") else data)
    assert np.array_equal(read_scan(path).hu, CT)


NIFTI2 = sound(nib.Nifti2Image)
OVERFLOWS = {
    "three axes of NIfTI-2": changed((24, "3q", 2**62, 2**62, 2**62), data=NIFTI2),
    "one axis of NIfTI-2": changed((24, "q", 2**63 - 1), data=NIFTI2),
    "seven axes": changed((40, "8h", 7, *[32767] * 7)),
    "an infinite start": changed((108, "f", np.inf)),
    "a start beyond all": changed((168, "q", 2**63 - 1), data=NIFTI2),
    "a start that is negative": changed((168, "q", -(2**63)), data=NIFTI2),
    "voxels that begin in the header": changed((108, "f", 0.0)),
    "an infinite origin": changed((400, "3d", np.inf, 0, 0), data=NIFTI2),
    "an origin beyond all": changed((424, "d", 1e300), data=NIFTI2),
    "an edge beyond all": changed((400, "d", 1e300), data=NIFTI2),
    "a qform that is none": changed((252, "2h", 1, 0), (256, "3f", 9, 9, 9)),
    "a qform of NaN": changed((252, "2h", 1, 0), (256, "3f", np.nan, 0, 0)),
    "half of a pair": changed((344, "4s", b"ni1\0")),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("data", OVERFLOWS.values(), ids=OVERFLOWS)
def test_numbers_in_a_header_that_nothing_can_have_are_errors_in_words(tmp_path, data, packed):
    path = saved(tmp_path, "ct.nii.gz" if packed else "ct.nii", gzip.compress(data) if packed else data)
    with pytest.raises(ImageError, match=r"ct\.nii.*: .+\."):
        read_scan(path)


def test_mutated_headers_are_errors_in_words_or_give_a_scan(tmp_path):
    rng = np.random.default_rng(7)
    for kind in (nib.Nifti1Image, nib.Nifti2Image):
        whole = sound(kind)
        for number in range(60):
            data = np.frombuffer(whole, np.uint8).copy()
            places = rng.integers(0, 352 if kind is nib.Nifti1Image else 544, size=rng.integers(1, 5))
            data[places] = rng.choice([0, 1, 127, 128, 255, rng.integers(256)], size=places.size)
            path = saved(tmp_path, f"{number}.nii", data.tobytes())
            try:
                scan = read_scan(path)
                write_labels(tmp_path / "labels.nii.gz", (scan.hu > 0).astype(np.uint8), like=path)
                assert np.array_equal(read_labels(tmp_path / "labels.nii.gz")[0], scan.hu > 0)
            except ImageError as error:
                assert str(error).startswith(f"{path}: ")  # noqa: PT017
            path.unlink()
