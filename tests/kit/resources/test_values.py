"""JSON read with limits, entries of the index, patterns, files: all that needs no store."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import SchemaValidator, core_schema

from backendhub.kit.errors import Conflict, Invalid, Malformed, NotFound
from backendhub.kit.resources import fields, files, patterns, values
from backendhub.kit.resources.fields import Kind
from backendhub.kit.resources.models import Rules
from backendhub.kit.resources.relations import plural, reference, singular


@pytest.mark.parametrize("text", ["", "{", "[NaN]", "Infinity", "-Infinity", "'x'", "{} {}", "[" * 100_000])
def test_what_is_not_json_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        values.read(text)


def test_numbers_are_stored_as_javascript_writes_them() -> None:
    assert values.clean([1.0, -0.0, 1.5, 1e3, 10**30, True]) == [1, 0, 1.5, 1000, 10**30, True]
    assert [values.text_of(v) for v in (1, 1.5, 1e-7, 1.5e300, True, None)] == [
        "1", "1.5", "1e-7", "1.5e+300", "true", "null",
    ]  # fmt: skip
    assert values.text_of([1, None, ["a", {}]]) == "1,,a,[object Object]"


@pytest.mark.parametrize(
    ("value", "pointer"),
    [
        ({"a": ["x\0"]}, "/a/0"),
        ({"a\0": 1}, ""),
        ({"a/b": {"~": "\ud800"}}, "/a~1b/~0"),
        ({"n": float("inf")}, "/n"),
        ({"n": 10**309}, "/n"),
        ({"many": [0] * values.MAX_VALUES}, f"/many/{values.MAX_VALUES - 2}"),
    ],
)
def test_what_cannot_be_stored_is_refused_with_its_place(value: Any, pointer: str) -> None:
    with pytest.raises(Invalid) as caught:
        values.clean(value)
    assert caught.value.details["errors"][0]["pointer"] == pointer


def test_depth_is_limited() -> None:
    def nested(levels: int) -> Any:
        value: Any = 1
        for _ in range(levels):
            value = {"a": value}
        return value

    assert values.clean(nested(values.MAX_DEPTH))
    with pytest.raises(Invalid, match="levels deep"):
        values.clean(nested(values.MAX_DEPTH + 1))


@pytest.mark.parametrize(
    ("key", "number"),
    [("7", 7.0), ("-1", -1.0), ("1.5", 1.5), ("07", None), ("1e3", None), ("nan", None), ("x", None)],
)
def test_a_key_is_a_number_only_as_json_writes_it(key: str, number: float | None) -> None:
    assert values.numeric(key) == number


def test_every_value_has_an_entry_under_its_path() -> None:
    found = fields.entries({"id": 7, "a": {"b": "X", "on": True}, "tags": ["u", {"n": None}], "a.b": "first"})
    assert {path: entry.kind for path, entry in found.items()} == {
        "id": Kind.NUMBER, "a": Kind.OBJECT, "tags": Kind.ARRAY, "a.b": Kind.STRING, "a.on": Kind.BOOLEAN,
        "tags.0": Kind.STRING, "tags.1": Kind.OBJECT, "tags.1.n": Kind.NULL,
    }  # fmt: skip
    assert found["a.b"].fold == "first" and found["id"][1:] == (7.0, "", "7")
    assert found["tags"].key == "u,[object Object]"


def test_large_rows_have_entries_for_what_is_near_their_root() -> None:
    row = {"deep": {f"k{i}": i for i in range(500)}, "list": list(range(500)), "x" * 300: 1, "last": 1}
    found = fields.entries(row)
    assert len(found) == fields.MAX_ENTRIES
    assert "last" in found and "x" * 300 not in found
    assert len(fields.entries({"list": list(range(500))})) == 1 + fields.MAX_ELEMENTS


def test_names_of_relations() -> None:
    pairs = {
        "posts": "post",
        "categories": "category",
        "people": "person",
        "children": "child",
        "news": "news",
    }
    assert {name: singular(name) for name in pairs} == pairs
    assert plural("category") == "categories"
    assert reference("posts", Rules(suffix="_id")) == "post_id"


PATTERNS = [
    ("photo", "PHOTO shop"), ("^a.c$", "abc"), ("^a.c$", "a\nc"), ("[A-F]+\\d{2,3}", "xyzdef42"), ("a|b|", "zzz"),
    ("(a(?:b)?){2}", "aba"), ("x{1,}y{0}", "xx"), ("\\bto\\b", "go to it"), ("\\bto\\b", "stone"), ("[^\\d\\s]", "1 2"),
    ("[\\]^-]", "a-b"), ("a\\.b\\*", "a.b*"), ("caf\u00c9", "un caf\u00e9"), ("\\u0041", "a"), ("\\x41b", "ab"),
    ("a{,2}", "a{,2}"), ("{", "{"), ("]}", "]}"), ("[a&&b]", "&"), ("()", ""), ("\\tx", "\tx"), ("\\S\\W", "a-"),
    ("[-a]", "-"), ("[a-]", "-"), ("a+?b*?c??", "aab"),
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "text"), PATTERNS)
def test_patterns_mean_what_they_mean_in_javascript(pattern: str, text: str) -> None:
    rust = SchemaValidator(core_schema.str_schema(pattern=patterns.translate(pattern, "sqlite")))
    # Python differs from JavaScript in these two: it warns of && in brackets and takes {,2} for a count.
    python = pattern.replace("&&", "&").replace("{,2}", "\\{,2}")
    assert rust.isinstance_python(text.lower()) == bool(re.search(python, text, re.IGNORECASE))


@pytest.mark.parametrize(
    "pattern",
    [
        "(", ")", "(a", "[a", "[]", "a**", "*", "^*", "\\b+", "a{3,2}", "a{101}", "((a{50}){50})", "(?=a)", "(?<n>a)",
        "\\1", "\\k", "\\u12", "\\ud800", "\\x00", "[z-a]", "[a-\\d]", "[\\D]", "\\", "[\\b]", "a" * 201, "(" * 21 + ")" * 21,
    ],
)  # fmt: skip
def test_patterns_that_are_broken_or_too_much_are_refused(pattern: str) -> None:
    with pytest.raises(Malformed):
        patterns.translate(pattern, "sqlite")


def test_a_set_from_files(tmp_path: Path) -> None:
    (tmp_path / "db.json").write_text('\ufeff{"posts": [{"id": 1}], "$schema": "x"}')
    (tmp_path / "people.csv").write_text(
        'id,name,height,ok,zip\r\n1,"A, B",1.5,true,01234\r\n2,,,false,99999\r\n'
    )
    (tmp_path / "tags.json").write_text("[]")
    (tmp_path / "profile.json").write_text('{"name": "x"}')
    (tmp_path / "note.txt").write_text("no data")
    paths = files.expand([str(tmp_path)])
    assert [p.name for p in paths] == ["db.json", "people.csv", "profile.json", "tags.json"]
    assert files.read(paths) == {
        "posts": [{"id": 1}],
        "$schema": "x",
        "people": [
            {"id": 1, "name": "A, B", "height": 1.5, "ok": True, "zip": "01234"},
            {"id": 2, "name": None, "height": None, "ok": False, "zip": "99999"},
        ],
        "profile": {"name": "x"},
        "tags": [],
    }
    before = files.digest(paths)
    (tmp_path / "tags.json").write_text("[ ]")
    assert files.digest(paths) != before


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("a.json", b"{", "is not JSON"), ("a.json", b"3", "neither"), ("a.json", b"\xff", "UTF-8"),
        ("a.csv", b"id,id\n1,2", "first line"), ("a.csv", b"", "first line"), ("a.csv", b"a\n1,2", "more fields"),
        ("a.txt", b"x", "no data file"),
    ],
)  # fmt: skip
def test_files_that_cannot_be_read_are_named(tmp_path: Path, name: str, content: bytes, error: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(Invalid, match=error) as caught:
        files.read(files.expand([str(path)]))
    assert name in caught.value.message


def test_files_that_are_missing_or_clash(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        files.expand([str(tmp_path / "none.json")])
    with pytest.raises(Invalid, match="no JSON or CSV"):
        files.expand([str(tmp_path)])
    for name in ("a.json", "a.csv"):
        (tmp_path / name).write_text("[]" if name == "a.json" else "id\n1")
    with pytest.raises(Conflict):
        files.read(files.expand([str(tmp_path)]))
