"""Field values as RFC 9110, RFC 9111 and RFC 8941 have them. Nothing here knows the time or does I/O."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

from backendhub.kit.edge.fields import Directives, date, directives, members, seconds

__all__ = ["Directives", "date", "directives", "members", "seconds"]

Fields = list[tuple[bytes, bytes]]
_MEMBER = re.compile(r"([a-z*][a-z0-9_.*-]*)")
_ITEM = re.compile(
    r"""(?:(?P<integer>-?\d{1,15})(?![\d.])|(?P<decimal>-?\d{1,12}\.\d{1,3})(?!\d)
        |"(?P<string>(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"
        |(?P<token>[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*)
        |:(?P<binary>[A-Za-z0-9+/=]*):|\?(?P<boolean>[01]))""",
    re.VERBOSE,
)


def values(fields: Fields, name: bytes) -> list[bytes]:
    """Every line of a field."""
    return [value for field, value in fields if field == name]


def value(fields: Fields, name: bytes) -> bytes | None:
    """The lines of a field as one list; None where it is absent."""
    found = values(fields, name)
    return b", ".join(found) if found else None


def http_date(seconds: float) -> bytes:
    """A moment as HTTP writes it."""
    moment = datetime.fromtimestamp(seconds, UTC)
    day = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"][moment.weekday()]
    month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][
        moment.month - 1
    ]
    return f"{day}, {moment.day:02d} {month} {moment.year} {moment:%H:%M:%S} GMT".encode()


def date_of(fields: Fields, name: bytes) -> float | None:
    """The date of a field that stands once; None where it is absent or no date."""
    found = values(fields, name)
    return date(found[0].decode("latin-1")) if len(set(found)) == 1 else None


def cache_control(fields: Fields) -> Directives:
    """The directives of Cache-Control."""
    text = value(fields, b"cache-control")
    return directives(text) if text else {}


@lru_cache(1024)
def dictionary(text: str) -> dict[str, int | float | str | bool | list[str]] | None:
    """A structured dictionary (RFC 8941 §4.2.2); None for what is none. Inner lists are refused, parameters skipped."""
    found: dict[str, int | float | str | bool | list[str]] = {}
    rest = text.strip(" ")
    while rest:
        match = _MEMBER.match(rest)
        if match is None:
            return None
        name, rest = match[1], rest[match.end() :]
        item: int | float | str | bool = True
        if rest[:1] == "=":
            got = _item(rest[1:])
            if got is None:
                return None
            item, rest = got
        rest = _parameters(rest)
        if rest is None:
            return None
        found.pop(name, None)
        found[name] = item
        rest = rest.lstrip(" \t")
        if not rest:
            return found
        if rest[0] != ",":
            return None
        rest = rest[1:].lstrip(" \t")
        if not rest:
            return None
    return found


def _item(text: str) -> tuple[int | float | str | bool, str] | None:
    match = _ITEM.match(text)
    if match is None:
        return None
    rest, kind = text[match.end() :], match.lastgroup
    raw = match[kind or 0]
    if kind == "integer":
        return int(raw), rest
    if kind == "decimal":
        return float(raw), rest
    if kind == "boolean":
        return raw == "1", rest
    return raw, rest


def _parameters(text: str) -> str:
    while match := re.match(r";[ ]*[a-z*][a-z0-9_.*-]*", text):
        text = text[match.end() :]
        if text[:1] == "=":
            got = _item(text[1:])
            if got is None:
                return "\0"  # nothing that follows is a dictionary
            text = got[1]
    return text


def targeted(fields: Fields, names: tuple[bytes, ...]) -> Directives | None:
    """The directives of the first targeted field that is there and well-formed (RFC 9213 §2.2). Members of a type that
    a directive does not have are left out."""
    for name in names:
        text = value(fields, name)
        parsed = dictionary(text.decode("latin-1")) if text is not None else None
        if not parsed:
            continue
        found: Directives = {}
        for key, item in parsed.items():
            if item is True:
                found[key] = None
            elif isinstance(item, int) and not isinstance(item, bool):
                found[key] = str(item) if item >= 0 else "invalid"
            elif isinstance(item, str) and key in ("private", "no-cache"):
                found[key] = item
        return found
    return None


def tags(text: bytes) -> list[str]:
    """The members of If-None-Match, `*` among them."""
    return re.findall(r'(?:W/)?"[^"]*"|\*|[^\s,"]+', text.decode("latin-1"))


def weak(tag: str) -> str:
    """An entity tag without its weakness, for weak comparison (RFC 9110 §8.8.3.2)."""
    return tag[2:] if tag[:2] == "W/" else tag
