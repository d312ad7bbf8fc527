"""Field values that caches read: lists, dates, seconds, Cache-Control (RFC 9110, RFC 9111). No clock and no I/O."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

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
