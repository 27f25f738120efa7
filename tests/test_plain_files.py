"""Tests of pnetkit.plain_files: what a plugin may save is data, by name and by content."""

import json
import pickle
import zipfile

import numpy as np
import pytest
from safetensors.numpy import save_file

from pnetkit.plain_files import not_plain


def pickled(protocol):
    return lambda path: path.write_bytes(pickle.dumps({"weights": [1.5, "two", None]}, protocol))


def zipped(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.pkl", b"")


def linked(path):
    path.symlink_to("/etc/hostname")


@pytest.mark.parametrize(
    ("name", "write", "said"),
    [
        ("model.pkl", pickled(4), "model.pkl is none of .safetensors, .json, .txt"),
        ("model.joblib", pickled(4), "model.joblib is none of"),
        ("model", pickled(0), "model is none of"),
        *[(f"model.{end}", pickled(n), "is a pickle, whatever its name says") for end in ("json", "txt", "safetensors")
          for n in (2, 3, 4, 5)],
        ("model.txt", pickled(0), "model.txt is a pickle, whatever its name says"),
        ("model.txt", pickled(1), "model.txt is no text"),
        ("model.json", pickled(0), "model.json is no JSON"),
        ("model.safetensors", pickled(1), "model.safetensors is no safetensors file"),
        ("model.safetensors", zipped, "is a zip archive, whatever its name says"),
        ("model.json", zipped, "is a zip archive"),
        ("model.txt", lambda path: path.write_bytes(b"\x93NUMPY\x01\x00"), "is a NumPy file"),
        ("model.txt", lambda path: path.write_bytes(b"weights\x00\x01"), "is no text (it has the character"),
        ("model.json", linked, "model.json is a link"),
        ("inner/model.bin", lambda path: path.write_bytes(b"0"), "inner/model.bin is none of"),
    ],
)  # fmt: skip
def test_what_is_no_data_is_named(tmp_path, name, write, said):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    write(path)
    (fault,) = not_plain(tmp_path)
    assert said in fault


def test_tensors_json_and_text_are_plain(tmp_path):
    save_file({"w": np.arange(6.0)}, tmp_path / "w.safetensors")
    (tmp_path / "shape.json").write_text(json.dumps({"layers": [3, 4]}))
    (tmp_path / "trees.txt").write_text("tree\nversion=v4\nleaf_value=0.5 -0.25\n\nend of trees\n")
    (tmp_path / "note.txt").write_text("")
    (tmp_path / "empty").mkdir()
    assert not_plain(tmp_path) == []
