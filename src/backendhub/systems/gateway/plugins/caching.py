"""Answers that are kept: Kong's proxy-cache, with what it leaves to luck made safe.

What is kept belongs to who has asked: the consumer, and whatever credentials or cookies came along, are a part of the
key. What the upstream calls private, or gives with Set-Cookie, is not kept, whether or not `cache_control` is on.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

from pydantic_core import from_json

from backendhub.kit import clock
from backendhub.kit.cache.memory import MemoryCache
from backendhub.kit.edge.fields import Directives, date, directives, members, seconds
from backendhub.kit.edge.hops import end_to_end, via
from backendhub.kit.errors import Invalid
from backendhub.kit.output import dumps

from .base import Answer, Context, Local, Options, Pairs, Plugin, message

METHODS = (b"GET", b"HEAD")
ALWAYS = (b"authorization", b"cookie")
"""Fields of a request that are a part of its key whatever is configured."""
UNKEYED = frozenset(
    b"x-original-url x-rewrite-url x-http-method x-http-method-override x-method-override x-host x-original-host "
    b"x-forwarded-server x-forwarded-scheme front-end-https".split()
)
"""Fields that make some servers answer another question than the key says: who sends one gets an answer of his own."""
STATUS, KEY = b"x-cache-status", b"x-cache-key"
SHARE = 8
"""One answer may take an eighth of the memory."""


class Kept(NamedTuple):
    """An answer in the cache. `at` and `ttl` in seconds."""

    status: int
    headers: Pairs
    body: bytes
    at: float
    ttl: float

    def encode(self) -> bytes:
        """As bytes: a line of JSON, then the body."""
        fields = [[name.decode("latin-1"), text.decode("latin-1")] for name, text in self.headers]
        head = dumps([self.status, fields, self.at, self.ttl], compact=True).encode()
        return head + b"\n" + self.body

    @classmethod
    def decode(cls, data: bytes) -> Kept:
        """Reads `encode`."""
        head, _, body = data.partition(b"\n")
        status, fields, at, ttl = from_json(head)
        return cls(status, [(n.encode("latin-1"), t.encode("latin-1")) for n, t in fields], body, at, ttl)


class ProxyCache(Plugin):
    """Answers from memory what was answered a moment ago."""

    name, priority = "proxy-cache", 100
    known = (
        "strategy memory response_code request_method content_type cache_ttl storage_ttl cache_control vary_headers "
        "vary_query_params ignore_uri_case response_headers"
    )

    def read(self, options: Options) -> None:
        """Kong's names and defaults; `memory.size_mb` is ours."""
        options.choice("strategy", "memory")
        memory = options.inner("memory", "dictionary_name size_mb")
        memory.text("dictionary_name")
        size = int(memory.number("size_mb", 64, 1, 65_536)) * 2**20
        self.cache, self.most = MemoryCache(size), size // SHARE
        self.statuses = frozenset(_codes(options))
        self.methods = frozenset(m.upper().encode() for m in options.texts("request_method", ("GET", "HEAD")))
        if not self.methods <= {*METHODS}:
            raise Invalid(f"{options.where}: only answers to GET and HEAD are kept.")
        types = options.texts("content_type", ("text/plain", "application/json"))
        self.types = [_media(text) for text in types]
        self.ttl = float(options.number("cache_ttl", 300, 1))
        self.storage = options.number("storage_ttl", None, 1)
        self.control = options.flag("cache_control")
        self.vary = tuple(sorted(text.lower() for text in options.texts("vary_headers")))
        self.parameters = frozenset(options.texts("vary_query_params"))
        self.fold = options.flag("ignore_uri_case")
        shown = options.inner("response_headers", "age X-Cache-Status X-Cache-Key")
        self.shown = {
            name for word, name in (("age", b"age"), ("X-Cache-Status", STATUS), ("X-Cache-Key", KEY))
            if shown.flag(word, True)
        }  # fmt: skip

    # -- a request ----------------------------------------------------------------------------------------

    def access(self, context: Context) -> Answer:
        """Answers what is kept and fresh; else notes what is to be kept, and why it was not there."""
        fields = context.request.fields
        told = directives(fields.get(b"cache-control", b""))
        if context.method not in self.methods or not fields.keys().isdisjoint(
            UNKEYED | {b"range", b"upgrade"}
        ):
            context.notes[self.key] = ("Bypass", None)
            return None
        if self.control and (told.keys() & {"no-store", "no-cache"} or b"authorization" in fields):
            context.notes[self.key] = ("Bypass", None)
            return None
        base = self._base(context)
        key = self._variant(base, context)
        data = self.cache.load(key)
        if data is None:
            if self.control and "only-if-cached" in told:
                return message(504, "Not cached")
            return self._miss(context, base, key, "Miss")
        kept = Kept.decode(data)
        age = max(0.0, clock.steady() - kept.at)
        if not self._acceptable(kept, age, told):
            return self._miss(context, base, key, "Refresh")
        context.notes[self.key] = ("Hit", key)
        headers = [*kept.headers, (b"age", b"%d" % age)] if b"age" in self.shown else kept.headers
        if _unchanged(fields.get(b"if-none-match"), kept):
            return Local(
                304, [pair for pair in headers if pair[0] not in (b"content-type", b"content-encoding")]
            )
        return Local(kept.status, headers, kept.body)

    def _acceptable(self, kept: Kept, age: float, told: Directives) -> bool:
        """Whether what is kept will do."""
        if not self.control:
            return age <= self.ttl
        stale = age - kept.ttl
        most, late, least = (seconds(told.get(name)) for name in ("max-age", "max-stale", "min-fresh"))
        if most is not None and age > most:
            return False
        if stale > 0:
            return "max-stale" in told and (late is None or stale <= late)
        return least is None or -stale >= least

    def _miss(self, context: Context, base: str, key: str, status: str) -> Answer:
        context.notes[self.key] = (status, (base, key))
        return None

    # -- an answer ----------------------------------------------------------------------------------------

    def respond(self, context: Context, status: int, headers: Pairs) -> Pairs:
        """Says what the cache did, and begins to keep the upstream's answer."""
        word, places = context.notes.get(self.key, ("", None))
        if not word:  # another plugin has answered before this one was asked
            return headers
        incoming = context.incoming
        if word in ("Miss", "Refresh") and (incoming is None or not self._keeps(context, places)):
            word = "Bypass"
        more = [(STATUS, word.encode())]
        if isinstance(places, tuple) and word != "Bypass":
            more.append((KEY, places[1].encode()))
        elif isinstance(places, str):
            more.append((KEY, places.encode()))
        return [*headers, *(pair for pair in more if pair[0] in self.shown)]

    def _keeps(self, context: Context, places: tuple[str, str]) -> bool:
        """Whether the upstream's answer is to be kept; then its body is collected on its way through."""
        incoming = context.incoming
        assert incoming is not None
        fields = end_to_end(incoming.headers, dict(incoming.headers).get(b"connection"))
        ttl = self._ttl(incoming.status, fields, bool(self.control))
        if ttl is None or context.method != b"GET" or not incoming.framed:  # nothing says that all of it came
            return False
        fields = [pair for pair in fields if pair[0] not in (b"via", b"age")]
        fields.append(via(dict(incoming.headers), incoming.version))
        names = tuple(sorted(_listed(fields, b"vary") - {name.decode() for name in ALWAYS}))
        base, size = places[0], 0
        parts: list[bytes] = []
        at = clock.steady()

        def keep(part: bytes, last: bool) -> None:
            nonlocal size
            size += len(part)
            if size > self.most:
                parts.clear()
                return
            parts.append(part)
            if last:
                lasts = float(self.storage or ttl)
                self.cache.store("v:" + base, dumps([*names], compact=True).encode(), max(lasts, ttl))
                key = self._variant(base, context)
                self.cache.store(key, Kept(incoming.status, fields, b"".join(parts), at, ttl).encode(), lasts)

        context.keep = keep
        return True

    def _ttl(self, status: int, fields: Pairs, control: bool) -> float | None:
        """How long an answer is fresh; None where it is not kept."""
        table = dict(fields)
        told = directives(b", ".join(text for name, text in fields if name == b"cache-control"))
        if status not in self.statuses or b"set-cookie" in table or told.keys() & {"private", "no-store"}:
            return None
        if not any(
            _covers(wanted, _media(table.get(b"content-type", b"").decode("latin-1")))
            for wanted in self.types
        ):
            return None
        if "*" in _listed(fields, b"vary"):
            return None
        if not control:
            return self.ttl
        if "no-cache" in told:
            return None
        given = next((seconds(told[name]) for name in ("s-maxage", "max-age") if name in told), None)
        if given is None and (ends := date(table.get(b"expires", b"").decode("latin-1"))) is not None:
            begun = date(table.get(b"date", b"").decode("latin-1"))
            given = round(ends - (clock.wall().timestamp() if begun is None else begun))
        aged = seconds(table.get(b"age", b"").decode("latin-1")) or 0
        return float(given - aged) if given is not None and given > aged else None

    # -- keys ---------------------------------------------------------------------------------------------

    def _base(self, context: Context) -> str:
        """What tells answers apart, whatever they say about it themselves."""
        fields = context.request.fields
        path = context.path.lower() if self.fold else context.path
        parts: list[Any] = [
            context.consumer.id if context.consumer is not None else "",
            context.route.name, path, self._query(context.query),
            [context.request.scheme, (fields.get(b"host") or b"").decode("latin-1").lower()],  # the upstream is told
            [(fields.get(name) or b"").decode("latin-1") for name in ALWAYS],
            [(fields.get(name.encode("latin-1")) or b"").decode("latin-1") for name in self.vary],
        ]  # fmt: skip
        return _digest(parts)

    def _query(self, query: bytes) -> list[str]:
        """The parameters that matter, in an order of their own; those of one name keep theirs."""
        parts = [part for part in query.decode("latin-1").split("&") if part]
        if self.parameters:
            parts = [part for part in parts if unquote_plus(part.partition("=")[0]) in self.parameters]
        return sorted(parts, key=lambda part: part.partition("=")[0])

    def _variant(self, base: str, context: Context) -> str:
        """The key of an answer: the base, and the fields that the last answer has named in Vary."""
        named = self.cache.load("v:" + base)
        names: list[str] = from_json(named) if named is not None else []
        if not names:
            return base
        fields = context.request.fields
        return _digest(
            [base, [(n, (fields.get(n.encode("latin-1")) or b"").decode("latin-1")) for n in names]]
        )


