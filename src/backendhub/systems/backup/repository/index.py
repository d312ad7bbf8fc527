"""Which chunks there are and where: the footers of all packs, packed tight in memory.

Every chunk gets a running number `g` for the life of the process. Ids and lengths lie in flat arrays under
that number (20 bytes a chunk instead of some 150 in a dict), and runs of numbers stand for runs of chunks.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from backendhub.systems.backup.models import CORRUPT, WRONG_KEY, BackupError

from . import packs
from .backend import Backend, Buffer
from .keys import Keyring, keep_local
from .packs import ID, Footer
from .sealed import Corrupt


class Pack:
    """A stored pack in the index: its file, its frames, and the number of its first chunk."""

    __slots__ = ("base", "chunks", "footer_frames", "frame_starts", "id", "name", "origins", "size", "usable")

    def __init__(self, name: str, size: int, pack_id: str, footer: Footer, base: int, usable: bool) -> None:
        self.name, self.size, self.id, self.base, self.usable = name, size, pack_id, base, usable
        self.footer_frames = footer.frames
        self.origins = footer.origins
        self.chunks = len(footer.lengths)
        self.frame_starts = [base]
        for frame in footer.frames:
            self.frame_starts.append(self.frame_starts[-1] + frame[3])

    def frame_of(self, g: int) -> int:
        """The frame that holds a chunk."""
        return bisect_right(self.frame_starts, g) - 1


class Index:
    """Finds chunks by id, and numbers by lasting address (pack id, number) and back."""

    def __init__(self) -> None:
        self.ids = bytearray()
        self.lengths = array("I")
        self.packs: list[Pack] = []  # ascending by base
        self._pack_bases: list[int] = []
        self._sections: list[tuple[int, str, int, int]] = []  # g, origin pack, first number, count
        self._by_origin: dict[str, list[tuple[int, int, int]]] = {}  # first number, count, g
        self._table = array("Q")  # sorted (first 4 bytes of the id, g)
        self.complete = True  # every stored pack is in it

    @property
    def count(self) -> int:
        """The next free number."""
        return len(self.lengths)

    # ── filling

    def add_pack(self, name: str, size: int, pack_id: str, footer: Footer, *, usable: bool = True) -> Pack:
        """Takes in a stored pack; chunks of an unusable one (tombed) are readable but never reused."""
        pack = Pack(name, size, pack_id, footer, self.count, usable)
        self.ids += footer.ids
        self.lengths.extend(footer.lengths)
        self._register(pack)
        g = pack.base
        for origin, first, count in footer.origins:
            self.add_section(g, origin, first, count)
            g += count
        return pack

    def _register(self, pack: Pack) -> None:
        self.packs.append(pack)
        self._pack_bases.append(pack.base)

    def add_section(self, g: int, origin: str, first: int, count: int) -> None:
        """Gives numbers from `g` on the lasting addresses from (origin, first) on."""
        last = self._sections[-1] if self._sections else None
        if last and last[1] == origin and last[0] + last[3] == g and last[2] + last[3] == first:
            self._sections[-1] = (last[0], origin, last[2], last[3] + count)
            old = self._by_origin[origin][-1]
            self._by_origin[origin][-1] = (old[0], old[1] + count, old[2])
            return
        self._sections.append((g, origin, first, count))
        self._by_origin.setdefault(origin, []).append((first, count, g))

    def adopt(self, pack: Pack) -> None:
        """Registers a pack whose chunks and sections were added one frame at a time."""
        self._register(pack)

    # ── addresses

    def origin(self, g: int) -> tuple[str, int, int]:
        """The lasting address of a number, and how many numbers from there on continue it."""
        at = bisect_right(self._sections, (g, "\uffff", 0, 0)) - 1
        start, origin, first, count = self._sections[at]
        if not 0 <= g - start < count:
            raise KeyError(g)
        return origin, first + (g - start), count - (g - start)

    def resolve(self, origin: str, first: int, count: int) -> Iterator[tuple[int, int]]:
        """The runs (g, count) behind lasting addresses; raises KeyError where nothing holds them."""
        places = self._by_origin.get(origin, [])
        while count > 0:
            # The latest pack that has the chunk: after a crash in prune both the old and the new one do.
            for start, length, g in reversed(places):
                if start <= first < start + length:
                    n = min(count, start + length - first)
                    yield g + first - start, n
                    first, count = first + n, count - n
                    break
            else:
                raise KeyError(f"{origin} {first}")

    def pack_of(self, g: int) -> Pack:
        """The stored pack that holds a number."""
        return self.packs[bisect_right(self._pack_bases, g) - 1]

    def has_origin(self, origin: str) -> bool:
        """Whether any stored pack still has chunks of that address."""
        return origin in self._by_origin

    # ── finding

    def seal_table(self) -> None:
        """Sorts what is loaded so that `find` sees it."""
        with memoryview(self.ids) as view:
            heads = view.cast("I")[:: ID // 4].tolist()
        rows: list[int] = []
        for pack in self.packs:
            if pack.usable:
                span = range(pack.base, pack.base + pack.chunks)
                rows += [heads[g] << 32 | g for g in span]
        del heads
        rows.sort()
        self._table = array("Q", rows)

    def find(self, chunk: bytes, allowed: Callable[[int], bool] | None = None) -> int | None:
        """The number of a chunk stored before this run began, the latest if there are several."""
        table = self._table
        head = memoryview(chunk)[:4].cast("I")[0]
        at = bisect_left(table, (head + 1) << 32) - 1
        while at >= 0 and table[at] >> 32 == head:
            g = table[at] & 0xFFFF_FFFF
            if self.ids[g * ID : g * ID + ID] == chunk and (allowed is None or allowed(g)):
                return g
            at -= 1
        return None


# ── loading, with a cache of footers


def load(
    backend: Backend,
    ring: Keyring,
    cache: Path,
    *,
    unusable: set[str] | None = None,
    trouble: list[BackupError] | None = None,
    fresh: bool = False,
) -> Index:
    """The index of what the storage lists now; footers come from the cache or, with the identity, from packs.

    With `trouble`, damaged packs are left out and reported there instead of raised. `fresh` believes the cache
    only where there is no identity to read footers with.
    """
    index = Index()
    folder = cache / "packs"
    known = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    # Condemned packs first: where a chunk is in two packs the later one wins, and that one will stay.
    for entry in sorted(backend.list("packs"), key=lambda e: e.name not in (unusable or ())):
        short = entry.name.rsplit("/", 1)[-1]
        try:
            believe = short in known and not (fresh and ring.can_read)
            found = read_cached(folder / short, entry.size) if believe else None
            if found is None:
                if not ring.can_read:
                    index.complete = False  # another host's, or our cache was lost: cannot be reused
                    continue
                found = packs.read_footer(backend, entry.name, entry.size, ring)
                keep_cached(cache, short, entry.size, *found)
        except BackupError as e:
            if e.exit_code == WRONG_KEY:  # written before this identity became a recipient
                index.complete = False
                continue
            if trouble is None or e.exit_code != CORRUPT:
                raise
            trouble.append(e)
            continue
        usable = not unusable or entry.name not in unusable
        index.add_pack(entry.name, entry.size, found[0], found[1], usable=usable)
        known.discard(short)
    for stale in known:
        (folder / stale).unlink(missing_ok=True)
    return index


def keep_cached(cache: Path, short: str, size: int, pack_id: str, footer: Footer) -> None:
    """Keeps a footer at hand."""
    body = json.dumps({"id": pack_id, "size": size}).encode() + b"\n" + footer.encode()
    with suppress(OSError):  # only a cache, perhaps on the same full disk
        keep_local(cache, f"packs/{short}", hashlib.blake2b(body, digest_size=16).digest() + body)


def read_cached(path: Path, size: int) -> tuple[str, Footer] | None:
    """A footer kept before; None if the file is damaged or of another pack size."""
    with suppress(OSError, ValueError, KeyError, Corrupt):
        data = path.read_bytes()
        body = memoryview(data)[16:]
        if hashlib.blake2b(body, digest_size=16).digest() != data[:16]:
            return None
        line, _, rest = bytes(body).partition(b"\n")
        head = json.loads(line)
        if head["size"] == size:
            return str(head["id"]), Footer.decode(rest, path.name)
    return None


def chunk_slice(ids: Buffer, g: int) -> bytes:
    """The id of a number."""
    return bytes(ids[g * ID : g * ID + ID])
