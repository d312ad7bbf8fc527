"""A message as each kind of connection gets it. Each is written once, however many connections there are."""

from __future__ import annotations

import base64
import json

from backendhub.kit.fanout import Entry
from backendhub.kit.web import Event

RAW = "\x01pusher"
"""The event of an entry whose body is a whole message of the Pusher protocol; nobody can name an event like that."""
MESSAGE = "message"
"""What a message without a name is called where one is needed."""


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def plain(channel: str, entry: Entry) -> str | bytes:
    """The message itself."""
    return entry.body


def lines(channel: str, entry: Entry) -> str:
    """JSON with the place to go on from (subprotocol `broadcast.json`)."""
    told: dict[str, str] = {"id": entry.place, "channel": channel}
    if entry.event:
        told["event"] = entry.event
    if isinstance(entry.body, str):
        told["data"] = entry.body
    else:
        told |= {"data": base64.b64encode(entry.body).decode(), "encoding": "base64"}
    return _json(told | {"at": entry.at})


def sse(channel: str, entry: Entry) -> bytes:
    """A server-sent event whose id is the place."""
    data = entry.body if isinstance(entry.body, str) else base64.b64encode(entry.body).decode()
    event = entry.event or (None if isinstance(entry.body, str) else "binary")
    return Event(data, event=event, id=entry.place).encode()


def pusher(channel: str, entry: Entry) -> str:
    """A message of the Pusher protocol, whose data is a string."""
    if entry.event == RAW:
        assert isinstance(entry.body, str)
        return entry.body
    data = entry.body if isinstance(entry.body, str) else base64.b64encode(entry.body).decode()
    return _json({"event": entry.event or MESSAGE, "channel": channel, "data": data})
