"""One stored response, and the bytes that it is served as."""

from __future__ import annotations

from dataclasses import dataclass, field

from backendhub.kit.edge import Response
from backendhub.kit.edge.messages import BODILESS, STATUS_LINES, block

from .fields import Fields, http_date, value, values
from .rules import Freshness, kept, refreshed, stored_fields
from .vary import nominated

NAME = b"backendhub"
HIDDEN = frozenset((b"surrogate-key", b"cache-tag"))
"""Fields for caches alone."""
NEVER = -1


@dataclass(slots=True, eq=False)
class Entry:
    """A response under the key of its request, for the requests that its Vary lets have it."""

    key: bytes
    status: int
    fields: Fields
    fresh: Freshness
    variant: tuple[str | None, ...]
    size: int
    body: bytes | None
    """Its content; None where it is on disk alone."""
    stored: float
    file: str | None = None
    crcs: list[int] = field(default_factory=list)
    names: tuple[str, ...] = ()
    tags: frozenset[str] = frozenset()
    language: str | None = None
    hits: int = 0
    touched: bool = True
    gone: bool = False
    until: float = 0.0
    _second: int = NEVER
    _ready: Response | None = None
    _head: bytes = b""

    def __post_init__(self) -> None:
        self._read()

    def _read(self) -> None:
        """What is derived from the fields."""
        self.names = nominated(self.fields)
        self.tags = tags_of(self.fields)
        language = value(self.fields, b"content-language")
        self.language = language.decode("latin-1").strip().lower() if language else None
        self.until = self.fresh.until
        self._second = NEVER
        shown = [pair for pair in self.fields if pair[0] not in HIDDEN and pair[0] != b"content-length"]
        head = STATUS_LINES[self.status] + block(shown)
        self._head = head if self.status in BODILESS else head + b"content-length: %d\r\n" % self.size

    def freshen(self, answer: Fields, fresh: Freshness) -> None:
        """Takes over what a 304, or the answer to a HEAD, says (RFC 9111 §4.3.4)."""
        self.fields = refreshed(self.fields, answer)
        self.fresh = fresh
        self._read()

    def mark(self) -> None:
        """It is to be validated before it is used again."""
        self.fresh.marked = True
        self.until = self.fresh.until
        self._second = NEVER

    def answer(self, now: float) -> Response:
        """The whole response while it is fresh: made once a second."""
        second = int(now)
        if second != self._second or self._ready is None:
            age, left = int(now - self.fresh.born), int(self.fresh.until - now)
            more = b"age: %d\r\nx-cache: HIT\r\ncache-status: %b; hit; ttl=%d\r\nx-hub-why: fresh: %b, age %d\r\n" % (
                age, NAME, left, self.fresh.source.encode("latin-1"), age,
            )  # fmt: skip
            assert self.body is not None
            self._ready = Response.prepared(self.status, self._head + more, self.body)
            self._second = second
        return self._ready

    def shown(self) -> Fields:
        """Its fields as clients see them, without Content-Length."""
        return [pair for pair in self.fields if pair[0] not in HIDDEN and pair[0] != b"content-length"]

    @property
    def target(self) -> str:
        """Path and query."""
        return self.key.rpartition(b" ")[2].decode("latin-1")


def tags_of(fields: Fields) -> frozenset[str]:
    """The names by which a response can be purged together with others: Surrogate-Key, Cache-Tag."""
    found = {tag for line in values(fields, b"surrogate-key") for tag in line.decode("latin-1").split()}
    for line in values(fields, b"cache-tag"):
        found |= {tag.strip() for tag in line.decode("latin-1").split(",") if tag.strip()}
    return frozenset(found)


def prepared(response: Fields, received: float) -> Fields:
    """The fields of an answer as they are stored: with a Date, without those of the connection and those that it keeps
    from shared caches."""
    fields = stored_fields(kept(response))
    if not values(fields, b"date"):
        fields.append((b"date", http_date(received)))
    return fields
