"""The lazy bundle that commands and routes reach the platform through; each part is made when first used."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from backendhub.kit.db import Db, Store, connect
from backendhub.kit.errors import Invalid
from backendhub.kit.output import Output
from backendhub.kit.settings import Settings

if TYPE_CHECKING:
    from backendhub.kit.accounts.passwords import Passwords
    from backendhub.kit.bus import Bus
    from backendhub.kit.cache import Cache
    from backendhub.kit.events import Events
    from backendhub.kit.fetch import Fetcher
    from backendhub.kit.files import Files
    from backendhub.kit.http import Http
    from backendhub.kit.limits import Limits
    from backendhub.kit.redis import Redis
    from backendhub.kit.telemetry import Metrics
    from backendhub.kit.tracing import Tracing

T = TypeVar("T")
P = ParamSpec("P")


class Hub:
    """Settings, store, HTTP client and output of one process. Tests replace any of them by assignment."""

    def __init__(self, settings: Settings | None = None, *, store: Store | None = None) -> None:
        self.settings = settings or Settings()
        self.systems: list[str] = []
        self.label: str | None = None
        self.ready = True
        self.workers = 1
        """How many processes serve beside each other, this one included."""
        self.metrics: Metrics | None = None
        self.tracing: Tracing | None = None
        self.serve: Callable[[list[str]], None] = _nobody_serves
        """Runs `backendhub serve` with these words: for commands of systems that are servers. The entry point sets it."""
        self._memory: dict[str, Any] = {}
        if store is not None:
            self.store = store

    @cached_property
    def store(self) -> Store:
        """The shared store, with the migrations of the systems in use."""
        store = connect(self.settings.database)
        store.use(*self.systems)
        store.label = self.label
        return store

    @cached_property
    def output(self) -> Output:
        """Rendering as the settings say."""
        settings = self.settings
        return Output(settings.get("format"), color=settings.get("color") or "auto")

    @cached_property
    def http(self) -> Http:
        """The shared HTTP client, with its cache in the store."""
        from backendhub.kit.http import Http

        return Http(self)

    @cached_property
    def fetch(self) -> Fetcher:
        """Guarded requests to addresses that users gave."""
        from backendhub.kit.fetch import Fetcher, Policy

        return Fetcher(Policy.of(self.settings), offline=self.settings.flag("offline"))

    @cached_property
    def files(self) -> Files:
        """Files in a directory or a bucket, and their rows in the store."""
        from backendhub.kit.files import Files

        return Files.of(self.store, self.settings)

    @cached_property
    def redis(self) -> Redis | None:
        """The Redis of the setting `redis`; None where cache, limits and events are kept in this process."""
        url = self.settings.get("redis")
        if not url:
            return None
        from backendhub.kit.redis import Redis

        return Redis(url)

    @cached_property
    def bus(self) -> Bus | None:
        """The bus of the setting `bus`, for events of the outbox; None where the store is all the bus there is."""
        url = self.settings.get("bus")
        if not url:
            return None
        from backendhub.kit.bus import connect as board

        return board(url)

    @cached_property
    def cache(self) -> Cache:
        """Values that may be lost at any time, shared by all processes where there is a Redis."""
        if self.redis is None:
            from backendhub.kit.cache import MemoryCache

            return MemoryCache()
        from backendhub.kit.cache.redis import RedisCache

        return RedisCache(self.redis)

    @cached_property
    def limits(self) -> Limits:
        """Rate limits. Raises Invalid where several processes would each count for themselves."""
        if self.redis is None:
            from backendhub.kit.limits import MemoryLimits

            self._alone("limits")
            return MemoryLimits()
        from backendhub.kit.limits.redis import RedisLimits

        return RedisLimits(self.redis)

    @cached_property
    def tries(self) -> Limits:
        """Limits on guessing: `limits`, but several processes without a Redis count each for itself instead of failing.
        N of them let N times as much through, which is still little."""
        if self.redis is None and self.workers > 1:
            from backendhub.kit.limits import MemoryLimits

            return MemoryLimits()
        return self.limits

    @cached_property
    def events(self) -> Events:
        """Publish and subscribe. Raises Invalid where several processes would not hear each other."""
        if self.redis is None:
            from backendhub.kit.events import MemoryEvents

            self._alone("events")
            return MemoryEvents()
        from backendhub.kit.events.redis import RedisEvents

        return RedisEvents(self.redis)

    def _alone(self, part: str) -> None:
        if self.workers > 1:
            raise Invalid(
                f"{part.capitalize()} of {self.workers} processes need a Redis that they share.",
                hint="--redis redis://127.0.0.1:6379, or --workers 1",
            )

    @cached_property
    def passwords(self) -> Passwords:
        """Password hashing in a few threads, shared by everything in this process."""
        from backendhub.kit.accounts.passwords import Passwords

        return Passwords.of(self.settings)

    def memory(self, name: str, make: Callable[[], T]) -> T:
        """The state that a system keeps in the memory of this process; made when first asked for."""
        if name not in self._memory:
            self._memory[name] = make()
        found: T = self._memory[name]
        return found

    def use(self, *systems: str) -> None:
        """Names systems whose tables must be there before the next unit of work."""
        self.systems.extend(s for s in systems if s not in self.systems)
        if "store" in self.__dict__:
            self.store.use(*systems)

    def begin(self, label: str | None) -> None:
        """Names what runs from here on: its writes can be undone under that name (None: they cannot)."""
        self.label = label
        if "store" in self.__dict__:
            self.store.label = label

    def unit(self, fn: Callable[Concatenate[Db, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs `fn(db, …)` in one writing transaction."""
        return self.store.unit(fn, *args, **kwargs)

    def read(self, fn: Callable[Concatenate[Db, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs `fn(db, …)` in one transaction that takes no write lock."""
        return self.store.read(fn, *args, **kwargs)

    def close(self) -> None:
        """Closes what was opened; what systems keep in memory first, as far as it has a `close`."""
        for kept in self._memory.values():
            if (close := getattr(kept, "close", None)) is not None:
                close()
        for part in ("tracing", "events", "cache", "redis", "passwords", "http", "files", "store"):
            if (opened := self.__dict__.get(part)) is not None:
                opened.close()


def _nobody_serves(words: list[str]) -> None:
    raise Invalid("Only the command line can serve.")


_current: Hub | None = None


def current() -> Hub:
    """The hub of this process; made on first use."""
    global _current
    if _current is None:
        _current = Hub()
    return _current


def install(hub: Hub | None) -> None:
    """Makes a hub the current one (None: a fresh one at the next use)."""
    global _current
    _current = hub


def unit(fn: Callable[Concatenate[Db, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """`current().unit`: how a command calls a service."""
    return current().store.unit(fn, *args, **kwargs)


def read(fn: Callable[Concatenate[Db, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """`current().read`: how a command asks a service."""
    return current().store.read(fn, *args, **kwargs)


def rehearse(fn: Callable[Concatenate[Db, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Runs a unit for its result and takes all of it back: what `--dry-run` does, with every check made."""
    result: list[T] = []
    try:
        with current().store.transaction() as db:
            result.append(fn(db, *args, **kwargs))
            raise _Rehearsed
    except _Rehearsed:
        return result[0]


class _Rehearsed(Exception):
    """Rolls a rehearsal back."""


def output() -> Output:
    """`current().output`."""
    return current().output
