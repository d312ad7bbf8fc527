"""Tombs: packs that prune found unused and will delete later, unless somebody needs them by then."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from backendhub.kit import clock

from .context import Context
from .packs import pack_name


@dataclass(frozen=True, slots=True)
class Tomb:
    """When a pack was condemned and which snapshots there were then."""

    pack: str
    time: datetime
    newest: frozenset[str]

    @property
    def name(self) -> str:
        """Where it lies."""
        return f"tombs/{self.pack.rsplit('/', 1)[-1]}"


def names(context: Context) -> set[str]:
    """The names of all condemned packs."""
    return {pack_name(e.name.rsplit("/", 1)[-1]) for e in context.backend.list("tombs")}


def read(context: Context, pack: str) -> Tomb:
    """A tomb; one that cannot be read counts as dug just now, which only delays."""
    name = f"tombs/{pack.rsplit('/', 1)[-1]}"
    try:
        data = json.loads(context.backend.get(name, limit=1 << 20))
        return Tomb(pack, clock.parse(data["time"]), frozenset(map(str, data["newest"])))
    except (ValueError, KeyError, TypeError):
        return Tomb(pack, clock.precise(), frozenset())


def write(context: Context, tomb: Tomb) -> None:
    """Condemns a pack."""
    data = {"time": clock.iso(tomb.time), "newest": sorted(tomb.newest)}
    context.backend.put(tomb.name, [json.dumps(data).encode()])
