"""Stream maps: which stored chunks make up a stream, as runs of lasting addresses.

A map is cut into segments at places that depend on the content, and each segment is stored as a chunk like any
other: what did not change since the last snapshot costs nothing.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterable, Iterator

from .index import Index
from .packs import ID, extend_run
from .sealed import Corrupt

Address = tuple[str, int, int]
"""Pack id, number of the first chunk in it, count."""
SEGMENT_MASK, SEGMENT_MAX = 0xFFF, 16 << 10  # about 4096 chunks each
MAX_RUNS = 1 << 24


def encode(runs: Iterable[Address]) -> bytes:
    """u32 count of packs, their ids, then varints: pack, zigzag(first − where the last run there ended), count."""
    numbers: dict[str, int] = {}
    ends: list[int] = []
    body = bytearray()
    for origin, first, count in runs:
        number = numbers.setdefault(origin, len(ends))
        if number == len(ends):
            ends.append(0)
        step = first - ends[number]
        ends[number] = first + count
        for value in (number, step << 1 if step >= 0 else (-step << 1) - 1, count):
            while value > 0x7F:
                body.append(value & 0x7F | 0x80)
                value >>= 7
            body.append(value)
    return struct.pack("<I", len(ends)) + b"".join(map(bytes.fromhex, numbers)) + body


def decode(data: bytes) -> list[Address]:
    """The runs of a segment; Corrupt if they make no sense."""
    try:
        (count,) = struct.unpack_from("<I", data)
        start = 4 + ID * count
        if start > len(data):
            raise ValueError("cut short")
        packs = [data[at : at + ID].hex() for at in range(4, start, ID)]
        ends = [0] * count
        runs: list[Address] = []
        values = _varints(data, start)
        for number in values:
            step, length = next(values), next(values)
            first = ends[number] + (step >> 1 if not step & 1 else -((step + 1) >> 1))
            if first < 0 or not 0 < length < 1 << 32:
                raise ValueError("run")
            ends[number] = first + length
            runs.append((packs[number], first, length))
    except (ValueError, IndexError, StopIteration, RuntimeError, struct.error) as e:
        raise Corrupt("a stream map cannot be read") from e
    return runs


def _varints(data: bytes, at: int) -> Iterator[int]:
    size = len(data)
    while at < size:
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
            if shift > 63:
                raise ValueError("varint")
        yield value


def addresses(gs: Iterable[int], index: Index) -> list[Address]:
    """Running numbers of this process as runs of lasting addresses."""
    runs: list[Address] = []
    for start, count in number_runs(gs):
        for address in split(start, count, index):
            extend_run(runs, address)
    return runs


def split(g: int, count: int, index: Index) -> Iterator[Address]:
    """The lasting addresses of one run of numbers."""
    while count:
        origin, first, left = index.origin(g)
        n = min(count, left)
        yield origin, first, n
        g, count = g + n, count - n


def number_runs(gs: Iterable[int]) -> list[tuple[int, int]]:
    """Consecutive numbers joined to (first, count)."""
    runs: list[tuple[int, int]] = []
    start, expected = -1, -1
    for g in gs:
        if g != expected:
            if start >= 0:
                runs.append((start, expected - start))
            start = g
        expected = g + 1
    if start >= 0:
        runs.append((start, expected - start))
    return runs


def segment_ends(ids: bytes | bytearray, since: int) -> tuple[list[int], int]:
    """After which chunks of a batch a segment ends, and how many chunks are open then."""
    ends: list[int] = []
    count = len(ids) // ID
    with memoryview(ids) as view:
        marks = [
            i + 1 for i, head in enumerate(view.cast("H")[:: ID // 2].tolist()) if not head & SEGMENT_MASK
        ]
    last = -since
    for mark in [*marks, count]:
        while mark - last > SEGMENT_MAX:
            last += SEGMENT_MAX
            ends.append(last)
        if mark != count or (marks and marks[-1] == count):
            if not ends or ends[-1] != mark:
                ends.append(mark)
            last = mark
    return ends, count - last


def expand(runs: Iterable[Address], index: Index) -> tuple[bytearray, array[int]]:
    """The ids and running numbers of every chunk of a map; chunks no longer stored get an id nothing has."""
    ids, gs = bytearray(), array("I")
    for origin, first, count in runs:
        try:
            found = list(index.resolve(origin, first, count))
        except KeyError:
            ids += bytes(ID * count)
            gs.extend([0] * count)
            continue
        for g, n in found:
            ids += index.ids[g * ID : (g + n) * ID] if index.pack_of(g).usable else bytes(ID * n)
            gs.extend(range(g, g + n))
    return ids, gs
