"""An SQLite file beyond the lock byte at 1 GiB."""

from __future__ import annotations

import sqlite3
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

from backendhub.systems.backup.engines.base import engine_for
from backendhub.systems.backup.engines.sqlite import rewritten


def masked(data: bytes) -> bytes:
    page = bytearray(data)
    for low, high in rewritten({"bytes": len(data), "page_size": len(data)}):
        page[low:high] = bytes(high - low)
    return bytes(page)


def test_the_page_of_the_lock_byte_is_filled(folder_for_servers: Path) -> None:
    """Over 1 GiB of mostly zero pages; the stream is compared as it comes, not kept."""
    path = folder_for_servers / "big.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(
            "PRAGMA page_size = 65536; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; CREATE TABLE t(b BLOB);"
        )
        for _ in range(3):
            db.execute("INSERT INTO t VALUES (zeroblob(360000000))")
        db.execute("INSERT INTO t VALUES ('after the lock byte')")
        db.commit()
    size = path.stat().st_size
    assert size > 0x40000000 + 65536

    class Comparing:
        """A sink that reads the original alongside."""

        def __init__(self, file: Any) -> None:
            self.file, self.offset = file, 0

        def write(self, data: bytes) -> None:
            self.offset += len(data)
            if self.offset == size:
                self.file.seek(0)
                assert masked(data) == masked(self.file.read(65536))
            else:
                assert data == self.file.read(len(data))

        def stream(self, name: str, *, kind: str, page_size: int) -> Any:
            return nullcontext(self)

    with path.open("rb") as file:
        file.seek(65536)
        sink = Comparing(file)
        done = engine_for(str(path), options={"quick_check": "off"}).dump(sink)  # type: ignore[arg-type]
    assert done.meta["bytes"] == sink.offset == size
