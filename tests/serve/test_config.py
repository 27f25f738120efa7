"""The configuration: every fault is named with its line, and no secret stands in it."""

import pytest

from pnetkit.serve.config import ConfigError, Dimse, Retry, Stow, read_config, secret

GOOD = """\
node: {ae_title: PNET KIT, host: 0.0.0.0, port: 11112, callers: [PACS, CT1]}
destinations:
  pacs: {way: dimse, host: pacs.example, port: 104, ae_title: ORTHANC}
  archive: {way: stow, url: https://archive.example/dicom-web, token_file: /etc/pnetkit/token}
"""


def read(tmp_path, text):
    path = tmp_path / "serve.yaml"
    path.write_text(text)
    return read_config(path)


def test_it_says_who_may_send_and_where_results_go(tmp_path):
    config = read(tmp_path, GOOD)
    assert (config.node.callers, config.node.ae_title, config.node.associations) == (("PACS", "CT1"), "PNET KIT", 20)
    assert [type(of) for of in config.destinations.values()] == [Dimse, Stow]
    assert config.retry == Retry(first_s=30, most_s=3600, give_up_after_h=72)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("callers: [PACS, CT1]", "callers: []", r"serve.yaml:1: node.callers: tuple should have at least 1 item"),
        ("port: 11112", "port: 111112", r"serve.yaml:1: node.port: input should be less than or equal to 65535"),
        ("PNET KIT", "a title that is too long", r"serve.yaml:1: node.ae_title: string should have at most 16"),
        ("ae_title: ORTHANC", "aet: ORTHANC", r"serve.yaml:3: destinations.pacs.ae_title: field required"),
        ("way: dimse", "way: ftp", r"serve.yaml:3: destinations.pacs: input tag 'ftp'"),
        (
            "https://archive",
            "https://me:secret@archive",
            r"serve.yaml:4: destinations.archive.url: string should match",
        ),
        ("token_file:", "user: me, token_file:", r"serve.yaml:4: destinations.archive: user and one of"),
        ("token_file:", "token_env: T, token_file:", r"serve.yaml:4: destinations.archive: wanted one of"),
        ("token_file: /etc/pnetkit/token", "token: abc", r"serve.yaml:4: destinations.archive.token: extra inputs"),
        ("destinations:", "places:", r"destinations: field required"),
    ],
)
def test_faults_are_named_with_their_line(tmp_path, old, new, said):
    assert old in GOOD
    with pytest.raises(ConfigError, match=said):
        read(tmp_path, GOOD.replace(old, new))


def test_a_file_that_is_not_there_is_said_to_be_missing(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        read_config(tmp_path / "nothing.yaml")


def test_secrets_are_read_from_a_file_or_the_environment(tmp_path, monkeypatch):
    (tmp_path / "token").write_text("abc\n")
    monkeypatch.setenv("PNET_TOKEN", "def")
    assert (secret(tmp_path / "token", None), secret(None, "PNET_TOKEN"), secret(None, None)) == ("abc", "def", None)
    with pytest.raises(ConfigError, match="the environment has no such variable"):
        secret(None, "PNET_NOTHING")
    with pytest.raises(ConfigError, match="FileNotFoundError"):
        secret(tmp_path / "nothing", None)
