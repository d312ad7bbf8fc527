"""What a request's head must be before anybody acts on it (RFC 9110, RFC 9112): no two readings of where it ends.

llhttp refuses most of what is ambiguous; this closes what it lets through. The corpus in
tests/kit/edge/smuggling.py names each case.
"""

from __future__ import annotations

import re

Pairs = list[tuple[bytes, bytes]]

ONCE = (b"host", b"content-length", b"transfer-encoding")
LOOKALIKES = (b"content_length", b"transfer_encoding")
"""Some servers behind us read `_` as `-`."""
_HOST = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+;=%-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?")
_ABSOLUTE = re.compile(rb"https?://([^/?#]+)(.*)", re.IGNORECASE | re.DOTALL)
OTHER_PROTOCOLS = frozenset(
    (
        b"SOURCE",
        b"DESCRIBE",
        b"ANNOUNCE",
        b"SETUP",
        b"PLAY",
        b"PAUSE",
        b"TEARDOWN",
        b"GET_PARAMETER",
        b"SET_PARAMETER",
        b"REDIRECT",
        b"RECORD",
        b"FLUSH",
    )
)
"""Methods of RTSP and ICE, which llhttp reads too."""


class Refused(Exception):
    """A head that nobody may act on; the connection ends with this answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


def joined(pairs: Pairs) -> dict[bytes, bytes]:
    """Fields by name, repeated ones joined (RFC 9110 §5.2, RFC 6265 §5.4). Raises Refused for one that stands once."""
    fields: dict[bytes, bytes] = {}
    for name, value in pairs:
        if name in fields:
            if name in ONCE:
                raise Refused(400, f"The field {name.decode()} stands twice.")
            fields[name] += (b"; " if name == b"cookie" else b", ") + value
        else:
            fields[name] = value
    return fields


def check(method: bytes, target: bytes, version: str, pairs: Pairs) -> dict[bytes, bytes]:
    """The fields of a head by name. Raises Refused."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        fields = joined(pairs)
    if version != "1.1":
        _old(version, fields)
    host = fields.get(b"host")
    if host is None:
        if version == "1.1":
            raise Refused(400, "The field Host is missing.")
    elif _HOST.fullmatch(host) is None:
        raise Refused(400, "The field Host is no host.")
    if b"transfer-encoding" in fields:
        coding = fields[b"transfer-encoding"].strip(b" \t").lower()
        if coding != b"chunked":
            raise Refused(501, "The only transfer coding read here is chunked.")
        if b"content-length" in fields:
            raise Refused(400, "Content-Length and Transfer-Encoding exclude each other.")
    for name in LOOKALIKES:
        if name in fields:
            raise Refused(400, f"The field {name.decode()} is not what it looks like.")
    if b"expect" in fields and fields[b"expect"].strip().lower() != b"100-continue":
        raise Refused(417, "The only expectation met here is 100-continue.")
    first = target[:1]
    if first != b"/":
        _unusual(method, target)
    if b"#" in target:
        raise Refused(400, "A request target has no fragment.")
    if method in OTHER_PROTOCOLS:
        raise Refused(400, "This is not HTTP.")
    return fields


def _old(version: str, fields: dict[bytes, bytes]) -> None:
    if version != "1.0":
        raise Refused(505, "HTTP/1.1 and HTTP/1.0 are spoken here.")
    if b"transfer-encoding" in fields:
        raise Refused(400, "HTTP/1.0 has no transfer codings.")


def _unusual(method: bytes, target: bytes) -> None:
    if method == b"CONNECT":
        raise Refused(501, "There are no tunnels here.")
    if target == b"*":
        if method != b"OPTIONS":
            raise Refused(400, "Only OPTIONS is asked of `*`.")
    else:
        match = _ABSOLUTE.fullmatch(target)
        if match is None or _HOST.fullmatch(match[1]) is None or not match[1].strip(b":"):
            raise Refused(400, "The request target is no path and no http URL.")


def origin_form(target: bytes) -> tuple[bytes, bytes | None]:
    """Path and query of a target, and the authority of an absolute one, which replaces Host (RFC 9112 §3.2.2)."""
    if target[:1] == b"/" or target == b"*":
        return target, None
    match = _ABSOLUTE.fullmatch(target)
    assert match is not None  # `check` has seen it
    rest: bytes = match[2]
    return (rest if rest[:1] == b"/" else b"/" + rest), match[1]
