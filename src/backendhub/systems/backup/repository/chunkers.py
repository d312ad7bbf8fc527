"""Where a stream is cut: fixed pages, the members of a PostgreSQL tar, or by content.

A chunker takes a window of bytes and returns the lengths of the chunks that are certain; what is left over
comes again at the start of the next window.
"""

from __future__ import annotations

from typing import Protocol

from backendhub.kit.errors import Invalid
from backendhub.systems.backup.streams import Kind

MINIMUM, AVERAGE, MAXIMUM = 2 << 10, 8 << 10, 64 << 10
PG_PAGE = 8 << 10
TAR_BLOCK = 512
GROUP = 4 << 10  # smaller pages travel together: 16 bytes of id for 512 of data would be 3 %


class Chunker(Protocol):
    """Cuts one stream."""

    window: int  # how many bytes to collect before cutting

    def cut(self, data: memoryview, last: bool) -> list[int]:
        """Lengths of chunks from the start of `data`; all of it if `last`."""


class Pages:
    """Fixed pages, several together if they are small."""

    def __init__(self, page_size: int) -> None:
        if not 1 <= page_size <= 1 << 20:
            raise Invalid(f"A page of {page_size} bytes")
        self.size = max(1, GROUP // page_size) * page_size
        self.window = max(1, (1 << 20) // self.size) * self.size

    def cut(self, data: memoryview, last: bool) -> list[int]:
        """Whole pages, and at the end what is left."""
        count, rest = divmod(len(data), self.size)
        return [self.size] * count + ([rest] if rest and last else [])


class Content:
    """FastCDC. The last chunk of a window waits for the next: its end may be the window's, not the content's."""

    window = 8 << 20

    def __init__(self) -> None:
        from fastcdc import fastcdc

        self._fastcdc = fastcdc

    def cut(self, data: memoryview, last: bool) -> list[int]:
        """Content-defined cuts."""
        if not data:
            return []
        cuts = [c.length for c in self._fastcdc(data, MINIMUM, AVERAGE, MAXIMUM)]
        return cuts if last else cuts[:-1]


class PgTar:
    """A tar whose members are cut at every 8 KiB from their own start, so that shifted headers shift nothing.

    Only the cuts depend on the tar; bytes that are no tar are stored just as well, page by page.
    """

    window = 1 << 20

    def __init__(self) -> None:
        self._left = 0  # bytes of the current member, padding included, still to come
        self._foreign = False

    def cut(self, data: memoryview, last: bool) -> list[int]:
        """Headers apart from pages."""
        cuts: list[int] = []
        at, size = 0, len(data)
        while at < size:
            if self._left:
                step = min(self._left, PG_PAGE)
            elif self._foreign:
                step = PG_PAGE
            elif size - at < TAR_BLOCK:
                step = TAR_BLOCK
            else:
                self._left = self._member(data[at : at + TAR_BLOCK])
                cuts.append(TAR_BLOCK)
                at += TAR_BLOCK
                continue
            if at + step > size:
                if not last:
                    break
                step = size - at
            cuts.append(step)
            at += step
            self._left = max(0, self._left - step)
        return cuts

    def _member(self, header: memoryview) -> int:
        size = _tar_size(bytes(header))
        if size is None:
            self._foreign = True
            return 0
        return -(-size // TAR_BLOCK) * TAR_BLOCK


def _tar_size(header: bytes) -> int | None:
    """The size in a tar header; 0 for the zeros at the end, None if it is no header."""
    if not any(header):
        return 0
    try:
        declared = int(header[148:156].strip(b"\0 ") or b"x", 8)
        if declared != sum(header[:148]) + 8 * 32 + sum(header[156:]):
            return None
        field = header[124:136]
        if field[0] & 0x80:  # GNU base-256, for members over 8 GiB
            return int.from_bytes(field, "big") & ((1 << 95) - 1)
        return int(field.strip(b"\0 ") or b"0", 8)
    except ValueError:
        return None


def chunker(kind: Kind, page_size: int | None) -> Chunker:
    """The chunker of a kind of stream."""
    if kind == "pages":
        if page_size is None:
            raise Invalid("A stream of pages needs its page size")
        return Pages(page_size)
    return PgTar() if kind == "pg-tar" else Content()
