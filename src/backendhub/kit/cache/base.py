"""The interface of a cache: what may be missing at any time, and is computed once however many ask for it."""

from __future__ import annotations

import asyncio
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

from backendhub.kit import payload
from backendhub.kit.errors import Invalid

T = TypeVar("T")
MISS: Any = object()
"""Tells a value that is not there from a None that is."""


class Cache(ABC):
    """Keys to JSON values or bytes, each with a lifetime in seconds (None: until there is no room).

    `get`, `set`, `incr`, `delete` and `get_or_set` are for threads and commands; their twins with an `a` in front are
    for event loops. A value that is there comes back as it was given, records and tuples as JSON has them. What a
    store that fails does to each call is told in its own class.
    """

    def __init__(self) -> None:
        self._spaces: dict[str, Space] = {}
        self._flights: dict[str, tuple[Future[Any], int]] = {}
        self._tasks: dict[tuple[asyncio.AbstractEventLoop, str], asyncio.Task[Any]] = {}
        self._lock = threading.Lock()

    def space(self, name: str) -> Space:
        """The part of this cache that belongs to one system: its keys meet nobody else's."""
        return self._spaces.setdefault(name, Space(self, name))

    # -- what each kind of cache does ---------------------------------------------------------------------

    @abstractmethod
    def load(self, key: str) -> bytes | None:
        """The bytes under a key."""

    @abstractmethod
    def store(self, key: str, data: bytes, ttl_s: float | None) -> bool:
        """Keeps bytes; false where they could not be kept."""

    @abstractmethod
    def incr(self, key: str, by: int = 1, *, ttl: float | None = None) -> int:
        """Adds to a whole number, which begins at 0 and then lives for `ttl` seconds; gives the sum.

        Raises Invalid where something else is kept under the key, StoreError where nobody knows the sum.
        """

    @abstractmethod
    def delete(self, *keys: str) -> int:
        """Forgets keys; gives how many were there."""

    @abstractmethod
    def clear(self, prefix: str = "") -> None:
        """Forgets every key that begins like this."""

    async def aload(self, key: str) -> bytes | None:
        """`load` for event loops."""
        return self.load(key)

    async def astore(self, key: str, data: bytes, ttl_s: float | None) -> bool:
        """`store` for event loops."""
        return self.store(key, data, ttl_s)

    async def aincr(self, key: str, by: int = 1, *, ttl: float | None = None) -> int:
        """`incr` for event loops."""
        return self.incr(key, by, ttl=ttl)

    async def adelete(self, *keys: str) -> int:
        """`delete` for event loops."""
        return self.delete(*keys)

    def lead(self, key: str, lease_s: float) -> Callable[[], None] | None:
        """Asks for the right to compute what is missing: the function that gives it back, or None while another
        process has it."""
        return lambda: None

    async def alead(self, key: str, lease_s: float) -> Callable[[], Awaitable[None]] | None:
        """`lead` for event loops."""
        return _nothing

    def close(self) -> None:  # noqa: B027 (memory has nothing to close)
        """Lets go of what is held."""

    # -- values -------------------------------------------------------------------------------------------

    def get(self, key: str, default: Any = None) -> Any:
        """The value under a key, or the default."""
        return _value(self.load(key), default)

    async def aget(self, key: str, default: Any = None) -> Any:
        """The value under a key, or the default."""
        return _value(await self.aload(key), default)

    def set(self, key: str, value: Any, ttl: float | None = None) -> bool:
        """Keeps a value for `ttl` seconds; false where it could not be kept. Raises Invalid for what is no JSON."""
        return self.store(key, payload.encode(value), lifetime(ttl))

    async def aset(self, key: str, value: Any, ttl: float | None = None) -> bool:
        """Keeps a value for `ttl` seconds; false where it could not be kept. Raises Invalid for what is no JSON."""
        return await self.astore(key, payload.encode(value), lifetime(ttl))

    # -- one computation for all who miss -----------------------------------------------------------------

    def get_or_set(
        self, key: str, make: Callable[[], T], ttl: float | None = None, *, lease: float = 30.0
    ) -> T:
        """The value under a key; what is not there is made, once for all threads (and, over Redis, processes) that
        miss it meanwhile, and kept for `ttl` seconds.

        What `make` raises, everybody in this process who waits for it is told; nothing is kept then. A process that
        dies while it computes is waited for as long as `lease` seconds. Not from an event loop: it waits.
        """
        found = self.get(key, MISS)
        if found is not MISS:
            return found  # type: ignore[no-any-return]
        me = threading.get_ident()
        with self._lock:
            known = self._flights.get(key)
            flight, pilot = known or (Future(), me)
            self._flights[key] = flight, pilot
        if known is not None:
            if pilot == me:
                raise RuntimeError(f"What makes {key!r} asks for {key!r}.")
            return flight.result()  # type: ignore[no-any-return]
        try:
            flight.set_result(value := self._made(key, make, ttl, lease))
            return value
        except BaseException as error:
            flight.set_exception(error)
            raise
        finally:
            del self._flights[key]

    def _made(self, key: str, make: Callable[[], T], ttl: float | None, lease: float) -> T:
        for wait_s in waits(lease):
            free = self.lead(key, lease)
            if (found := self.get(key, MISS)) is not MISS:  # somebody was faster
                if free:
                    free()
                return found  # type: ignore[no-any-return]
            if free is not None:
                break
            time.sleep(wait_s)
        try:
            value = make()
            self.set(key, value, ttl)
        finally:
            if free is not None:
                free()
        return value

    async def aget_or_set(
        self, key: str, make: Callable[[], Awaitable[T]], ttl: float | None = None, *, lease: float = 30.0
    ) -> T:
        """`get_or_set` for event loops; `make` is a coroutine function. One that goes away while it waits takes the
        computation from nobody."""
        found = await self.aget(key, MISS)
        if found is not MISS:
            return found  # type: ignore[no-any-return]
        flight = (asyncio.get_running_loop(), key)
        task: asyncio.Task[T] | None = self._tasks.get(flight)
        if task is None:
            task = self._tasks[flight] = asyncio.create_task(self._amade(key, make, ttl, lease))
            task.add_done_callback(lambda done: self._landed(flight, done))
        return await asyncio.shield(task)

    def _landed(self, flight: tuple[asyncio.AbstractEventLoop, str], task: asyncio.Task[Any]) -> None:
        self._tasks.pop(flight, None)
        if not task.cancelled():
            task.exception()  # those who still wait are told; if nobody does, it is nobody's

    async def _amade(self, key: str, make: Callable[[], Awaitable[T]], ttl: float | None, lease: float) -> T:
        for wait_s in waits(lease):
            free = await self.alead(key, lease)
            if (found := await self.aget(key, MISS)) is not MISS:
                if free:
                    await free()
                return found  # type: ignore[no-any-return]
            if free is not None:
                break
            await asyncio.sleep(wait_s)
        try:
            value = await make()
            await self.aset(key, value, ttl)
        finally:
            if free is not None:
                await free()
        return value


