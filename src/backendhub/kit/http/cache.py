"""Other servers' answers in the store: keyed by URL and credential hash, bounded, and never worth a failure.

A cache is allowed to be missing: on a store that cannot be read or written it answers nothing and keeps
nothing, and the command goes on. What it holds is not journalled, so `undo` never touches it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from backendhub.kit import clock
from backendhub.kit.db import columns
from backendhub.kit.errors import StoreError

from .response import Response

if TYPE_CHECKING:
    from backendhub.kit.db import Db, Store

MAX_BYTES = 64 * 1024 * 1024
MAX_ROWS = 5_000
MAX_BODY = 8 * 1024 * 1024
# Only headers that mean something later are kept; cookies and the like never are.
KEPT = ("content-type", "etag", "last-modified", "link", "x-poll-interval", "content-language")
USED_AFTER = timedelta(hours=1)  # so that a hit is not a write each time

PUT = """
INSERT INTO hub_http_cache (key, url, headers, body, size, fetched_at, used_at)
VALUES (:key, :url, :headers, :body, :size, :fetched_at, :used_at)
ON CONFLICT (key) DO UPDATE SET url = excluded.url, headers = excluded.headers, body = excluded.body,
  size = excluded.size, fetched_at = excluded.fetched_at, used_at = excluded.used_at"""
RENEW = "UPDATE hub_http_cache SET headers = :headers, fetched_at = :now, used_at = :now WHERE key = :key"
USED = "UPDATE hub_http_cache SET used_at = :now WHERE key = :key"
TOTAL = "SELECT count(*), coalesce(sum(size), 0) FROM hub_http_cache"
# Everything beyond the bounds, counted from the most recently used.
PRUNE = """
DELETE FROM hub_http_cache WHERE key IN (
  SELECT key FROM (
    SELECT key, row_number() OVER newest AS place, sum(size) OVER newest AS total
    FROM hub_http_cache WINDOW newest AS (ORDER BY used_at DESC, key ROWS UNBOUNDED PRECEDING)
  ) AS ranked WHERE place > :rows OR total > :bytes
)"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the cache."""

    url: str
    headers: dict[str, str]
    body: bytes
    fetched_at: datetime
    used_at: datetime


GET = f"SELECT {columns(Entry)} FROM hub_http_cache WHERE key = :key"


def key(method: str, url: str, headers: Mapping[str, str], content: bytes, credential: str) -> str:
    """The name of an answer: two people, or one with and one without a token, never share one."""
    from hashlib import sha256

    parts = [method, url, *(f"{k.lower()}: {headers[k]}" for k in sorted(headers)), credential]
    return sha256("\n".join(parts).encode() + b"\n" + content).hexdigest()


class Cache:
    """The table `hub_http_cache`."""

    def __init__(self, store: Store, *, max_bytes: int = MAX_BYTES, max_rows: int = MAX_ROWS) -> None:
        self._store = store
        self._bytes = max_bytes
        self._rows = max_rows
        self.broken: StoreError | None = None
        """Why nothing can be kept, if so: tried once, not at every request."""

    def get(self, key: str, service: str) -> Response | None:
        """What is kept under a key."""
        try:
            entry = self._store.read(lambda db: db.one(Entry, GET, key=key))
        except StoreError as error:
            self.broken = error
            return None
        if entry is None:
            return None
        if clock.now() - entry.used_at > USED_AFTER:
            self._write(lambda db: db.run(USED, key=key, now=clock.now()))
        return Response(service, entry.url, 200, entry.headers, entry.body, entry.fetched_at, "cache")

    def put(self, key: str, response: Response) -> None:
        """Keeps an answer and lets go of those that were not used for the longest time."""
        if len(response.body) > min(MAX_BODY, self._bytes):
            return
        values: dict[str, object] = {
            "key": key,
            "url": response.url,
            "headers": kept(response.headers),
            "body": response.body,
        }
        values |= {"size": len(response.body), "fetched_at": response.fetched_at, "used_at": clock.now()}

        def write(db: Db) -> int:
            db.run(PUT, **values)
            rows, size = db.fetch(TOTAL, {})[0]
            if rows <= self._rows and size <= self._bytes:
                return 0
            # A tenth more than needed, so that a full cache is not pruned at every request.
            return db.run(PRUNE, rows=self._rows * 9 // 10, bytes=self._bytes * 9 // 10)

        self._write(write)

    def renew(self, key: str, response: Response) -> None:
        """Marks an answer as just confirmed by its server."""
        headers = kept(response.headers)
        self._write(lambda db: db.run(RENEW, key=key, headers=headers, now=response.fetched_at))

    def _write(self, fn: Callable[[Db], int]) -> None:
        if self.broken is not None:
            return
        try:
            with self._store.transaction() as db:  # no label: nothing for `undo` here
                fn(db)
        except StoreError as error:
            self.broken = error


def kept(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that go into the store."""
    return {name: headers[name] for name in KEPT if name in headers}
