"""More than two hundred ways to damage an input: each ends in an error in words, none in a traceback or a wrong answer.

A damage is a name, what it does to a small sound cohort, recipe, model or series, and what its error has to mention.
Damage to bytes that mean nothing may go unnoticed: then the answer has to be the one of the sound file.
"""

import gzip
import json
import shutil
import struct
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from pnetkit.cli import main as entry
from pnetkit.cohort.phantom import PhantomSpec, write_cohort
from pnetkit.imaging.nifti import read_scan
from tests.dicom.synthetic import AFFINE, some_hu, write_series


@dataclass(frozen=True)
class Damage:
    name: str
    do: Callable[[Path], object]
    mentions: str
    may_pass: bool = False


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


def end(monkeypatch, capsys, *arguments):
    """Run the command as the console does; give exit code, and what it printed."""
    monkeypatch.setattr(sys, "argv", ["pnetkit", *map(str, arguments)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom and nibabel warn of much that is damaged
        with pytest.raises(SystemExit) as ended:
            entry.main()
    out = capsys.readouterr()
    return ended.value.code or 0, out.out + out.err


def require_error(code, text, damage):
    assert code in (2, 3, 4, 5, 8, 9), (damage.name, code, text)
    assert "Traceback" not in text
    assert "Error: " in text
    assert damage.mentions in text, text


# --- images -----------------------------------------------------------------------------------------------------------


def in_header(offset, layout, *values):
    """Write values into the header of bare.nii."""

    def do(folder):
        data = bytearray((folder / "bare.nii").read_bytes())
        struct.pack_into("<" + layout, data, offset, *values)
        (folder / "bare.nii").write_bytes(bytes(data))

    return do


def cut(name, share):
    def do(folder):
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: int(len(data) * share)])

    return do


def flip(name, place):
    def do(folder):
        data = bytearray((folder / name).read_bytes())
        data[int(len(data) * place)] ^= 0x55
        (folder / name).write_bytes(bytes(data))

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


def content(name, data):
    return lambda folder: (folder / name).write_bytes(data)


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


