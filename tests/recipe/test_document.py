"""Tests of pnetkit.recipe.document: YAML as plain data, every key with its line."""

import pytest

from pnetkit.errors import RecipeError
from pnetkit.recipe.document import parse, parse_scalar, read_document


def value(text):
    return parse(f"key: {text}", "r.yaml").data["key"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1e-3", 0.001), ("5e-4", 0.0005), ("1.", 1.0), (".5", 0.5), ("-3", -3), ("007", 7), ("1_000", "1_000"),
        ("no", "no"), ("on", "on"), ("true", True), ("null", None), ("~", None), ("'1'", "1"), ("0x10", "0x10"),
        ("12:30", "12:30"), ("2020-01-01", "2020-01-01"), (".inf", ".inf"), ("[1, a]", [1, "a"]), ("{a: 1}", {"a": 1}),
    ],
)  # fmt: skip
def test_scalars_follow_yaml_1_2(text, expected):
    got = value(text)
    assert got == expected
    assert type(got) is type(expected)


def test_every_key_knows_its_line():
    document = parse("a: 1\nb:\n  c: 2\n  d:\n    - 3\n    - e: 4\n", "r.yaml")
    assert document.origins["b", "c"] == "r.yaml:3"
    assert document.origins["b", "d", 1, "e"] == "r.yaml:6"


def test_all_faults_of_a_document_come_at_once():
    text = "a: 1\na: 2\nb: &x {c: 1}\nd: *x\ne: !!python/object:os.system {}\nf:\n  <<: {g: 1}\n"
    with pytest.raises(RecipeError) as caught:
        parse(text, "r.yaml")
    where = [fault.where for fault in caught.value.faults]
    assert where == ["r.yaml:2", "r.yaml:3", "r.yaml:5", "r.yaml:7"]
    assert "stands twice" in caught.value.faults[0].message


@pytest.mark.parametrize("text", ["[1, 2]", "just text", "", "a: [1", "a: b: c", "\t- x", "a: !tag 1"])
def test_what_is_no_mapping_in_yaml_is_refused_with_file_and_place(text):
    with pytest.raises(RecipeError, match=r"r\.yaml"):
        parse(text, "r.yaml")


@pytest.mark.slow
def test_deep_nesting_and_aliases_cannot_blow_up():
    with pytest.raises(RecipeError):
        parse("a: " + "[" * 3000 + "]" * 3000, "r.yaml")
    bomb = "a: &a [x]\n" + "".join(f"b{i}: [*a, *a]\n" for i in range(50))
    with pytest.raises(RecipeError):
        parse(bomb, "r.yaml")


def test_files_that_cannot_be_read_are_named(tmp_path):
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00name")
    (tmp_path / "huge.yaml").write_text("a: 1\n" * 300_000)
    reasons = {"none.yaml": "no such file", "binary.yaml": "not UTF-8", "huge.yaml": "has 1500000 bytes", ".": "folder"}
    for name, reason in reasons.items():
        with pytest.raises(RecipeError, match=reason):
            read_document(tmp_path / name)


def test_values_of_set_are_read_alike():
    assert parse_scalar("1e-3") == 0.001
    assert parse_scalar("[1, 2]") == [1, 2]
    assert parse_scalar("") is None
    with pytest.raises(ValueError, match="stands twice"):
        parse_scalar("{a: 1, a: 2}")
