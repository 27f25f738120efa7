"""Tests of pnetkit.transfer.archives: files that promise more than they hold are not loaded."""

import zipfile

import pytest
import torch

from pnetkit.errors import WeightsError
from pnetkit.transfer import archives
from pnetkit.transfer.archives import read_text, require_sane


def test_a_checkpoint_of_torch_is_sane_and_its_bytes_are_given(tmp_path):
    torch.save({"a": torch.zeros(1000)}, tmp_path / "c.pth")
    assert require_sane(tmp_path / "c.pth") == (tmp_path / "c.pth").stat().st_size


def test_an_archive_that_unpacks_to_a_thousand_times_itself_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "c.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("c/data/0", bytes(2**24))
    with pytest.raises(WeightsError, match=r"says that it unpacks to 16,777,216.*It is not read"):
        require_sane(tmp_path / "c.pth")


def test_a_structure_beside_the_tensors_that_is_too_large_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "LARGEST_PICKLE_BYTES", 1000)
    with zipfile.ZipFile(tmp_path / "c.pth", "w") as archive:
        archive.writestr("c/data.pkl", bytes(1001))
    with pytest.raises(WeightsError, match=r"data\.pkl has 1,001 bytes"):
        require_sane(tmp_path / "c.pth")


def test_too_many_files_a_file_too_large_and_none_are_refused(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "c.pth", "w") as archive:
        for number in range(5):
            archive.writestr(str(number), b"")
    monkeypatch.setattr(archives, "MOST_ENTRIES", 4)
    with pytest.raises(WeightsError, match="holds 5 files"):
        require_sane(tmp_path / "c.pth")
    monkeypatch.setattr(archives, "LARGEST_BYTES", 10)
    with pytest.raises(WeightsError, match="weights of up to 0 GiB"):
        require_sane(tmp_path / "c.pth")
    with pytest.raises(WeightsError, match="no such file"):
        require_sane(tmp_path / "other.pth")


def test_text_that_is_too_large_or_none_is_refused(tmp_path, monkeypatch):
    (tmp_path / "a.json").write_bytes(b"\xff\xfe")
    with pytest.raises(WeightsError, match=r"a\.json: cannot be read"):
        read_text(tmp_path / "a.json")
    monkeypatch.setattr(archives, "LARGEST_TEXT_BYTES", 1)
    with pytest.raises(WeightsError, match="has 2 bytes"):
        read_text(tmp_path / "a.json")
