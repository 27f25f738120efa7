"""MetaImage: read as ITK reads it, written so that ITK finds every voxel where it was."""

import zlib

import numpy as np
import pytest

from pnetkit.errors import ImageError
from pnetkit.imaging.metaimage import read_metaimage, write_metaimage

SHAPE = (7, 6, 5)


def voxels():
    """Values of a body, each voxel another one."""
    return (np.arange(np.prod(SHAPE)).reshape(SHAPE, order="F") - 60).astype("<i2")


def write(path, *, matrix="1 0 0 0 1 0 0 0 1", packed=True, data=None, **other):
    raw = voxels().tobytes(order="F") if data is None else data
    body = zlib.compress(raw) if packed else raw
    lines = {"ObjectType": "Image", "NDims": "3", "BinaryData": "True", "BinaryDataByteOrderMSB": "False",
             "CompressedData": str(packed), "CompressedDataSize": len(body), "TransformMatrix": matrix,
             "Offset": "10 20 30",
             "ElementSpacing": "0.5 2 3", "DimSize": "7 6 5", "ElementType": "MET_SHORT"}  # fmt: skip
    lines |= other | {"ElementDataFile": other.get("ElementDataFile", "LOCAL")}
    text = "".join(f"{name} = {value}\n" for name, value in lines.items() if value is not None)
    path.write_bytes(text.encode() + body)
    return path


@pytest.mark.parametrize("packed", [True, False])
def test_a_scan_is_turned_from_lps_into_ras(tmp_path, packed):
    scan = read_metaimage(write(tmp_path / "a.mha", packed=packed))
    assert np.array_equal(scan.hu, voxels()[::-1, ::-1])
    assert np.allclose(scan.grid.affine, [[0.5, 0, 0, -13], [0, 2, 0, -30], [0, 0, 3, 30], [0, 0, 0, 1]])


def test_the_matrix_lists_the_direction_of_each_axis_in_turn(tmp_path):
    scan = read_metaimage(write(tmp_path / "a.mha", matrix="0 1 0 0 0 1 1 0 0"))  # x runs along P, y along S, z along L
    assert scan.grid.spacing_mm == (3.0, 0.5, 2.0)
    assert scan.hu.shape == (5, 7, 6)


@pytest.mark.parametrize("matrix", ["1 0 0 0 1 0 0 0 1", "0 1 0 0 0 1 1 0 0", "0.8 0.6 0 -0.6 0.8 0 0 0 -1"])
def test_itk_reads_the_same_and_finds_what_is_written_at_the_same_place(tmp_path, matrix):
    sitk = pytest.importorskip("SimpleITK")
    source = write(tmp_path / "a.mha", matrix=matrix)
    scan = read_metaimage(source)
    theirs = sitk.ReadImage(str(source))
    assert np.array_equal(sitk.GetArrayFromImage(theirs).T, voxels())
    for index in [(0, 0, 0), (6, 0, 0), (0, 5, 0), (0, 0, 4), (3, 2, 1)]:
        place = np.array(theirs.TransformIndexToPhysicalPoint(index)) * [-1, -1, 1]
        ours = np.linalg.solve(scan.grid.affine, [*place, 1])[:3]
        assert scan.hu[tuple(np.round(ours).astype(int))] == theirs[index]
    write_metaimage(tmp_path / "b.mha", scan.hu, like=source)
    again = sitk.ReadImage(str(tmp_path / "b.mha"))
    assert np.array_equal(sitk.GetArrayFromImage(again), sitk.GetArrayFromImage(theirs))
    assert np.allclose([*again.GetDirection(), *again.GetOrigin(), *again.GetSpacing()],
                       [*theirs.GetDirection(), *theirs.GetOrigin(), *theirs.GetSpacing()])  # fmt: skip
    theirs.SetOrigin((1, 2, 3))
    sitk.WriteImage(theirs, str(tmp_path / "c.mha"), useCompression=True)
    assert np.array_equal(read_metaimage(tmp_path / "c.mha").hu, scan.hu)


def test_a_map_is_read_back_from_where_it_was_written(tmp_path):
    source = write(tmp_path / "a.mha", matrix="0 1 0 0 0 1 1 0 0")
    scan = read_metaimage(source)
    write_metaimage(tmp_path / "b.mha", scan.hu.astype(np.int16), like=source)
    again = read_metaimage(tmp_path / "b.mha")
    assert np.array_equal(again.hu, scan.hu)
    assert again.grid.matches(scan.grid)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"data": voxels().tobytes()[:-2]}, "holds 418"),
        ({"data": voxels().tobytes() + b"\0\0"}, "holds more"),
        ({"DimSize": "7 6"}, "DimSize is '7 6', wanted 3 numbers"),
        ({"DimSize": "100000 100000 100000"}, "wanted three axes"),
        ({"NDims": "2"}, "NDims is '2'"),
        ({"ElementType": "MET_OTHER"}, "ElementType is 'MET_OTHER'"),
        ({"ElementDataFile": "/etc/passwd"}, "ElementDataFile is '/etc/passwd'"),
        ({"ElementNumberOfChannels": "3"}, "ElementNumberOfChannels"),
        ({"ElementSpacing": "0 1 1"}, "singular"),
        ({"TransformMatrix": "1 0 0 nan 1 0 0 0 1"}, "TransformMatrix"),
        ({"HeaderSize": "-1"}, "HeaderSize"),
    ],
)
def test_what_is_no_scan_is_refused_by_what_is_wrong(tmp_path, wrong, said):
    with pytest.raises(ImageError, match=said):
        read_metaimage(write(tmp_path / "a.mha", **wrong))


def test_a_packed_file_that_is_cut_or_changed_is_refused(tmp_path):
    whole = write(tmp_path / "a.mha").read_bytes()
    (tmp_path / "a.mha").write_bytes(whole[:-8])
    with pytest.raises(ImageError, match="cut short"):
        read_metaimage(tmp_path / "a.mha")
    (tmp_path / "a.mha").write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(ImageError, match="damaged"):
        read_metaimage(tmp_path / "a.mha")
    (tmp_path / "a.mha").write_bytes(b"\x89PNG" * 2000)
    with pytest.raises(ImageError, match="NAME = VALUE"):
        read_metaimage(tmp_path / "a.mha")
    with pytest.raises(ImageError, match="No such file"):
        read_metaimage(tmp_path / "none.mha")


def test_a_file_that_packs_a_thousandfold_is_not_unpacked_past_what_its_header_says(tmp_path):
    with pytest.raises(ImageError, match="holds more"):
        read_metaimage(write(tmp_path / "a.mha", data=b"\0" * 2**24))
