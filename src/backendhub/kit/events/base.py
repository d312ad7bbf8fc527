"""Events: what is published, how it waits for who subscribed, and the interface of the bus."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from threading import Lock
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self

from backendhub.kit import payload
from backendhub.kit.errors import HubError, Invalid

from . import topics as names

LIMIT = 1_000
MAX_BYTES = 8 << 20
Overflow = Literal["drop", "gap", "close"]


class Message:
    """One event, the same object for everybody in this process who gets it. `body` is made once."""

    __slots__ = ("_data", "_frames", "body", "topic")

    def __init__(self, topic: str, body: bytes) -> None:
        self.topic = topic
        self.body = body
        self._data: Any = self
        self._frames: dict[Callable[[Message], Any], Any] = {}

    @property
    def data(self) -> Any:
        """What was published: JSON values or bytes. Everybody is given the same object; change a copy."""
        if self._data is self:
            self._data = payload.decode(self.body)
        return self._data

    def frame(self, codec: Callable[[Message], Any]) -> Any:
        """What a codec makes of this message, made once however many connections it is written to."""
        found = self._frames.get(codec)
        if found is None:
            found = self._frames[codec] = codec(self)
        return found

    def __repr__(self) -> str:
        return f"Message({self.topic!r}, {self.body[:80]!r})"


class Gap(NamedTuple):
    """Stands where messages are missing: whoever needs all of them reads the store again from here."""

    reason: Literal["slow", "reconnected"]
    missed: int | None
    """How many; None where nobody knows."""


class TooSlow(HubError):
    """A subscriber whose policy is `close` did not keep up."""

    status, exit_code, code, title = 503, 1, "slow_consumer", "Too slow"


class Subscription:
    """Messages of some topics, in the order in which they were published.

    `async with events.subscribe("chat.*") as messages: async for message in messages:`. It is active from the moment
    the block is entered. One event loop reads it; anything may publish. Reading may be cancelled (`asyncio.wait_for`)
    without losing a message.

    What waits is bounded by `limit` messages and `max_bytes` bytes. Beyond it the oldest go (`drop`), the oldest go
    and a Gap says so (`gap`), or reading raises TooSlow (`close`).
    """

    def __init__(
        self, bus: Events, topics: tuple[str, ...], limit: int, max_bytes: int, overflow: Overflow
    ) -> None:
        for name in topics:
            names.matcher(name)
        if not topics or limit < 1 or overflow not in ("drop", "gap", "close"):
            raise Invalid("A subscription has topics, a limit and a policy: drop, gap or close.")
        self.topics = tuple(dict.fromkeys(topics))
        self.loop = asyncio.get_running_loop()
        self.dropped = 0
        """Messages that this subscriber was too slow for."""
        self._bus = bus
        self._limit, self._max_bytes, self._overflow = limit, max_bytes, overflow
        self._queue: deque[Message | Gap] = deque()
        self._bytes = 0
        self._gap: Gap | None = None  # what is missing in front of the queue
        self._state: Literal["new", "open", "slow", "closed"] = "new"
        self._lock = Lock()
        self._event = asyncio.Event()
        self._woken = False

    # -- reading ------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self.opened()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __aiter__(self) -> AsyncIterator[Message | Gap]:
        return self

    async def __anext__(self) -> Message | Gap:
        found = await self.get()
        if found is None:
            raise StopAsyncIteration
        return found

    async def opened(self) -> None:
        """Begins; whatever is published afterwards will arrive. Raises StoreError where the bus cannot be reached."""
        if self._state == "new":
            self._state = "open"
            try:
                await self._bus.attach(self)
            except BaseException:
                self.close()
                raise

    async def get(self) -> Message | Gap | None:
        """The next message; None once it was closed and all was read. Raises TooSlow."""
        if self._state == "new":
            await self.opened()
        while True:
            with self._lock:
                if self._gap is not None:
                    gap, self._gap = self._gap, None
                    return gap
                if self._queue:
                    found = self._queue.popleft()
                    self._bytes -= _size(found)
                    return found
                if self._state == "slow":
                    raise TooSlow(
                        f"More than {self._limit} messages were waiting.", hint="reconnect and read on"
                    )
                if self._state == "closed":
                    return None
                self._event.clear()
                self._woken = False
            await self._event.wait()

    def close(self) -> None:
        """Ends it: nothing more arrives; what waits can still be read."""
        self._bus.detach(self)
        with self._lock:
            if self._state != "slow":
                self._state = "closed"
        self._wake(None)

    def __len__(self) -> int:
        return len(self._queue)

    # -- the bus ------------------------------------------------------------------------------------------

    def push(self, item: Message | Gap, loop: asyncio.AbstractEventLoop | None) -> bool:
        """Adds a message from any thread; `loop` is the one that runs in it. False where nobody will read it."""
        if self.loop is not loop and self.loop.is_closed():
            return False
        with self._lock:
            if self._state != "open":
                return False
            self._queue.append(item)
            self._bytes += _size(item)
            while len(self._queue) > self._limit or (self._bytes > self._max_bytes and len(self._queue) > 1):
                self._overflowed()
            if self._woken:
                return True
            self._woken = True
        return self._wake(loop)

    def _overflowed(self) -> None:
        if self._overflow == "close":
            self.dropped += sum(isinstance(item, Message) for item in self._queue)
            self._queue.clear()
            self._bytes, self._state = 0, "slow"
            return
        oldest = self._queue.popleft()
        self._bytes -= _size(oldest)
        if isinstance(oldest, Gap):
            self._gap = oldest  # more is missing now, and nobody knew how much already
        else:
            self.dropped += 1
            if self._gap is not None and self._gap.missed is not None:
                self._gap = Gap("slow", self._gap.missed + 1)
            elif self._gap is None and self._overflow == "gap":
                self._gap = Gap("slow", 1)

    def _wake(self, loop: asyncio.AbstractEventLoop | None) -> bool:
        if self.loop is loop:
            self._event.set()
            return True
        try:
            self.loop.call_soon_threadsafe(self._event.set)
        except RuntimeError:  # the loop was closed just now
            return False
        return True


def _size(item: Message | Gap) -> int:
    return len(item.body) if isinstance(item, Message) else 0


class Events(ABC):
    """The bus: `publish(topic, data)` reaches every subscription of the topic, once, in order.

    Nothing is kept: what must not be lost is in the store, and an event says that it is there.
    """

    def subscribe(
        self,
        *topics: str,
        limit: int = LIMIT,
        max_bytes: int = MAX_BYTES,
        overflow: Overflow = "gap",
    ) -> Subscription:
        """A subscription of topics and patterns (`*` is one segment, `**` at the end one or more), for the running
        event loop. Raises Invalid."""
        return Subscription(self, topics, limit, max_bytes, overflow)

    def publish(self, topic: str, data: Any) -> Awaitable[None]:
        """Publishes a JSON value, a record or bytes, from any thread; written out once, here.

        It never waits. Awaiting the result waits until the bus has it and raises StoreError where it did not get
        there. Outside of an event loop that is raised at once. Raises Invalid.
        """
        return self._publish(names.topic(topic), payload.encode(data))

    @abstractmethod
    def _publish(self, topic: str, body: bytes) -> Awaitable[None]: ...

    @abstractmethod
    async def attach(self, subscription: Subscription) -> None:
        """Begins to deliver to a subscription."""

    @abstractmethod
    def detach(self, subscription: Subscription) -> None:
        """Delivers no more to a subscription; nothing happens for one that is not attached."""

    def close(self) -> None:  # noqa: B027 (memory has nothing to close)
        """Lets go of connections."""


class Done:
    """An awaitable that has happened already."""

    def __await__(self) -> Generator[None, None, None]:
        return
        yield


DONE = Done()


def running() -> asyncio.AbstractEventLoop | None:
    """The event loop that runs in this thread."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
