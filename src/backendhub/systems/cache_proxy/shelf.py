"""What is stored: found by key and variant, purged by tag, bounded in memory and on disk."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator

from .disk import Disk
from .entry import Entry
from .partial import Partials
from .vary import matches

Keys = dict[bytes, list[Entry]]
PARTS = 4
"""Parts of responses may take a fourth of the memory, beside it."""


class Shelf:
    """The entries of one process. Bodies lie in memory up to a limit, and on disk where there is one."""

    def __init__(self, *, memory: int, objects: int, disk: Disk | None) -> None:
        """`memory` in bytes, `objects` entries at most."""
        self.index: Keys = {}
        self.memory_limit, self.object_limit, self.disk = memory, objects, disk
        self.memory = self.on_disk = self.evicted = 0
        self.partials = Partials(memory // PARTS)
        self._tags: dict[str, set[Entry]] = {}
        self._queue: OrderedDict[Entry, None] = OrderedDict()
        """All of them; those that were not touched for long stand in front."""
        self._warm: OrderedDict[Entry, None] = OrderedDict()
        """Those whose bodies lie in memory."""

    def __len__(self) -> int:
        return len(self._queue)

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self._queue))

    def find(self, key: bytes, request: dict[bytes, bytes]) -> Entry | None:
        """The variant that a request may have; the newest of several."""
        for entry in reversed(self.index.get(key, ())):
            if matches(entry.names, entry.variant, request, entry.language):
                return entry
        return None

    def names(self, key: bytes) -> tuple[str, ...]:
        """The request fields that variants under a key differ by."""
        return tuple(sorted({name for entry in self.index.get(key, ()) for name in entry.names}))

    def put(self, entry: Entry) -> None:
        """Stores a response in the place of the one that the same requests were served with."""
        self.partials.drop([entry.key])
        found = self.index.get(entry.key, [])
        for old in [e for e in found if e.names != entry.names or e.variant == entry.variant]:
            self.drop(old, keep_file=old.file == entry.file)
        self.index.setdefault(entry.key, []).append(entry)
        self._queue[entry] = None
        for tag in entry.tags:
            self._tags.setdefault(tag, set()).add(entry)
        if entry.body is not None:
            self._warm[entry] = None
            self.memory += entry.size
        if entry.file is not None:
            self.on_disk += entry.size
        self._make_room()

    def warm(self, entry: Entry, body: bytes) -> None:
        """Keeps the body of an entry that was read from disk."""
        if not entry.gone and entry.body is None:
            entry.body = body
            self._warm[entry] = None
            self.memory += entry.size
            self._make_room()

    def retag(self, entry: Entry, before: frozenset[str]) -> None:
        """Follows a change of tags."""
        for tag in before - entry.tags:
            self._untag(tag, entry)
        for tag in entry.tags - before:
            self._tags.setdefault(tag, set()).add(entry)

    def drop(self, entry: Entry, *, keep_file: bool = False) -> None:
        """Forgets an entry."""
        if entry.gone:
            return
        entry.gone = True
        entry.until = 0.0
        rest = [e for e in self.index[entry.key] if e is not entry]
        if rest:
            self.index[entry.key] = rest
        else:
            del self.index[entry.key]
        del self._queue[entry]
        for tag in entry.tags:
            self._untag(tag, entry)
        if entry in self._warm:
            del self._warm[entry]
            self.memory -= entry.size
        if entry.file is not None:
            self.on_disk -= entry.size
            if self.disk is not None and not keep_file:
                self.disk.remove(entry.file)

    def _untag(self, tag: str, entry: Entry) -> None:
        tagged = self._tags.get(tag)
        if tagged is not None:
            tagged.discard(entry)
            if not tagged:
                del self._tags[tag]

    def _make_room(self) -> None:
        """Lets go of what was used least: of bodies where the disk has them too, of entries otherwise."""
        while self.memory > self.memory_limit and self._warm:
            entry = self._oldest(self._warm)
            if entry.file is None:
                self.drop(entry)
                self.evicted += 1
            else:
                del self._warm[entry]
                self.memory -= entry.size
                entry.body = None
        limit = self.disk.limit if self.disk is not None else 0
        while len(self._queue) > self.object_limit or (self.on_disk > limit and self.disk is not None):
            self.drop(self._oldest(self._queue))
            self.evicted += 1

    @staticmethod
    def _oldest(queue: OrderedDict[Entry, None]) -> Entry:
        """The first that nobody has used since it was last looked at; used ones get a second chance."""
        for _ in range(len(queue)):
            entry = next(iter(queue))
            if not entry.touched:
                return entry
            entry.touched = False
            queue.move_to_end(entry)
        return next(iter(queue))

    # -- purging ------------------------------------------------------------------------------------------

    def purge(self, entries: Iterable[Entry], *, soft: bool = False) -> int:
        """Removes entries, or only marks them stale; gives how many."""
        found = list(entries)
        for entry in found:
            if soft:
                entry.mark()
                if self.disk is not None and entry.file is not None:
                    self.disk.update(entry)
            else:
                self.drop(entry)
        return len(found)

    def tagged(self, tags: Iterable[str]) -> set[Entry]:
        """The entries that have one of the tags."""
        return {entry for tag in tags for entry in self._tags.get(tag, ())}

    def where(self, accepts: Callable[[Entry], bool]) -> list[Entry]:
        """The entries that something is true of."""
        return [entry for entry in self._queue if accepts(entry)]

    def problems(self) -> list[str]:
        """What is not as it must be; nothing, that is."""
        found = []
        if self.memory != sum(e.size for e in self._warm):
            found.append("the bytes in memory are not those of the entries there")
        if self.on_disk != sum(e.size for e in self._queue if e.file is not None):
            found.append("the bytes on disk are not those of the entries there")
        if sum(map(len, self.index.values())) != len(self._queue):
            found.append("index and queue differ")
        for entry in self._queue:
            if entry.body is None and entry.file is None:
                found.append(f"{entry.target} has no body anywhere")
            if entry.body is not None and len(entry.body) != entry.size:
                found.append(f"{entry.target} has another size than it should")
        if len(self._warm) > len(self._queue) or any(e.gone for e in self._warm):
            found.append("something that was dropped lies in memory")
        return found