GZ, LABEL = "images/P000_venous.nii.gz", "labels/P000_venous.nii.gz"
IMAGES = [
    *(Damage(f"{name} cut to {share:.0%}", cut(name, share), name.split("/")[-1])
      for name in (GZ, LABEL, "bare.nii") for share in (0, 0.001, 0.01, 0.1, 0.5, 0.9, 0.99)),
    *(Damage(f"a byte of {name} at {place:.2f}", flip(name, place), name.split("/")[-1], may_pass=True)
      for name in (GZ, LABEL) for place in np.linspace(0.0, 0.999, 16)),
    Damage("text for an image", content("bare.nii", b"not an image at all" * 50), "bare.nii"),
    Damage("a gzip of text", content(GZ, gzip.compress(b"hello" * 500)), "P000_venous"),
    Damage("zeros", content("bare.nii", bytes(4096)), "bare.nii"),
    Damage("random bytes", content("bare.nii", np.random.default_rng(0).bytes(5000)), "bare.nii"),
    Damage("no file", lambda f: (f / "bare.nii").unlink(), "there is no such file"),
    Damage("a folder for a file", lambda f: ((f / "bare.nii").unlink(), (f / "bare.nii").mkdir()), "no such file"),
    Damage("sizeof_hdr", in_header(0, "i", 77), "bare.nii", may_pass=True),
    Damage("no axes", in_header(40, "h", 0), "bare.nii"),
    Damage("nine axes", in_header(40, "h", 9), "bare.nii"),
    Damage("two axes", in_header(40, "h", 2), "bare.nii"),
    Damage("negative axis", in_header(42, "h", -5), "bare.nii"),
    Damage("empty axis", in_header(42, "h", 0), "bare.nii"),
    Damage("an axis too long", in_header(46, "h", 30000), "bare.nii"),
    Damage("an axis one too long", in_header(46, "h", 25), "bare.nii"),
    Damage("an axis one too short", in_header(46, "h", 23), "bare"),
    Damage("unknown type", in_header(70, "h", 9999), "bare.nii"),
    Damage("no type", in_header(70, "h", 0), "bare.nii"),
    Damage("color", in_header(70, "hh", 128, 24), "bare.nii"),
    Damage("complex", in_header(70, "hh", 32, 64), "bare.nii"),
    Damage("type of another size", in_header(70, "hh", 64, 64), "bare.nii"),
    Damage("data beyond the end", in_header(108, "f", 1e9), "bare.nii"),
    Damage("data before the start", in_header(108, "f", -1.0), "bare.nii"),
    Damage("data nowhere", in_header(108, "f", np.nan), "bare.nii"),
    Damage("slope infinite", in_header(112, "f", np.inf), "bare.nii", may_pass=True),
    Damage("slope huge", in_header(112, "ff", 1e6, 0.0), "bare.nii"),
    Damage("intercept huge", in_header(112, "ff", 1.0, 1e6), "bare.nii"),
    Damage("intercept NaN", in_header(112, "ff", 1.0, np.nan), "bare.nii", may_pass=True),
    Damage("no orientation", in_header(252, "hh", 0, 0), "orientation"),
    Damage("affine of zeros", in_header(280, "12f", *[0.0] * 12), "bare.nii"),
    Damage("affine NaN", in_header(280, "f", np.nan), "bare.nii"),
    Damage("affine infinite", in_header(296, "f", np.inf), "bare.nii"),
    Damage("affine with two axes alike", in_header(280, "8f", 1, 0, 0, 0, 1, 0, 0, 0), "bare"),
    Damage("magic", in_header(344, "4s", b"oops"), "bare.nii"),
    Damage("one NaN", voxels(put((3, 4, 5), np.nan)), "1 of"),
    Damage("a slice of infinities", voxels(put((slice(None), slice(None), 3), np.inf)), "NaN or infinite"),
    Damage("nothing but zero", voxels(put(slice(None), 0)), "values run from"),
    Damage("nothing but air", voxels(put(slice(None), -1000)), "values run from"),
    Damage("normalized to 0-1", voxels(lambda a, f: ((a + 1000) / 3000, f)), "already normalized"),
    Damage("no rescale intercept", voxels(lambda a, f: (a + 1024, f)), "rescale"),
    Damage("HU times a thousand", voxels(lambda a, f: (a * 1000, f)), "values run from"),
    Damage("two volumes", voxels(lambda a, f: (np.stack([a, a], axis=-1), f)), "one volume with three axes"),
    Damage("one slice of two axes", voxels(lambda a, f: (a[:, :, 0], f)), "three axes"),
]  # fmt: skip

GEOMETRY = [
    *(Damage(f"image moved by 1 mm along {'xyz'[axis]}", voxels(moved(axis, 1.0)), "1 mm apart") for axis in range(3)),
    *(Damage(f"image moved by 0.01 mm along {'xyz'[axis]}", voxels(moved(axis, 0.01)), "mm apart")
      for axis in range(3)),
    *(Damage(f"spacing doubled along {'xyz'[axis]}", voxels(scaled(axis, 2)), "mm apart") for axis in range(3)),
    *(Damage(f"axis {'xyz'[axis]} turned", voxels(scaled(axis, -1)), "mm apart") for axis in range(3)),
    *(Damage(f"image without its last plane along {'xyz'[axis]}",
             voxels(lambda a, f, axis=axis: (a.take(range(a.shape[axis] - 1), axis), f)), "the shapes differ")
      for axis in range(3)),
    Damage("axes exchanged", voxels(lambda a, f: (a.transpose(2, 1, 0), f)), "the shapes differ"),
    Damage("label of another scan",
           lambda f: shutil.copyfile(f / "labels/P001_arterial.nii.gz", f / "bare_label.nii.gz"),
           "is not that of the image"),
    Damage("a sheared label", voxels(lambda a, f: (a.astype(np.uint8), f @ shear()), "bare_label.nii.gz"), "mm apart"),
]  # fmt: skip


