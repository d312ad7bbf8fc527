"""What nobody uses goes; what should be there is looked for.

Collection never races an upload, because nothing that it removes can come back: the row of unused content is deleted
first, in a transaction that sees whether somebody has claimed it, and its key goes to the trash. Whoever uploads the
same content after that gets a row and a key of their own. The bytes are deleted later, so that a download that has
begun can end, and so that a store that loses its last seconds in a power cut still finds what it then speaks of.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from backendhub.kit import clock
from backendhub.kit.db import Db

from . import rows, store
from .backend import Missing
from .models import Collected, Damage

if TYPE_CHECKING:
    from .service import Files

WAIT = timedelta(minutes=10)
"""How long bytes outlive the row that led to them."""
OLD = timedelta(hours=24)
"""How old something that no row knows must be before it goes."""
BATCH = 500


def collect(files: Files, *, wait: timedelta = WAIT, strays: bool = False) -> Collected:
    """Gives up expired uploads, throws unused content away, and deletes the bytes of what was thrown away before.

    `strays` also lists the whole back-end for bytes that no row knows; they can only be there after a power cut took
    the row of an upload along, or after the store was put back to an older state.
    """
    uploads = files.uploads.expire()
    now = clock.now()
    while files.store.unit(rows.discard, now=now, limit=BATCH) == BATCH:
        pass
    blobs = size = 0
    while trash := files.store.read(rows.trashed, before=now - wait, limit=BATCH):
        for key, _ in trash:
            files.backend.delete(key)
        files.store.unit(rows.emptied, [key for key, _ in trash])
        blobs += len(trash)
        size += sum(length for _, length in trash)
    left = _temporary(files)
    if strays:
        left += _strays(files)
    return Collected(blobs, size, uploads, left)


def _temporary(files: Files) -> int:
    """Removes temporary files that no process can still be writing."""
    before = time.time() - OLD.total_seconds()
    old = [p for p in files.spool.glob("*") if _modified(p) < before]
    ids = {p.name.partition(".")[0] for p in old}
    alive = {row for row in files.store.read(_alive, sorted(ids))}
    gone = [p for p in old if p.name.partition(".")[0] not in alive]
    for path in gone:
        path.unlink(missing_ok=True)
    return len(gone)


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # somebody has just finished with it
        return math.inf


def _alive(db: Db, ids: list[str]) -> list[str]:
    return [row[0] for row in db.fetch(store.ALIVE[db.dialect], {"ids": ids})] if ids else []


def _strays(files: Files) -> int:
    """Removes bytes of this store's corner that no row knows."""
    before = clock.now() - OLD
    count = 0
    batch: list[str] = []

    def sweep() -> int:
        gone = files.store.read(rows.unknown, batch) if batch else []
        for key in gone:
            files.backend.delete(key)
        batch.clear()
        return len(gone)

    for entry in files.backend.entries(files.space.prefix + "/"):
        if entry.modified < before:
            batch.append(entry.key)
        if len(batch) >= BATCH:
            count += sweep()
    return count + sweep()


def check(files: Files, *, verify: bool = False) -> Iterator[Damage]:
    """Compares every row of content that is used with the bytes."""
    after = ""
    while blobs := files.store.read(_blobs, after):
        for digest, key, size in blobs:
            if what := _fault(files, digest, key, size, verify=verify):
                yield Damage(digest, key, what, files.store.read(_count, digest))
        after = blobs[-1][0]


def _blobs(db: Db, after: str) -> list[tuple[str, str, int]]:
    rows_found = db.fetch(store.BLOBS, {"after": after, "limit": BATCH})
    return [(row[0], row[1], row[2]) for row in rows_found]


def _count(db: Db, digest: str) -> int:
    return int(db.value(store.OF_BLOB, sha256=digest))


def _fault(files: Files, digest: str, key: str, size: int, *, verify: bool) -> str | None:
    there = files.backend.size(key)
    if there is None:
        return "missing"
    if there != size:
        return f"of {there:,} bytes instead of {size:,}"
    if verify:
        seen = sha256()
        try:
            for block in files.backend.read(key, 0, size):
                seen.update(block)
        except Missing:
            return "missing"
        if seen.hexdigest() != digest:
            return "damaged"
    return None
