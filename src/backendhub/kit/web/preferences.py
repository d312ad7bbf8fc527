"""What clients may choose: `Prefer` (RFC 7240), and JSON Merge Patch (RFC 7396)."""

from __future__ import annotations

import re
from typing import Any

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


def merge_patch(target: Any, patch: Any) -> Any:
    """A JSON Merge Patch applied to a value, which is left as it was: null takes a member away, an object goes deeper,
    anything else replaces."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge_patch(result.get(name), value)
    return result
