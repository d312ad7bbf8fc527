"""From chunks to stored packs, on one worker thread: compression and encryption overlap with reading."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

from . import crash
from .context import Context
from .index import Index, Pack, keep_cached
from .packs import FRAME_SIZE, Footer, Packer

IN_FLIGHT = 3  # frames waiting or at work: bounds memory to a few MiB


class Pipeline:
    """Collects new chunks into frames, frames into packs, and stores them in order."""

    def __init__(self, context: Context, index: Index, *, crash_point: str = "pack.stored") -> None:
        self._context, self._index = context, index
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="seal")
        self._jobs: deque[Future[None]] = deque()
        self._packer: Packer | None = None
        self._base = 0  # number of the first chunk in the open pack
        self._parts: list[bytes] = []
        self._size = 0
        self._first = index.count
        self._crash_point = crash_point
        self.stored = 0  # bytes of finished packs
        self.names: list[str] = []

    def add(self, chunk: bytes) -> None:
        """Takes a chunk whose id and length were just appended to the index."""
        self._parts.append(chunk)
        self._size += len(chunk)
        if self._size >= FRAME_SIZE:
            self.flush()

    def flush(self) -> None:
        """Ends the open frame."""
        if not self._parts:
            return
        first, last = self._first, self._index.count
        ids = bytes(self._index.ids[first * 16 : last * 16])
        lengths = self._index.lengths[first:last].tolist()
        parts, self._parts, self._size, self._first = self._parts, [], 0, last
        while len(self._jobs) >= IN_FLIGHT:
            self._jobs.popleft().result()
        self._jobs.append(self._worker.submit(self._frame, first, parts, ids, lengths))

    def drain(self) -> None:
        """Waits until all frames handed over have their address."""
        self.flush()
        while self._jobs:
            self._jobs.popleft().result()

    def finish(self) -> None:
        """Stores the open pack, too."""
        self.drain()
        self._worker.submit(self._store).result()

    def close(self) -> None:
        """Stops the worker; an open pack is dropped."""
        self._worker.shutdown(wait=True, cancel_futures=True)

    # ── on the worker thread

    def _frame(self, first: int, parts: list[bytes], ids: bytes, lengths: list[int]) -> None:
        if self._packer is None:
            self._packer, self._base = Packer(self._context.ring), first
        number = self._packer.chunks
        self._packer.add(parts[0] if len(parts) == 1 else b"".join(parts), ids, lengths)
        self._index.add_section(first, self._packer.id, number, len(lengths))
        if self._packer.full:
            self._store()

    def _store(self) -> None:
        packer, self._packer = self._packer, None
        if packer is None:
            return
        name = store_pack(self._context, packer, self._crash_point)
        self.stored += packer.size
        self.names.append(name)
        self._index.adopt(Pack(name, packer.size, packer.id, packer.footer, self._base, True))


def store_pack(context: Context, packer: Packer, crash_point: str = "pack.stored") -> str:
    """Writes a finished pack and keeps its footer at hand; returns its name."""
    name, parts = packer.finish()
    crash.point("pack.before")
    context.backend.put(name, parts)
    crash.point(crash_point)
    footer = Footer(
        packer.footer.frames, packer.footer.origins, bytes(packer.footer.ids), packer.footer.lengths
    )
    keep_cached(context.cache, name.rsplit("/", 1)[-1], packer.size, packer.id, footer)
    return name
