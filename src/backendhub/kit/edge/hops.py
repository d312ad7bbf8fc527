"""Fields on their way through: what is for one connection only stays behind, what a proxy has to add is added."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

Pairs = list[tuple[bytes, bytes]]
HOP = frozenset(
    (
        b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te",
        b"trailer", b"transfer-encoding", b"upgrade", b"expect", b"content-length",
    )
)  # fmt: skip
"""Fields of one connection (RFC 9110 §7.6.1), and those that say how a message is framed."""


def end_to_end(
    headers: Iterable[tuple[bytes, bytes]], connection: bytes | None, dropped: frozenset[bytes] = HOP
) -> Pairs:
    """The fields that go on; `connection` is the value of that field, which may name more that do not. `dropped` are all
    that never do, those of one connection among them."""
    if not connection or connection == b"keep-alive":
        return [pair for pair in headers if pair[0] not in dropped]
    named = {part.strip().lower() for part in connection.split(b",")}
    return [pair for pair in headers if pair[0] not in dropped and pair[0] not in named]


def forwarded(fields: Mapping[bytes, bytes], client: str, scheme: str, *, trust: bool = False) -> Pairs:
    """The `X-Forwarded-*` fields of a request, which stand in place of those that came. What came is only continued
    where whoever is connected is trusted: anybody may claim to come from anywhere."""
    host = fields.get(b"host", b"")
    if not trust:
        return [
            (b"x-forwarded-for", client.encode()),
            (b"x-forwarded-proto", scheme.encode()),
            (b"x-forwarded-host", host),
            (b"x-real-ip", client.encode()),
        ]
    before = fields.get(b"x-forwarded-for")
    way = b", ".join([*([before] if before else []), client.encode()])
    return [
        (b"x-forwarded-for", way),
        (b"x-forwarded-proto", fields.get(b"x-forwarded-proto", scheme.encode())),
        (b"x-forwarded-host", fields.get(b"x-forwarded-host", host)),
        (b"x-real-ip", way.partition(b",")[0].strip()),
    ]


FORWARDED = frozenset(
    (b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-port", b"x-real-ip")
)


def via(fields: Mapping[bytes, bytes], version: str, name: bytes = b"backendhub") -> tuple[bytes, bytes]:
    """The `Via` field (RFC 9110 §7.6.3) with this hop at its end."""
    mine = version.encode() + b" " + name
    before = fields.get(b"via")
    return b"via", before + b", " + mine if before else mine
