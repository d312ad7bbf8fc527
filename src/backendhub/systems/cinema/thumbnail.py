"""Small pictures of seat plans, written without a library: PNG with one byte a dot."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

from .plan import Spot


def png(spots: Sequence[Spot]) -> bytes:
    """A picture of 160 × 100: a dot for each spot."""
    width, height = 160, 100
    rows = [bytearray(b"\xff" * width) for _ in range(height)]
    if spots:
        left, top = min(s.x for s in spots), min(s.y for s in spots)
        scale = max(max(s.x for s in spots) - left, (max(s.y for s in spots) - top) * 1.6, 1.0)
        for s in spots:
            x = int((s.x - left) / scale * (width - 8)) + 4
            y = int((s.y - top) / scale * (width - 8)) + 4
            for dy in range(2):
                for dx in range(2):
                    if 0 <= y + dy < height and 0 <= x + dx < width:
                        rows[y + dy][x + dx] = 0x40
    data = zlib.compress(b"".join(b"\0" + bytes(row) for row in rows))

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
