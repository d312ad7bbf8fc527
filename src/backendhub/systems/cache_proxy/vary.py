"""Which stored variant a request may have (RFC 9111 §4.1)."""

from __future__ import annotations

import re

from .fields import Fields, members, value

LISTS = frozenset(("accept-language",))
"""Fields whose members stand in no order but that of their weights."""


def nominated(fields: Fields) -> tuple[str, ...]:
    """The request fields that a response names, sorted; `*` alone where it names everything."""
    names = set(members(value(fields, b"vary")))
    return ("*",) if "*" in names else tuple(sorted(names))


def normal(name: str, text: bytes | None) -> str | None:
    """A field's value so that equal meanings are equal: no blanks around commas, and for lists without an order of their
    own, lower case sorted by weight."""
    if text is None:
        return None
    parts = [re.sub(r"\s+", " ", part.strip()) for part in text.decode("latin-1").split(",")]
    if name not in LISTS:
        return ",".join(parts)
    return ",".join(f"{tag};q={weight:g}" for tag, weight in weighted(text))


def weighted(text: bytes) -> list[tuple[str, float]]:
    """The members of an Accept field with their weights, the heaviest first."""
    found = []
    for part in text.decode("latin-1").lower().split(","):
        tag, *parameters = (piece.strip() for piece in part.split(";"))
        weight = 1.0
        for parameter in parameters:
            if match := re.fullmatch(r"q\s*=\s*([01](?:\.\d{0,3})?)", parameter):
                weight = min(float(match[1]), 1.0)
        if tag:
            found.append((tag, weight))
    return sorted(found, key=lambda pair: (-pair[1], pair[0]))


def key(names: tuple[str, ...], request: dict[bytes, bytes]) -> tuple[str | None, ...]:
    """What tells variants apart: the nominated fields of a request, normalised."""
    return tuple(normal(name, request.get(name.encode("latin-1"))) for name in names)


def preferred(request: dict[bytes, bytes]) -> str | None:
    """The one language that a request prefers to all others; None where there is no such."""
    found = weighted(request.get(b"accept-language", b""))
    if not found or found[0][1] == 0 or found[0][0] == "*":
        return None
    if len(found) > 1 and found[1][1] == found[0][1]:
        return None
    return found[0][0]


def matches(
    names: tuple[str, ...], stored: tuple[str | None, ...], request: dict[bytes, bytes], language: str | None
) -> bool:
    """Whether a request may have a variant: its nominated fields are the same, or the variant is in the one language
    that the request prefers to all others. `language` is its Content-Language."""
    if names == ("*",):
        return False
    for name, had, has in zip(names, stored, key(names, request), strict=True):
        if had == has:
            continue
        if name == "accept-language" and language is not None and preferred(request) == language:
            continue
        return False
    return True
