"""`pnetkit serve dicom`: what is asked for is checked before anything is loaded."""

import pytest
from click.testing import CliRunner

from pnetkit import extras
from pnetkit.cli.main import cli
from pnetkit.errors import MissingExtraError
from pnetkit.serve.config import ConfigError


def serve(*options, folder):
    config = folder / "serve.yaml"
    config.write_text("node: {callers: [PACS]}\ndestinations: {pacs: {way: dimse, host: a, port: 0, ae_title: A}}\n")
    given = ["serve", "dicom", "model", "--config", config, "--state", folder / "state", *options]
    return CliRunner().invoke(cli, [*map(str, given)])


def test_a_faulty_configuration_ends_it_with_the_line(tmp_path):
    result = serve(folder=tmp_path)
    assert isinstance(result.exception, ConfigError)
    assert "serve.yaml:2: destinations.pacs.port" in str(result.exception)
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("text", ["60", "0s", "1 week", "-1h"])
def test_a_time_has_a_unit(tmp_path, text):
    result = serve("--keep", text, folder=tmp_path)
    assert (result.exit_code, "wanted a time as 90s, 30min, 12h or 7d" in result.output) == (2, True)


def test_without_the_extra_it_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "pynetdicom" else name)
    with pytest.raises(MissingExtraError, match="serve dicom needs pynetdicom"):
        raise serve(folder=tmp_path).exception
