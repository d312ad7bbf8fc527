"""Uploads in several requests, which may break off and go on. No lock: each piece is a temporary file of its own, and
the row lets only one of two at the same place count."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterator
from contextlib import suppress
from datetime import timedelta
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from backendhub.kit import clock, ids
from backendhub.kit.db import Db
from backendhub.kit.errors import Conflict, NotFound, TooLarge

from . import rows, store
from .backend import Unavailable
from .models import File, Piece, Staged, Upload
from .names import safe
from .spool import Source, Spool, blocks

if TYPE_CHECKING:
    from .service import Files

KEEP = timedelta(hours=24)
"""How long an upload waits for its next piece."""


class OffsetMismatch(Conflict):
    """A piece that does not begin where the upload ends; `offset` is where it does."""

    code, title = "offset_mismatch", "Offset mismatch"


class Uploads:
    """The unfinished uploads of a `Files`. Pieces lie on this machine's disk until the upload is finished."""

    def __init__(self, files: Files) -> None:
        self.files = files

    def begin(
        self,
        *,
        owner: str,
        name: str,
        type: str | None = None,
        size: int | None = None,
        keep: timedelta = KEEP,
    ) -> Upload:
        """Announces an upload. A declared size is reserved at once. Raises TooLarge, QuotaExceeded."""
        limit = self.files.limit
        if size is not None and limit is not None and size > limit:
            raise TooLarge(f"The content would be larger than {limit:,} bytes.")
        return self.files.store.unit(
            _begin, owner=owner, name=safe(name), type=type, size=size, quota=self.files.quota, keep=keep
        )

    def get(self, id: str) -> Upload:
        """An upload as far as it has come. Raises NotFound."""
        return self.files.store.read(_get, id)

    def append(self, id: str, offset: int, source: Source) -> Upload:
        """Adds what comes next. Where the source breaks off with an exception, what came before counts all the same.

        Raises NotFound, OffsetMismatch where another piece was faster or bytes would be skipped, TooLarge.
        """
        upload = self._at(id, offset)
        with self._piece(upload) as spool:
            try:
                spool.fill(source)
            except Unavailable:
                raise
            except BaseException:
                with suppress(Conflict, NotFound):
                    self._count(upload, spool)
                raise
            return self._count(upload, spool)

    async def aappend(self, id: str, offset: int, source: AsyncIterable[bytes]) -> Upload:
        """`append` for a body as it arrives."""
        import asyncio

        upload = await asyncio.to_thread(self._at, id, offset)
        spool = await asyncio.to_thread(self._piece, upload)
        try:
            try:
                async for block in source:
                    await asyncio.to_thread(spool.write, block)
            except Unavailable:
                raise
            except BaseException:
                with suppress(Conflict, NotFound):
                    await asyncio.to_thread(self._count, upload, spool)
                raise
            return await asyncio.to_thread(self._count, upload, spool)
        finally:
            spool.__exit__()

    def finish(self, id: str) -> File:
        """Makes a file of a complete upload. Raises NotFound (of two finishes one), Conflict where bytes are missing."""
        upload = self.get(id)
        if upload.size is not None and not upload.complete:
            raise Conflict(
                f"{upload.received:,} of {upload.size:,} bytes have come.", received=upload.received
            )
        pieces = self.files.store.read(_pieces, id)
        with self.files.incoming() as spool:
            spool.fill(self._content(pieces))
            if spool.size != upload.received:
                raise Conflict("The upload was changed while it was put together.", hint="try again")
            staged = self.files.settle(spool)
            file = self.files.store.unit(_finish, upload, staged)
        self._forget(pieces)
        return file

    def abort(self, id: str) -> None:
        """Gives an upload up; what it has reserved is free again. Raises NotFound."""
        self._forget(self.files.store.unit(_abort, id))

    def expire(self) -> int:
        """Gives up the uploads whose time is over; gives how many."""
        count = 0
        while ids := self.files.store.read(_expired, limit=100):
            for id in ids:
                with suppress(NotFound):
                    self.abort(id)
                    count += 1
        return count

    # -- pieces --------------------------------------------------------------------------------------------

    def _at(self, id: str, offset: int) -> Upload:
        upload = self.get(id)
        if offset != upload.received:
            raise OffsetMismatch(f"The upload goes on at {upload.received:,}.", offset=upload.received)
        return upload

    def _piece(self, upload: Upload) -> Spool:
        """A temporary file for the next piece; more than was declared, or is allowed, does not fit."""
        most = self.files.limit if upload.size is None else upload.size
        limit = None if most is None else most - upload.received
        name = f"{upload.id}.{upload.received}.{token_hex(6)}"
        return Spool(self.files.spool, limit=limit, name=name)

    def _count(self, upload: Upload, spool: Spool) -> Upload:
        if spool.size:
            spool.keep()
            piece = Piece(upload.received, spool.size, spool.path.name)
            try:
                return self.files.store.unit(_advance, upload.id, piece)
            except BaseException:
                spool.path.unlink(missing_ok=True)
                raise
        return self.get(upload.id)

    def _content(self, pieces: list[Piece]) -> Iterator[bytes]:
        for piece in pieces:
            try:
                with (self.files.spool / piece.name).open("rb", buffering=0) as file:
                    yield from blocks(file)
            except FileNotFoundError:
                raise Conflict("A part of the upload is gone.", hint="upload it again") from None

    def _forget(self, pieces: list[Piece]) -> None:
        for piece in pieces:
            (self.files.spool / piece.name).unlink(missing_ok=True)


