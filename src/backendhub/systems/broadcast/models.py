"""What channels there are, what is told of a message, and who may use the Pusher protocol."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, NamedTuple


class Access(Enum):
    """What a channel asks of a subscriber of the Pusher protocol, by the beginning of its name."""

    PUBLIC = "public"
    PRIVATE = "private"
    ENCRYPTED = "encrypted"
    PRESENCE = "presence"


class Keys(NamedTuple):
    """The application that Pusher clients and servers name. Without a secret there are public channels only."""

    id: str
    key: str
    secret: str | None


@dataclass(frozen=True, slots=True)
class Message:
    """A message as the plain API tells it. `id` is the place after it: where to read on."""

    id: str
    channel: str
    event: str | None
    data: str
    encoding: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Summary:
    """A channel: how many messages it had, how many are kept, and how many connections of this process it has."""

    name: str
    messages: int
    kept: int
    id: str
    used_at: datetime
    connections: int = 0


class Signed(NamedTuple):
    """A presence channel's subscriber, as the application has signed them."""

    user_id: str
    info: Any
