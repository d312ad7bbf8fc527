"""Packets of Engine.IO 4 and Socket.IO 5: text and bytes in, values out, and back."""

from __future__ import annotations

import base64
import binascii
import json
import re
from enum import IntEnum
from typing import Any, NamedTuple

SEPARATOR = "\x1e"
"""Between packets of a long poll."""
MAX_ATTACHMENTS = 100
RESERVED = {"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"}
"""Names that no event has."""
_HEAD = re.compile(r"([0-6])(?:(\d{1,4})-)?(?:(/[^,]{0,200})(?:,|$))?(\d{1,15})?(?=[\[{]|$)")


class ProtocolError(Exception):
    """What no client of this protocol sends; its connection is closed."""


class Kind(IntEnum):
    """The types of Socket.IO packets."""

    CONNECT = 0
    DISCONNECT = 1
    EVENT = 2
    ACK = 3
    CONNECT_ERROR = 4
    BINARY_EVENT = 5
    BINARY_ACK = 6


class Packet(NamedTuple):
    """A Socket.IO packet. `data` is a list for events and acknowledgements, an object or None for the others."""

    kind: Kind
    namespace: str = "/"
    data: Any = None
    id: int | None = None


def dump(value: Any) -> str:
    """JSON as JavaScript writes it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def encode(packet: Packet) -> list[str | bytes]:
    """The Engine.IO messages of a packet: one text, and one of bytes for each attachment."""
    attachments: list[bytes] = []
    data = packet.data
    kind = packet.kind
    if kind in (Kind.EVENT, Kind.ACK):
        data = _without_bytes(data, attachments)
        if attachments:
            kind = Kind.BINARY_EVENT if kind is Kind.EVENT else Kind.BINARY_ACK
    head = f"4{int(kind)}"
    if attachments:
        head += f"{len(attachments)}-"
    if packet.namespace != "/":
        head += packet.namespace + ","
    if packet.id is not None:
        head += str(packet.id)
    return [head + (dump(data) if data is not None else ""), *attachments]


def _without_bytes(value: Any, found: list[bytes]) -> Any:
    kind = value.__class__
    if kind in (str, int, float, bool) or value is None:
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        found.append(bytes(value))
        return {"_placeholder": True, "num": len(found) - 1}
    if isinstance(value, dict):
        return {name: _without_bytes(each, found) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_bytes(each, found) for each in value]
    return value


class Decoder:
    """Puts packets together from the messages of one connection."""

    def __init__(self, limit: int = 4_000_000) -> None:
        """`limit`: bytes of all attachments of a packet, which wait until the last has come."""
        self.limit = limit
        self._waiting: Packet | None = None
        self._wanted = self._size = 0
        self._parts: list[bytes] = []

    def feed(self, message: str | bytes) -> Packet | None:
        """A packet, once all of it has come. Raises ProtocolError."""
        if isinstance(message, bytes):
            return self._attachment(message)
        if self._waiting is not None:
            raise ProtocolError("text where an attachment was to come")
        packet, attachments = _read(message)
        if not attachments:
            return packet
        self._waiting, self._wanted, self._parts, self._size = packet, attachments, [], 0
        return None

    def _attachment(self, data: bytes) -> Packet | None:
        if self._waiting is None:
            raise ProtocolError("an attachment that belongs to nothing")
        self._size += len(data)
        if self._size > self.limit:
            raise ProtocolError("attachments that are too large together")
        self._parts.append(data)
        if len(self._parts) < self._wanted:
            return None
        packet, self._waiting = self._waiting, None
        return packet._replace(data=_with_bytes(packet.data, self._parts))


def _with_bytes(value: Any, parts: list[bytes]) -> Any:
    if isinstance(value, dict):
        if value.get("_placeholder") is True:
            number = value.get("num")
            if not isinstance(number, int) or not 0 <= number < len(parts):
                raise ProtocolError("a placeholder for an attachment that there is not")
            return parts[number]
        return {name: _with_bytes(each, parts) for name, each in value.items()}
    if isinstance(value, list):
        return [_with_bytes(each, parts) for each in value]
    return value


def _read(text: str) -> tuple[Packet, int]:
    match = _HEAD.match(text)
    if match is None:
        raise ProtocolError("no packet of Socket.IO")
    kind, attachments, namespace, id = match.groups()
    rest = text[match.end() :]
    try:
        data = json.loads(rest) if rest else None
    except (ValueError, RecursionError):
        raise ProtocolError("the payload is no JSON") from None
    packet = Packet(Kind(int(kind)), namespace or "/", data, None if id is None else int(id))
    count = int(attachments or 0)
    binary = packet.kind in (Kind.BINARY_EVENT, Kind.BINARY_ACK)
    if count > MAX_ATTACHMENTS or (attachments is not None) is not binary or not _fits(packet):
        raise ProtocolError("a packet whose parts do not fit")
    return packet, count


def _fits(packet: Packet) -> bool:
    data = packet.data
    if packet.kind is Kind.CONNECT:
        return data is None or isinstance(data, dict)
    if packet.kind is Kind.DISCONNECT:
        return data is None
    if packet.kind in (Kind.EVENT, Kind.BINARY_EVENT):
        return isinstance(data, list) and bool(data) and isinstance(data[0], str) and data[0] not in RESERVED
    if packet.kind in (Kind.ACK, Kind.BINARY_ACK):
        return isinstance(data, list) and packet.id is not None
    return False  # clients send no CONNECT_ERROR


# -- long polling -----------------------------------------------------------------------------------------


def joined(messages: list[str | bytes]) -> str:
    """Engine.IO packets as the body of a long poll."""
    return SEPARATOR.join(m if isinstance(m, str) else "b" + base64.b64encode(m).decode() for m in messages)


def parted(body: str) -> list[str | bytes]:
    """The packets of such a body. Raises ProtocolError."""
    found: list[str | bytes] = []
    for part in body.split(SEPARATOR):
        if part[:1] == "b":
            try:
                found.append(base64.b64decode(part[1:], validate=True))
            except (binascii.Error, ValueError):
                raise ProtocolError("no Base64") from None
        else:
            found.append(part)
    return found
