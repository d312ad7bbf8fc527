"""A cache in Redis, shared by every process that uses the server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from math import ceil
from secrets import token_hex

from backendhub.kit.errors import Invalid, StoreError
from backendhub.kit.redis import Redis, RedisFailed, Script

from .base import Cache, lifetime

# The lifetime is given when the number is made, in the same step: one that never ends would count for ever.
INCR = Script("""
local there = redis.call('EXISTS', KEYS[1])
local sum = redis.call('INCRBY', KEYS[1], ARGV[1])
if there == 0 and ARGV[2] ~= '' then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return sum
""")
FREE = Script("if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0")
MAX_OWED = 10_000
SWEEP = 500
"""Keys that one step of `clear` looks at."""


class RedisCache(Cache):
    """Without Redis every key is missing, nothing is kept and `incr` raises StoreError. A key that could not be
    deleted or replaced meanwhile is deleted before this process reads again, so that it never comes back old."""

    def __init__(self, redis: Redis) -> None:
        super().__init__()
        self._redis = redis
        self._owed: dict[str, None] = {}

    def _key(self, key: str) -> str:
        return self._redis.key("cache", key)

    def load(self, key: str) -> bytes | None:
        """The bytes under a key; None where Redis cannot be asked."""
        try:
            self._pay()
            data: bytes | None = self._redis.call("GET", self._key(key))
        except StoreError:
            return None
        return data

    async def aload(self, key: str) -> bytes | None:
        """The bytes under a key; None where Redis cannot be asked."""
        try:
            await self._apay()
            data: bytes | None = await self._redis.acall("GET", self._key(key))
        except StoreError:
            return None
        return data

    def store(self, key: str, data: bytes, ttl_s: float | None) -> bool:
        """Keeps bytes; false where Redis cannot be asked or has no room."""
        try:
            self._redis.call("SET", self._key(key), data, *_expiry(ttl_s))
        except StoreError:
            return self._owe(key)
        self._owed.pop(self._key(key), None)
        return True

    async def astore(self, key: str, data: bytes, ttl_s: float | None) -> bool:
        """Keeps bytes; false where Redis cannot be asked or has no room."""
        try:
            await self._redis.acall("SET", self._key(key), data, *_expiry(ttl_s))
        except StoreError:
            return self._owe(key)
        self._owed.pop(self._key(key), None)
        return True

    def incr(self, key: str, by: int = 1, *, ttl: float | None = None) -> int:
        """Adds to a whole number; see Cache.incr."""
        try:
            self._pay()
            return int(self._redis.run(INCR, [self._key(key)], _sum(by, ttl)))
        except RedisFailed as error:
            raise _refused(key, by, error) from error

    async def aincr(self, key: str, by: int = 1, *, ttl: float | None = None) -> int:
        """Adds to a whole number; see Cache.incr."""
        try:
            await self._apay()
            return int(await self._redis.arun(INCR, [self._key(key)], _sum(by, ttl)))
        except RedisFailed as error:
            raise _refused(key, by, error) from error

    def delete(self, *keys: str) -> int:
        """Forgets keys; gives how many were there, 0 where Redis cannot be asked."""
        if not keys:
            return 0
        try:
            return int(self._redis.call("UNLINK", *map(self._key, keys)))
        except StoreError:
            return int(self._owe(*keys))

    async def adelete(self, *keys: str) -> int:
        """Forgets keys; gives how many were there, 0 where Redis cannot be asked."""
        if not keys:
            return 0
        try:
            return int(await self._redis.acall("UNLINK", *map(self._key, keys)))
        except StoreError:
            return int(self._owe(*keys))

    def clear(self, prefix: str = "") -> None:
        """Forgets every key that begins like this. Raises StoreError."""
        pattern = _literal(self._key(prefix)) + "*"
        cursor: str | bytes = "0"
        while True:
            cursor, keys = self._redis.call("SCAN", cursor, "MATCH", pattern, "COUNT", SWEEP)
            if keys:
                self._redis.call("UNLINK", *keys)
            if int(cursor) == 0:
                return

    # -- what Redis was not told while it was away ---------------------------------------------------------

    def _owe(self, *keys: str) -> bool:
        self._owed.update(dict.fromkeys(map(self._key, keys)))
        while len(self._owed) > MAX_OWED:
            del self._owed[next(iter(self._owed))]
        return False

    def _pay(self) -> None:
        if self._owed:
            keys = list(self._owed)
            self._redis.call("UNLINK", *keys)
            self._paid(keys)

    async def _apay(self) -> None:
        if self._owed:
            keys = list(self._owed)
            await self._redis.acall("UNLINK", *keys)
            self._paid(keys)

    def _paid(self, keys: list[str]) -> None:
        for key in keys:
            self._owed.pop(key, None)

    # -- one computation for every process ------------------------------------------------------------------

    def lead(self, key: str, lease_s: float) -> Callable[[], None] | None:
        """See Cache.lead; without Redis everybody leads."""
        name, token = self._redis.key("lead", key), token_hex(8)
        try:
            if self._redis.call("SET", name, token, "NX", *_expiry(lease_s)) is None:
                return None
        except StoreError:
            return lambda: None

        def free() -> None:
            try:
                self._redis.run(FREE, [name], [token])
            except StoreError:
                return  # the lease ends by itself

        return free

    async def alead(self, key: str, lease_s: float) -> Callable[[], Awaitable[None]] | None:
        """See Cache.lead; without Redis everybody leads."""
        name, token = self._redis.key("lead", key), token_hex(8)
        kept = True
        try:
            if await self._redis.acall("SET", name, token, "NX", *_expiry(lease_s)) is None:
                return None
        except StoreError:
            kept = False

        async def free() -> None:
            if kept:
                try:
                    await self._redis.arun(FREE, [name], [token])
                except StoreError:
                    return  # the lease ends by itself

        return free


def _expiry(ttl_s: float | None) -> tuple[str | int, ...]:
    return () if ttl_s is None else ("PX", max(1, ceil(ttl_s * 1000)))


def _sum(by: int, ttl: float | None) -> list[str | int]:
    expiry = _expiry(lifetime(ttl))
    return [by, expiry[1] if expiry else ""]


def _refused(key: str, by: int, error: RedisFailed) -> Exception:
    if "integer" in error.reply or "overflow" in error.reply:
        return Invalid(f"What is kept under {key!r} is no number that {by} can be added to.")
    return error


def _literal(text: str) -> str:
    """A text as a glob pattern that matches itself only."""
    return "".join("\\" + c if c in "*?[]^\\" else c for c in text)
