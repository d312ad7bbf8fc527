"""Requests to addresses that users gave (webhooks, imports, avatars, previews), so that they reach nothing private.

    answer = hub.current().fetch.send("GET", url, accept=("image/*",), max_bytes=5 << 20)
    answer = await hub.current().fetch.asend("POST", url, content=body, headers={"content-type": "application/json"})

Each address is looked up once, judged, and connected to as judged (a name that changes its mind gains nothing); every
redirect is judged again; sizes, times and decompression are bounded. See docs/guides/fetch.md.
"""

from __future__ import annotations

from .client import Fetched, Fetcher
from .policy import Policy, Refused, check

__all__ = ["Fetched", "Fetcher", "Policy", "Refused", "check"]
