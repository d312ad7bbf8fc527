"""Content of which clients may ask for a part (RFC 9110 §14): files, blobs."""

from __future__ import annotations

import asyncio
import mimetypes
import re
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

from backendhub.kit.files.names import disposition
from backendhub.kit.problems import HttpError

from .conditional import range_is_current, unchanged
from .replies import Reply
from .streams import Stream

if TYPE_CHECKING:
    from .request import Request

BLOCK = 256 * 1024
MAX_RANGES = 16
"""More parts than this in one request are answered with the whole (RFC 9110 §14.2)."""
Read = Callable[[int, int], AsyncIterator[bytes]]
"""Gives the bytes from a position, so many of them."""


def ranged(
    request: Request,
    read: Read,
    size: int,
    *,
    media_type: str = "application/octet-stream",
    etag: str | None = None,
    last_modified: datetime | None = None,
    filename: str | None = None,
    inline: bool = False,
) -> Reply:
    """The whole, or the parts that `Range` asks for: 200, 206, 304, or 416.

    `filename` becomes the Content-Disposition. Raises PreconditionFailed, HttpError 416.
    """
    headers = {"Accept-Ranges": "bytes"}
    if filename is not None:
        headers["Content-Disposition"] = disposition(filename, inline=inline)
    if unchanged(request, etag, last_modified):
        return Reply(None, 304, headers, etag, last_modified=last_modified)
    wanted = _wanted(request, size) if range_is_current(request, etag, last_modified) else None
    reply = partial(Reply, headers=headers, etag=etag, last_modified=last_modified)
    if wanted is None:
        return reply(Stream(read(0, size), media_type, length=size))
    if len(wanted) == 1:
        start, length = wanted[0]
        headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{size}"
        return reply(Stream(read(start, length), media_type, 206, length=length))
    boundary = token_hex(12)
    heads = [_head(boundary, media_type, part, size) for part in wanted]
    tail = f"\r\n--{boundary}--\r\n".encode()
    total = sum(len(head) + length for head, (_, length) in zip(heads, wanted, strict=True)) + len(tail)
    parts = _parts(read, wanted, heads, tail)
    return reply(Stream(parts, f"multipart/byteranges; boundary={boundary}", 206, length=total))


def file(
    request: Request,
    path: Path,
    *,
    media_type: str | None = None,
    filename: str | None = None,
    inline: bool = False,
) -> Reply:
    """A file of this machine, with ranges and conditional requests; its tag is made of its size and time. Raises
    FileNotFoundError: `path` is the endpoint's own, never a client's."""
    about = path.stat()
    return ranged(
        request,
        partial(_blocks, path),
        about.st_size,
        media_type=media_type or mimetypes.guess_type(path.name)[0] or "application/octet-stream",
        etag=f'"{about.st_mtime_ns:x}-{about.st_size:x}"',
        last_modified=datetime.fromtimestamp(about.st_mtime, UTC),
        filename=filename,
        inline=inline,
    )


async def _blocks(path: Path, start: int, length: int) -> AsyncIterator[bytes]:
    """Reads a file in threads: a disk may take its time."""
    source = await asyncio.to_thread(path.open, "rb")
    with source:
        source.seek(start)
        while length > 0 and (block := await asyncio.to_thread(source.read, min(BLOCK, length))):
            length -= len(block)
            yield block


def _wanted(request: Request, size: int) -> list[tuple[int, int]] | None:
    """Start and length of each part asked for; None for the whole. Raises HttpError 416."""
    field = request.header("range")
    if field is None or request.method != "GET" or not field.lower().startswith("bytes="):
        return None
    specs = [spec.strip() for spec in field[6:].split(",")]
    if len(specs) > MAX_RANGES:
        return None
    found = []
    for spec in specs:
        match = re.fullmatch(r"([0-9]{0,18})-([0-9]{0,18})", spec)
        if match is None or match[0] == "-":
            return None
        if match[1]:
            start, end = int(match[1]), min(int(match[2]), size - 1) if match[2] else size - 1
            if match[2] and int(match[2]) < start:
                return None
        else:
            start, end = max(size - int(match[2]), 0), size - 1
        if start <= end:
            found.append((start, end - start + 1))
    if not found:
        raise HttpError(416, "None of the ranges is in the content.", content_range=f"bytes */{size}")
    return None if sum(length for _, length in found) > size else found  # overlapping: the whole is less work


def _head(boundary: str, media_type: str, part: tuple[int, int], size: int) -> bytes:
    start, length = part
    return (
        f"\r\n--{boundary}\r\nContent-Type: {media_type}\r\n"
        f"Content-Range: bytes {start}-{start + length - 1}/{size}\r\n\r\n"
    ).encode()


async def _parts(
    read: Read, wanted: list[tuple[int, int]], heads: list[bytes], tail: bytes
) -> AsyncIterator[bytes]:
    for (start, length), head in zip(wanted, heads, strict=True):
        yield head
        async for block in read(start, length):
            yield block
    yield tail
