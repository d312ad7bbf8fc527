"""Entity tags and conditional requests (RFC 9110 §8.8 and §13)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import TYPE_CHECKING

from backendhub.kit.errors import PreconditionFailed

if TYPE_CHECKING:
    from .request import Request

_TAG = re.compile(r'\s*((?:W/)?"[\x21\x23-\x7e\x80-\xff]*")\s*(?:,|$)')


def etag(value: object, *, weak: bool = False) -> str:
    """An entity tag (RFC 9110 §8.8.3); a weak one says that the content means the same, not that it is the same."""
    return f'W/"{value}"' if weak else f'"{value}"'


def http_date(moment: datetime) -> str:
    """A time as header fields have it (RFC 9110 §5.6.7)."""
    return format_datetime(moment.astimezone(UTC), usegmt=True)


def parse_date(text: str | None) -> datetime | None:
    """The time in a header field; None for what is none, which RFC 9110 §13.1.3 says to ignore."""
    try:
        moment = parsedate_to_datetime(text or "")
    except (ValueError, TypeError, IndexError):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def tags(field: str) -> list[str]:
    """The entity tags in `If-Match` or `If-None-Match`; `*` for any; a list that is malformed has none."""
    if field.strip() == "*":
        return ["*"]
    found, at = [], 0
    while at < len(field):
        match = _TAG.match(field, at)
        if match is None:
            return []
        found.append(match[1])
        at = match.end()
    return found


def _weakly(field: str, tag: str | None) -> bool:
    """Weak comparison (RFC 9110 §8.8.3.2): whether the opaque parts are equal."""
    given = tags(field)
    return tag is not None and (
        "*" in given or tag.removeprefix("W/") in [t.removeprefix("W/") for t in given]
    )


def _strongly(field: str, tag: str | None) -> bool:
    """Strong comparison: a weak tag equals nothing."""
    given = tags(field)
    return tag is not None and ("*" in given or (not tag.startswith("W/") and tag in given))


def unchanged(request: Request, tag: str | None, modified: datetime | None = None) -> bool:
    """Evaluates the preconditions of a request in the order of RFC 9110 §13.2.2: True where a GET or HEAD is answered
    with 304. Raises PreconditionFailed.

    `tag` and `modified` describe what is there now. Where `If-Match` is asked of something that has neither, or
    `If-None-Match: *` of something that has, the request fails.
    """
    headers = request.headers
    there = tag if tag is not None or modified is None else '"-"'
    if (field := headers.get(b"if-match")) is not None:
        if not _strongly(field.decode("latin-1"), there):
            raise PreconditionFailed("If-Match does not name what is there.", hint="GET it again")
    elif modified is not None and _after(modified, request.header("if-unmodified-since")):
        raise PreconditionFailed("It was modified since.", hint="GET it again")
    reads = request.method in ("GET", "HEAD")
    if (field := headers.get(b"if-none-match")) is not None:
        if not _weakly(field.decode("latin-1"), there):
            return False
        if not reads:
            raise PreconditionFailed("If-None-Match names what is there.")
        return True
    since = parse_date(request.header("if-modified-since")) if reads and modified is not None else None
    return since is not None and modified is not None and _whole(modified) <= since


def precondition(request: Request, tag: str | None, modified: datetime | None = None) -> None:
    """For writing endpoints, inside the unit of work: compares `If-Match`, `If-None-Match` and `If-Unmodified-Since`
    with what is there; `tag=None` where nothing is. Raises PreconditionFailed."""
    unchanged(request, tag, modified)


def range_is_current(request: Request, tag: str | None, modified: datetime | None) -> bool:
    """Whether `If-Range` lets a Range be served (RFC 9110 §13.1.5): strong tags, or the very date."""
    field = request.header("if-range")
    if field is None:
        return True
    if '"' in field:
        return tag is not None and not tag.startswith("W/") and field.strip() == tag
    return modified is not None and parse_date(field) == _whole(modified)


def _after(modified: datetime, date: str | None) -> bool:
    """Whether something was modified after the date in a header field."""
    since = parse_date(date)
    return since is not None and _whole(modified) > since


def _whole(moment: datetime) -> datetime:
    """To the second, which is all that header fields can say."""
    return moment.astimezone(UTC).replace(microsecond=0)


def revision(if_match: str | None, *, known: Iterable[int] = ()) -> int | None:
    """The revision that `If-Match: "7"` asks for; None where it is absent or `*`.

    Of a list, the one that is among `known`. Raises PreconditionFailed where there is none: for a tag that no revision
    ever had, and for a weak one.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    texts = [tag[1:-1] for tag in tags(if_match) if tag[0] == '"']
    numbers = [int(t) for t in texts if t.isascii() and t.isdigit() and len(t) <= 18]
    if len(numbers) > 1:
        numbers = [n for n in numbers if n in set(known)]
    if len(numbers) != 1:
        raise PreconditionFailed(
            "If-Match names no revision that exists.", hint="send the ETag of the last GET"
        )
    return numbers[0]
