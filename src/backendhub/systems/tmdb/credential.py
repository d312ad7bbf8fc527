"""Which of TMDB's two credentials this is: told apart by shape, never printed."""

from __future__ import annotations

import re
from typing import NamedTuple

from backendhub.kit.errors import Invalid, Unauthenticated
from backendhub.kit.http import Credential
from backendhub.kit.settings import Settings

SIGN_UP = "https://www.themoviedb.org/settings/api"
V4 = r"eyJ[\w-]+\.[\w-]+\.[\w-]+"
V3 = r"[0-9a-fA-F]{32}"


class Found(NamedTuple):
    """A credential, what it is, and where it came from."""

    credential: Credential
    kind: str
    source: str


def shape(text: str) -> tuple[str, str] | None:
    """The setting that a credential belongs in and what it is called; None for neither shape."""
    if re.fullmatch(V4, text):
        return "tmdb.token", "v4 token"
    if re.fullmatch(V3, text):
        return "tmdb.key", "v3 key"
    return None


def find(settings: Settings) -> Found:
    """The v4 token, else the v3 key, in whichever setting each was put. Raises Unauthenticated, Invalid."""
    found: dict[str, Found] = {}
    for name in ("tmdb.token", "tmdb.key"):
        value, source = settings.lookup(name)
        text = (value or "").strip().removeprefix("Bearer ")
        if not text:
            continue
        what = shape(text)
        if what is None:
            raise Invalid(
                f"The setting {name} ({source}) is neither a v3 key (32 hex digits) nor a v4 token (eyJ…).",
                hint=f"copy it again from {SIGN_UP}",
            )
        query = "api_key" if what[0] == "tmdb.key" else None
        found.setdefault(what[0], Found(Credential(text, query=query), what[1], source))
    best = found.get("tmdb.token") or found.get("tmdb.key")
    if best is None:
        raise Unauthenticated(
            "TMDB needs a free API key or token.",
            hint=f"get one at {SIGN_UP}, then: backendhub tmdb auth set (or set TMDB_TOKEN or TMDB_API_KEY)",
        )
    return best
