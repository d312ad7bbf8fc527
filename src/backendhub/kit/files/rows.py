"""The rules of files within a transaction: whose they are, how much each may have, what is still used.

A system calls these in its own units of work, so that a file and the row that speaks of it come and go together. The
bytes are written before (`Files.stage`) and deleted after (`Files.collect`): no row is ever without its bytes.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from backendhub.kit import clock, ids, paging
from backendhub.kit.db import Db
from backendhub.kit.errors import Conflict, NotFound

from . import store
from .models import File, QuotaExceeded, Staged, Usage
from .names import safe
from .types import sniff

LEASE = timedelta(hours=1)
"""How long content that belongs to nobody yet is kept, at the least."""
SLOWEST = 1 << 20
"""Bytes a second with which the lease of large content reckons."""


class Gone(Conflict):
    """Staged content was collected before it became a file: stage it again."""

    code = "staged_too_long_ago"


def claim(db: Db, *, sha256: str, key: str, size: int) -> tuple[str, bool]:
    """The key under which this content is to be stored, and whether it is there already; nobody collects it for now."""
    until = clock.wall() + LEASE + timedelta(seconds=size // SLOWEST)
    row = db.fetch(store.CLAIM, {"sha256": sha256, "key": key, "size": size, "until": until})[0]
    return str(row[0]), bool(row[1])


def add(
    db: Db,
    staged: Staged,
    *,
    owner: str,
    name: str,
    type: str | None = None,
    reserved: int = 0,
) -> File:
    """Makes staged content a file of an owner. `type` is what the client says, believed only where the content allows;
    `reserved` bytes of an upload are given back. Raises QuotaExceeded, and Gone where it was staged too long ago.
    """
    take(db, owner, staged.size - reserved, 1, staged.quota)
    if not db.run(store.REFER, sha256=staged.sha256, key=staged.key):
        raise Gone("The content was not used in time and is gone.", hint="upload it again")
    name, at = safe(name), clock.now()
    kind = sniff(staged.head, declared=type, name=name)
    id = ids.uuid7()
    whole = {"size": staged.size, "sha256": staged.sha256}
    db.run(store.INSERT, id=id, owner=owner, name=name, type=kind, at=at, **whole)
    return File(id, owner, name, kind, staged.size, staged.sha256, at, staged.key)


def copy(
    db: Db, id: str, *, owner: str | None = None, name: str | None = None, quota: int | None = None
) -> File:
    """A further file of the same content, of the same owner or another; `quota` in bytes is that of an owner who has
    none of their own (`hub.files.quota`). Raises NotFound, QuotaExceeded."""
    file = get(db, id)
    owner, name = file.owner if owner is None else owner, file.name if name is None else safe(name)
    take(db, owner, file.size, 1, quota)
    if not db.run(store.REFER, sha256=file.sha256, key=file.key):
        raise NotFound(f"There is no file {id}.")
    new, at = ids.uuid7(), clock.now()
    whole = {"type": file.type, "size": file.size, "sha256": file.sha256}
    db.run(store.INSERT, id=new, owner=owner, name=name, at=at, **whole)
    return File(new, owner, name, file.type, file.size, file.sha256, at, file.key)


def get(db: Db, id: str) -> File:
    """A file. Raises NotFound."""
    file = db.one(File, store.ONE, id=id)
    if file is None:
        raise NotFound(f"There is no file {id[:64]!r}.")
    return file


def find(db: Db, *, owner: str, limit: int = 20, cursor: str | None = None) -> paging.Page[File]:
    """An owner's files, the oldest first."""
    by = paging.order("id", store.SORTS)
    after, params = by.after(cursor)
    sql = store.PAGE.format(after=after, order=by.sql)
    return paging.page(db.all(File, sql, owner=owner, limit=limit + 1, **params), limit, by)


def rename(db: Db, id: str, name: str) -> File:
    """Gives a file another name. Raises NotFound."""
    db.run(store.RENAME, id=id, name=safe(name))
    return get(db, id)


def remove(db: Db, id: str) -> None:
    """Deletes a file; its bytes go with the next collection if nobody else has them. Raises NotFound."""
    rows = db.fetch(store.DELETE, {"id": id})
    if not rows:
        raise NotFound(f"There is no file {id[:64]!r}.")
    owner, size, sha256 = rows[0]
    db.run(store.GIVE, owner=owner, bytes=size, files=1)
    db.run(store.RELEASE, sha256=sha256)


# -- quotas ------------------------------------------------------------------------------------------------


def take(db: Db, owner: str, bytes: int, files: int, quota: int | None) -> None:
    """Counts bytes and files to an owner. Raises QuotaExceeded where they would have too much."""
    db.run(store.OWNER, owner=owner)
    if not db.run(store.TAKE, owner=owner, bytes=bytes, files=files, quota=quota):
        now = usage(db, owner)
        most = quota if now.quota is None else now.quota
        raise QuotaExceeded(
            f"{bytes:,} bytes more are too many: {now.bytes:,} of {most:,} are used.",
            quota=most,
            used=now.bytes,
        )


def usage(db: Db, owner: str) -> Usage:
    """What an owner has."""
    return db.one(Usage, store.USAGE, owner=owner) or Usage(owner, 0, 0, None)


def set_quota(db: Db, owner: str, quota: int | None) -> Usage:
    """Gives an owner a quota of their own, in bytes; None: the setting's. What is there already stays."""
    db.run(store.OWNER, owner=owner)
    db.run(store.QUOTA, owner=owner, quota=quota)
    return usage(db, owner)


# -- what is no longer used --------------------------------------------------------------------------------


def discard(db: Db, *, now: datetime, limit: int) -> int:
    """Moves unused content to the trash, from which nothing comes back; gives how many."""
    rows = db.fetch(store.UNUSED, {"now": now, "limit": limit})
    if rows:
        db.run_many(store.TRASH, [{"key": key, "size": size, "at": now} for key, size in rows])
    return len(rows)


def trashed(db: Db, *, before: datetime, limit: int) -> list[tuple[str, int]]:
    """Keys and sizes of what was thrown away before a time."""
    return [(key, size) for key, size in db.fetch(store.TRASHED, {"before": before, "limit": limit})]


def emptied(db: Db, keys: list[str]) -> None:
    """Forgets keys whose bytes are gone."""
    db.run_many(store.EMPTIED, [{"key": key} for key in keys])


def unknown(db: Db, keys: list[str]) -> list[str]:
    """Those of some keys that no row speaks of."""
    known = {row[0] for row in db.fetch(store.KNOWN[db.dialect], {"keys": keys})}
    return [key for key in keys if key not in known]


def space(db: Db, *, prefix: str, secret: str) -> tuple[str, str]:
    """This store's prefix and signing secret; those given where it has none yet."""
    db.run(store.NEW_SPACE, prefix=prefix, secret=secret)
    row = db.fetch(store.SPACE, {})[0]
    return str(row[0]), str(row[1])
