"""Damaged models and series: each ends in an error in words, and no finding."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from pnetkit.model.folder import SUMS, read_model, write_sums
from pnetkit.screening import screener
from pnetkit.screening.screener import load_screener
from tests.dicom.synthetic import AFFINE, some_hu, write_series
from tests.system.damage import Damage, Kind, cut, each, end, flip, require_error

pytestmark = pytest.mark.slow


def model_json(change):
    def do(folder):
        path = folder / "model.json"
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))
        (folder / SUMS).write_bytes(write_sums(folder))

    return do


def without_sum(folder, name):
    lines = (folder / "SHA256SUMS").read_text().splitlines(keepends=True)
    (folder / "SHA256SUMS").write_text("".join(line for line in lines if not line.endswith(f"  {name}\n")))


WEIGHTS = "networks/venous/fold_0.safetensors"
CHANGED = Kind(
    9, r"[^\n]+/model: [\w/.]+ (is not what was exported: it is damaged, or was changed|is missing)\. Copy the model"
)
MODELS = {
    CHANGED: [
        *(Damage(f"model: {name} cut to {share:.0%}", cut(name, share), f"/model: {name} is not what was exported")
          for name in ("model.json", "recipe.yaml", WEIGHTS) for share in (0, 0.5, 0.99)),
        *(Damage(f"model: a byte of {name}", flip(name, 0.5), f"/model: {name} is not what was exported")
          for name in ("model.json", "recipe.yaml", WEIGHTS)),
        Damage("model: no weights", lambda f: (f / WEIGHTS).unlink(), f"/model: {WEIGHTS} is missing"),
    ],
    Kind(9, r"[^\n]+/model(/model\.json|/SHA256SUMS)?: "): [
        Damage("model: no sums", lambda f: (f / "SHA256SUMS").unlink(), "is no model folder (SHA256SUMS is missing)"),
        Damage("model: other format", model_json(lambda c: c.update(format="x")), "is a 'x', wanted a 'pnetkit-model'"),
        Damage("model: later format", model_json(lambda c: c.update(format_version=9)), "is of format 9; this pnetkit"),
        Damage("model: no networks", model_json(lambda c: c.pop("networks")), "as a model (KeyError('networks'))"),
        Damage("model: no such plugin", model_json(lambda c: c["plugins"]["fusion"].update(plugin="nor")),
               "No phase-fusion plugin is called 'nor'. Did you mean 'or'?"),
        Damage("model: weights without a sum", lambda f: without_sum(f, WEIGHTS), "to no digest, or it lies outside"),
        Damage("model: the recipe without a sum", lambda f: without_sum(f, "recipe.yaml"), "to no digest, or it lies"),
        Damage("model: weights elsewhere", model_json(lambda c: c["networks"][0].update(weights="../w.safetensors")),
               "to no digest, or it lies outside the model's folder"),
        Damage("model: a NUL byte in a name", lambda f: (f / "SHA256SUMS").write_text("00  a\0b\n"), "is damaged ('a"),
    ],
}  # fmt: skip


@pytest.mark.parametrize(("kind", "damage"), each(MODELS))
def test_a_damaged_model_is_an_error_in_words(kind, damage, model, table, tmp_path, monkeypatch, capsys):
    folder = Path(shutil.copytree(model, tmp_path / "model"))
    damage.do(folder)
    code, text = end(monkeypatch, capsys, "screen", folder, table, "--out", tmp_path / "out", "--device", "cpu")
    require_error(kind, damage.mentions, code, text)
    assert not (tmp_path / "out").exists()


def spoil(keyword, value, only=None):
    return lambda dataset, k: setattr(dataset, keyword, value) if only is None or k == only else None


def drop(keyword):
    return lambda dataset, k: delattr(dataset, keyword) if k == 2 else None


UNANSWERED = r"1 of 1 cases could not be screened; the others are in [^\n]+/out:\n  study-\w+: "
NO_CASE = UNANSWERED + r"[^\n]+/ct"
IMAGE = Kind(8, NO_CASE + r"/IM000[0-4]: ")
STACK = Kind(8, NO_CASE + r", series 'venous': ")
STUDY = Kind(
    4, r"These inputs cannot be screened:\n  [^\n]+/ct: 1 series, none of them a stack of axial CT \([^\n]+\)\n"
)
SHORT = r"[^\n]+/ct, series 'venous': images are missing: 1 between IM0001 and IM0003"
CUT = Kind(8, UNANSWERED + rf"({SHORT}|(images of this study are damaged:\n +)?[^\n]+/ct/IM0002: )")
SERIES = {
    **{f"no {keyword}": (IMAGE, drop(keyword), mentions) for keyword, mentions in {
        "ImagePositionPatient": "IM0002: ImagePositionPatient is None, wanted 3 numbers",
        "ImageOrientationPatient": "IM0002: ImageOrientationPatient is None, wanted 6 numbers",
        "PixelSpacing": "IM0002: PixelSpacing is None, wanted 2 numbers",
        "Rows": "IM0002: has no Rows, so its voxels have no place",
        "PixelData": "IM0002: its voxels cannot be read (",
        "RescaleSlope": "IM0002: has no rescale slope and intercept",
        "PhotometricInterpretation": "IM0002: its voxels cannot be read (",
        "PixelRepresentation": "IM0002: its voxels cannot be read (",
    }.items()},
    "a position far off": (STACK, spoil("ImagePositionPatient", [0, 0, 1e9], 1), "missing: 266666903 between"),
    "a place twice": (STUDY, spoil("ImagePositionPatient", [0, 0, 0]), "(5 at one place)"),
    "another size": (IMAGE, spoil("Rows", 3, 2), "is of (6, 7) rows and columns, IM0002 of (3, 7)"),
    "color": (STACK, spoil("SamplesPerPixel", 3, 1), "images are missing: 1 between IM0000 and IM0002"),
    "another modality": (STUDY, spoil("Modality", "MR"), "(5 other than CT)"),
    "pixels cut off": (IMAGE, lambda d, k: setattr(d, "PixelData", d.PixelData[:10]) if k == 1 else None,
                       "IM0001: its voxels cannot be read ("),
    "no HU": (STACK, spoil("RescaleIntercept", 9000), "values run from 9029 to"),
}  # fmt: skip


@pytest.fixture(scope="module")
def in_memory(model):
    return load_screener(read_model(model), device="cpu")


@pytest.fixture
def screen(model, in_memory, tmp_path, monkeypatch, capsys):
    """Screen the series in `ct` by a sound model, which is loaded once for all of them."""
    monkeypatch.setattr(screener, "load_screener", lambda *_, **__: in_memory)
    arguments = ("screen", model, tmp_path / "ct", "--out", tmp_path / "out", "--device", "cpu")
    return lambda: end(monkeypatch, capsys, *arguments)


@pytest.mark.parametrize("name", SERIES)
def test_a_damaged_series_is_an_error_in_words(name, screen, tmp_path):
    kind, change, mentions = SERIES[name]
    write_series(tmp_path / "ct", some_hu(), AFFINE, description="venous", change=change)
    code, text = screen()
    require_error(kind, mentions, code, text)


@pytest.mark.parametrize("place", np.linspace(0.02, 0.98, 12))
def test_a_series_with_a_file_that_was_cut_is_an_error_in_words(place, screen, tmp_path):
    write_series(tmp_path / "ct", some_hu(), AFFINE, description="venous")
    cut("IM0002", place)(tmp_path / "ct")
    code, text = screen()
    require_error(CUT, "", code, text)