class Space(Cache):
    """A cache seen by one system: the same calls, its own keys."""

    def __init__(self, cache: Cache, name: str) -> None:
        super().__init__()
        self._cache = cache
        self._prefix = name + ":"

    def load(self, key: str) -> bytes | None:
        """See Cache.load."""
        return self._cache.load(self._prefix + key)

    def store(self, key: str, data: bytes, ttl_s: float | None) -> bool:
        """See Cache.store."""
        return self._cache.store(self._prefix + key, data, ttl_s)

    def incr(self, key: str, by: int = 1, *, ttl: float | None = None) -> int:
        """See Cache.incr."""
        return self._cache.incr(self._prefix + key, by, ttl=ttl)

    def delete(self, *keys: str) -> int:
        """See Cache.delete."""
        return self._cache.delete(*(self._prefix + key for key in keys))

    def clear(self, prefix: str = "") -> None:
        """Forgets every key of this system that begins like this."""
        self._cache.clear(self._prefix + prefix)

    async def aload(self, key: str) -> bytes | None:
        """See Cache.aload."""
        return await self._cache.aload(self._prefix + key)

    async def astore(self, key: str, data: bytes, ttl_s: float | None) -> bool:
        """See Cache.astore."""
        return await self._cache.astore(self._prefix + key, data, ttl_s)

    async def aincr(self, key: str, by: int = 1, *, ttl: float | None = None) -> int:
        """See Cache.aincr."""
        return await self._cache.aincr(self._prefix + key, by, ttl=ttl)

    async def adelete(self, *keys: str) -> int:
        """See Cache.adelete."""
        return await self._cache.adelete(*(self._prefix + key for key in keys))

    def lead(self, key: str, lease_s: float) -> Callable[[], None] | None:
        """See Cache.lead."""
        return self._cache.lead(self._prefix + key, lease_s)

    async def alead(self, key: str, lease_s: float) -> Callable[[], Awaitable[None]] | None:
        """See Cache.alead."""
        return await self._cache.alead(self._prefix + key, lease_s)


def lifetime(ttl: float | None) -> float | None:
    """A lifetime as given. Raises Invalid for one that is over before it begins."""
    if ttl is not None and ttl <= 0:
        raise Invalid(f"A lifetime of {ttl} s is none.", hint="ttl in seconds, more than 0")
    return ttl


def waits(lease_s: float) -> list[float]:
    """How long to wait between two looks at what another process computes: 5 ms, growing to 100 ms, for as long as
    its lease lasts at most."""
    found, total, step = [], 0.0, 0.005
    while total < lease_s:
        found.append(step)
        total += step
        step = min(step * 1.5, 0.1)
    return found


def _value(data: bytes | None, default: Any) -> Any:
    if data is not None:
        with suppress(ValueError):  # else it was written by something else, and is as good as absent
            return payload.decode(data)
    return default


async def _nothing() -> None:
    """Gives nothing back."""