def shear():
    matrix = np.eye(4)
    matrix[0, 2] = 0.05
    return matrix


LABELS = [
    *(Damage(f"label value {value}", voxels(put((1, 2, 3), value), "bare_label.nii.gz"), "label values")
      for value in (4, 7, 255, -1, 0.5, 1000000)),
    Damage("label NaN", voxels(put((1, 2, 3), np.nan), "bare_label.nii.gz"), "label values"),
    Damage("tumor in a normal case", voxels(put((5, 5, 5), 2), LABEL), "is called normal"),
    Damage("a CT for a label", lambda f: shutil.copyfile(f / GZ, f / LABEL), "label values"),
    Damage("a label for a CT", lambda f: shutil.copyfile(f / LABEL, f / GZ), "values run from"),
]  # fmt: skip


# --- tables -----------------------------------------------------------------------------------------------------------


def rows(*lines, header="case_id,patient_id,abnormal,venous_image,venous_label"):
    return lambda folder: table(folder, *lines, header=header)


A = "A,p,0,images/P000_venous.nii.gz,"
TABLES = [
    Damage("no table", lambda f: (f / "cohort.csv").unlink(), "there is no such cohort"),
    Damage("a folder for a table", lambda f: ((f / "cohort.csv").unlink(), (f / "cohort.csv").mkdir()), "cohort.csv"),
    Damage("an empty table", content("cohort.csv", b""), "cohort.csv"),
    Damage("a header alone", content("cohort.csv", b"case_id,patient_id,abnormal,venous_image\n"), "no case"),
    Damage("an image for a table", lambda f: shutil.copyfile(f / "bare.nii", f / "cohort.csv"), "cohort.csv"),
    Damage("UTF-16", content("cohort.csv", "case_id,patient_id".encode("utf-16")), "UTF-8"),
    Damage("Latin-1", content("cohort.csv", b"case_id,patient_id,abnormal,venous_image\nM\xfcller,p,0,x\n"), "UTF-8"),
    Damage("a NUL", content("cohort.csv", b"case_id,patient_id,abnormal,venous_image\nA\0,p,0,x\n"), "binary"),
    Damage("semicolons", rows("A;p;0;x", header="case_id;patient_id;abnormal;venous_image"), "commas"),
    Damage("tabs", rows("A\tp\t0\tx", header="case_id\tpatient_id\tabnormal\tvenous_image"), "commas"),
    Damage("a quote that is not closed", rows('"A,p,0,x,'), "cohort.csv"),
    *(Damage(f"no column {name}", rows(A, header="case_id,patient_id,abnormal,venous_image,n".replace(name, "other")),
             f"no column '{name}'") for name in ("case_id", "patient_id", "abnormal", "venous_image")),
    Damage("a misspelled column", rows(A, header="case_id,patient_id,abnormal,venus_image,n"), "Did you mean"),
    Damage("a column twice", rows(A, header="case_id,patient_id,abnormal,venous_image,case_id"), "twice"),
    Damage("a cell too many", rows(A + ",more"), "wanted 5 cells"),
    Damage("a cell too few", rows("A,p,0"), "wanted 5 cells"),
    Damage("an id twice", rows(A, A), "A"),
    *(Damage(f"the id {name!r}", rows(f"{name},p,0,images/P000_venous.nii.gz,"), "cohort.csv")
      for name in ("../x", "a/b", "", ".hidden", "a b", "-rf", "x" * 300, "\u202ename", "con:")),
    *(Damage(f"abnormal {value!r}", rows(f"A,p,{value},images/P000_venous.nii.gz,"), "abnormal")
      for value in ("2", "yes", "-1", "1.0", "?", "abnormal")),
    Damage("no patient", rows("A,,0,images/P000_venous.nii.gz,"), "patient"),
    Damage("no image at all", rows("A,p,0,,"), "A"),
    Damage("a label without its image", rows("A,p,0,,labels/P000_venous.nii.gz"), "A"),
    Damage("an image that is not there", rows("A,p,0,images/nowhere.nii.gz,"), "there is no such file"),
    Damage("a folder for an image", rows("A,p,0,images,"), "images"),
    Damage("a table for an image", rows("A,p,0,cohort.csv,"), "cohort.csv"),
    Damage("one scan under two cases", rows(A, A.replace("A,p", "B,q")), "same"),
    *(Damage(f"the fold {value!r}",
             rows(A + f",{value}", header="case_id,patient_id,abnormal,venous_image,n,fold"), "fold")
      for value in ("x", "-1", "1.5")),
    Damage("folds in some rows only", rows(A + ",0", "B,q,1,bare.nii,,",
           header="case_id,patient_id,abnormal,venous_image,n,fold"), "fold"),
    Damage("a patient in two folds", rows(A + ",0", "B,p,1,bare.nii,,1",
           header="case_id,patient_id,abnormal,venous_image,n,fold"), "fold"),
]  # fmt: skip