def _digest(parts: list[Any]) -> str:
    return blake2b(dumps(parts, compact=True).encode(), digest_size=32).hexdigest()


def _codes(options: Options) -> list[int]:
    given = options.config.get("response_code")
    codes = [200, 301, 404] if given is None else given
    if not isinstance(codes, list) or not all(type(c) is int and 100 <= c <= 900 for c in codes):
        raise Invalid(f"{options.where}: response_code is a list of statuses.")
    if {206, 304} & {*codes}:
        raise Invalid(f"{options.where}: parts of answers are not kept: no 206 and 304 in response_code.")
    return codes


def _media(text: str) -> tuple[str, frozenset[str]]:
    kind, *parameters = (part.strip().lower() for part in text.split(";"))
    return kind, frozenset(p.replace('"', "") for p in parameters if p)


def _covers(wanted: tuple[str, frozenset[str]], found: tuple[str, frozenset[str]]) -> bool:
    """Whether a type is one of those wanted: `text/*` is any text, and a parameter that is named must be there."""
    kind = wanted[0] in ("*/*", found[0]) or (
        wanted[0].endswith("/*") and found[0].startswith(wanted[0][:-1])
    )
    return kind and wanted[1] <= found[1]


def _listed(fields: Pairs, name: bytes) -> set[str]:
    return {member for field, text in fields if field == name for member in members(text)}


def _unchanged(asked: bytes | None, kept: Kept) -> bool:
    """Whether who asks has it already."""
    tag = dict(kept.headers).get(b"etag")
    if asked is None or tag is None or kept.status != 200:
        return False
    bare = [item.strip().removeprefix(b"W/") for item in asked.split(b",")]
    return asked.strip() == b"*" or tag.removeprefix(b"W/") in bare
