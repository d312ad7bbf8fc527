"""Answers made of what is stored or of what is just arriving: whole, in part, or not at all because the client has it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING

from backendhub.kit.edge import Request, Response, Stream

from . import conditions
from .disk import PIECE, Damaged
from .entry import Entry
from .fields import Fields, value
from .forward import traced

if TYPE_CHECKING:
    from .shelf import Shelf

WHOLE_IN_MEMORY = 1024 * 1024
"""Bodies up to this size are taken back into memory when they are read from disk."""
DROPPED_AT_304 = frozenset(
    b"content-length content-range content-encoding content-type transfer-encoding".split()
)


def without_body(fields: Fields, more: Fields) -> Fields:
    """The fields of a 304: what would have been sent with 200, without what describes the content."""
    return [pair for pair in fields if pair[0] not in DROPPED_AT_304] + more


class Answers:
    """Makes answers of entries; reads their bodies where they are not in memory."""

    def __init__(self, shelf: Shelf, lost: Callable[[Entry], None]) -> None:
        """`lost` is told of an entry whose file is damaged."""
        self.shelf = shelf
        self._lost = lost

    async def of(
        self, request: Request, entry: Entry, now: float, *, status: str, why: str, hit: bool = True
    ) -> Response | Stream:
        """The answer to a GET or HEAD. Raises Damaged."""
        entry.hits += 1
        entry.touched = True
        aged = [*entry.shown(), (b"age", b"%d" % max(now - entry.fresh.born, 0))]
        fields = traced(aged, hit=hit, status=status, why=why)
        if entry.status == 200 and conditions.not_modified(request.fields, entry.fields):
            return Response(304, without_body(fields, []))
        if entry.status == 200 and conditions.wants_range(request.fields, entry.fields):
            try:
                span = conditions.span(request.fields[b"range"], entry.size)
            except conditions.Unsatisfiable:
                return Response(416, without_body(fields, [(b"content-range", b"bytes */%d" % entry.size)]))
            if span is not None:
                fields.append((b"content-range", b"bytes %d-%d/%d" % (span[0], span[1] - 1, entry.size)))
                return await self._body(entry, 206, fields, *span)
        return await self._body(entry, entry.status, fields, 0, entry.size)

    async def _body(
        self, entry: Entry, status: int, fields: Fields, first: int, end: int
    ) -> Response | Stream:
        if entry.body is None and entry.size <= WHOLE_IN_MEMORY:
            assert self.shelf.disk is not None
            try:
                body = await asyncio.to_thread(self.shelf.disk.read, entry)
            except Damaged:
                self._lost(entry)
                raise
            self.shelf.warm(entry, body)
            return Response(status, fields, body[first:end])
        if entry.body is not None:
            return Response(status, fields, entry.body[first:end])
        return Stream(status, fields, self._from_disk(entry, first, end), end - first)

    async def _from_disk(self, entry: Entry, first: int, end: int) -> AsyncIterator[bytes]:
        """A large body piece by piece; one that is damaged breaks off, and is forgotten."""
        assert self.shelf.disk is not None
        pieces: Iterator[bytes] = self.shelf.disk.pieces(entry, first, end)
        try:
            while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
                yield piece
        except Damaged:
            self._lost(entry)
            raise


def arriving(
    request: Request, status: int, fields: Fields, parts: AsyncIterator[bytes], length: int | None
) -> Response | Stream | None:
    """An answer that is passed on while it comes. None where the client has it already, and 304 is the answer."""
    if status == 200 and conditions.not_modified(request.fields, fields):
        return None
    if status in (204, 304):
        return Response(status, fields)
    shown = [pair for pair in fields if pair[0] != b"content-length"]
    if request.method == b"HEAD":
        length = length_of(fields)
    return Stream(status, shown, parts, length)


def length_of(fields: Fields) -> int | None:
    """The Content-Length of an answer."""
    text = value(fields, b"content-length")
    return int(text) if text is not None and text.isdigit() else None


__all__ = ["PIECE", "Answers", "arriving", "length_of", "without_body"]
