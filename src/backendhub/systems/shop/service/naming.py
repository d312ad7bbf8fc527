"""Ids, handles and moments, as all of the shop makes them."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from backendhub.kit import clock
from backendhub.kit.errors import Invalid
from backendhub.kit.ids import uuid7

MAX_METADATA = 20_000


def new(prefix: str) -> str:
    """A new id as Medusa writes them: `prod_` and what sorts by time."""
    return f"{prefix}_{uuid7().replace('-', '')}"


def stamps() -> dict[str, Any]:
    """Both times of a new row."""
    now = clock.precise()
    return {"created_at": now, "updated_at": now}


def handle(text: str) -> str:
    """A name for addresses: `Blue Mug, large` is `blue-mug-large`. Raises Invalid where nothing is left."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    made = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:100]
    if not made:
        raise Invalid(f"{text[:80]!r} makes no handle.", hint="give one: blue-mug", field="handle")
    return made


def metadata(value: dict[str, Any] | None) -> dict[str, Any]:
    """What others attach to a thing, within limits. Raises Invalid."""
    import json

    if value is not None and len(json.dumps(value)) > MAX_METADATA:
        raise Invalid(f"Metadata has at most {MAX_METADATA} characters.", field="metadata")
    return value or {}


def country(code: str | None) -> str | None:
    """A country's two letters, in lower case. Raises Invalid."""
    if not code:
        return None
    if not re.fullmatch(r"[A-Za-z]{2}", code):
        raise Invalid(f"{code[:20]!r} is no country.", hint="write two letters: de", field="country_code")
    return code.lower()


def total(found: int, limit: int, offset: int) -> int | None:
    """How many rows there are altogether, where a page tells: it is not full, and not past the end. Else they are counted."""
    return offset + found if found < limit and (found or not offset) else None
