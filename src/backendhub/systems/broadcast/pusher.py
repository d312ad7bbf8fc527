"""The Pusher Channels protocol, version 7, over WebSocket: what `pusher-js` and its kin speak."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import deque
from typing import Any

from backendhub.kit import web
from backendhub.kit.errors import HubError, Invalid
from backendhub.kit.fanout import Entry, Member, Past, SocketPeer, log, presence
from backendhub.kit.output import dumps

from . import codecs, service
from .engine import Engine
from .models import Access, Signed

PROTOCOLS = ("5", "6", "7")
ACTIVITY_S = 120
MAX_MESSAGE = 100_000
MAX_CHANNELS = 500
"""Channels of one connection."""
CLIENT_EVENTS = 10
"""Client events that one connection may send in a second."""


def user_channel(user: str) -> str:
    """The channel of what is sent to one user; no client can subscribe to it by its name."""
    return f"#server-to-user-{user}"


async def connect(socket: web.Socket, key: str, protocol: str = "7") -> None:
    """A client of the Pusher protocol."""
    engine = Engine.of(socket.request.hub)
    await socket.accept()
    if key != engine.keys.key:
        return await _refuse(
            socket, 4001, f"App key {key[:80]} not in this cluster. Did you forget to specify the cluster?"
        )
    if protocol not in PROTOCOLS:
        return await _refuse(socket, 4007, "Unsupported protocol version")
    connection = Connection(engine, socket)
    engine.connections.add(connection)
    try:
        await connection.run()
    finally:
        engine.connections.discard(connection)
        await asyncio.shield(connection.close())


async def _refuse(socket: web.Socket, code: int, message: str) -> None:
    await socket.send_json({"event": "pusher:error", "data": {"code": code, "message": message}})
    await socket.close(code, message.encode()[:120].decode("utf-8", "ignore"))


class Connection:
    """One client, with the channels that it has subscribed to."""

    def __init__(self, engine: Engine, socket: web.Socket) -> None:
        self.engine = engine
        self.socket = socket
        self.id = f"{secrets.randbelow(2**31)}.{secrets.randbelow(2**31)}"
        self.peer = SocketPeer(socket, policy="close", id=self.id)
        self.members: dict[str, Member] = {}
        self.signed: dict[str, Signed] = {}
        self.user: str | None = None
        self._sent: deque[float] = deque(maxlen=CLIENT_EVENTS)

    def users(self) -> set[str]:
        """Who this is: the user who signed in."""
        return {self.user} if self.user is not None else set()

    async def run(self) -> None:
        """Answers what comes until the connection ends."""
        self.say("pusher:connection_established", {"socket_id": self.id, "activity_timeout": ACTIVITY_S})
        async for message in self.socket:
            try:
                given = json.loads(message)
                event, data = given["event"], given.get("data")
                if not isinstance(event, str):
                    raise TypeError
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
                self.error(None, "Invalid JSON: send an object with an event.")
                continue
            await self._on(event, data, given)

    async def _on(self, event: str, data: Any, given: dict[str, Any]) -> None:
        if event == "pusher:ping":
            self.say("pusher:pong", {})
        elif event == "pusher:subscribe":
            await self._subscribe(_object(data))
        elif event == "pusher:unsubscribe":
            await self._unsubscribe(_object(data).get("channel"))
        elif event == "pusher:signin":
            await self._sign_in(_object(data))
        elif event.startswith("client-"):
            self._client_event(event, given.get("channel"), data)
        elif event != "pusher:pong":
            self.error(4302 if event.startswith("pusher") else None, f"Unknown event {event[:80]}")

    def say(self, event: str, data: Any, channel: str | None = None) -> None:
        """Sends a message of the protocol's own."""
        told = {"event": event, "data": dumps(data, compact=True)}
        self.peer.say(dumps(told | ({"channel": channel} if channel else {}), compact=True))

    def error(self, code: int | None, message: str) -> None:
        """Tells of a mistake that does not end the connection."""
        self.peer.say(
            dumps({"event": "pusher:error", "data": {"code": code, "message": message}}, compact=True)
        )

    # -- channels -----------------------------------------------------------------------------------------

    async def _subscribe(self, data: dict[str, Any]) -> None:
        channel = data.get("channel")
        if not isinstance(channel, str):
            return self.error(None, "pusher:subscribe names a channel.")
        if channel in self.members:
            return self.error(None, f"Existing subscription to channel {channel}")
        try:
            if len(self.members) >= MAX_CHANNELS:
                raise Invalid(f"A connection has {MAX_CHANNELS} channels at most.")
            signed = service.subscriber(
                self.engine.keys, self.id, channel, data.get("auth"), data.get("channel_data")
            )
            await self._join(channel, signed)
        except HubError as error:
            status = 401 if error.status == 403 else error.status
            kind = "AuthError" if status == 401 else "SubscriptionError"
            told = {"type": kind, "error": error.message, "status": status}
            self.peer.say(
                dumps({"event": "pusher:subscription_error", "channel": channel, "data": told}, compact=True)
            )

    async def _join(self, channel: str, signed: Signed | None) -> None:
        async def first() -> None:
            told = {} if signed is None else await self._present(channel, signed)
            self.say("pusher_internal:subscription_succeeded", told, channel)
            if service.is_cache(channel):
                await self._cached(channel)

        fan, last = self.engine.fan, 1 if service.is_cache(channel) else 0
        self.members[channel] = await fan.join(self.peer, channel, codecs.pusher, last=last, first=first)

    async def _cached(self, channel: str) -> None:
        past: Past = await self.engine.fan.read(log.since, service.SPACE, channel, last=1)
        if not past.entries:
            self.peer.say(
                dumps({"event": "pusher:cache_miss", "channel": channel, "data": "{}"}, compact=True)
            )

    async def _present(self, channel: str, signed: Signed) -> dict[str, Any]:
        """Enters a presence channel; gives who is there."""
        engine = self.engine
        came = await engine.leases.enter(channel, peer=self.id, member=signed.user_id, info=signed.info)
        self.signed[channel] = signed
        if came:
            told = {"user_id": signed.user_id, "user_info": signed.info}
            engine.told(channel, "pusher_internal:member_added", told, skip=self.id)
        found = await engine.fan.read(presence.present, service.SPACE, channel)
        hash = {each.member: each.info for each in found}
        return {"presence": {"count": len(hash), "ids": list(hash), "hash": hash}}

    async def _unsubscribe(self, channel: Any) -> None:
        member = self.members.pop(channel, None) if isinstance(channel, str) else None
        if member is None:
            return
        self.engine.fan.leave(member)
        await self._left(channel)

    async def _left(self, channel: str) -> None:
        if self.signed.pop(channel, None) is not None:
            gone = await self.engine.leases.leave(channel, peer=self.id)
            if gone is not None:
                self.engine.gone(gone)

    def _client_event(self, event: str, channel: Any, data: Any) -> None:
        if not isinstance(channel, str) or channel not in self.members:
            return self.error(4301, "Client events go to channels that were subscribed to.")
        if service.access(channel) not in (Access.PRIVATE, Access.PRESENCE):
            return self.error(4301, "Client events are for private and presence channels.")
        now = asyncio.get_running_loop().time()
        if len(self._sent) == CLIENT_EVENTS and now - self._sent[0] < 1:
            return self.error(4301, f"A connection sends {CLIENT_EVENTS} client events a second at most.")
        self._sent.append(now)
        told = {"event": event, "channel": channel, "data": data}
        if channel in self.signed:
            told["user_id"] = self.signed[channel].user_id
        try:
            text = json.dumps(told, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
            self.engine.fan.whisper(channel, Entry(codecs.RAW, text, skip=self.id))
        except (HubError, ValueError):  # Python reads more than JSON: NaN, and half of a character
            self.error(4301, "The data of a client event is JSON.")

    async def _sign_in(self, data: dict[str, Any]) -> None:
        try:
            user = service.signed_in(self.engine.keys, self.id, data.get("auth"), data.get("user_data"))
        except HubError as error:
            return self.error(4009, error.message)
        self.user = user
        self.say("pusher:signin_success", {"user_data": data["user_data"]})
        channel = user_channel(user)
        if channel not in self.members:
            self.members[channel] = await self.engine.fan.join(self.peer, channel, codecs.pusher)

    async def close(self) -> None:
        """Leaves every channel."""
        self.peer.close()
        for member in self.members.values():
            self.engine.fan.leave(member)
        for channel in list(self.signed):
            await self._left(channel)


def _object(data: Any) -> dict[str, Any]:
    """The data of an event, which some clients send as a string of JSON."""
    if isinstance(data, str):
        try:
            data = json.loads(data)
        except ValueError:
            return {}
    return data if isinstance(data, dict) else {}
