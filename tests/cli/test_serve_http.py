"""`pnetkit serve http`: it does not start in a way that lets others in, and says why."""

import pytest


def test_serve_lists_its_ways_in(pnetkit):
    _, said, _ = pnetkit("serve", "--help")
    assert "http" in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--host", "0.0.0.0"], "over TLS"),
        (["--host", "0.0.0.0", "--no-token", "--plain-http"], "for this machine alone"),
        (["--tls-cert", "a.pem"], "belong together"),
        (["--source", "pacs=ftp://x"], "wanted NAME=http"),
        (["--keep", "a week"], "wanted a time"),
        (["--most-upload", "much"], "wanted a size"),
    ],
)
def test_a_way_to_serve_that_is_not_safe_or_makes_no_sense_is_wrong_usage(pnetkit, tmp_path, options, said):
    code, _, error = pnetkit("serve", "http", tmp_path, "--state", tmp_path / "state", *options)
    assert code == 2
    assert said in error
    assert not (tmp_path / "state").exists()


def test_a_model_that_is_none_ends_it_before_it_listens(pnetkit, tmp_path):
    code, _, error = pnetkit("serve", "http", tmp_path, "--state", tmp_path / "state")
    assert code == 9
    assert str(tmp_path) in error
