"""What a bus can do, whichever it is.

Messages go to one of eight partitions by their key, and each partition is a sequence. A group (the id of a store)
reads every partition once: one process reads a partition at a time (`leases`), so those of a key keep their order.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from zlib import crc32

from backendhub.kit.errors import Invalid, StoreError
from backendhub.kit.settings import without_password

log = logging.getLogger("backendhub.bus")
PARTITIONS = 8
KEEP_S = 7 * 86400
"""How long a bus keeps messages for a store that does not read them."""
TIMEOUT_S = 5.0
"""How long a server may take to say that it has messages."""
CLOSE_S = 1.0
"""How long to say goodbye: over a connection that broke nobody answers."""
MAX_TOPIC = 200


class BusLost(StoreError):
    """The bus cannot be reached, or has not said that it has what was sent: send it again."""

    def __init__(self, shown: str, reason: object) -> None:
        text = " ".join(str(reason).split()) or type(reason).__name__
        super().__init__(f"The bus at {shown} does not answer: {text}.", hint="is the server running?")


class Message(NamedTuple):
    """What is published: `body` is a CloudEvent in JSON."""

    topic: str
    partition: int
    id: str
    body: bytes


class Received(NamedTuple):
    """What was read. `position` names its place in the partition, where the bus has such (a log); else it is empty."""

    position: str
    body: bytes


def partition(key: str) -> int:
    """The partition of a key, the same for every store and version."""
    return crc32(key.encode()) % PARTITIONS


class Reader(ABC):
    """Reads one partition for a group, in order, from a position on."""

    @abstractmethod
    async def take(self, limit: int) -> list[Received]:
        """Up to `limit` messages; waits about a second for the first. Raises BusLost."""

    @abstractmethod
    async def done(self) -> None:
        """All that was taken is safe with the reader: what a queue keeps until then it may forget. Raises BusLost."""

    @abstractmethod
    async def close(self) -> None:
        """Reads no more; what was taken and is not done comes again, to whoever reads next."""


class Bus(ABC):
    """A server that keeps messages. All of it is for one event loop at a time."""

    kind: str
    """Its name, in the names of leases."""
    limit: int
    """The most bytes that a message may have."""

    def __init__(self, url: str, prefix: str) -> None:
        self.url, self.prefix = url, prefix
        self.shown = without_password(url)
        self.trouble: str | None = None
        """Why it cannot be reached at the moment, as far as is known."""

    @asynccontextmanager
    async def talking(self, seconds: float = TIMEOUT_S) -> AsyncIterator[None]:
        """What is said to the server in here takes no longer than that. Raises BusLost, whatever the client raises.

        A client whose connection breaks cancels the calls that are under way. Nobody has cancelled those who made
        them: were that passed on, a task would end as if it had been told to, and nothing would begin it anew.
        """
        try:
            async with asyncio.timeout(seconds):
                yield
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise BusLost(self.shown, "the connection was closed") from error
        except BusLost:
            raise
        except Exception as error:
            raise BusLost(self.shown, error) from error

    @abstractmethod
    async def check(self) -> None:
        """Asks the server for a sign of life. Raises BusLost."""

    @abstractmethod
    async def publish(self, messages: Sequence[Message]) -> None:
        """Returns when the server has said that it has all of them. Raises BusLost: some may be there."""

    @abstractmethod
    async def join(self, group: str) -> list[str]:
        """Makes what a group needs, and gives the position of the end of each partition. Raises BusLost."""

    @abstractmethod
    async def read(self, group: str, partition: int, position: str) -> Reader:
        """Begins to read what comes after a position. Raises BusLost."""

    @abstractmethod
    async def leave(self, group: str) -> None:
        """Takes away what a group has on the server. Raises BusLost."""

    @abstractmethod
    async def close(self) -> None:
        """Ends the connection."""


def divided(url: str) -> tuple[str, str]:
    """A URL without our own option, and that: `?prefix=shop`. Raises Invalid."""
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    prefix = options.pop("prefix", "backendhub")
    if not prefix or not prefix.replace("-", "").replace("_", "").isalnum() or not prefix.isascii():
        raise Invalid(f"{prefix!r} is no prefix.", hint="letters, digits, - and _")
    return urlunsplit(parts._replace(query=urlencode(options))), prefix


def missing(shown: str, partition: str, position: str) -> None:
    """Notes that messages are gone which nobody of this store has read."""
    log.error(
        "the bus at %s no longer has what came in %s after %s: events are missing", shown, partition, position
    )
