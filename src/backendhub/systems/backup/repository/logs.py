"""Logs between snapshots (WAL segments, binlogs): stored whole, listed by name, trimmed by a boundary."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from backendhub.kit.errors import Invalid, NotFound
from backendhub.systems.backup.models import CORRUPT, BackupError

from . import packs
from .context import Context, decoded, encoded
from .sealed import FOOTER, Corrupt, inflate, new_seal, open_seal, pack_small, read_header, unpack_small

PART = 32 << 20  # raw bytes in one object: a binlog may have a gigabyte, memory has not
FRAME = 1 << 20


@dataclass(frozen=True, slots=True)
class Log:
    """A stored log."""

    name: str
    size: int  # as stored


def put(context: Context, target: str, name: str, stream: BinaryIO) -> int:
    """Stores a log; one of that name is replaced. Returns the stored size.

    It is listed only once its last part is there, and the last part is named differently.
    """
    base = f"logs/{encoded(target)}/{encoded(name)}"
    stale = {e.name for e in context.backend.list(f"logs/{encoded(target)}") if _base(e.name) == base}
    digest, total, stored, part = hashlib.sha256(), 0, 0, 0
    data = stream.read(PART)
    while True:
        following = stream.read(PART)
        digest.update(data)
        total += len(data)
        record = {"length": total, "sha256": digest.hexdigest()}
        path = f"{base}.{part:05d}" + ("" if following else ".end")
        body = _encode(context, path, data, record)
        context.backend.put(path, [body])
        stale.discard(path)
        stored += len(body)
        if not following:
            break
        data, part = following, part + 1
    for path in sorted(stale, reverse=True):
        context.backend.delete(path)
    return stored


def listed(context: Context, target: str) -> list[Log]:
    """The complete logs of a target by name."""
    sizes: dict[str, int] = {}
    complete = set()
    for entry in context.backend.list(f"logs/{encoded(target)}"):
        name = _base(entry.name)
        sizes[name] = sizes.get(name, 0) + entry.size
        if entry.name.endswith(".end"):
            complete.add(name)
    return [Log(decoded(n.rsplit("/", 1)[-1]), sizes[n]) for n in sorted(complete)]


def read(context: Context, target: str, name: str) -> Iterator[bytes]:
    """The blocks of a log, each authenticated; length and hash are checked before the last goes out."""
    base = f"logs/{encoded(target)}/{encoded(name)}"
    found = {e.name for e in context.backend.list(f"logs/{encoded(target)}") if _base(e.name) == base}
    paths = _whole(base, found)
    if not paths:
        raise NotFound(f"There is no log {name!r} of {target!r}")
    digest, total = hashlib.sha256(), 0
    for path in paths:
        blocks, record = _decode(context, path)
        for block in blocks:
            digest.update(block)
            total += len(block)
        if record.get("length") != total or record.get("sha256") != digest.hexdigest():
            raise BackupError(f"log {name!r} is not what was stored", CORRUPT)
        yield from blocks


def _whole(base: str, found: set[str]) -> list[str]:
    """The parts of the longest complete version; a put that died may have left those of two."""
    for last in sorted((p for p in found if p.endswith(".end")), reverse=True):
        count = int(last.removesuffix(".end").rpartition(".")[2])
        paths = [*(f"{base}.{n:05d}" for n in range(count)), last]
        if found.issuperset(paths):
            return paths
    return []


def trim(context: Context, target: str, keep: Callable[[str], bool]) -> list[str]:
    """Deletes the logs that need not be kept, last part first, so that a half-deleted one is not listed."""
    doomed = [e.name for e in context.backend.list(f"logs/{encoded(target)}") if not keep(_name(e.name))]
    for path in sorted(doomed, key=lambda p: (not p.endswith(".end"), p)):
        context.backend.delete(path)
    return sorted({_name(path) for path in doomed})


def _base(path: str) -> str:
    stem = path.removesuffix(".end")
    return stem.rpartition(".")[0]


def _name(path: str) -> str:
    return decoded(_base(path).rsplit("/", 1)[-1])


def _encode(context: Context, path: str, data: bytes, record: dict[str, object]) -> bytes:
    import zstandard

    if len(path.rsplit("/", 1)[-1]) > 240:
        raise Invalid(f"{path} is too long a name")
    seal, head = new_seal(context.ring, "log", context=path)
    zstd = zstandard.ZstdCompressor(level=packs.LEVEL)
    view = memoryview(data)
    parts = [head]
    for number, at in enumerate(range(0, len(data), FRAME)):
        sealed = seal.close(number, zstd.compress(view[at : at + FRAME]))
        parts += [struct.pack("<I", len(sealed)), sealed]
    parts += [struct.pack("<I", 0), seal.close(FOOTER, pack_small(record))]
    return b"".join(parts)


def _decode(context: Context, path: str) -> tuple[list[bytes], dict[str, object]]:
    data = memoryview(context.backend.get(path))
    header, at = read_header(data, path)
    seal = open_seal(context.ring, header, context=path)
    blocks: list[bytes] = []
    try:
        while True:
            (size,) = struct.unpack_from("<I", data, at)
            at += 4
            if not size:
                break
            blocks.append(inflate(seal.open(len(blocks), data[at : at + size]), path, FRAME))
            at += size
    except struct.error as e:
        raise Corrupt(f"{path} is cut short") from e
    return blocks, dict(unpack_small(seal.open(FOOTER, data[at:]), path, 1 << 16))
