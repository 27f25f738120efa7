"""Tests of pnetkit.transfer.licenses: the first line of a license's file, and what is said where it cannot be read."""

import pytest

from pnetkit.transfer.card import NOT_STATED, UNREADABLE
from pnetkit.transfer.licenses import stated_license


def test_the_first_line_with_words_is_the_license(tmp_path):
    (tmp_path / "LICENSE.md").write_text("\n# MIT License\n\nPermission ...")
    assert stated_license(tmp_path, "nnunet") == ("MIT License", "LICENSE.md")


def test_a_license_that_cannot_be_read_is_not_said_to_be_none(tmp_path):
    (tmp_path / "LICENSE").write_bytes(b"\xff\xfe\x00CC BY")
    (tmp_path / "COPYING").write_text("MIT")
    assert stated_license(tmp_path, "nnunet") == (UNREADABLE, "LICENSE")


@pytest.mark.parametrize("kind", ["nnunet", "state-dict"])
def test_without_a_file_none_is_stated_and_a_plain_file_of_tensors_has_no_folder_of_its_own(tmp_path, kind):
    if kind == "state-dict":
        (tmp_path / "LICENSE").write_text("MIT")
    assert stated_license(tmp_path, kind) == (NOT_STATED, "")
