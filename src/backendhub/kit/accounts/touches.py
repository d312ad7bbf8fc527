"""Notes that a session or key is in use: at most once a minute each, and never in the way of the request."""

from __future__ import annotations

import threading
from datetime import datetime
from typing import TYPE_CHECKING

from backendhub.kit import clock
from backendhub.kit.errors import StoreError

from . import store

if TYPE_CHECKING:
    from backendhub.kit.db import Db, Store

DELAY_S = 1.0
"""How long notes are gathered before they are written together."""


class Touches:
    """Gathers what was used and writes it in a thread of its own, all of one second in one transaction."""

    def __init__(self, opened: Store) -> None:
        self._store = opened
        self._lock = threading.Lock()
        self._keys: dict[str, datetime] = {}
        self._sessions: dict[str, tuple[datetime, datetime]] = {}
        self._timer: threading.Timer | None = None

    def key(self, id: str) -> None:
        """An API key was used."""
        with self._lock:
            self._keys.setdefault(id, clock.precise())
            self._begin()

    def session(self, id: str, idle_until: datetime) -> None:
        """A session was used and is idle no sooner than then."""
        with self._lock:
            self._sessions.setdefault(id, (clock.precise(), idle_until))
            self._begin()

    def _begin(self) -> None:
        if self._timer is None:
            self._timer = threading.Timer(DELAY_S, self.flush)
            self._timer.daemon = True
            self._timer.start()

    def flush(self) -> None:
        """Writes what was gathered. A store that is busy loses a note, which the next use makes again."""
        with self._lock:
            keys, sessions = self._keys, self._sessions
            self._keys, self._sessions, self._timer = {}, {}, None
        if not keys and not sessions:
            return
        try:
            self._store.unit(_write, keys, sessions)
        except StoreError:
            return

    def close(self) -> None:
        """Writes the rest."""
        if self._timer is not None:
            self._timer.cancel()
            self.flush()


def _write(db: Db, keys: dict[str, datetime], sessions: dict[str, tuple[datetime, datetime]]) -> None:
    if keys:
        db.run_many(store.API_KEY_USED, [{"id": id, "now": at} for id, at in keys.items()])
    if sessions:
        rows = [{"id": id, "now": at, "idle_until": until} for id, (at, until) in sessions.items()]
        db.run_many(store.SEEN, rows)
