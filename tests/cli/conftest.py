"""What tests of commands share."""

import sys

import pytest

from pnetkit.cli import main as entry


@pytest.fixture
def pnetkit(monkeypatch, capsys):
    """Run a command as the console script does; gives exit code, stdout, stderr."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["pnetkit", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            entry.main()
        out = capsys.readouterr()
        assert "Traceback" not in out.out + out.err
        return ended.value.code or 0, out.out, out.err

    return call