@pytest.mark.timeout(120)
@pytest.mark.parametrize("damage", IMAGES + GEOMETRY + LABELS + TABLES, ids=lambda damage: damage.name)
def test_a_damaged_cohort_is_an_error_in_words(damage, sound, workplace, monkeypatch, capsys):
    damage.do(workplace)
    monkeypatch.chdir(workplace)
    code, text = end(monkeypatch, capsys, "cohort", "check", "cohort.csv", "--phase", "venous", "--workers", 0)
    if damage.may_pass and code == 0:
        for name in (GZ, "bare.nii"):
            one, two = read_scan(sound / name), read_scan(workplace / name)
            assert np.array_equal(one.hu, two.hu)
            assert one.grid.matches(two.grid)
        labels = [np.asarray(nib.load(folder / LABEL).dataobj) for folder in (sound, workplace)]
        assert np.array_equal(*labels)
        return
    require_error(code, text, damage)


# --- recipes ----------------------------------------------------------------------------------------------------------

RECIPE = """\
name: sound
backbone: {plugin: s4c}
classifier: {plugin: voxel-count}
fusion: {plugin: or}
"""

BODIES = {
    "empty": ("", "r.yaml"),
    "a list": ("- a\n- b\n", "r.yaml"),
    "a word": ("recipe\n", "r.yaml"),
    "a bracket that is not closed": (RECIPE + "phases: [a\n", "r.yaml"),
    "a tab": (RECIPE + "\tphases: [a]\n", "r.yaml"),
    "a key twice": (RECIPE + "name: other\n", "r.yaml"),
    "an anchor": (RECIPE + "phases: &x [arterial]\n", "r.yaml"),
    "an alias": ("a: &a [1]\nb: *a\n", "r.yaml"),
    "a Python object": (RECIPE + "description: !!python/object/apply:os.system [id]\n", "r.yaml"),
    "a merge key": (RECIPE + "training: {<<: {seed: 1}}\n", "r.yaml"),
    "two documents": (RECIPE + "---\n" + RECIPE, "r.yaml"),
    "a binary file": ("\x00\x01\x02", "r.yaml"),
    "deep nesting": ("a: " + "[" * 2000 + "]" * 2000 + "\n", "r.yaml"),
    "an unknown section": (RECIPE + "trainng: {}\n", "Did you mean 'training'"),
    "extends nothing": ("extends: nowhere.yaml\n" + RECIPE, "nowhere.yaml"),
    "extends itself": ("extends: r.yaml\n" + RECIPE, "r.yaml"),
    "extends a folder": ("extends: .\n" + RECIPE, "is a folder"),
    "extends a number": ("extends: 7\n" + RECIPE, "extends"),
    "a name with blanks": (RECIPE.replace("sound", "Not Good"), "name"),
    "no name": (RECIPE.replace("name: sound\n", ""), "name"),
    "no backbone": (RECIPE.replace("backbone: {plugin: s4c}\n", ""), "backbone"),
    "a backbone without a plugin": (RECIPE.replace("{plugin: s4c}", "{}"), "plugin"),
    "a list for a backbone": (RECIPE.replace("{plugin: s4c}", "[s4c]"), "backbone"),
    "a path for a plugin": (RECIPE.replace("s4c", "./mine.py"), "mine.py"),
    "a module for a plugin": (RECIPE.replace("s4c", "'os:system'"), "os:system"),
    "an unknown backbone": (RECIPE.replace("s4c", "s4d"), "s4d"),
    "an unknown classifier": (RECIPE.replace("voxel-count", "voxel-cuont"), "Did you mean 'voxel-count'"),
    "an unknown fusion": (RECIPE.replace("plugin: or", "plugin: nor"), "nor"),
    "a classifier for a backbone": (RECIPE.replace("s4c", "voxel-count"), "voxel-count"),
    "an unknown parameter": (RECIPE.replace("{plugin: s4c}", "{plugin: s4c, params: {widht: 8}}"), "widht"),
    "a parameter of another type": (RECIPE.replace("{plugin: s4c}", "{plugin: s4c, params: {width: wide}}"), "width"),
    "a parameter out of range": (RECIPE.replace("{plugin: s4c}", "{plugin: s4c, params: {width: 0}}"), "width"),
    "postprocess as a mapping": (RECIPE + "postprocess: {plugin: components}\n", "postprocess"),
    "no phase": (RECIPE + "phases: []\n", "phases"),
    "a phase twice": (RECIPE + "phases: [venous, venous]\n", "phases"),
    "a phase with a slash": (RECIPE + "phases: [a/b]\n", "phase"),
    "inputs of another phase": (RECIPE + "inputs: {x: {phases: [native]}}\n", "native"),
    "a label beyond three": (RECIPE + "cohort: {labels: {1: 9}}\n", "9"),
    "a word for a label": (RECIPE + "cohort: {labels: {one: 1}}\n", "labels"),
    "a window upside down": (RECIPE + "intensity: {window_hu: [240, -100]}\n", "window_hu"),
    "a window of NaN": (RECIPE + "intensity: {window_hu: [.nan, 1.0]}\n", "window_hu"),
    "a stride beyond the window": (RECIPE + "inference: {stride: 65}\n", "stride"),
    "votes kept without votes": (RECIPE + "inference: {keep_votes: true, combine: mean-softmax}\n", "keep_votes"),
    "a batch that does not split": (RECIPE + "training: {batch_size: 16, accumulation: 3}\n", "batch_size"),
    "a patch that does not divide": (RECIPE + "training: {patch_size: [30, 30, 30]}\n", "patch_size"),
    "a seed twice": (RECIPE + "training: {repeat_seeds: [1, 1]}\n", "repeat_seeds"),
}
for _section, _keys in {
    "training": ["iterations", "batch_size", "learning_rate", "momentum", "checkpoint_every", "foreground_fraction"],
    "inference": ["stride", "batch_size"],
    "cohort": ["folds", "seed"],
}.items():
    for _key in _keys:
        for _value in ("-1", "many", "[]", ".inf", "null"):
            BODIES[f"{_section}.{_key} {_value}"] = (RECIPE + f"{_section}: {{{_key}: {_value}}}\n", _key)
