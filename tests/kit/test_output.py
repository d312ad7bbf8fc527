"""What a command returns, in every form; and nothing in it that could steer a terminal."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backendhub.kit.errors import Invalid, MissingExtra, NotFound
from backendhub.kit.output import Output, camel, cell, clean, csv_cell, dumps, plain


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True, slots=True)
class Thing:
    id: int
    full_name: str
    tags: tuple[str, ...] = ()
    at: datetime | None = None

    @property
    def size(self) -> int:
        return len(self.full_name)


class Pair(NamedTuple):
    left_side: int
    right: str


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


ROWS = [Thing(1, "Ann", ("a", "b"), datetime(2026, 1, 5, 9, tzinfo=UTC)), Thing(2, "Böb")]


def shown(
    value: Any, columns: Any = None, *, tty: bool = False, empty: str | None = None, **options: Any
) -> str:
    stream = Terminal() if tty else io.StringIO()
    options.setdefault("environ", {})
    Output(stdout=stream, stderr=io.StringIO(), **options).show(value, columns, empty=empty)
    return stream.getvalue()


# -- formats -----------------------------------------------------------------------------------------------


def test_a_pipe_gets_tabs_without_a_header() -> None:
    assert shown(ROWS) == "1\tAnn\ta,b\t2026-01-05T09:00:00Z\n2\tBöb\t\t\n"
    assert shown(ROWS, ("full_name", "id")) == "Ann\t1\nBöb\t2\n"


def test_a_cell_cannot_break_out_of_its_row() -> None:
    assert shown([Thing(1, "a\tb\nc\rd")], ("full_name",)) == "a b cd\n"


def test_a_terminal_gets_a_table() -> None:
    text = shown(ROWS, tty=True, color="never")
    assert text.splitlines()[0].split() == ["ID", "Full", "name", "Tags", "At"]
    assert "\x1b" not in text


def test_one_record_on_a_terminal_is_a_card() -> None:
    lines = shown(ROWS[0], tty=True, color="never").splitlines()
    assert [line.split()[0] for line in lines] == ["ID", "Full", "Tags", "At"]


def test_a_table_in_a_pipe_is_not_cut() -> None:
    text = shown([Thing(1, "x" * 500)], format="table")
    assert text.count("x") == 500


def test_json_is_camel_case_an_array_for_lists_an_object_for_one() -> None:
    assert json.loads(shown(ROWS, format="json"))[0] == {
        "id": 1,
        "fullName": "Ann",
        "tags": ["a", "b"],
        "at": "2026-01-05T09:00:00Z",
    }
    assert json.loads(shown(ROWS[1], format="json"))["fullName"] == "Böb"
    assert shown([], format="json") == "[]\n"


def test_ndjson_is_one_object_a_line() -> None:
    assert [json.loads(line)["id"] for line in shown(iter(ROWS), format="ndjson").splitlines()] == [1, 2]
    assert shown([], format="ndjson") == ""


def test_csv_has_a_header_and_standard_quotes() -> None:
    text = shown([Thing(1, 'a "b", c\nd')], ("id", "full_name"), format="csv")
    assert list(csv.reader(io.StringIO(text))) == [["id", "fullName"], ["1", 'a "b", c\nd']]
    assert shown([], ("id", "full_name"), format="csv") == "id,fullName\n"


def test_nothing_is_a_note_on_a_terminal_only() -> None:
    errors = io.StringIO()
    Output(stdout=Terminal(), stderr=errors, environ={}).show([], empty="No tasks.")
    assert errors.getvalue() == "No tasks.\n"
    assert shown([], empty="No tasks.") == ""
    assert shown(None) == ""


def test_mappings_named_tuples_texts_and_plain_values() -> None:
    assert shown([{"a": 1, "b": None}]) == "1\t\n"
    assert shown([Pair(1, "x")]) == "1\tx\n"
    assert shown(Pair(1, "x"), format="json") == '{"leftSide": 1, "right": "x"}\n'
    assert shown("hello") == "hello\n"
    assert shown("hello", format="json") == '"hello"\n'
    assert shown([3, 4]) == "3\n4\n"
    assert shown({"n": {"x": [1]}}) == '{"x": [1]}\n'


def test_an_unknown_format_or_colour_is_refused() -> None:
    with pytest.raises(Invalid, match="no format 'xml'"):
        Output("xml")
    with pytest.raises(Invalid, match="--color takes"):
        Output(color="pink")


# -- fields and jq -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("format", "text"),
    [(None, "Ann\t1\nBöb\t2\n"), ("csv", "fullName,id\nAnn,1\nBöb,2\n"), ("json", '[{"fullName": "Ann", "id": 1}, {"fullName": "Böb", "id": 2}]\n')],
)  # fmt: skip
def test_fields_choose_and_order(format: str | None, text: str) -> None:
    assert shown(ROWS, ("id",), format=format, fields=["fullName", "id"]) == text


@pytest.mark.parametrize("format", [None, "json", "ndjson", "csv", "table"])
def test_an_unknown_field_is_named(format: str | None) -> None:
    with pytest.raises(Invalid, match="no field 'nope'") as error:
        shown(ROWS, format=format, fields=["nope"])
    assert "fullName" in str(error.value.hint)


def test_jq_filters_and_prints_texts_bare() -> None:
    pytest.importorskip("jq")
    assert shown(ROWS, jq=".[].fullName") == "Ann\nBöb\n"
    assert shown(ROWS, jq="map(.id) | add") == "3\n"
    with pytest.raises(Invalid, match="jq expression fails"):
        shown(ROWS, jq=".[")


def test_jq_without_its_extra_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "jq", None)
    with pytest.raises(MissingExtra) as error:
        shown(ROWS, jq=".")
    assert error.value.exit_code == 2
    assert "pipx install 'backendhub[jq]'" in str(error.value.hint)


# -- untrusted text ----------------------------------------------------------------------------------------

EVIL = [
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07after",
    "\x1b]8;;http://x\x1b\\link",
    "\x9b31m",
    "\x1bP q\x1b\\",
    "a\x08\x08b",
    "\r\x1b[2K",
    "\u202egpj.exe",
    "\u2066x\u2069",
    "\u200e",
    "\x7f",
]


@pytest.mark.parametrize("text", EVIL)
@pytest.mark.parametrize("format", ["table", "plain", "csv", "json", "ndjson"])
def test_no_control_character_reaches_the_terminal(text: str, format: str) -> None:
    found = shown([Thing(1, f"<{text}>", (text,))], format=format, color="never")
    assert not set(found) & set("\x1b\x07\x08\r\x7f\x9b\u202e\u2066\u2069\u200e")
    if format in ("json", "ndjson"):  # escaped, not lost
        data = json.loads(found)
        assert (data[0] if isinstance(data, list) else data)["fullName"] == f"<{text}>"


@given(st.text())
def test_cleaned_text_has_no_control_characters_but_newline_and_tab(text: str) -> None:
    cleaned = clean(text)
    assert all(c in "\n\t" or not (ord(c) < 32 or 127 <= ord(c) < 160) for c in cleaned)
    assert clean(cleaned) == cleaned


@given(st.text())
def test_json_holds_any_text_and_escapes_what_steers(text: str) -> None:
    found = dumps({"x": text})
    assert json.loads(found)["x"] == text
    assert "\x1b" not in found
    assert "\x9b" not in found


def test_notes_warnings_and_errors_are_cleaned_too() -> None:
    errors = io.StringIO()
    output = Output(stderr=errors, stdout=io.StringIO(), environ={})
    output.note("n\x1b[1m")
    output.warn("w\x9b")
    output.fail(NotFound("no \x1b[2Jtask", hint="h\x07"))
    assert errors.getvalue() == "n\nWarning: w\nError: no task\nHint: h\n"


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-x", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("x")'])
def test_spreadsheet_formulas_are_texts(text: str) -> None:
    assert csv_cell(text).startswith("'") or not csv_cell(text).startswith(("=", "+", "-", "@", "\t", "\r"))


@pytest.mark.parametrize("text", ["-5", "+3.25", "12", "plain", "a=b", "", "-0"])
def test_numbers_and_texts_stay(text: str) -> None:
    assert csv_cell(text) == text


# -- the rest ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("color", "environ", "tty", "colored"),
    [
        ("always", {"NO_COLOR": "1"}, False, True),
        ("never", {"FORCE_COLOR": "1"}, True, False),
        ("auto", {"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
        ("auto", {"NO_COLOR": ""}, True, True),
        ("auto", {"FORCE_COLOR": "1"}, False, True),
        ("auto", {"CLICOLOR_FORCE": "1"}, False, True),
        ("auto", {"CLICOLOR_FORCE": "0"}, False, False),
        ("auto", {"TERM": "dumb"}, True, False),
        ("auto", {"TERM": "xterm"}, True, True),
        ("auto", {}, False, False),
    ],
)
def test_who_decides_about_colour(color: str, environ: dict[str, str], tty: bool, colored: bool) -> None:
    assert Output(color=color, environ=environ).colored(Terminal() if tty else io.StringIO()) is colored


def test_errors_are_json_where_a_program_reads() -> None:
    errors = io.StringIO()
    Output("json", stderr=errors, stdout=io.StringIO()).fail(NotFound("There is no task 7.", hint="look"))
    body = {"code": "not_found", "message": "There is no task 7.", "hint": "look"}
    assert json.loads(errors.getvalue()) == {"error": body}


def test_quiet_silences_notes_but_no_warnings() -> None:
    errors = io.StringIO()
    output = Output(quiet=True, stderr=errors, stdout=io.StringIO())
    output.note("n")
    output.warn("w")
    assert errors.getvalue() == "Warning: w\n"


def test_progress_is_silent_where_no_terminal_is() -> None:
    errors = io.StringIO()
    with Output(stderr=errors, stdout=io.StringIO()).progress("Loading", 3) as advance:
        advance(1)
    assert errors.getvalue() == ""


def test_progress_on_a_terminal_goes_away_again() -> None:
    errors = Terminal()
    with Output(stderr=errors, stdout=io.StringIO(), environ={"TERM": "xterm"}).progress(
        "Load\x1b[2Jing", 3
    ) as advance:
        advance(3)
    assert "\x1b[2J" not in errors.getvalue()


def test_plain_values() -> None:
    class Own:
        def as_json(self) -> dict[str, Any]:
            return {"own": Colour.RED}

    def endless() -> Iterator[int]:
        yield from (1, 2)

    values = [
        Own(),
        Colour.RED,
        date(2026, 1, 5),
        Decimal("1.50"),
        b"\xff",
        endless(),
        {"snake_key": 1},
        True,
    ]
    assert plain(values) == [
        {"own": "red"},
        "red",
        "2026-01-05",
        "1.50",
        "\ufffd",
        [1, 2],
        {"snake_key": 1},
        True,
    ]
    assert camel("created_at") == "createdAt"
    assert [cell(v) for v in (None, True, False, ["a", 1], Colour.RED)] == ["", "yes", "no", "a,1", "red"]
