"""Bodies that arrive: decompressed piece by piece, never more in memory than is allowed in all."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import NoReturn

from backendhub.kit.errors import Upstream

PIECE = 64 << 10
MEMBER = b"\x1f\x8b"
"""How a member of a gzip file begins; there may be several."""


class TooMuch(Upstream):
    """An answer that is larger than was asked for."""

    code = "answer_too_large"


class Inflater:
    """Undoes `Content-Encoding`: gzip, deflate (with or without its wrapper) or none.

    Raises Upstream for another encoding or for damaged data, TooMuch beyond `limit` bytes in all.
    """

    def __init__(self, encoding: str, limit: int, host: str) -> None:
        names = [
            name for part in encoding.lower().split(",") if (name := part.strip()) not in ("", "identity")
        ]
        if len(names) > 1 or (names and names[0] not in ("gzip", "x-gzip", "deflate")):
            raise Upstream(f"{host} sent an encoding that was not asked for: {encoding[:80]}.")
        self.host = host
        self.left = self.left_raw = limit
        self.limit = limit
        self._name = names[0] if names else ""
        self._engine = self._fresh() if names else None
        self._started = False

    def _fresh(self, raw: bool = False) -> zlib._Decompress:
        if raw:
            return zlib.decompressobj(-zlib.MAX_WBITS)
        return zlib.decompressobj(zlib.MAX_WBITS | 16 if "gzip" in self._name else zlib.MAX_WBITS)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What some bytes become, in pieces of at most 64 KiB."""
        if self._engine is None:
            yield self._count(data)
            return
        self.left_raw -= len(data)
        if self.left_raw < 0:
            self._too_much()
        while data:
            try:
                piece = self._engine.decompress(data, PIECE)
            except zlib.error as error:
                if self._started or self._name != "deflate":
                    raise Upstream(f"{self.host} sent damaged data: {error}.") from None
                self._started, self._engine = True, self._fresh(raw=True)  # what RFC 9110 §8.4.1.2 warns of
                continue
            self._started = True
            if piece:
                yield self._count(piece)
            data = self._engine.unconsumed_tail
            if self._engine.eof:
                data = self._engine.unused_data
                if "gzip" not in self._name or not data.startswith(MEMBER):
                    return  # nothing more, or something that is no part of it
                self._engine = self._fresh()

    def close(self) -> None:
        """At the end of the answer. Raises Upstream where something is missing."""
        if self._engine is not None and self._started and not self._engine.eof:
            raise Upstream(f"{self.host} sent damaged data: it ends too early.")

    def _count(self, piece: bytes) -> bytes:
        self.left -= len(piece)
        if self.left < 0:
            self._too_much()
        return piece

    def _too_much(self) -> NoReturn:
        raise TooMuch(f"{self.host} sent more than {self.limit:,} bytes; the rest was not read.")