BODIES.pop("cohort.folds null", None)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", BODIES)
def test_a_damaged_recipe_is_an_error_in_words(name, tmp_path, monkeypatch, capsys):
    text, mentions = BODIES[name]
    (tmp_path / "r.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    code, said = end(monkeypatch, capsys, "recipe", "check", "r.yaml")
    require_error(code, said, Damage(name, print, mentions))


# --- models and series ------------------------------------------------------------------------------------------------


def model_json(change):
    def do(folder):
        from pnetkit.model.folder import SUMS, write_sums

        path = folder / "model.json"
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))
        (folder / SUMS).write_bytes(write_sums(folder))

    return do


WEIGHTS = "networks/venous/fold_0.safetensors"
MODELS = [
    *(Damage(f"model: {name} cut to {share:.0%}", cut(name, share), name)
      for name in ("model.json", "recipe.yaml", WEIGHTS) for share in (0, 0.5, 0.99)),
    *(Damage(f"model: a byte of {name}", flip(name, 0.5), name) for name in ("model.json", "recipe.yaml", WEIGHTS)),
    Damage("model: no sums", lambda f: (f / "SHA256SUMS").unlink(), "no model folder"),
    Damage("model: no weights", lambda f: (f / WEIGHTS).unlink(), WEIGHTS),
    Damage("model: other format", model_json(lambda c: c.update(format="x")), "pnetkit-model"),
    Damage("model: later format", model_json(lambda c: c.update(format_version=9)), "reads up to"),
    Damage("model: no networks", model_json(lambda c: c.pop("networks")), "cannot be read as a model"),
    Damage("model: no such plugin", model_json(lambda c: c["plugins"]["fusion"].update(plugin="nor")), "nor"),
]  # fmt: skip