# -- units of work -----------------------------------------------------------------------------------------


def _begin(
    db: Db, *, owner: str, name: str, type: str | None, size: int | None, quota: int | None, keep: timedelta
) -> Upload:
    rows.take(db, owner, size or 0, 0, quota)
    values: dict[str, Any] = {"owner": owner, "name": name, "type": type, "size": size, "reserved": size or 0}
    until = clock.now() + keep
    return db.insert(Upload, "files_upload", id=ids.uuid7(), received=0, expires_at=until, **values)


def _get(db: Db, id: str) -> Upload:
    upload = db.one(Upload, store.UPLOAD, id=id)
    if upload is None:
        raise NotFound(f"There is no upload {id[:64]!r}.")
    return upload


def _pieces(db: Db, id: str) -> list[Piece]:
    return db.all(Piece, store.PIECES, id=id)


def _advance(db: Db, id: str, piece: Piece) -> Upload:
    until = clock.now() + KEEP
    if not db.run(store.ADVANCE, id=id, start=piece.start, length=piece.length, until=until):
        now = _get(db, id)
        raise OffsetMismatch(f"The upload goes on at {now.received:,}.", offset=now.received)
    db.run(store.PIECE, id=id, start=piece.start, length=piece.length, name=piece.name)
    return _get(db, id)


def _finish(db: Db, upload: Upload, staged: Staged) -> File:
    found = db.fetch(store.FINISH, {"id": upload.id, "received": upload.received})
    if not found:
        raise NotFound(f"There is no upload {upload.id!r} any more.")
    reserved = int(found[0][1])
    return rows.add(db, staged, owner=upload.owner, name=upload.name, type=upload.type, reserved=reserved)


def _abort(db: Db, id: str) -> list[Piece]:
    pieces = _pieces(db, id)
    found = db.fetch(store.ABORT, {"id": id})
    if not found:
        raise NotFound(f"There is no upload {id[:64]!r}.")
    db.run(store.GIVE, owner=found[0][0], bytes=found[0][1], files=0)
    return pieces


def _expired(db: Db, *, limit: int) -> list[str]:
    return [row[0] for row in db.fetch(store.EXPIRED, {"now": clock.now(), "limit": limit})]
