"""How the SQLite worker reads all pages of a database in one transaction, and tells its parent.

By the file itself where the log is empty, which costs a third of SQLite's backup interface; by that interface elsewhere.
"""

from __future__ import annotations

import json
import os
import struct
import sys
from typing import Any

import apsw

LOCK_BYTE = 0x40000000
BATCH = 1 << 20
TRIES = 4
"""How often a moment is sought at which the log of a database in use is empty."""
FRAME = struct.Struct(">cI")


class Out:
    """Frames on stdout."""

    def __init__(self) -> None:
        self._raw = os.fdopen(os.dup(1), "wb", buffering=0)
        os.dup2(2, 1)

    def send(self, kind: bytes, data: bytes | bytearray | memoryview) -> None:
        """Writes one frame whole."""
        for part in (FRAME.pack(kind, len(data)), data):
            view = memoryview(part)
            while view:
                view = view[self._raw.write(view) :]

    def report(self, kind: bytes, value: Any) -> None:
        """Writes one JSON frame."""
        self.send(kind, json.dumps(value).encode())


def connect(path: str, timeout: float, *, write: bool = False) -> apsw.Connection:
    """Opens an existing file; read-write when that is allowed, so that a hot journal can be rolled back."""
    writable = write or os.access(path, os.W_OK)
    flags = apsw.SQLITE_OPEN_READWRITE if writable else apsw.SQLITE_OPEN_READONLY
    connection = apsw.Connection(path, flags=flags)
    connection.set_busy_timeout(int(timeout * 1000))
    return connection


def value(connection: apsw.Connection, sql: str) -> Any:
    """The first cell of a query."""
    for row in connection.execute(sql):
        return row[0]
    return None


def begin(source: apsw.Connection, path: str) -> bool:
    """Begins the read transaction; whether the file by itself, without a log, is what it sees until its end."""
    for _ in range(TRIES):
        source.execute("BEGIN")
        value(source, "SELECT count(*) FROM (SELECT 1 FROM sqlite_schema LIMIT 1)")
        if sys.platform != "linux":  # elsewhere it was not tried to read beside SQLite
            return False
        if value(source, "PRAGMA journal_mode") != "wal" or _log_is_empty(path):
            return True
        source.execute("COMMIT")
    source.execute("BEGIN")
    return False


def _log_is_empty(path: str) -> bool:
    """Whether the file holds all of the log, after a checkpoint that waits for nobody.

    Asked while a read transaction is open. Nothing newer than that transaction is ever copied into the file before its
    end: what a checkpoint may copy is limited by the marks of the readers, and none may copy beside a reader that uses
    the file alone (sqlite.org/walformat.html, "WAL locks"). So where all frames have been copied, the file is what the
    transaction sees, and stays so.
    """
    try:
        other = connect(path, 0)
        value(other, "SELECT count(*) FROM sqlite_schema")  # it knows of a log only when it has read
        frames, copied = other.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
    except apsw.Error:
        return False
    return bool(frames == copied >= 0)


def read_file(out: Out, file: int, page_size: int, pages: int) -> bool:
    """Sends the file as it lies on the disk: pages 2..N, then page 1. False, with nothing sent: it is too short."""
    size = pages * page_size
    if not pages or os.fstat(file).st_size < size:
        return False
    buffer = memoryview(bytearray(BATCH))
    at = page_size
    while at < size:
        lock_page = LOCK_BYTE <= at < LOCK_BYTE + page_size
        if lock_page:  # SQLite neither reads nor writes the page of the lock byte
            out.send(b"P", bytes(page_size))
            at += page_size
            continue
        end = min(size, at + BATCH, LOCK_BYTE if at < LOCK_BYTE else size)
        got = os.preadv(file, [buffer[: end - at]], at)
        if not got:
            raise OSError(f"the file ended at {at} of {size} bytes")
        out.send(b"P", buffer[:got])
        at += got
    out.send(b"1", os.pread(file, page_size, 0))
    return True


def read_pages(out: Out, source: apsw.Connection, page_size: int) -> int:
    """Sends what the transaction sees through SQLite's backup interface, and gives the number of pages."""
    sink = PageSink(out, page_size)
    vfs = SinkVFS(sink)
    target = apsw.Connection("sink", vfs="backendhub-sink")
    target.execute(
        "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE"
    ).fetchall()
    with target.backup("main", source, "main") as backup:
        backup.step(-1)
    sink.flush()
    target.close()
    vfs.unregister()
    if len(sink.first) != page_size:
        raise apsw.InternalError("SQLite never handed over page 1")
    out.send(b"1", sink.first)
    return sink.next // page_size


class PageSink:
    """The destination file of `sqlite3_backup`: never stored, its pages go straight to the parent."""

    def __init__(self, out: Out, page_size: int) -> None:
        self.out, self.page_size = out, page_size
        self.next, self.first, self.size = page_size, b"", 0
        self.batch = bytearray()

    def xWrite(self, data: bytes, offset: int) -> None:
        """Takes one page: page 1 is kept until the end, all others must come in order."""
        self.size = max(self.size, offset + len(data))
        if offset == 0:
            self.first = bytes(data)
            return
        if self.next == LOCK_BYTE and offset == LOCK_BYTE + self.page_size:
            self._add(bytes(self.page_size))  # SQLite never writes the page that holds the lock byte
        if offset != self.next or len(data) != self.page_size:
            raise apsw.InternalError(f"page at {offset} of {len(data)} bytes where {self.next} was due")
        self._add(data)

    def _add(self, data: bytes) -> None:
        self.batch += data
        self.next += self.page_size
        if len(self.batch) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Sends the pages gathered so far."""
        if self.batch:
            self.out.send(b"P", self.batch)
            self.batch = bytearray()

    def xRead(self, amount: int, offset: int) -> bytes:
        """Only page 1 is ever read back."""
        data = self.first[offset : offset + amount] if offset < len(self.first) else b""
        return data + bytes(amount - len(data))

    def xFileSize(self) -> int:
        """How far it was written."""
        return self.size

    def xFileControl(self, operation: int, pointer: int) -> bool:
        """No extras."""
        return False

    def xDeviceCharacteristics(self) -> int:
        """Nothing special."""
        return 0

    def xSectorSize(self) -> int:
        """The usual."""
        return 4096

    def xCheckReservedLock(self) -> bool:
        """Nobody else sees this file."""
        return False

    def _nothing(self, *_: int) -> None:
        return None

    xLock = xUnlock = xSync = xTruncate = xClose = _nothing


class SinkVFS(apsw.VFS):  # type: ignore[misc,unused-ignore]
    """Opens the one PageSink whatever the name."""

    def __init__(self, sink: PageSink) -> None:
        self.sink = sink
        super().__init__("backendhub-sink", "")

    def xOpen(self, name: Any, flags: Any) -> Any:
        """The sink itself."""
        return self.sink
