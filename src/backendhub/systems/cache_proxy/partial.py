"""Parts of responses (RFC 9111 §3.3, §3.4): kept while they are of one version, served again, and made whole when all are there.

Only in memory: parts are many, and a restart loses little.
"""

from __future__ import annotations

import re
from bisect import insort
from collections import OrderedDict
from collections.abc import Iterable

from backendhub.kit.edge import Request, Response

from . import conditions, forward, rules
from .entry import Entry
from .fields import Fields, value
from .rules import Asked, Kind
from .vary import matches

PIECE_COST = 200
"""What a piece costs beyond its bytes."""
CONDITIONAL = frozenset(b"if-none-match if-modified-since if-match if-unmodified-since".split())


def span_of(fields: Fields) -> tuple[int, int, int] | None:
    """First byte, end and size of the whole, as Content-Range has them; None where it does not know all three."""
    text = (value(fields, b"content-range") or b"").decode("latin-1").strip().lower()
    match = re.fullmatch(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})", text)
    if match is None:
        return None
    first, last, size = (int(group) for group in match.groups())
    return (first, last + 1, size) if first <= last < size else None


class Partial:
    """What is known of one version of a response. `entry` has its fields, without a body."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.etag = value(entry.fields, b"etag")
        self.pieces: list[tuple[int, bytes]] = []
        self.bytes = 0

    def accepts(self, entry: Entry) -> bool:
        """Whether another part is of the same version: only a strong validator says so."""
        etag = value(entry.fields, b"etag")
        strong = etag is not None and not etag.startswith(b"W/")
        same = (entry.names, entry.variant, entry.size) == (
            self.entry.names,
            self.entry.variant,
            self.entry.size,
        )
        return strong and etag == self.etag and same

    def add(self, first: int, data: bytes) -> None:
        """Takes in what is not there yet."""
        end, at = first + len(data), first
        for start, piece in [*self.pieces, (end, b"")]:
            if at < min(start, end):
                insort(self.pieces, (at, data[at - first : min(start, end) - first]))
                self.bytes += min(start, end) - at
            at = max(at, start + len(piece))
            if at >= end:
                break

    @property
    def whole(self) -> bool:
        """Whether nothing is missing."""
        return self.bytes == self.entry.size

    def read(self, first: int, end: int) -> bytes | None:
        """The bytes from one to another; None where some are missing."""
        found = [
            piece[max(first - start, 0) : end - start]
            for start, piece in self.pieces
            if start < end and start + len(piece) > first
        ]
        data = b"".join(found)
        return data if len(data) == end - first else None


class Partials:
    """The parts that a process knows, up to `limit` bytes; those that were not used for long go first."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.bytes = 0
        self._known: OrderedDict[bytes, Partial] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def put(self, entry: Entry, first: int, data: bytes) -> Partial | None:
        """Takes in a part; gives the response once it is whole, and forgets it then."""
        found = self._known.get(entry.key)
        if found is None or not found.accepts(entry):
            self.drop([entry.key])
            found = Partial(entry)
        self.bytes -= self._cost(found) if entry.key in self._known else 0
        found.entry = entry  # the newest fields count for all of it
        found.add(first, data)
        self._known[entry.key] = found
        self._known.move_to_end(entry.key)
        self.bytes += self._cost(found)
        if found.whole:
            self.drop([entry.key])
            return found
        while self.bytes > self.limit:
            self.drop([next(iter(self._known))])
        return None

    @staticmethod
    def _cost(found: Partial) -> int:
        return found.bytes + PIECE_COST * (len(found.pieces) + 5)

    def answer(self, request: Request, asked: Asked, key: bytes, now: float) -> Response | None:
        """A part of a part, where that is fresh and has all of it."""
        found = self._known.get(key)
        if found is None or b"range" not in request.fields or not CONDITIONAL.isdisjoint(request.fields):
            return None
        entry = found.entry
        decision = rules.decide(asked, entry.fresh, now)
        if decision.kind != Kind.HIT or not conditions.wants_range(request.fields, entry.fields):
            return None
        if not matches(entry.names, entry.variant, request.fields, entry.language):
            return None
        try:
            span = conditions.span(request.fields[b"range"], entry.size)
        except conditions.Unsatisfiable:
            return None
        data = found.read(*span) if span is not None else None
        if span is None or data is None:
            return None
        self._known.move_to_end(key)
        fields = [*entry.shown(), (b"age", b"%d" % max(now - entry.fresh.born, 0))]
        fields.append((b"content-range", b"bytes %d-%d/%d" % (span[0], span[1] - 1, entry.size)))
        left = f"hit; ttl={entry.fresh.until - now:.0f}; detail=partial"
        return Response(206, forward.traced(fields, hit=True, status=left, why=decision.why), data)

    def drop(self, keys: Iterable[bytes]) -> int:
        """Forgets what is known under keys; gives of how many something was."""
        gone = [found for key in keys if (found := self._known.pop(key, None)) is not None]
        self.bytes -= sum(map(self._cost, gone))
        return len(gone)

    @property
    def entries(self) -> list[Entry]:
        """What there are parts of."""
        return [found.entry for found in self._known.values()]
