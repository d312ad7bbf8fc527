"""Conditional and range requests against a stored response (RFC 9110 §13, §14). Pure."""

from __future__ import annotations

import re

from .fields import Fields, date, date_of, tags, value, weak

MAX_DIGITS = 18


def not_modified(request: dict[bytes, bytes], response: Fields) -> bool:
    """Whether the client has what is stored: If-None-Match counts before If-Modified-Since (§13.2.2)."""
    given = request.get(b"if-none-match")
    if given is not None:
        etag = value(response, b"etag")
        wanted = tags(given)
        return "*" in wanted or (
            etag is not None and weak(etag.decode("latin-1")) in {weak(tag) for tag in wanted}
        )
    since = request.get(b"if-modified-since")
    if since is None:
        return False
    asked, modified = date(since.decode("latin-1")), date_of(response, b"last-modified")
    if modified is None:  # what nobody has dated is as old as its message
        modified = date_of(response, b"date")
    return asked is not None and modified is not None and modified <= asked


def wants_range(request: dict[bytes, bytes], response: Fields) -> bool:
    """Whether Range counts: If-Range names what is stored, by a strong validator (§13.1.5)."""
    if b"range" not in request:
        return False
    condition = request.get(b"if-range")
    if condition is None:
        return True
    text = condition.decode("latin-1").strip()
    if text.startswith(('"', "W/")):
        return text[:1] == '"' and value(response, b"etag") == condition.strip()
    asked = date(text)
    return asked is not None and asked == date_of(response, b"last-modified")


class Unsatisfiable(Exception):
    """No byte of what is stored lies in the range."""


def span(text: bytes, size: int) -> tuple[int, int] | None:
    """First byte and end of a range; None for what is to be answered whole: other units, several ranges, nonsense.
    Raises Unsatisfiable."""
    match = re.fullmatch(r"bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*", text.decode("latin-1"), re.IGNORECASE)
    if match is None or (not match[1] and not match[2]) or max(len(match[1]), len(match[2])) > MAX_DIGITS:
        return None
    if not match[1]:
        count = min(int(match[2]), size)
        if count == 0:
            raise Unsatisfiable
        return size - count, size
    first = int(match[1])
    last = int(match[2]) if match[2] else size - 1
    if match[2] and last < first:
        return None
    if first >= size:
        raise Unsatisfiable
    return first, min(last, size - 1) + 1
