"""Field values as RFC 9110, RFC 9111 and RFC 8941 have them. Nothing here knows the time or does I/O."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

Fields = list[tuple[bytes, bytes]]
Directives = dict[str, str | None]

MAX_SECONDS = 2**31
"""What a number of seconds that is larger counts as (RFC 9111 §1.2.2)."""
_MONTHS = {
    name: at + 1
    for at, name in enumerate(
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
    )
}
_IMF = re.compile(r"(?:mon|tue|wed|thu|fri|sat|sun), (\d\d) ([a-z]{3}) (\d{4}) (\d\d):(\d\d):(\d\d) gmt")
_RFC850 = re.compile(
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)day, (\d\d)-([a-z]{3})-(\d\d) (\d\d):(\d\d):(\d\d) gmt"
)
_ASCTIME = re.compile(r"(?:mon|tue|wed|thu|fri|sat|sun) ([a-z]{3}) ([ \d]\d) (\d\d):(\d\d):(\d\d) (\d{4})")
_DIRECTIVE = re.compile(
    r"""\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)          # a name
        (?:=(?:"((?:[^"\\]|\\.)*)"|([^",\s]*)))?  # and its argument
        \s*(?:,|$)""",
    re.VERBOSE,
)
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


def members(text: bytes | None) -> list[str]:
    """The members of a list of tokens, in lower case."""
    return [m for m in (part.strip().lower() for part in (text or b"").decode("latin-1").split(",")) if m]


@lru_cache(4096)
def date(text: str) -> float | None:
    """A date in one of HTTP's three forms as seconds since 1970; None for anything else (RFC 9110 §5.6.7)."""
    lower = text.strip().lower()
    if match := _IMF.fullmatch(lower):
        day, month, year, *clock = match.groups()
    elif match := _RFC850.fullmatch(lower):
        day, month, year, *clock = match.groups()
        year = str(2000 + int(year) if int(year) < 70 else 1900 + int(year))
    elif match := _ASCTIME.fullmatch(lower):
        month, day, *clock, year = match.groups()
    else:
        return None
    try:
        hour, minute, second = map(int, clock)
        whole = datetime(int(year), _MONTHS[month], int(day), hour, minute, min(second, 59), tzinfo=UTC)
    except (KeyError, ValueError):
        return None
    return whole.timestamp()


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


def seconds(text: str | None) -> int | None:
    """A number of seconds; None for what is none."""
    if text is None or not text.isascii() or not text.isdigit():
        return None
    return min(int(text), MAX_SECONDS)


@lru_cache(4096)
def directives(text: bytes) -> Directives:
    """Cache-Control as names and arguments. Of two with one name the one that allows less counts: the smaller number,
    and a `no-cache` without fields before one with."""
    found: Directives = {}
    source, at = text.decode("latin-1"), 0
    while at < len(source):
        match = _DIRECTIVE.match(source, at)
        if match is None:  # not a directive: on behind the next comma
            comma = source.find(",", at)
            at = len(source) if comma < 0 else comma + 1
            continue
        at = match.end()
        name, quoted, plain = match[1].lower(), match[2], match[3]
        argument = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain
        if name in found:
            argument = _stricter(found[name], argument)
        found[name] = argument
    return found


def _stricter(first: str | None, second: str | None) -> str | None:
    one, other = seconds(first), seconds(second)
    if one is not None and other is not None:
        return str(min(one, other))
    if first is None or second is None:
        return None
    return f"{first}, {second}"


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
