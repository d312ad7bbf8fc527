"""Rooms, members, messages, and what is told of a change."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Generic, TypeVar

from backendhub.kit.db import derived
from backendhub.kit.fanout import Channel, Entry

T = TypeVar("T")


class Kind(Enum):
    """Who may enter a room: anybody, whom a member has added, or two people."""

    PUBLIC = "public"
    PRIVATE = "private"
    DIRECT = "direct"


class Role(Enum):
    """What a member may do to others."""

    OWNER = "owner"
    MODERATOR = "moderator"
    MEMBER = "member"


RANK = {Role.OWNER: 2, Role.MODERATOR: 1, Role.MEMBER: 0}


@dataclass(frozen=True, slots=True)
class Room:
    """A room."""

    id: str
    name: str
    kind: Kind
    topic: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Mine:
    """A room as one of its members sees it: what is new, and the place of the last event."""

    id: str
    name: str
    kind: Kind
    topic: str
    role: Role
    joined: int
    seen: int
    top: int
    epoch: str

    @property
    def place(self) -> str:
        """The place of the last event."""
        return f"{self.epoch}-{self.top}"


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody in a room; `got` and `seen` are how far their devices have received and they have read."""

    user_id: str
    name: str
    role: Role
    joined_at: datetime
    joined: int
    got: int
    seen: int
    muted_until: datetime | None
    online: bool = derived()


@dataclass(frozen=True, slots=True)
class Ban:
    """Somebody who may not enter a room."""

    user_id: str
    name: str
    reason: str
    until: datetime | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Reaction:
    """An emoji and who has set it."""

    emoji: str
    users: list[str]


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of a message."""

    name: str
    type: str
    size: int


@dataclass(frozen=True, slots=True)
class Message:
    """A message; `number` is its place in the room."""

    id: int
    room_id: str
    number: int
    sender_id: str | None
    sender: str | None
    device: str
    txn: str
    text: str
    reply_to: int | None
    file_id: str | None
    at: datetime
    edited_at: datetime | None
    deleted_at: datetime | None
    reactions: tuple[Reaction, ...] = derived(())
    attachment: Attachment | None = derived()  # noqa: RUF009


Told = tuple[Channel, list[Entry]]


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """What a change comes to, and what is to be delivered once it is committed."""

    value: T
    told: tuple[Told, ...] = ()
