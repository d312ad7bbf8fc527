"""A sink that stores nothing: it compares what a second dump writes with what the first one stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from backendhub.systems.backup.streams import Kind, Source

Ranges = tuple[tuple[int, int], ...]


class Comparing:
    """Writer of one stream: reads the stored bytes alongside and notes the first difference."""

    def __init__(self, name: str, source: Source, masked: Ranges, findings: list[str]) -> None:
        self.name, self.masked, self.findings = name, masked, findings
        self.offset = 0
        self.differs = False
        self._opened = source.open(name)
        self._reader = self._opened.__enter__()

    def write(self, data: bytes | memoryview) -> None:
        """Compares one piece."""
        fresh = bytes(data)
        stored = _exactly(self._reader.read, len(fresh))
        if not self.differs and stored != fresh and (at := self._first(stored, fresh)) is not None:
            self.differs = True
            self.findings.append(f"{self.name}: differs at byte {at}")
        self.offset += len(fresh)

    def _first(self, stored: bytes, fresh: bytes) -> int | None:
        pad = len(fresh) - len(stored)
        for index, (left, right) in enumerate(zip(stored + bytes(pad), fresh, strict=True)):
            at = self.offset + index
            short = index >= len(stored)
            if (left != right or short) and not any(low <= at < high for low, high in self.masked):
                return at
        return None

    def close(self) -> None:
        """The stored stream must end here too."""
        if not self.differs and self._reader.read(1):
            self.findings.append(f"{self.name}: stored stream goes on after byte {self.offset}")
        self._opened.__exit__(None, None, None)


class CompareSink:
    """Compares every stream with the one of the same name; `masked` are byte ranges allowed to differ."""

    def __init__(self, source: Source, masked: Mapping[str, Ranges] | None = None) -> None:
        self.source, self.masked = source, masked or {}
        self.findings: list[str] = []
        self.compared = 0
        self._seen: set[str] = set()

    @contextmanager
    def stream(self, name: str, *, kind: Kind = "bytes", page_size: int | None = None) -> Iterator[Comparing]:
        """Opens the stored stream of that name beside the new one."""
        self._seen.add(name)
        if name not in self.source.names():
            raise LookupError(f"The backup has no stream {name!r}.")
        writer = Comparing(name, self.source, self.masked.get(name, ()), self.findings)
        yield writer
        writer.close()
        self.compared += writer.offset

    def finish(self) -> list[str]:
        """All findings, with the stored streams that were not dumped again."""
        missing = [name for name in self.source.names() if name not in self._seen]
        return self.findings + [f"{name}: not in the second dump" for name in missing]


def _exactly(read: object, size: int) -> bytes:
    assert callable(read)
    parts = bytearray()
    while len(parts) < size and (data := read(size - len(parts))):
        parts += data
    return bytes(parts)
