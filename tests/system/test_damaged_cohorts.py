"""Damaged images, labels and tables: each ends in an error in words, none in a traceback or a wrong answer.

Damage to bytes that mean nothing may go unnoticed: then the answer has to be the one of the sound file.
"""

import gzip
import shutil
import struct
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from pnetkit.cohort.phantom import PhantomSpec, write_cohort
from pnetkit.imaging.nifti import read_scan
from tests.system.damage import Damage, Kind, content, cut, each, end, flip, require_error


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """Two cases; P000 as it is made, P001 also as `bare.nii`, which is not compressed, with its labels."""
    folder = tmp_path_factory.mktemp("sound")
    write_cohort(folder, PhantomSpec(cases=2, seed=1, shape=(32, 32, 24), difficulty=0))
    image = nib.load(folder / "images" / "P001_venous.nii.gz")
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), image.affine), folder / "bare.nii")
    shutil.copyfile(folder / "labels" / "P001_venous.nii.gz", folder / "bare_label.nii.gz")
    table(folder)
    return folder


@pytest.fixture
def workplace(sound, tmp_path):
    return Path(shutil.copytree(sound, tmp_path / "w"))


def table(folder, *rows, header="case_id,patient_id,abnormal,venous_image,venous_label"):
    rows = rows or (
        "P000,p0,0,images/P000_venous.nii.gz,labels/P000_venous.nii.gz",
        "P001,p1,1,bare.nii,bare_label.nii.gz",
    )
    (folder / "cohort.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")


def in_header(offset, layout, *values):
    """Write values into the header of bare.nii."""

    def do(folder):
        data = bytearray((folder / "bare.nii").read_bytes())
        struct.pack_into("<" + layout, data, offset, *values)
        (folder / "bare.nii").write_bytes(bytes(data))

    return do


def voxels(change, name="bare.nii"):
    """Change the voxels or the affine of an image: `change(voxels, affine)` gives both."""

    def do(folder):
        image = nib.load(folder / name)
        array, affine = change(np.asarray(image.dataobj).astype(np.float32), image.affine.copy())
        (folder / name).unlink()
        nib.save(nib.Nifti1Image(array, affine), folder / name)

    return do


def put(index, value):
    def change(array, affine):
        array[index] = value
        return array, affine

    return change


def moved(axis, by):
    def change(array, affine):
        affine[axis, 3] += by
        return array, affine

    return change


def scaled(axis, factor):
    def change(array, affine):
        affine[:, axis] *= factor
        return array, affine

    return change


def rows(*lines, header="case_id,patient_id,abnormal,venous_image,venous_label"):
    return lambda folder: table(folder, *lines, header=header)


GZ, LABEL = "images/P000_venous.nii.gz", "labels/P000_venous.nii.gz"
BARE, BARE_LABEL = "case P001, venous: bare.nii: ", "case P001, venous: bare_label.nii.gz: "
PLACES = {GZ: f"case P000, venous: {GZ}: ", LABEL: f"case P000, venous: {LABEL}: ", "bare.nii": BARE}
NO_IMAGE, NO_VOXELS = BARE + "cannot be read as an image (", BARE + "its voxels cannot be read ("

