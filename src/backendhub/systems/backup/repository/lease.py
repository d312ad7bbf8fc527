"""A lease in the repository, so that only one prune works at a time, wherever it runs.

The holder rewrites a counter. Whoever finds a lease watches it on its own monotonic clock: a counter that stands
still belongs to a dead holder. Nobody's wall clock is believed.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from backendhub.systems.backup.models import LOCK_BUSY, BackupError

from .backend import Missing
from .context import Context

NAME = "lease/prune"
BEAT = 10.0
DEAD = 45.0  # without a beat


class Lost(BackupError):
    """Somebody took the lease over: this process had stood still for too long."""

    def __init__(self) -> None:
        super().__init__("The lease was lost to another prune; nothing more was deleted", LOCK_BUSY)


class Lease:
    """A held lease; `check` before every deletion."""

    def __init__(self, context: Context, token: str) -> None:
        self._context, self._token = context, token
        self._count = 0
        self._lost = Event()
        self._beaten = time.monotonic()

    def beat(self) -> None:
        """Shows that we live."""
        if read(self._context).get("token") != self._token:
            self._lost.set()
            return
        self._count += 1
        self._context.backend.put(NAME, [_record(self._token, self._count)])
        self._beaten = time.monotonic()

    def check(self) -> None:
        """Raises Lost if we may not go on."""
        if self._lost.is_set() or time.monotonic() - self._beaten > DEAD - BEAT:
            raise Lost


@contextmanager
def held(context: Context, *, beat: float, dead: float) -> Iterator[Lease]:
    """Holds the lease; waits out a dead holder, refuses (11) beside a living one."""
    token = os.urandom(8).hex()
    while not context.backend.create(NAME, _record(token, 0)):
        _wait_out(context, beat, dead)
    lease = Lease(context, token)
    stop = Event()
    thread = Thread(target=_keep_beating, args=(lease, stop, beat), daemon=True)
    thread.start()
    try:
        yield lease
    finally:
        stop.set()
        thread.join()
        if read(context).get("token") == token:
            context.backend.delete(NAME)


def read(context: Context) -> dict[str, object]:
    """The lease as it lies there; empty if nobody holds it."""
    try:
        found = json.loads(context.backend.get(NAME, limit=1 << 16))
    except (Missing, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _wait_out(context: Context, beat: float, dead: float) -> None:
    """Returns once the lease is free: at once if its process is known dead, else after `dead` seconds still."""
    first = read(context)
    if not first:
        # Unreadable: written by nobody of ours.
        context.backend.delete(NAME)
        return
    until = time.monotonic() + dead
    while time.monotonic() < until:
        time.sleep(min(beat / 2, max(0.01, until - time.monotonic())))
        now = read(context)
        if not now:
            return
        if now != first:
            raise BackupError(
                "Another prune is at work", LOCK_BUSY, hint="Wait for it; a dead one is noticed by itself."
            )
    if read(context) == first:
        context.backend.delete(NAME)


def _keep_beating(lease: Lease, stop: Event, beat: float) -> None:
    while not stop.wait(beat):
        try:
            lease.beat()
        except BackupError:
            continue  # `check` notices when no beat got through for too long


def _record(token: str, count: int) -> bytes:
    return json.dumps({"token": token, "count": count}).encode()
