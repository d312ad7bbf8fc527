"""Kernel file locks: they die with their holder, so nobody ever has to unlock by hand."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from backendhub.kit import clock
from backendhub.systems.backup.models import LOCK_BUSY, STORAGE, BackupError

if os.name == "nt":
    import msvcrt

    def try_lock(fd: int, *, shared: bool = False) -> bool:
        """Takes the lock of an open file if it is free; Windows has no shared kind."""
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined, unused-ignore]
        except OSError:
            return False
        return True
else:
    import fcntl

    def try_lock(fd: int, *, shared: bool = False) -> bool:
        """Takes the lock of an open file if it is free."""
        try:
            fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@contextmanager
def held(path: str, what: str, *, wait: float = 0, shared: bool = False) -> Iterator[None]:
    """Holds the lock file of `what`; waits that many seconds for it, then says who has it (exit 11)."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    except OSError as e:
        raise BackupError(f"{path}: {e.strerror}", STORAGE, errno=e.errno) from e
    try:
        until = time.monotonic() + wait
        while not try_lock(fd, shared=shared):
            if time.monotonic() >= until:
                raise _busy(fd, what)
            time.sleep(min(0.2, max(0.01, until - time.monotonic())))
        if not shared:
            _sign(fd)
        yield
    finally:
        os.close(fd)


def _sign(fd: int) -> None:
    """Leaves word of who holds the lock; on a full disk there is simply no word."""
    with suppress(OSError):
        os.ftruncate(fd, 0)
        os.lseek(fd, 0, os.SEEK_SET)
        os.write(fd, json.dumps({"pid": os.getpid(), "since": clock.iso(clock.now())}).encode())


def holder(path: str) -> dict[str, object] | None:
    """Who holds the lock of a path at this moment, None if it is free."""
    try:
        fd = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError:
        return None
    try:
        return None if try_lock(fd) else _note(fd)
    finally:
        os.close(fd)


def _note(fd: int) -> dict[str, object]:
    os.lseek(fd, 0, os.SEEK_SET)
    try:
        note = json.loads(os.read(fd, 1000) or b"{}")
    except ValueError:  # between the holder's truncate and its write
        note = {}
    return note if isinstance(note, dict) else {}


def _busy(fd: int, what: str) -> BackupError:
    note = _note(fd)
    who = f" by process {note['pid']} since {note['since']}" if "pid" in note else ""
    return BackupError(
        f"{what} is in use{who}", LOCK_BUSY, hint="Wait for it, or pass --lock-wait SECONDS.", holder=note
    )
