"""Tests of pnetkit.transfer.importing: a process of its own reads, and what it leaves is looked at."""

import io
import json
import os
import resource
from dataclasses import replace

import pytest
import torch
import yaml
from click.testing import CliRunner
from safetensors.torch import load_file

from pnetkit.cli.main import cli
from pnetkit.errors import WeightsError
from pnetkit.transfer import importing, reading
from pnetkit.transfer.card import Card, read_card
from pnetkit.transfer.importing import import_weights
from pnetkit.transfer.reading import FAILED, FOUND, read
from pnetkit.transfer.recipes import recipe_of


@pytest.fixture
def in_this_process(monkeypatch):
    """Read in this process: another one takes seconds to begin."""

    def read_here(source, out, asked):
        return read(source, out, asked)

    monkeypatch.setattr(importing, "read_apart", read_here)


@pytest.fixture
def plain(tmp_path):
    shared = torch.arange(4.0)
    torch.save({"state_dict": {"a": shared, "b": shared, "c": torch.zeros(3)}}, tmp_path / "net.pth")
    return tmp_path / "net.pth"


@pytest.mark.slow
def test_another_process_reads_and_leaves_tensors_and_a_card(plain, tmp_path):
    card = import_weights(plain, tmp_path / "out", license_text="CC BY 4.0")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["card.json", "weights.safetensors"]
    assert set(load_file(tmp_path / "out" / "weights.safetensors")) == {"a", "c"}
    assert (card.kind, card.license, card.license_from) == ("state-dict", "CC BY 4.0", "who imported it")
    assert (card.aliases, card.parameters) == ({"b": "a"}, 7)
    assert read_card(tmp_path / "out") == card
    torch.save({"a": os.system}, tmp_path / "evil.pth")
    with pytest.raises(WeightsError, match=r"evil\.pth: holds posix\.system"):
        import_weights(tmp_path / "evil.pth", tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.usefixtures("in_this_process")
def test_the_command_says_what_was_found_and_that_no_license_is_stated(plain, tmp_path):
    out = tmp_path / "out"
    done = CliRunner().invoke(cli, ["weights", "import", str(plain), str(out)], catch_exceptions=False)
    assert done.exit_code == 0
    assert "License: not stated" in done.output
    assert "find out what may be done with these weights" in done.output
    shown = CliRunner().invoke(cli, ["weights", "show", str(out), "--json"], catch_exceptions=False)
    assert json.loads(shown.output)["source"]["file"] == "net.pth"
    assert str(tmp_path) not in shown.output


@pytest.mark.usefixtures("in_this_process")
def test_what_a_card_says_cannot_leave_the_comments_of_its_recipe(tmp_path):
    card = Card("theirs", "pnetkit", {"file": "a", "sha256": "b"}, "c", license="MIT\nfusion: {plugin: other}")
    whole = replace(card, architecture={"plugin": "s4c"}, recipe={"backbone": {"plugin": "s4c"}})
    text = recipe_of(whole, tmp_path, {"backbone", "training"})
    assert text.splitlines()[0] == "# License of the weights: MIT fusion: {plugin: other}."
    assert yaml.safe_load(text).keys() == {"extends", "name", "description", "backbone", "training"}


def test_a_folder_that_is_not_empty_is_not_written_into(plain, tmp_path):
    with pytest.raises(WeightsError, match="is there and not empty"):
        import_weights(plain, tmp_path)


@pytest.mark.usefixtures("in_this_process")
def test_weights_that_were_changed_after_they_were_imported_are_refused(plain, tmp_path):
    import_weights(plain, tmp_path / "out")
    (tmp_path / "out" / "weights.safetensors").write_bytes(b"other")
    with pytest.raises(WeightsError, match="is not what was imported"):
        read_card(tmp_path / "out")
    (tmp_path / "out" / "weights.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"holds no imported weights.*pnetkit weights import SRC"):
        read_card(tmp_path / "out")


def test_what_is_no_weights_of_any_kind_is_said_to_be_none(tmp_path):
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "plans.json").write_text("{}")
    with pytest.raises(WeightsError, match=r"is no nnU-Net trained folder.*Did you mean .*deeper\?"):
        read(tmp_path, tmp_path, {})
    with pytest.raises(WeightsError, match="is not of the kind monai"):
        read(tmp_path, tmp_path, {"kind": "monai"})
    with pytest.raises(WeightsError, match="there is no such file or folder"):
        read(tmp_path / "nothing", tmp_path, {})


def test_only_the_process_that_is_begun_for_it_has_its_memory_limited(plain, tmp_path, monkeypatch):
    set_to = []
    monkeypatch.setattr(resource, "setrlimit", lambda which, to: set_to.append((which, to)))
    read(plain, tmp_path, {})
    assert set_to == []
    (tmp_path / "out").mkdir()
    asked = {"out": str(tmp_path / "out"), "source": str(plain)}
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(asked)))
    reading.main()
    [(which, (limit, _))] = set_to
    assert which == resource.RLIMIT_AS
    assert limit > reading.ROOM_BYTES + 4 * plain.stat().st_size
    assert (tmp_path / "out" / FOUND).exists()


def test_what_a_reading_process_leaves_beside_plain_data_is_not_taken(plain, tmp_path, monkeypatch):
    def leave_a_pickle(source, out, asked):
        (out / "x.pkl").write_bytes(b"\x80\x04.")
        return read(source, out, asked)

    monkeypatch.setattr(importing, "read_apart", leave_a_pickle)
    with pytest.raises(WeightsError, match=r"left what is not plain data \(x\.pkl"):
        import_weights(plain, tmp_path / "out")


def test_a_reading_process_that_dies_is_said_to_have(plain, tmp_path, monkeypatch):
    monkeypatch.setattr(importing.sys, "executable", "/bin/false")
    with pytest.raises(WeightsError, match="the process that read it ended with exit code 1"):
        import_weights(plain, tmp_path / "out")
    assert (FOUND, FAILED) == ("found.json", "failed.json")