IN_A_CASE = r"cohort\.csv: 1 fault in \d cases?:\n  case \w+, venous: [\w/.]+: "
FILE = Kind(4, IN_A_CASE + r"(cannot be unpacked|cannot be read as an image|its voxels cannot be read) \(.+\)\. ")
FILES = [
    *(Damage(f"{name} cut to {share:.0%}", cut(name, share), place)
      for name, place in PLACES.items() for share in (0, 0.001, 0.01, 0.1, 0.5, 0.9, 0.99)),
    *(Damage(f"a byte of {name} at {place:.2f}", flip(name, place), PLACES[name], may_pass=True)
      for name in (GZ, LABEL) for place in np.linspace(0.0, 0.999, 16)),
    Damage("text for an image", content("bare.nii", b"not an image at all" * 50), NO_IMAGE),
    Damage("a gzip of text", content(GZ, gzip.compress(b"hello" * 500)), PLACES[GZ] + "cannot be read as an image ("),
    Damage("zeros", content("bare.nii", bytes(4096)), NO_IMAGE),
    Damage("random bytes", content("bare.nii", np.random.default_rng(0).bytes(5000)), NO_IMAGE),
    Damage("sizeof_hdr", in_header(0, "i", 77), BARE, may_pass=True),
    Damage("nine axes", in_header(40, "h", 9), NO_IMAGE),
    Damage("an axis too long", in_header(46, "h", 30000), NO_VOXELS),
    Damage("an axis one too long", in_header(46, "h", 25), NO_VOXELS),
    Damage("unknown type", in_header(70, "h", 9999), NO_IMAGE),
    Damage("no type", in_header(70, "h", 0), NO_IMAGE),
    Damage("color", in_header(70, "hh", 128, 24), NO_VOXELS),
    Damage("complex", in_header(70, "hh", 32, 64), NO_VOXELS),
    Damage("type of another size", in_header(70, "hh", 64, 64), NO_VOXELS),
    Damage("data beyond the end", in_header(108, "f", 1e9), NO_VOXELS),
    Damage("data before the start", in_header(108, "f", -1.0), NO_IMAGE),
    Damage("data nowhere", in_header(108, "f", np.nan), NO_IMAGE),
    Damage("slope infinite", in_header(112, "f", np.inf), BARE, may_pass=True),
    Damage("intercept NaN", in_header(112, "ff", 1.0, np.nan), BARE, may_pass=True),
    Damage("magic", in_header(344, "4s", b"oops"), NO_IMAGE),
    Damage("a table for an image", rows("A,p,0,cohort.csv,"), "case A, venous: cohort.csv: cannot be read as an image"),
]  # fmt: skip

NOWHERE = Kind(4, IN_A_CASE + r"there is no such file\. Check the path; paths in a cohort are relative to its CSV\.")
MISSING = [
    Damage("no file", lambda f: (f / "bare.nii").unlink(), BARE),
    Damage("a folder for a file", lambda f: ((f / "bare.nii").unlink(), (f / "bare.nii").mkdir()), BARE),
    Damage("a link to itself", lambda f: ((f / "bare.nii").unlink(), (f / "bare.nii").symlink_to("bare.nii")), BARE),
    Damage("an image that is not there", rows("A,p,0,images/nowhere.nii.gz,"), "A, venous: images/nowhere.nii.gz: "),
    Damage("a folder for an image", rows("A,p,0,images,"), "case A, venous: images: "),
]

SPACE = Kind(
    4, IN_A_CASE + "(has shape|a grid has three axes|the affine is|a grid needs|says nothing of its orientation)"
)
SPACES = [
    Damage("no axes", in_header(40, "h", 0), BARE + "has shape (0,); wanted one volume with three axes"),
    Damage("two axes", in_header(40, "h", 2), BARE + "has shape (32, 32); wanted one volume with three axes"),
    Damage("negative axis", in_header(42, "h", -5), "at least one voxel, got shape (-5, 32, 24)"),
    Damage("empty axis", in_header(42, "h", 0), "at least one voxel, got shape (0, 32, 24)"),
    Damage("two volumes", voxels(lambda a, f: (np.stack([a, a], axis=-1), f)), "shape (32, 32, 24, 2); wanted one"),
    Damage("one slice of two axes", voxels(lambda a, f: (a[:, :, 0], f)), "shape (32, 32); wanted one volume"),
    Damage("no orientation", in_header(252, "hh", 0, 0), BARE + "says nothing of its orientation"),
    Damage("affine of zeros", in_header(280, "12f", *[0.0] * 12), BARE + "the affine is singular"),
    Damage("affine NaN", in_header(280, "f", np.nan), BARE + "a grid needs a finite 4x4 affine, got [[nan"),
    Damage("affine infinite", in_header(296, "f", np.inf), BARE + "a grid needs a finite 4x4 affine"),
    Damage("affine with two axes alike", in_header(280, "8f", 1, 0, 0, 0, 1, 0, 0, 0), BARE + "the affine is singular"),
]

