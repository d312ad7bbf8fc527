"""The rules of channels: their names, who may do what, signatures, and their history."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from backendhub.kit import clock
from backendhub.kit.db import Db
from backendhub.kit.errors import Denied, Invalid, NotFound, Unauthenticated
from backendhub.kit.fanout import Channel, Entry, Place, log

from .models import Access, Keys, Message, Signed, Summary

if TYPE_CHECKING:
    from backendhub.kit.settings import Settings

SPACE = "broadcast"
MAIN = "main"
NAME = r"[A-Za-z0-9_\-=@,.;]{1,164}"
EVENT = r"[^\x00-\x1f]{1,200}"
RESERVED = ("pusher:", "pusher_internal:")
"""Beginnings of the events by which the Pusher protocol itself speaks to its clients."""
CLOCK_S = 600
"""How far the clock of a server that publishes may be off."""
MAX_KEPT = 1_000_000


# -- names ------------------------------------------------------------------------------------------------


def access(name: str) -> Access:
    """What a channel asks for. Raises Invalid for what is no name of a channel."""
    if not re.fullmatch(NAME, name):
        raise Invalid(f"{name[:80]!r} is no channel.", hint="letters, digits and _-=@,.; up to 164 of them")
    for kind, start in (
        (Access.ENCRYPTED, "private-encrypted-"),
        (Access.PRIVATE, "private-"),
        (Access.PRESENCE, "presence-"),
    ):
        if name.startswith(start):
            return kind
    return Access.PUBLIC


def event(name: str) -> str:
    """The name of an event that anybody may send. Raises Invalid."""
    if not re.fullmatch(EVENT, name) or name.startswith(RESERVED):
        raise Invalid(f"{name[:80]!r} is no name for an event.", hint="without control characters or pusher:")
    return name


def is_cache(name: str) -> bool:
    """Whether a subscriber of the Pusher protocol gets the channel's last event first."""
    return re.match(r"(private-encrypted-|private-|presence-)?cache-", name) is not None


def public(name: str) -> str:
    """The name of a channel that everybody may use. Raises Invalid, Denied."""
    if access(name) is not Access.PUBLIC:
        raise Denied(
            "This channel is for subscribers whom an application has signed.", hint="use the Pusher protocol"
        )
    return name


def kept(settings: Settings) -> int:
    """How many messages of a channel are kept. Raises Invalid."""
    number = settings.number("broadcast.history")
    if not 1 <= number <= MAX_KEPT:
        raise Invalid(f"broadcast.history is between 1 and {MAX_KEPT:,} messages.")
    return int(number)


def lifetime(settings: Settings) -> timedelta:
    """How long messages are kept. Raises Invalid."""
    seconds = settings.number("broadcast.history_age")
    if not 1 <= seconds <= 10 * 366 * 86400:
        raise Invalid("broadcast.history_age is between one second and ten years.")
    return timedelta(seconds=seconds)


# -- signatures -------------------------------------------------------------------------------------------


def keys(settings: Settings) -> Keys:
    """The application of this server."""
    return Keys(
        settings.get("broadcast.app_id") or "1",
        settings.get("broadcast.key") or "backendhub-key",
        settings.get("broadcast.secret") or None,
    )


def sign(secret: str, text: str) -> str:
    """HMAC-SHA256 in hexadecimal."""
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def is_signed(app: Keys, auth: str, text: str) -> bool:
    """Whether `key:signature` is this application's for a text."""
    key, _, signature = auth.partition(":")
    return (
        app.secret is not None
        and hmac.compare_digest(key.encode(), app.key.encode())
        and hmac.compare_digest(signature.encode(), sign(app.secret, text).encode())
    )


def subscriber(app: Keys, socket_id: str, channel: str, auth: Any, channel_data: Any) -> Signed | None:
    """Lets a connection into a private or presence channel; who it is in a presence channel. Raises Denied, Invalid."""
    if (kind := access(channel)) is Access.PUBLIC:
        return None
    if app.secret is None:
        raise Denied("This server has no secret, so nobody can be let in.", hint="set broadcast.secret")
    text = f"{socket_id}:{channel}" + (f":{channel_data}" if isinstance(channel_data, str) else "")
    if not isinstance(auth, str) or not is_signed(app, auth, text):
        raise Denied(f"The connection is unauthorized: invalid signature for {channel}.")
    return _member(channel_data) if kind is Access.PRESENCE else None