@pytest.mark.parametrize("damage", MODELS, ids=lambda damage: damage.name)
def test_a_damaged_model_is_an_error_in_words(damage, model, table, tmp_path, monkeypatch, capsys):
    folder = Path(shutil.copytree(model, tmp_path / "model"))
    damage.do(folder)
    code, text = end(monkeypatch, capsys, "screen", folder, table, "--out", tmp_path / "out", "--device", "cpu")
    require_error(code, text, damage)
    assert not (tmp_path / "out").exists()


def spoil(keyword, value, only=None):
    return lambda dataset, k: setattr(dataset, keyword, value) if only is None or k == only else None


def drop(keyword):
    return lambda dataset, k: delattr(dataset, keyword) if k == 2 else None


SERIES = {
    **{f"no {keyword}": (drop(keyword), "") for keyword in (
        "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows", "PixelData",
        "RescaleSlope", "PhotometricInterpretation", "PixelRepresentation")},
    "a position far off": (spoil("ImagePositionPatient", [0, 0, 1e9], 1), ""),
    "a place twice": (spoil("ImagePositionPatient", [0, 0, 0]), "another one does"),
    "another size": (spoil("Rows", 3, 2), "rows"),
    "color": (spoil("SamplesPerPixel", 3, 1), "color"),
    "another modality": (spoil("Modality", "MR"), "none of them"),
    "pixels cut off": (lambda d, k: setattr(d, "PixelData", d.PixelData[:10]) if k == 1 else None, "voxels"),
    "no HU": (spoil("RescaleIntercept", 9000), "values run from"),
}  # fmt: skip


@pytest.mark.parametrize("name", SERIES)
def test_a_damaged_series_is_an_error_in_words(name, model, tmp_path, monkeypatch, capsys):
    change, mentions = SERIES[name]
    write_series(tmp_path / "ct", some_hu(), AFFINE, description="venous", change=change)
    code, text = end(
        monkeypatch, capsys, "screen", model, tmp_path / "ct", "--out", tmp_path / "out", "--device", "cpu"
    )
    require_error(code, text, Damage(name, print, mentions))


@pytest.mark.parametrize("place", np.linspace(0.02, 0.98, 12))
def test_a_series_with_a_file_that_was_cut_is_an_error_in_words(place, model, tmp_path, monkeypatch, capsys):
    write_series(tmp_path / "ct", some_hu(), AFFINE, description="venous")
    cut("IM0002", place)(tmp_path / "ct")
    code, text = end(
        monkeypatch, capsys, "screen", model, tmp_path / "ct", "--out", tmp_path / "out", "--device", "cpu"
    )
    require_error(code, text, Damage("cut", print, ""))


def test_there_are_more_than_two_hundred_of_them():
    assert len(IMAGES + GEOMETRY + LABELS + TABLES + MODELS) + len(BODIES) + len(SERIES) + 12 > 200
