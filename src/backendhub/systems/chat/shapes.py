"""What clients are told of rooms and messages, the same over HTTP and Socket.IO; and the bodies that they send."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from backendhub.kit import clock
from backendhub.kit.output import camel
from backendhub.kit.web.fields import NO_NUL, VISIBLE

from .models import Attachment, Kind, Message, Mine, Reaction, Role

Name = Annotated[str, Field(min_length=1, max_length=100, pattern=VISIBLE)]
Topic = Annotated[str, Field(max_length=500, pattern=NO_NUL)]
Login = Annotated[str, Field(min_length=1, max_length=254, pattern=NO_NUL)]


class In(BaseModel):
    """A body."""

    model_config = ConfigDict(alias_generator=camel, populate_by_name=True, extra="forbid")


class RegisterIn(In):
    """Who registers."""

    username: Annotated[str, Field(min_length=1, max_length=64, pattern=VISIBLE)]
    password: Annotated[str, Field(max_length=1024)]


class LoginIn(In):
    """Who signs in, by username or e-mail address."""

    login: Login
    password: Annotated[str, Field(max_length=1024)]


class RefreshIn(In):
    """The token that gets the next one."""

    refresh_token: Annotated[str, Field(max_length=500)]


class RoomIn(In):
    """A room to make."""

    name: Name
    kind: Annotated[Kind, Field(description="`public` or `private`")] = Kind.PUBLIC
    topic: Topic = ""
    members: Annotated[list[Login], Field(max_length=100)] = []


class RoomPatch(In):
    """What is to change of a room."""

    name: Name = Field(default_factory=str)
    topic: Topic = ""


class UserIn(In):
    """Somebody, by username, e-mail address or id."""

    user: Login


class MemberPatch(In):
    """What is to change of a member: the role, or for how long they may not speak (0 ends it)."""

    role: Role = Role.MEMBER
    muted_for: Annotated[int, Field(ge=0, le=10 * 366 * 86400, description="Seconds")] = 0


class BanIn(In):
    """Why somebody is banned, and for how long; without `seconds` for good."""

    reason: Topic = ""
    seconds: Annotated[int, Field(ge=1, le=10 * 366 * 86400)] | None = None


class MessageIn(In):
    """A message. The same `txn` of the same `device` again is the same message."""

    text: Annotated[str, Field(min_length=1, max_length=10_000, pattern=VISIBLE)]
    txn: Annotated[str, Field(min_length=1, max_length=100, pattern=NO_NUL)] | None = None
    device: Annotated[str, Field(max_length=100, pattern=NO_NUL)] = ""
    reply_to: Annotated[int, Field(ge=1, le=2**53 - 1)] | None = None


class TextIn(In):
    """The new text of a message."""

    text: Annotated[str, Field(min_length=1, max_length=10_000, pattern=VISIBLE)]


class ReadIn(In):
    """How far somebody has read; with `received` how far a device has got."""

    to: Annotated[int, Field(ge=0, le=2**53 - 1)]
    received: bool = False


@dataclass(frozen=True, slots=True)
class MessageOut:
    """A message; `number` is its place in its room."""

    id: int
    room: str
    number: int
    user: str | None
    name: str | None
    device: str
    txn: str
    text: str
    reply_to: int | None
    attachment: Attachment | None
    reactions: tuple[Reaction, ...]
    at: datetime
    edited_at: datetime | None
    deleted_at: datetime | None


@dataclass(frozen=True, slots=True)
class MineOut:
    """A room of one's own: what is new, and the place to go on from."""

    id: str
    name: str
    kind: Kind
    topic: str
    role: Role
    joined: int
    seen: int
    top: int
    place: str


def out(m: Message) -> MessageOut:
    """A message as it is told."""
    return MessageOut(
        m.id,
        m.room_id,
        m.number,
        m.sender_id,
        m.sender,
        m.device,
        m.txn,
        m.text,
        m.reply_to,
        m.attachment,
        m.reactions,
        m.at,
        m.edited_at,
        m.deleted_at,
    )


def mine_out(m: Mine) -> MineOut:
    """A room as it is told."""
    return MineOut(m.id, m.name, m.kind, m.topic, m.role, m.joined, m.seen, m.top, m.place)


def stamp(moment: datetime) -> str:
    """A time as it is told."""
    return clock.iso(moment)


def message(m: Message) -> dict[str, Any]:
    """A message over Socket.IO."""
    return _plain(out(m))


def mine(m: Mine) -> dict[str, Any]:
    """A room over Socket.IO."""
    return _plain(mine_out(m))


def _plain(record: Any) -> dict[str, Any]:
    from backendhub.kit.output import plain

    found: dict[str, Any] = plain(record)
    return {camel(name): value for name, value in found.items()}
