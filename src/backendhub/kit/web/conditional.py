"""Entity tags and conditional requests (RFC 9110 §13)."""

from __future__ import annotations

from backendhub.kit.errors import PreconditionFailed


def etag(value: object) -> str:
    """A strong entity tag (RFC 9110 §8.8.3)."""
    return f'"{value}"'


def revision(if_match: str | None, *, id: object = None) -> int | None:
    """The revision that `If-Match: "7"` asks for; None where it is absent or `*`.

    Raises PreconditionFailed for a tag that no revision ever had.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    tags = [tag.strip() for tag in if_match.split(",")]
    numbers = [
        t[1:-1]
        for t in tags
        if len(t) > 2 and t[0] == t[-1] == '"' and t[1:-1].isascii() and t[1:-1].isdigit()
    ]
    if len(numbers) != 1 or len(numbers[0]) > 18:
        raise PreconditionFailed(
            "If-Match names no revision that exists.", hint="send the ETag of the last GET"
        )
    return int(numbers[0])


def none_match(given: bytes, tag: str) -> bool:
    """Whether `If-None-Match` names the tag, by weak comparison."""
    tags = [t.strip().removeprefix("W/") for t in given.decode("latin-1").split(",")]
    return "*" in tags or tag in tags
