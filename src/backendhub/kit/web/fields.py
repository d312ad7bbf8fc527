"""Types for bodies and parameters whose schema says exactly what is accepted, so that generated clients and
fuzzers agree with the code: `Text`, `Word`, `Integer`, `When`, `Span`, `Id`, `Limit`, `Cursor`, `search`."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Annotated, Any

from fastapi import Header, Path, Query
from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from backendhub.kit import when
from backendhub.kit.clock import iso
from backendhub.kit.paging import MAX_LIMIT

# The group means nothing to the pattern. Without it tools that read a schema put `maxLength` into the quantifiers, which
# makes an automaton of ten thousand states, and a second of each look at a value.
NO_NUL = r"^([^\x00]*)$"
# One visible character at least; Python, Rust and PostgreSQL differ in what else they call white space.
VISIBLE = r"^([^\x00]*[^\s\x00-\x1f\x7f-\x9f][^\x00]*)$"
WORD = r"^[^\s\x00-\x1f\x7f-\x9f,+#][^\s\x00-\x1f\x7f-\x9f,]*$"
_DAY = "(mon|tues|wednes|thurs|fri|satur|sun)day|mon|tue|wed|thu|fri|sat|sun"
RELATIVE = rf"^(today|tomorrow|yesterday|now|eow|eom|eoy|{_DAY}|[+-]?[0-9]{{1,3}}(min|h|d|w|m|y))$"
SPAN = r"^([1-9][0-9]{0,2}(d|w|m|y)|daily|weekly|fortnightly|monthly|quarterly|yearly)$"
_TIME = r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:)(\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)"

Text = Annotated[str, Field(min_length=1, max_length=10_000, pattern=VISIBLE)]
Word = Annotated[
    str, Field(min_length=1, max_length=100, pattern=WORD, description="One word without commas")
]
Span = Annotated[str, Field(pattern=SPAN, description="`1m`, `2w`, `daily`", examples=["1m"])]


def _when(text: str) -> str:
    """A day, a moment or a relative date in its stored form."""
    if re.fullmatch(RELATIVE, text):
        return when.stored(when.parse(text))
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            return date.fromisoformat(text).isoformat()
        if match := re.fullmatch(_TIME, text):
            return _moment(match)
    except ValueError:
        pass
    raise PydanticCustomError(
        "when", "this is no date, no time with an offset and none of today, fri, eom, +3d"
    )


def _moment(match: re.Match[str]) -> str:
    """RFC 3339 §5.6, whole seconds; a leap second is the second before it."""
    seconds = min(match[3], "59") if match[3] == "60" else match[3]
    offset = match[5].upper().replace("Z", "+00:00")
    moment = datetime.fromisoformat(f"{match[1]}T{match[2]}{seconds}{offset}")
    try:
        return iso(moment.astimezone(UTC))
    except OverflowError:  # within an offset of the calendar's ends
        return iso(moment.replace(tzinfo=UTC))


_WHEN_SCHEMA: dict[str, Any] = {
    "description": "A date, a time with an offset, or `tomorrow`, `fri`, `eom`, `+3d`",
    "anyOf": [
        {"type": "string", "format": "date"},
        {"type": "string", "format": "date-time"},
        {"type": "string", "pattern": RELATIVE},
    ],
    "examples": ["2026-02-28"],
}
When = Annotated[str, AfterValidator(_when), WithJsonSchema(_WHEN_SCHEMA)]


def _integral(value: Any) -> Any:
    """JSON has one kind of number: 3.0 is the integer 3 (JSON Schema 2020-12, Core §4.2.3)."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Integer = Annotated[int, Field(ge=-(2**53 - 1), le=2**53 - 1), BeforeValidator(_integral)]
MAX_ID = 2**53 - 1  # what every JSON reader holds exactly (RFC 8259 §6)
Id = Annotated[int, Path(ge=1, le=MAX_ID, description="Its number")]
IdRef = Annotated[int, Field(ge=1, le=MAX_ID), BeforeValidator(_integral)]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Rows in a page")]
Cursor = Annotated[str | None, Query(max_length=2000, pattern=NO_NUL, description="From the Link header")]
# Not in the schema: no schema can say which tags exist, and generated clients send what the schema allows.
Match = Annotated[str | None, Header(include_in_schema=False)]
Search = Annotated[str | None, Query(max_length=200, pattern=NO_NUL)]


def sort_pattern(names: tuple[str, ...]) -> str:
    """What `sort=` accepts: `-due,id`."""
    one = f"-?({'|'.join(names)})"
    return f"^{one}(,{one}){{0,3}}$"
