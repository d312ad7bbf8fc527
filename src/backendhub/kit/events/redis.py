"""Events over Redis pub/sub, between processes and machines.

Everybody sees the order in which Redis got them, the publisher's own process included. When the connection breaks,
every subscription is told with a Gap as soon as it is subscribed again, so that nothing is missed in silence.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from typing import Any

from backendhub.kit.errors import StoreError
from backendhub.kit.redis import Redis
from backendhub.kit.redis.link import Link, Wire

from .base import DONE, Events, Gap, Message, Subscription, running
from .topics import Routes

GLOB = str.maketrans({c: "\\" + c for c in "[]?^\\"})


class RedisEvents(Events):
    """One connection for each event loop that subscribes or publishes."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._hosts: dict[asyncio.AbstractEventLoop, Host] = {}

    @property
    def trouble(self) -> str | None:
        """Why subscriptions get nothing at the moment."""
        for loop, host in list(self._hosts.items()):
            if host.link.lost is not None and not loop.is_closed():
                return host.link.lost
        return None

    def _publish(self, topic: str, body: bytes) -> Awaitable[None]:
        channel = self._redis.key("events", topic)
        loop = running()
        if loop is None:
            self._redis.call("PUBLISH", channel, body)
            return DONE
        return self._host(loop).publish(channel, body)

    async def attach(self, subscription: Subscription) -> None:
        """Begins to deliver; Redis has confirmed it when this returns. Raises RedisLost."""
        await self._host(subscription.loop).attach(subscription)

    def detach(self, subscription: Subscription) -> None:
        """Delivers no more."""
        loop = subscription.loop
        host = self._hosts.get(loop)
        if host is None or loop.is_closed():
            return
        if running() is loop:
            host.detach(subscription)
        else:
            loop.call_soon_threadsafe(host.detach, subscription)

    def _host(self, loop: asyncio.AbstractEventLoop) -> Host:
        host = self._hosts.get(loop)
        if host is None:
            for ended in [known for known in self._hosts if known.is_closed()]:
                del self._hosts[ended]
            host = self._hosts[loop] = Host(self._redis)
        return host

    def close(self) -> None:
        """Ends the connections."""
        for host in self._hosts.values():
            host.link.close()
        self._hosts.clear()


class Host:
    """The subscriptions of one event loop and the connection that they share."""

    def __init__(self, redis: Redis) -> None:
        self._loop = asyncio.get_running_loop()
        self._prefix = redis.key("events", "").encode()
        self._routes: Routes[Subscription] = Routes()
        self._names: dict[bytes, str] = {}  # of patterns, by what Redis knows them as
        self._backlog: list[tuple[str, bytes, asyncio.Future[Any]]] = []
        self._sender: asyncio.Task[None] | None = None
        self._early: list[list[Any]] | None = None  # what comes on a new connection before the Gap is told
        self.link = Link(redis.address, on_push=self._push, restore=self._restore)

    # -- publishing ---------------------------------------------------------------------------------------

    def publish(self, channel: str, body: bytes) -> Awaitable[None]:
        """Sends a message behind those before it; the first ones wait for the connection."""
        future: asyncio.Future[Any] = self._loop.create_future()
        future.add_done_callback(_seen)
        if self.link.wire is not None and not self._backlog:
            return self.link.wire.send("PUBLISH", channel, body, future=future)
        self._backlog.append((channel, body, future))
        if len(self._backlog) == 1:
            self._sender = self._loop.create_task(self._send_backlog())
        return future

    async def _send_backlog(self) -> None:
        try:
            wire = await self.link.connected()
        except StoreError as error:
            for _, _, future in self._backlog:
                if not future.done():
                    future.set_exception(error)
        else:
            for channel, body, future in self._backlog:
                wire.send("PUBLISH", channel, body, future=future)
        self._backlog.clear()

    # -- subscribing --------------------------------------------------------------------------------------

    async def attach(self, subscription: Subscription) -> None:
        """Adds a subscription and waits until Redis has confirmed all of it."""
        wire = self.link.wire or await self.link.connected()
        self._routes.add(subscription)
        try:
            # Asked for even where another has it: that one may not be confirmed yet, and answers come in order.
            await self._ask(wire, subscription.topics)
        except BaseException:
            self.detach(subscription)
            raise

    def detach(self, subscription: Subscription) -> None:
        """Removes a subscription, and from Redis what nobody else has."""
        for name in self._routes.remove(subscription):
            channel, verb = self._channel(name), "PUNSUBSCRIBE" if "*" in name else "UNSUBSCRIBE"
            self._names.pop(channel, None)
            if self.link.wire is not None:
                self.link.wire.send(verb, channel).add_done_callback(_seen)

    async def _ask(self, wire: Wire, names: Iterable[str]) -> None:
        await asyncio.gather(
            *(wire.send("PSUBSCRIBE" if "*" in name else "SUBSCRIBE", self._channel(name)) for name in names)
        )

    def _channel(self, name: str) -> bytes:
        """A topic as Redis knows it, or a pattern as a glob, whose stars match more there than they do here."""
        if "*" not in name:
            return self._prefix + name.encode()
        glob = (self._prefix.decode() + name).translate(GLOB).encode()
        self._names[glob] = name
        return glob

    async def _restore(self, wire: Wire) -> None:
        """On a new connection: subscribes to everything again, then tells everybody that something may be missing."""
        early: list[list[Any]] = []
        self._early = early
        await self._ask(wire, self._routes.names)
        self._early = None
        for subscription in self._routes.all():
            subscription.push(Gap("reconnected", None), self._loop)
        for push in early:
            self._push(push)

    def _push(self, push: list[Any]) -> None:
        """What Redis sends: once for a topic, and once more for each pattern that matches it."""
        if self._early is not None:
            self._early.append(push)
        elif push[0] == b"message":
            topic = push[1][len(self._prefix) :].decode()
            self._deliver(topic, topic, push[2])
        elif push[0] == b"pmessage":
            name, topic = self._names.get(push[1], ""), push[2][len(self._prefix) :].decode()
            self._deliver(name, topic, push[3])

    def _deliver(self, name: str, topic: str, body: bytes) -> None:
        if subscriptions := self._routes.by(name, topic):
            message = Message(topic, body)
            for subscription in subscriptions:
                subscription.push(message, self._loop)


def _seen(future: asyncio.Future[Any]) -> None:
    """Takes note of a failure that nobody may be waiting for."""
    if not future.cancelled():
        future.exception()
