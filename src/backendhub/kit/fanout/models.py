"""What goes through the fan-out: entries, their place in a channel, and who is there."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

Codec = Callable[[str, "Entry"], "str | bytes | list[str | bytes]"]
"""Writes an entry of a channel (its name comes first) as one kind of connection gets it: one message or several."""


class Place(NamedTuple):
    """Where somebody is in a channel: it has all up to `number`. Another epoch is another history."""

    epoch: str
    number: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.number}"

    @classmethod
    def read(cls, text: str) -> Place | None:
        """A place as it was told; None for what is none."""
        match = re.fullmatch(r"([0-9a-z]{8,16})-(\d{1,15})", text)
        return cls(match[1], int(match[2])) if match else None


class Entry:
    """One message of a channel, the same object for every connection of this process.

    `number` is its place in the channel, 0 for what is only said and not kept. `skip` is the peer that does not get it,
    because it was its own. What a codec makes of it is made once.
    """

    __slots__ = ("_frames", "_payloads", "at", "body", "epoch", "event", "number", "skip")

    def __init__(
        self,
        event: str,
        body: str | bytes,
        *,
        number: int = 0,
        epoch: str = "",
        at: str = "",
        skip: str | None = None,
    ) -> None:
        self.event = event
        self.body = body
        self.number = number
        self.epoch = epoch
        self.at = at
        self.skip = skip
        self._payloads: dict[Codec, list[str | bytes]] = {}
        self._frames: dict[Codec, bytes] = {}

    @property
    def place(self) -> str:
        """Where somebody is who has it; empty for what is not kept."""
        return f"{self.epoch}-{self.number}" if self.number else ""

    def payloads(self, channel: str, codec: Codec) -> list[str | bytes]:
        """What a codec makes of it."""
        found = self._payloads.get(codec)
        if found is None:
            made = codec(channel, self)
            found = self._payloads[codec] = made if isinstance(made, list) else [made]
        return found

    def frame(self, channel: str, codec: Codec) -> bytes:
        """The same as a WebSocket frame."""
        found = self._frames.get(codec)
        if found is None:
            payloads = self.payloads(channel, codec)
            found = framed(payloads[0]) if len(payloads) == 1 else b"".join(map(framed, payloads))
            self._frames[codec] = found
        return found

    def __repr__(self) -> str:
        return f"Entry({self.number}, {self.event!r}, {self.body[:40]!r})"


@dataclass(frozen=True, slots=True)
class Channel:
    """What the store knows of a channel: all after `floor` up to `top` is kept."""

    id: int
    name: str
    epoch: str
    top: int
    floor: int
    touched_at: datetime


@dataclass(frozen=True, slots=True)
class Present:
    """Somebody who is in a channel, by however many connections."""

    member: str
    info: Any


class Past(NamedTuple):
    """A part of a channel's history. `missing`: how many were asked for and are no longer kept; `again` says that the
    history asked for was another one."""

    channel: Channel | None
    entries: list[Entry]
    missing: int = 0
    again: bool = False


def framed(payload: str | bytes) -> bytes:
    """A whole message as one unmasked WebSocket frame (RFC 6455 §5.2)."""
    if isinstance(payload, str):
        head, data = (
            b"\x81",
            payload.encode(errors="replace"),
        )  # half a character of a client's JSON, told back
    else:
        head, data = b"\x82", payload
    size = len(data)
    if size < 126:
        return head + size.to_bytes(1) + data
    if size < 65536:
        return head + b"\x7e" + size.to_bytes(2) + data
    return head + b"\x7f" + size.to_bytes(8) + data
