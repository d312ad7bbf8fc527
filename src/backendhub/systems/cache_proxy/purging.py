"""Purges: by address, by tag, by a part of the address; at once, or soft (marked stale)."""

from __future__ import annotations

import fnmatch
import re
from ipaddress import ip_address
from typing import TYPE_CHECKING

from backendhub.kit.edge import Request, Response
from backendhub.kit.errors import Denied, Invalid

from .entry import Entry
from .shelf import Shelf
from .stats import Stats

if TYPE_CHECKING:
    from .config import Config

MAX_PATTERN = 500


class Purging:
    """Removes what is stored."""

    def __init__(self, shelf: Shelf, stats: Stats) -> None:
        self.shelf = shelf
        self.stats = stats

    def answer(self, request: Request, key: bytes, config: Config) -> Response:
        """The answer to PURGE: this address in all its variants, or everything with one of the tags of a Surrogate-Key
        field; `Fastly-Soft-Purge: 1` only marks. Raises Denied."""
        allow(request.client, request.header("authorization"), config)
        soft = self.soft(request)
        tags = (request.header("surrogate-key") or "").split()
        count = self.tags(tags, soft=soft) if tags else self.keys([key], soft=soft)
        return Response.json({"status": "ok", "purged": count}, 200 if count or tags else 404)

    @staticmethod
    def soft(request: Request) -> bool:
        """Whether a PURGE only marks."""
        return (request.header("fastly-soft-purge") or request.header("x-soft-purge") or "") == "1"

    def keys(self, keys: list[bytes], *, soft: bool = False) -> int:
        """Everything under these keys."""
        found = [entry for key in keys for entry in self.shelf.index.get(key, ())]
        return self._count(found, soft, keys)

    def tags(self, tags: list[str], *, soft: bool = False) -> int:
        """Everything that has one of the tags."""
        parts = [entry.key for entry in self.shelf.partials.entries if not entry.tags.isdisjoint(tags)]
        return self._count(list(self.shelf.tagged(tags)), soft, parts)

    def pattern(self, pattern: str, *, soft: bool = False) -> int:
        """Everything whose path and query a pattern with `*` and `?` matches. Raises Invalid."""
        if len(pattern) > MAX_PATTERN or pattern.count("*") > 10:
            raise Invalid("The pattern is too long.")
        matches = re.compile(fnmatch.translate(re.sub(r"\*+", "*", pattern))).match
        parts = [entry.key for entry in self.shelf.partials.entries if matches(entry.target)]
        return self._count(self.shelf.where(lambda entry: matches(entry.target) is not None), soft, parts)

    def everything(self, *, soft: bool = False) -> int:
        """All of it."""
        return self._count(list(self.shelf), soft, [entry.key for entry in self.shelf.partials.entries])

    def _count(self, entries: list[Entry], soft: bool, parts: list[bytes]) -> int:
        """Purges; parts of responses are always removed."""
        count = self.shelf.purge(entries, soft=soft) + self.shelf.partials.drop(parts)
        self.stats.purged += count
        return count


def allow(client: str, authorization: str | None, config: Config) -> None:
    """Raises Denied unless somebody may steer this cache: whoever has the token where there is one, else whoever is on
    this machine."""
    import hmac

    if config.token:
        given = (authorization or "").partition(" ")[2].strip()
        if hmac.compare_digest(given.encode(), config.token.encode()):
            return
        raise Denied("This needs the token of this cache.", hint="send Authorization: Bearer …")
    try:
        local = ip_address(client).is_loopback
    except ValueError:
        local = client in ("", "-", "testclient", "unix")
    if not local:
        raise Denied(
            "Only this machine may steer the cache.",
            hint="set cache_proxy.token, and send it as a bearer token",
        )
