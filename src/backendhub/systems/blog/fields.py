"""Types of bodies and parameters, whose schema says exactly what is accepted."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from backendhub.kit.web.fields import NO_NUL, VISIBLE

from .service.rules import MAX_ABOUT, MAX_COMMENT, MAX_TAGS, MAX_TEXT, MAX_TITLE, MAX_WORD
from .wire import BLANK


def _filled(value: Any) -> Any:
    """Null and white space are the same mistake, and have the same words."""
    if value is None or (isinstance(value, str) and not value.strip()):
        raise PydanticCustomError("blank", BLANK)
    return value


FILLED = BeforeValidator(_filled)


def _text(longest: int, pattern: str = VISIBLE) -> Any:
    return Field(min_length=1, max_length=longest, pattern=pattern)


Title = Annotated[str, _text(MAX_TITLE), FILLED]
About = Annotated[str, _text(MAX_ABOUT), FILLED]
Body = Annotated[str, _text(MAX_TEXT), FILLED]
Said = Annotated[str, _text(MAX_COMMENT), FILLED]
Word = Annotated[str, _text(MAX_WORD), FILLED]
Tags = Annotated[list[Word], Field(max_length=MAX_TAGS)]

_CONTROL = r"\x00-\x1f\x7f-\x9f"
_USERNAME = rf"^[^@{_CONTROL}]*[^\s@{_CONTROL}][^@{_CONTROL}]*$"
# Within what `kit.accounts` takes, in words that mean the same to every engine of patterns, which `\w` does not: of
# other scripts Latin, Cyrillic, kana, Han and Hangul; the rest is written in punycode.
_LABEL = r"[A-Za-z0-9_\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u0400-\u0481\u048a-\u052f\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fef\uac00-\ud7a3-]+"
_EMAIL = rf"""^[^@\s"(),:;<>\[\\\]{_CONTROL}]{{1,64}}@{_LABEL}(\.{_LABEL})*$"""
Username = Annotated[str, _text(64, _USERNAME), FILLED]
Email = Annotated[str, _text(254, _EMAIL), FILLED]
Known = Annotated[str, _text(254), FILLED]
Secret = Annotated[str, _text(1024), FILLED]
# How short a password may be is a setting; the document shows its default.
_SECRET = {"type": "string", "minLength": 8, "maxLength": 1024, "pattern": VISIBLE}
NewSecret = Annotated[Secret, WithJsonSchema(_SECRET)]
SecretChange = Annotated[
    Annotated[str, Field(max_length=1024)] | None,
    WithJsonSchema({"anyOf": [_SECRET, {"type": "string", "const": ""}, {"type": "null"}]}),
]
LARGE = 4 << 20
"""Bytes of a body with the longest text in it, every character escaped."""
Some = Annotated[str | None, Field(max_length=10_000, pattern=NO_NUL)]

Slug = Annotated[str, Path(max_length=200, pattern=NO_NUL, description="From the article")]
Name = Annotated[str, Path(max_length=200, pattern=NO_NUL, description="A username")]
Filter = Annotated[str | None, Query(max_length=200, pattern=NO_NUL)]
Count = Annotated[int, Query(ge=0, le=2**31, description="How many; 100 at most are sent")]
Offset = Annotated[int, Query(ge=0, le=2**31, description="How many to pass over")]
