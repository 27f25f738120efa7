"""The token: made once, for one pair of eyes; and who may be answered without it."""

import os

import pytest

from pnetkit.errors import StoreError
from pnetkit.serve.http.token import is_authorized, token_in


def test_a_token_is_made_at_the_first_start_for_its_owner_alone_and_kept(tmp_path):
    token = token_in(tmp_path / "token")
    assert len(token) >= 43  # 32 bytes
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600
    assert token_in(tmp_path / "token") == token
    assert token_in(tmp_path / "other") != token


def test_of_two_that_make_a_token_at_once_both_have_the_one_of_the_file(tmp_path, monkeypatch):
    path = tmp_path / "token"

    def made(_bytes):
        path.write_text("of-another-process-that-was-first\n")
        path.chmod(0o600)
        return "of-this-process-which-is-second"

    monkeypatch.setattr("pnetkit.serve.http.token.secrets.token_urlsafe", made)
    assert token_in(path) == "of-another-process-that-was-first"
    assert [of.name for of in tmp_path.iterdir()] == ["token"]


def test_a_token_that_others_may_read_or_that_is_none_is_refused(tmp_path):
    path = tmp_path / "token"
    path.write_text("x" * 30)
    path.chmod(0o644)
    with pytest.raises(StoreError, match="chmod 600"):
        token_in(path)
    path.chmod(0o600)
    for text in ("", "short", "with a space in it all", "x" * 20 + "\n" + "y" * 20):
        path.write_text(text)
        with pytest.raises(StoreError, match="holds no token"):
            token_in(path)


@pytest.mark.skipif(os.name != "posix", reason="rights as POSIX has them")
@pytest.mark.parametrize(
    ("header", "is_right"),
    [("Bearer secret", True), ("bearer secret", True), ("Bearer  secret ", True), ("Bearer secre", False), ("", False),
     (None, False), ("secret", False), ("Bearer sécret", False), ("Bearer", False)],
)  # fmt: skip
def test_only_the_token_after_the_word_bearer_opens(header, is_right):
    assert is_authorized(header, "secret") is is_right
