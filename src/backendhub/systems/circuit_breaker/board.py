"""The breakers of this process, with the upstreams that they protect."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from backendhub.kit.breaker import Backoff, Breaker, Bulkhead, RetryBudget
from backendhub.kit.errors import Invalid, NotFound
from backendhub.kit.hub import Hub

from .config import load
from .faults.proxies import Proxies
from .models import Instance

if TYPE_CHECKING:
    from backendhub.kit.edge.upstream import Origin


class Guarded:
    """A breaker with its bulkhead, its retry budget and its upstream."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.breaker = Breaker(instance.name, instance.policy, state=instance.state, events=instance.events)
        self.bulkhead = Bulkhead(
            instance.name,
            calls=instance.calls,
            waiting=instance.calls if instance.wait_s else 0,
            wait_s=instance.wait_s,
        )
        self.budget = RetryBudget()
        self.backoff = Backoff()
        self.origin: Origin | None = None


class Board:
    """Everything that a process of this system has in its memory."""

    def __init__(self, instances: dict[str, Instance]) -> None:
        self.guarded = {name: Guarded(instance) for name, instance in instances.items()}
        self.proxies = Proxies()

    def find(self, name: str) -> Guarded:
        """A breaker by name. Raises NotFound."""
        found = self.guarded.get(name)
        if found is None:
            raise NotFound(
                f"There is no breaker {name[:80]!r}.", hint="known: " + (", ".join(self.guarded) or "none")
            )
        return found

    @property
    def breakers(self) -> list[Breaker]:
        """Every breaker, by name."""
        return [found.breaker for _, found in sorted(self.guarded.items())]


def of(hub: Hub) -> Board:
    """The board of this process. Raises Invalid for a configuration that is wrong."""
    return hub.memory("circuit-breaker", lambda: _made(hub))


def _made(hub: Hub) -> Board:
    if hub.workers > 1:
        raise Invalid(
            "Breakers and faults are kept in the memory of one process.",
            hint="circuit-breaker runs with --workers 1",
        )
    instances: dict[str, Instance] = {}
    for name in (hub.settings.get("circuit_breaker.files") or "").split(os.pathsep):
        if not name:
            continue
        path = Path(name)
        try:
            found = load(path.read_text("utf-8-sig"), path.name)
        except (OSError, UnicodeDecodeError) as error:
            raise Invalid(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from None
        if both := found.keys() & instances.keys():
            raise Invalid(f"{path.name}: {min(both)} stands in another file too.")
        instances |= found
    return Board(instances)
