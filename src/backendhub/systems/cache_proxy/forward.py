"""What is passed on, in both directions: fields that are for the next hop, and those that name the way. Pure."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

from .entry import HIDDEN, NAME
from .fields import Fields, http_date, members, value, values
from .rules import HOP, kept

VIA = b"1.1 " + NAME
CONDITIONS = frozenset(b"if-match if-none-match if-modified-since if-unmodified-since if-range range".split())
UNKEYED = frozenset(
    b"forwarded x-forwarded-for x-forwarded-proto x-forwarded-host x-forwarded-port x-forwarded-scheme "
    b"x-forwarded-server x-forwarded-prefix x-host x-original-url x-rewrite-url x-original-host "
    b"x-http-method-override x-http-method x-method-override".split()
)
"""Fields that change what many servers answer and that no cache key knows: passed on, one client could choose what
another is served ("cache poisoning")."""


def request_fields(
    headers: Fields, *, client: str, scheme: str, cached: bool, host: bool, trusted: bool = False
) -> Fields:
    """The fields of a request for the origin. `cached`: the answer may be stored, so conditions and ranges of this one
    client are left out. `host`: its Host goes along. `trusted`: so do the fields of a proxy before this one."""
    dropped = set(HOP) | {b"expect", b"host"} | (set() if trusted else UNKEYED)
    connection = [text for name, text in headers if name == b"connection"]
    dropped |= {name.encode("latin-1") for name in members(b",".join(connection))}
    if cached:
        dropped |= CONDITIONS | {b"content-length"}
    found = [pair for pair in headers if pair[0] not in dropped and pair[0] not in (b"via", b"cdn-loop")]
    if host:
        found += [pair for pair in headers if pair[0] == b"host"]
    if not trusted:
        found += [(b"x-forwarded-for", client.encode("latin-1")), (b"x-forwarded-proto", scheme.encode())]
    found.append((b"via", _after(headers, b"via", VIA)))
    found.append((b"cdn-loop", _after(headers, b"cdn-loop", NAME)))
    return found


def _after(headers: Fields, name: bytes, own: bytes) -> bytes:
    before = value(headers, name)
    return before + b", " + own if before else own


def looped(headers: Fields) -> bool:
    """Whether a request has been here before (RFC 8586)."""
    return NAME.decode() in [m.partition(";")[0].strip() for m in members(value(headers, b"cdn-loop"))]


def response_fields(response: Fields, received: float) -> Fields:
    """The fields of an answer for the client."""
    fields = [pair for pair in kept(response) if pair[0] not in HIDDEN]
    if not values(fields, b"date"):
        fields.append((b"date", http_date(received)))
    return fields


def traced(fields: Fields, *, hit: bool, status: str, why: str) -> Fields:
    """The fields with those that say what this cache has done: X-Cache, Cache-Status (RFC 9211), X-Hub-Why."""
    before = value(fields, b"cache-status")
    own = NAME + b"; " + status.encode("latin-1")
    left = [pair for pair in fields if pair[0] not in (b"cache-status", b"x-cache", b"x-hub-why")]
    return [
        *left,
        (b"x-cache", b"HIT" if hit else b"MISS"),
        (b"cache-status", before + b", " + own if before else own),
        (b"x-hub-why", why.encode("latin-1", "replace")),
    ]


def invalidated(target: bytes, response: Fields, authorities: set[bytes]) -> set[bytes]:
    """The targets that a successful unsafe request makes stale: its own, and those that Location and Content-Location
    name on the same server (RFC 9111 §4.4)."""
    found = {target}
    for name in (b"location", b"content-location"):
        text = value(response, name)
        if text is None:
            continue
        parts = urlsplit(urljoin(target.decode("latin-1"), text.decode("latin-1")))
        if not parts.netloc or parts.netloc.encode("latin-1").lower() in authorities:
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            found.add(path.encode("latin-1", "ignore"))
    return found


def same(target: bytes, location: bytes | None, authorities: set[bytes]) -> bool:
    """Whether Content-Location says that an answer is what a GET of the same target would give."""
    if location is None:
        return False
    return invalidated(b"\0", [(b"content-location", urljoin_bytes(target, location))], authorities) == {
        b"\0",
        target,
    }


def urljoin_bytes(base: bytes, reference: bytes) -> bytes:
    """A reference as seen from a target."""
    return urljoin(base.decode("latin-1"), reference.decode("latin-1")).encode("latin-1")
