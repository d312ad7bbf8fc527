"""Who listens to a channel in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from .models import Codec, Entry, Past
from .peers import Peer

Missed = Callable[[Peer, str, Past], None]
"""Tells a peer that a part of the history is gone."""


class Member:
    """A peer in a channel. While it is `behind` it reads from the store and is left out of deliveries."""

    __slots__ = ("behind", "channel", "codec", "held", "missed", "number", "past", "peer", "stop", "task")

    def __init__(self, peer: Peer, channel: str, codec: Codec, missed: Missed | None) -> None:
        self.peer = peer
        self.channel = channel
        self.codec = codec
        self.missed = missed
        self.number = 0
        self.behind = False
        self.held: list[Entry] = []
        """What was only said while it is behind: it comes after what is kept."""
        self.past: Past | None = None
        """What it has to be told is missing."""
        self.stop: Callable[[Entry], bool] | None = None
        """Whether an entry with a name in `Fanout.control` is the last one that it may have."""
        self.task: asyncio.Task[None] | None = None


class Stream:
    """A channel that somebody in this process listens to."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.epoch = ""
        self.number = -1
        """Everything up to here was delivered; -1 before it is known."""
        self.hint = 0
        """The newest number that was heard of."""
        self.members: dict[Codec, dict[Member, None]] = {}
        self.filling: asyncio.Task[None] | None = None

    def of(self, epoch: str) -> None:
        """Takes note of the history that there is: where it is another one, everybody begins with it anew."""
        if self.epoch == epoch:
            return
        self.epoch, self.number, self.hint = epoch, min(self.number, 0), 0
        for member in self.all():
            if member.behind:
                member.number = 0

    def all(self) -> Iterable[Member]:
        """Every member."""
        return [member for members in self.members.values() for member in members]

    def __len__(self) -> int:
        return sum(map(len, self.members.values()))