def _member(channel_data: Any) -> Signed:
    try:
        found = json.loads(channel_data)
        user = found["user_id"]
        info = found.get("user_info")
    except (TypeError, ValueError, KeyError, AttributeError):
        raise Invalid("channel_data of a presence channel is JSON with a user_id.") from None
    if not isinstance(user, (str, int)) or not 1 <= len(str(user)) <= 128:
        raise Invalid("A user_id has 1 to 128 characters.")
    return Signed(str(user), info)


def signed_in(app: Keys, socket_id: str, auth: Any, user_data: Any) -> str:
    """The user whom an application has signed for a connection. Raises Denied."""
    good = isinstance(auth, str) and isinstance(user_data, str)
    if not good or not is_signed(app, auth, f"{socket_id}::user::{user_data}"):
        raise Denied("The user data is not signed by this application.")
    try:
        user = json.loads(user_data)["id"]
    except (TypeError, ValueError, KeyError):
        raise Denied("The user data is JSON with an id.") from None
    if not isinstance(user, (str, int)) or not 1 <= len(str(user)) <= 128:
        raise Denied("The id of a user has 1 to 128 characters.")
    return str(user)


def check_request(
    app: Keys, app_id: str, method: str, path: str, query: Mapping[str, str], body: bytes
) -> None:
    """A request of an application's server. Raises NotFound, Unauthenticated."""
    if app_id != app.id:
        raise NotFound(f"There is no app {app_id[:80]!r}.")
    if app.secret is None:
        raise Unauthenticated(
            "This server has no secret, so no request can be signed.", hint="set broadcast.secret"
        )
    wrong = Unauthenticated("Invalid signature.")
    if query.get("auth_key") != app.key or query.get("auth_version") != "1.0":
        raise Unauthenticated("Unknown auth_key or auth_version.")
    stamp = query.get("auth_timestamp", "")
    if not re.fullmatch(r"\d{1,12}", stamp) or abs(int(stamp) - clock.precise().timestamp()) > CLOCK_S:
        raise Unauthenticated("auth_timestamp is more than ten minutes from this server's time.")
    md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
    if body and query.get("body_md5") != md5:
        raise wrong
    signed = {name.lower(): value for name, value in query.items() if name != "auth_signature"}
    text = "&".join(f"{name}={signed[name]}" for name in sorted(signed))
    expected = sign(app.secret, f"{method}\n{path}\n{text}")
    if not hmac.compare_digest(query.get("auth_signature", "").encode(), expected.encode()):
        raise wrong


# -- history ----------------------------------------------------------------------------------------------


def history(
    db: Db, name: str, *, after: str | None = None, last: int | None = None, limit: int = 100
) -> list[Message]:
    """Messages of a public channel in their order: those after a place, or the last ones. Raises Invalid."""
    place: Place | int = 0
    if after is not None:
        place = Place.read(after) or _bad(after)
    past = log.since(db, SPACE, public(name), place, last=last, limit=limit)
    return [message(past.channel, entry) for entry in past.entries if past.channel is not None]


def _bad(text: str) -> Place:
    raise Invalid(f"{text[:80]!r} is no id of a message.", hint="the `id` of a message, as it was told")


def message(channel: Channel, entry: Entry) -> Message:
    """A stored entry as it is told."""
    return told(channel.name, channel.epoch, entry)


def told(channel: str, epoch: str, entry: Entry) -> Message:
    """An entry as it is told."""
    import base64

    text = isinstance(entry.body, str)
    data = entry.body if isinstance(entry.body, str) else base64.b64encode(entry.body).decode()
    at = datetime.fromisoformat(entry.at)
    place = str(Place(epoch, entry.number))
    return Message(place, channel, entry.event or None, data, None if text else "base64", at)


def channels(db: Db, *, after: str = "", limit: int = 100) -> list[Summary]:
    """Public channels that were used, by name."""
    return [
        Summary(c.name, c.top, c.top - c.floor, str(Place(c.epoch, c.top)), c.touched_at)
        for c in log.channels(db, SPACE, after=after, limit=limit, hide=("private-%", "presence-%"))
    ]


def expire(db: Db, age: timedelta) -> int:
    """Forgets what is older than it may get."""
    return log.expire(db, SPACE, clock.precise() - age)
