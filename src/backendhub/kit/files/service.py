"""`hub.files`: bytes and rows together, outside of units of work. Every method is synchronous, for threads, jobs and
commands; `a…` are for the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from datetime import timedelta
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from secrets import token_hex, token_urlsafe
from typing import TYPE_CHECKING, NamedTuple

from backendhub.kit.db import Store
from backendhub.kit.errors import Invalid, StoreError
from backendhub.kit.settings import Settings, user_dir

from . import cleaning, rows, signing
from .backend import Backend
from .models import Collected, Damage, File, Staged
from .names import disposition
from .places import open_backend
from .spool import Source, Spool
from .types import is_inline, sniff
from .uploads import Uploads

if TYPE_CHECKING:
    from tempfile import TemporaryDirectory

TRIES = 3
ASYNC_BLOCK = 1 << 20
"""Bytes that are collected before a thread writes them."""


class Damaged(StoreError):
    """Bytes that no longer have the hash under which they were stored."""

    code = "content_damaged"


class Space(NamedTuple):
    """Where one store keeps its bytes within a back-end, and what signs its addresses."""

    prefix: str
    secret: str


class Files:
    """Files in one back-end. `quota` (bytes an owner, None: no limit) and `limit` (bytes a file) are the defaults."""

    def __init__(
        self,
        store: Store,
        backend: Backend,
        *,
        quota: int | None = None,
        limit: int | None = None,
        direct: bool = True,
        spool: Path | None = None,
    ) -> None:
        self.store = store
        self.backend = backend
        self.quota = quota
        self.limit = limit
        self.direct = direct
        self.spool = backend.spool or spool or user_dir("data") / "uploads"
        self.uploads = Uploads(self)
        self._temporary: TemporaryDirectory[str] | None = None
        store.use("files")

    @classmethod
    def of(cls, store: Store, settings: Settings) -> Files:
        """What the settings say: `files`, `files.quota`, `files.limit`, `files.direct`. Raises Invalid."""
        url = settings.get("files")
        temporary = None
        if not url and settings.database == ":memory:":  # the files go when the rows do
            from tempfile import TemporaryDirectory

            temporary = TemporaryDirectory(prefix="backendhub-files-")
            url = temporary.name
        made = cls(
            store,
            open_backend(url or str(user_dir("data") / "files")),
            quota=size(settings.get("files.quota")),
            limit=size(settings.get("files.limit")),
            direct=settings.flag("files.direct"),
        )
        made._temporary = temporary
        return made

    @cached_property
    def space(self) -> Space:
        """This store's own corner of the back-end; made when first asked for."""
        return Space(*self.store.unit(rows.space, prefix=token_hex(6), secret=token_urlsafe(32)))

    # -- in ------------------------------------------------------------------------------------------------

    def put(self, source: Source, *, owner: str, name: str, type: str | None = None) -> File:
        """Stores content as a file. Raises TooLarge and QuotaExceeded, without reading more than fits."""
        with self.incoming(owner) as spool:
            spool.fill(source)
            return self._add(spool, owner=owner, name=name, type=type)

    def _add(self, spool: Spool, *, owner: str, name: str, type: str | None) -> File:
        for attempt in range(1, TRIES + 1):
            staged = self.settle(spool)
            try:
                return self.store.unit(rows.add, staged, owner=owner, name=name, type=type)
            except (
                rows.Gone
            ):  # this process slept for an hour between two lines; nobody can come to need its bytes
                self.backend.delete(staged.key)
                if attempt == TRIES:
                    raise
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def aput(
        self, source: AsyncIterable[bytes], *, owner: str, name: str, type: str | None = None
    ) -> File:
        """`put` for a body as it arrives."""
        spool = await asyncio.to_thread(self.incoming, owner)
        try:
            await _pour(source, spool)
            return await asyncio.to_thread(self._add, spool, owner=owner, name=name, type=type)
        finally:
            spool.__exit__()

    def stage(self, source: Source) -> Staged:
        """Stores content that belongs to nobody yet: `files.add` within the hour makes a file of it. Raises TooLarge."""
        with self.incoming() as spool:
            spool.fill(source)
            return self.settle(spool)

    async def astage(self, source: AsyncIterable[bytes]) -> Staged:
        """`stage` for a body as it arrives."""
        spool = await asyncio.to_thread(self.incoming)
        try:
            await _pour(source, spool)
            return await asyncio.to_thread(self.settle, spool)
        finally:
            spool.__exit__()

    def incoming(self, owner: str | None = None) -> Spool:
        """A temporary file to write to, on the disk of the back-end where it has one; of an owner, no more than fits."""
        room = None
        if owner is not None:
            has = self.store.read(rows.usage, owner)
            most = self.quota if has.quota is None else has.quota
            room = None if most is None else most - has.bytes
        return Spool(self.spool, limit=self.limit, room=room)

    def settle(self, spool: Spool) -> Staged:
        """Moves a whole temporary file to where its content belongs, unless it is there already.

        The row comes first and keeps collections away; so whatever happens in between, what lies in the back-end has a
        row by which it is found.
        """
        digest = spool.sha256
        fresh = f"{self.space.prefix}/{digest[:2]}/{digest}-{token_hex(4)}"
        key, ready = self.store.unit(rows.claim, sha256=digest, key=fresh, size=spool.size)
        if not ready or self.backend.size(key) != spool.size:
            self.backend.put(key, spool.path, type=sniff(spool.head))
        return Staged(digest, key, spool.size, spool.head, self.quota)

    # -- out -----------------------------------------------------------------------------------------------

    def get(self, id: str) -> File:
        """A file. Raises NotFound."""
        return self.store.read(rows.get, id)

    def read(
        self, file: File, start: int = 0, length: int | None = None, *, verify: bool = False
    ) -> Iterator[bytes]:
        """Content block by block, or a part of it. Raises Missing where it is gone.

        `verify` hashes a whole file on the way and raises Damaged instead of giving the last block of a bad one.
        """
        whole = start == 0 and length in (None, file.size)
        if not 0 <= start <= file.size:
            raise Invalid(f"The content has {file.size:,} bytes, so nothing begins at {start:,}.")
        length = file.size - start if length is None else min(length, file.size - start)
        found = self.backend.read(file.key, start, length)
        return _verified(found, file) if verify and whole else found

    async def aread(self, file: File, start: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """`read` for the event loop: each block is fetched in a thread."""
        found = self.read(file, start, length)
        while (block := await asyncio.to_thread(next, found, None)) is not None:
            yield block

    def content(self, file: File) -> bytes:
        """All of a file in memory, verified. Raises Missing, Damaged."""
        return b"".join(self.read(file, verify=True))

    def url(self, file: File, *, expires: int = 3600, download: bool = False) -> str:
        """An address at which anybody can read the file for so many seconds (at most a week).

        A presigned address of the bucket where there can be one, else a signed path of this server (`/_files/…`).
        A browser may show what cannot run in it, and downloads everything else; `download` makes it download all.
        """
        if not 1 <= expires <= signing.LONGEST:
            raise Invalid(f"An address holds for 1 to {signing.LONGEST:,} seconds, not {expires}.")
        inline = is_inline(file.type) and not download
        if self.direct:
            said = disposition(file.name, inline=inline)
            direct = self.backend.sign(file.key, seconds=expires, type=file.type, disposition=said)
            if direct is not None:
                return direct
        return signing.path(self.space.secret, file.id, file.name, expires=expires, download=download)

    def admit(self, id: str, *, expires: str, signature: str, download: bool = False) -> File:
        """The file that a signed path leads to. Raises Denied for a wrong or expired one, NotFound."""
        signing.check(self.space.secret, id, expires=expires, signature=signature, download=download)
        return self.get(id)

    def delete(self, id: str) -> None:
        """Deletes a file; its bytes go with a later collection. Raises NotFound."""
        self.store.unit(rows.remove, id)

    # -- care ----------------------------------------------------------------------------------------------

    def collect(self, *, wait: timedelta = cleaning.WAIT, strays: bool = False) -> Collected:
        """Removes what nobody uses any more; see `cleaning.collect`."""
        return cleaning.collect(self, wait=wait, strays=strays)

    def check(self, *, verify: bool = False) -> list[Damage]:
        """Content that is missing or of another size; with `verify` all is read, and what is damaged found too."""
        return list(cleaning.check(self, verify=verify))

    def close(self) -> None:
        """Closes the back-end."""
        self.backend.close()
        if self._temporary is not None:
            self._temporary.cleanup()


async def _pour(source: AsyncIterable[bytes], spool: Spool) -> None:
    """Writes what arrives, a megabyte at a time in a thread."""
    waiting = bytearray()
    async for block in source:
        waiting += block
        if len(waiting) >= ASYNC_BLOCK:
            await asyncio.to_thread(spool.write, bytes(waiting))
            waiting.clear()
    await asyncio.to_thread(spool.write, bytes(waiting))


def _verified(found: Iterator[bytes], file: File) -> Iterator[bytes]:
    digest = sha256()
    last = b""
    for block in found:
        if last:
            yield last
        digest.update(block)
        last = block
    if digest.hexdigest() != file.sha256:
        raise Damaged(
            f"The content of {file.id} is damaged: its hash is another.", hint="backendhub files check"
        )
    if last:
        yield last


def size(text: str | None) -> int | None:
    """Bytes as people write them: `500MB`, `5 GiB`, `1000`; None for nothing. Raises Invalid."""
    import re

    if not text:
        return None
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*(?:([kmgt])(i?)b?|b)?\s*", text.lower())
    if match is None:
        raise Invalid(f"{text!r} is not a size.", hint="write 500MB, 5GiB or a number of bytes")
    power = "kmgt".index(match[2]) + 1 if match[2] else 0
    whole, _, part = match[1].partition(".")
    unit: int = (1024 if match[3] else 1000) ** power
    places: int = 10 ** len(part)
    return int(whole + part) * unit // places
