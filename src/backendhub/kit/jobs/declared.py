"""What the code declares: handlers, found by name, and a table of them that spares importing systems.

`@job("blog.publish", cron="*/5 * * * *")` in `systems/blog/jobs.py` declares one. Which handlers and cron entries a
system has is kept in the store together with a hash of that file, so a worker imports a system when its jobs.py
has changed or a job of it is due, and not otherwise.
"""

from __future__ import annotations

import inspect
import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from backendhub.kit import clock
from backendhub.kit.cron import next_after
from backendhub.kit.db import Db
from backendhub.kit.errors import Invalid, NotFound

from . import store
from .queue import KEEP, NAME

F = TypeVar("F", bound=Callable[..., Any])
Backoff = float | Sequence[float] | Callable[[int], float]


@dataclass(frozen=True)
class Kind:
    """A declared handler.

    `backoff` is the delay before the second attempt in seconds, doubled for each further one up to an hour; or a
    list of delays; or a function of the attempt that failed. `timeout` and `keep` are explained at `job`.
    """

    name: str
    fn: Callable[..., Any]
    attempts: int
    backoff: Backoff
    timeout: float
    keep: timedelta
    on: tuple[str, ...]
    cron: str | None
    zone: str

    @property
    def system(self) -> str:
        """The system it belongs to."""
        return self.name.partition(".")[0]

    @cached_property
    def style(self) -> str:
        """`unit` (first parameter a Db), `async`, or `thread`."""
        if inspect.iscoroutinefunction(self.fn):
            return "async"
        first = next(iter(inspect.signature(self.fn).parameters), None)
        return "unit" if first is not None and get_type_hints(self.fn).get(first) is Db else "thread"

    def delay(self, attempt: int) -> float:
        """Seconds from the failure of an attempt to the next one, spread so that failures do not come back as one."""
        if callable(self.backoff):
            return self.backoff(attempt)
        if isinstance(self.backoff, Sequence):
            base = self.backoff[min(attempt, len(self.backoff)) - 1]
        else:
            base = min(self.backoff * 2 ** min(attempt - 1, 30), 3600)
        return base * random.uniform(0.8, 1.2)


_kinds: dict[str, Kind] = {}


def job(
    name: str,
    *,
    cron: str | None = None,
    zone: str = "UTC",
    on: Sequence[str] = (),
    attempts: int = 10,
    backoff: Backoff = 10.0,
    timeout: float = 900.0,
    keep: timedelta = KEEP,
) -> Callable[[F], F]:
    """Declares a handler: `name` is `<system>.<what>`.

    - `def f(db: Db, …)` is one unit of work: its effect and the mark that it is done are committed together, so the
      effect happens exactly once. It touches nothing but the store.
    - `def f(run: Run, …)` runs in a thread, `async def f(run: Run, …)` in the event loop; both at least once.

    `cron` runs it by itself, `zone` is where its fields are read. `on` are the topics of the outbox that it is told
    of (`order.paid`, `order.*`). `attempts` are made at most, `backoff` seconds apart and more each time. A run is given
    up after `timeout` seconds; what came of it can be looked at for `keep`.
    """

    def register(fn: F) -> F:
        if re.fullmatch(NAME, name) is None:
            raise Invalid(f"{name!r} is no name of a job.", hint="<system>.<what>, for instance blog.publish")
        if cron is not None:
            next_after(cron, clock.precise(), zone)
        _kinds[name] = Kind(name, fn, attempts, backoff, timeout, keep, tuple(on), cron, zone)
        return fn

    return register


def unit(name: str) -> Callable[..., Any]:
    """The function of a declared unit of work, its system imported before. Raises NotFound."""
    kind = _kinds.get(name)
    if kind is None or kind.style != "unit":
        raise NotFound(f"No imported system has a unit of work {name!r}.")
    return kind.fn


class Modules:
    """Where the handlers of each system are: `{"blog": "backendhub.systems.blog.jobs"}`, imported when needed."""

    def __init__(self, modules: Mapping[str, str], use: Callable[..., None] = lambda *systems: None) -> None:
        self.modules = dict(modules)
        self._use = use
        self._loaded: set[str] = set()

    def known(self, name: str) -> Kind | None:
        """The handler of that name, if its system is imported."""
        return _kinds.get(name) if name.partition(".")[0] in self._loaded else None

    def find(self, name: str) -> Kind:
        """The handler of that name. Raises NotFound."""
        system = name.partition(".")[0]
        if name not in _kinds or system not in self._loaded:
            self._load(system)
        if name not in _kinds:
            raise NotFound(
                f"No system has a job {name!r}.", hint="is another version of the program running?"
            )
        return _kinds[name]

    def _load(self, system: str) -> None:
        if module := self.modules.get(system):
            self._use(system)
            import_module(module)
        self._loaded.add(system)

    def hashes(self) -> dict[str, str]:
        """A hash of the text of each module, found without importing it."""
        return {system: _hash(module) for system, module in self.modules.items()}

    def of(self, system: str) -> list[Kind]:
        """The handlers of a system, which is imported for it."""
        self._load(system)
        return [kind for kind in _kinds.values() if kind.system == system]


def _hash(module: str) -> str:
    from hashlib import sha256

    spec = find_spec(module)
    origin = spec.origin if spec is not None else None
    return sha256(Path(origin).read_bytes()).hexdigest() if origin else "built in"


def stale(db: Db, hashes: Mapping[str, str]) -> list[str]:
    """The systems whose declarations in the store are not those of the code."""
    known = {row[0]: row[1] for row in db.fetch(store.SOURCES, {})}
    return [system for system, digest in hashes.items() if known.get(system) != digest]


def adopt(db: Db, system: str, digest: str, kinds: Iterable[Kind]) -> None:
    """Writes down what a system declares. An unchanged cron entry keeps its next time, so a missed one is made up."""
    now = clock.precise()
    names = []
    for kind in kinds:
        names.append(kind.name)
        zone, following = (kind.zone, next_after(kind.cron, now, kind.zone)) if kind.cron else (None, None)
        db.run(
            store.PUT_KIND,
            name=kind.name,
            system=system,
            attempts=kind.attempts,
            topics=list(kind.on),
            cron=kind.cron,
            zone=zone,
            next=following,
        )
    for (gone,) in db.fetch(store.KINDS_OF, {"system": system}):
        if gone not in names:
            db.run(store.DELETE_KIND, name=gone)
    db.run(store.PUT_SOURCE, system=system, hash=digest)
