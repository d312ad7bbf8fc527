"""The last look before a commit: are all packs that the snapshot points to still there, and wanted?"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Iterable, Iterator

from backendhub.systems.backup.models import STORAGE, BackupError

from . import index as indexes
from . import packs, tombs
from .backend import Buffer, Missing
from .context import Context
from .index import Index
from .sealed import MAGIC, read_header


def keep_alive(context: Context, index: Index, runs: Iterable[tuple[int, int]]) -> None:
    """Copies packs that prune condemned while this run reused them; a pack already gone fails the run.

    A prune that condemns one later than this look waits its grace period and then sees our snapshot.
    """
    needed = sorted({name for run in runs for name in _files(index, *run)})
    stored = {entry.name for entry in context.backend.list("packs")}
    condemned = tombs.names(context)
    for name in needed:
        if name not in stored:
            raise _gone(name)
        if name in condemned:
            duplicate(context, name)


def duplicate(context: Context, name: str) -> str:
    """Stores a pack again under another name: same id and frames, one more field in its plain header."""
    try:
        data = context.backend.get(name)
    except Missing as e:
        raise _gone(name) from e
    header, start = read_header(data, name)
    text = json.dumps({**header, "copy": os.urandom(8).hex()}, separators=(",", ":")).encode()
    parts: list[Buffer] = [MAGIC, struct.pack("<I", len(text)), text, memoryview(data)[start:]]
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    new = packs.pack_name(digest.hexdigest())
    context.backend.put(new, parts)
    short = name.rsplit("/", 1)[-1]
    cached = indexes.read_cached(context.cache / "packs" / short, len(data))
    if cached is not None:
        indexes.keep_cached(context.cache, digest.hexdigest(), sum(map(len, parts)), *cached)
    return new


def _files(index: Index, g: int, count: int) -> Iterator[str]:
    while count > 0:
        pack = index.pack_of(g)
        yield pack.name
        step = pack.base + pack.chunks - g
        g, count = g + step, count - step


def _gone(name: str) -> BackupError:
    return BackupError(
        f"{name} was removed by a prune while this backup ran; nothing was committed",
        STORAGE,
        hint="Run the backup again, and give prune a longer grace period than a backup takes.",
    )