CT = (
    r"values run from \S+ to \S+; an abdominal CT in HU has its minimum in .+ rescale slope or intercept missing, or .+"
)
VALUE = Kind(
    4, IN_A_CASE + rf"({CT} already normalized\?|\d+ of 24576 voxels are NaN or infinite; a CT has a finite HU)"
)
VALUES = [
    Damage("slope huge", in_header(112, "ff", 1e6, 0.0), BARE + "values run from -1.024e+09 to "),
    Damage("intercept huge", in_header(112, "ff", 1.0, 1e6), BARE + "values run from 998976 to "),
    Damage("one NaN", voxels(put((3, 4, 5), np.nan)), BARE + "1 of 24576"),
    Damage("a slice of infinities", voxels(put((slice(None), slice(None), 3), np.inf)), BARE + "1024 of 24576"),
    Damage("nothing but zero", voxels(put(slice(None), 0)), BARE + "values run from 0 to 0;"),
    Damage("nothing but air", voxels(put(slice(None), -1000)), BARE + "values run from -1000 to -1000;"),
    Damage("normalized to 0-1", voxels(lambda a, f: ((a + 1000) / 3000, f)), BARE + "values run from -0.008 to 0."),
    Damage("no rescale intercept", voxels(lambda a, f: (a + 1024, f)), BARE + "values run from 0 to "),
    Damage("HU times a thousand", voxels(lambda a, f: (a * 1000, f)), BARE + "values run from -1.024e+06 to "),
    Damage("a label for a CT", lambda f: shutil.copyfile(f / LABEL, f / GZ), PLACES[GZ] + "values run from 0 to "),
]

GRID = Kind(
    4, IN_A_CASE + r"its grid \(.+\) is not that of the image \(.+\): .+\. Export the labels on the image's own grid"
)
GRIDS = [
    *(Damage(f"image moved by 1 mm along {'xyz'[axis]}", voxels(moved(axis, 1.0)), "corners lie 1 mm apart")
      for axis in range(3)),
    *(Damage(f"image moved by an eighth of a voxel along {'xyz'[axis]}", voxels(moved(axis, edge / 8)), "0.125 voxels;")
      for axis, edge in enumerate((7.5, 7.5, 8))),
    *(Damage(f"spacing doubled along {'xyz'[axis]}", voxels(scaled(axis, 2)), f"corners lie {length} mm apart")
      for axis, length in enumerate(("232.5", "232.5", "184"))),
    *(Damage(f"axis {'xyz'[axis]} turned", voxels(scaled(axis, -1)), f"corners lie {length} mm apart")
      for axis, length in enumerate(("232.5", "232.5", "184"))),
    *(Damage(f"image without its last plane along {'xyz'[axis]}",
             voxels(lambda a, f, axis=axis: (a.take(range(a.shape[axis] - 1), axis), f)), "the shapes differ")
      for axis in range(3)),
    Damage("an axis one too short", in_header(46, "h", 23), "(32, 32, 23): the shapes differ"),
    Damage("axes exchanged", voxels(lambda a, f: (a.transpose(2, 1, 0), f)), "(24, 32, 32): the shapes differ"),
    Damage("label of another scan",
           lambda f: shutil.copyfile(f / "labels/P001_arterial.nii.gz", f / "bare_label.nii.gz"), "the shapes differ"),
    Damage("a sheared label", voxels(lambda a, f: (a.astype(np.uint8), f @ shear()), "bare_label.nii.gz"), "mm apart"),
]  # fmt: skip


def shear():
    matrix = np.eye(4)
    matrix[0, 2] = 0.05
    return matrix


