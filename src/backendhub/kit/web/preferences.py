"""What clients may choose: `Prefer` (RFC 7240)."""

from __future__ import annotations

import re

from .request import Request


def preference(request: Request, name: str) -> str | None:
    """The value of a preference: `preference(request, "return")` is `minimal`, `representation`, or None.

    One without a value is the empty string. Of two with one name the first counts (RFC 7240 §2).
    """
    for part in re.split(r',(?=(?:[^"]*"[^"]*")*[^"]*$)', request.header("prefer") or ""):
        word, _, value = part.partition(";")[0].partition("=")
        if word.strip().lower() == name:
            return value.strip().strip('"').lower()
    return None