CLASS = Kind(
    4, IN_A_CASE + "(holds the label values .+; wanted 0 background, 1 pancreas|label values have to be whole)"
)
CLASSES = [
    *(Damage(f"label value {value}", voxels(put((1, 2, 3), value), "bare_label.nii.gz"),
             f"{BARE_LABEL}holds the label values {value:.6g};") for value in (4, 7, 255, -1, 1000000)),
    *(Damage(f"label value {value}", voxels(put((1, 2, 3), value), "bare_label.nii.gz"),
             f"{BARE_LABEL}label values have to be whole numbers, got {values}.")
      for value, values in {0.5: "0, 0.5, 1, 2", np.nan: "0, 1, 2, nan"}.items()),
    Damage("a CT for a label", lambda f: shutil.copyfile(f / GZ, f / LABEL),
           f"{PLACES[LABEL]}holds the label values -1024,"),
]  # fmt: skip

DIAGNOSIS = Kind(4, r"cohort\.csv: 1 fault in 2 cases:\n  case P000: is called normal, but its labels show a tumor")
DIAGNOSES = [Damage("tumor in a normal case", voxels(put((5, 5, 5), 2), LABEL), "(venous 1 voxel")]


A = "A,p,0,images/P000_venous.nii.gz,"
FOLDS = "case_id,patient_id,abnormal,venous_image,n,fold"
NAMED = (
    "names result files, so it has to be letters, digits, '.', '_' and '-', start with a letter or digit, and end in"
)

TEXT = Kind(4, r"cohort\.csv(:2)?: [^\n]+\.( Save it as [^\n]+\.)?\n$")
TEXTS = [
    Damage("no table", lambda f: (f / "cohort.csv").unlink(), "there is no such cohort"),
    Damage("a folder for a table", lambda f: ((f / "cohort.csv").unlink(), (f / "cohort.csv").mkdir()), "directory"),
    Damage("an image for a table", lambda f: shutil.copyfile(f / "bare.nii", f / "cohort.csv"), "read as UTF-8 text ("),
    Damage("UTF-16", content("cohort.csv", "case_id,patient_id".encode("utf-16")), "read as UTF-8 text ("),
    Damage("Latin-1", content("cohort.csv", b"case_id,patient_id,abnormal,venous_image\nM\xfcller,p,0,x\n"), "0xfc"),
    Damage("a NUL", content("cohort.csv", b"case_id,patient_id,abnormal,venous_image\nA\0,p,0,x\n"), "binary data"),
    Damage("semicolons", rows("A;p;0;x", header="case_id;patient_id;abnormal;venous_image"), "not separated by commas"),
    Damage("tabs", rows("A\tp\t0\tx", header="case_id\tpatient_id\tabnormal\tvenous_image"), "not separated by commas"),
    Damage("a quote that is not closed", rows('"A,p,0,x,'), "cohort.csv:2: is not well-formed CSV ("),
]

TABLE = Kind(4, r"cohort\.csv is not a well-formed table:\n  cohort\.csv")
TABLES = [
    Damage("an empty table", content("cohort.csv", b""), "there is no case in it"),
    Damage(
        "a header alone", content("cohort.csv", b"case_id,patient_id,abnormal,venous_image\n"), "there is no case in it"
    ),
    Damage(
        "a column twice", rows(A, header="case_id,patient_id,abnormal,venous_image,case_id"), "'case_id' is there twice"
    ),
    Damage("a cell too many", rows(A + ",more"), "cohort.csv:2: wanted 5 cells"),
    Damage("a cell too few", rows("A,p,0"), "cohort.csv:2: wanted 5 cells"),
]

COLUMN = Kind(4, r"cohort\.csv is not a cohort for the phases venous:\n  cohort\.csv: there is no column '")
COLUMNS = [
    *(Damage(f"no column {name}", rows(A, header="case_id,patient_id,abnormal,venous_image,n".replace(name, "other")),
             f"no column '{name}'. Known: ") for name in ("case_id", "patient_id", "abnormal", "venous_image")),
    Damage("a misspelled column", rows(A, header="case_id,patient_id,abnormal,venus_image,n"),
           "no column 'venous_image'. Did you mean 'venus_image'?"),
]  # fmt: skip

CELL = Kind(4, r"cohort\.csv: \d faults? in the table:\n  cohort\.csv")
CELLS = [
    Damage("an id twice", rows(A, A), "cohort.csv: case_id 'A' is there 2 times"),
    *(Damage(f"the id {name!r}", rows(f"{name},p,0,images/P000_venous.nii.gz,"), f"case_id {name!r} {NAMED}")
      for name in ("../x", "a/b", "", ".hidden", "a b", "-rf", "x" * 300, "\u202ename", "con:")),
    *(Damage(f"abnormal {value!r}", rows(f"A,p,{value},images/P000_venous.nii.gz,"),
             f"cohort.csv:2, case A: abnormal is '{value}'; wanted 1, 0, or nothing")
      for value in ("2", "yes", "-1", "1.0", "?", "abnormal")),
    Damage("no patient", rows("A,,0,images/P000_venous.nii.gz,"), "cohort.csv:2, case A: patient_id is empty"),
    Damage("no image at all", rows("A,p,0,,"), "cohort.csv:2, case A: names no image"),
    Damage("a label without its image", rows("A,p,0,,labels/P000_venous.nii.gz"),
           "cohort.csv:2, case A: venous_label is given without venous_image"),
    *(Damage(f"the fold {value!r}", rows(A + f",{value}", header=FOLDS), f"case A: fold is '{value}'; wanted a")
      for value in ("x", "-1", "1.5")),
    Damage("folds in some rows only", rows(A + ",0", "B,q,1,bare.nii,,", header=FOLDS),
           "fold is given for some cases but not for B"),
    Damage("a patient in two folds", rows(A + ",0", "B,p,1,bare.nii,,1", header=FOLDS), "'p' is in the folds [0, 1]"),
]  # fmt: skip

COPY = Kind(
    4, r"cohort\.csv: the same scan is there more than once:\n  .*the same image content stands under A \(venous\), B"
)
COPIES = [Damage("one scan under two cases", rows(A, A.replace("A,p", "B,q")), "keep one")]

COHORTS = {
    FILE: FILES, NOWHERE: MISSING, SPACE: SPACES, VALUE: VALUES, GRID: GRIDS, CLASS: CLASSES, DIAGNOSIS: DIAGNOSES,
    TEXT: TEXTS, TABLE: TABLES, COLUMN: COLUMNS, CELL: CELLS, COPY: COPIES,
}  # fmt: skip
CHECK = ("cohort", "check", "cohort.csv", "--phase", "venous", "--workers", 0)


def test_a_sound_cohort_is_no_error(workplace, monkeypatch, capsys):
    monkeypatch.chdir(workplace)
    code, text = end(monkeypatch, capsys, *CHECK)
    assert code == 0, text
    assert "cohort.csv: fine. 2 cases of 2 patients" in text


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("kind", "damage"), each(COHORTS))
def test_a_damaged_cohort_is_an_error_in_words(kind, damage, sound, workplace, monkeypatch, capsys):
    damage.do(workplace)
    monkeypatch.chdir(workplace)
    code, text = end(monkeypatch, capsys, *CHECK)
    if damage.may_pass and code == 0:
        for name in (GZ, "bare.nii"):
            one, two = read_scan(sound / name), read_scan(workplace / name)
            assert np.array_equal(one.hu, two.hu)
            assert one.grid.matches(two.grid)
        labels = [np.asarray(nib.load(folder / LABEL).dataobj) for folder in (sound, workplace)]
        assert np.array_equal(*labels)
        return
    require_error(kind, damage.mentions, code, text)
