"""Sample units of one's own. No sample rates: a made-up rate would be believed."""

from __future__ import annotations

from backendhub.kit.db import Db

from . import custom

SAMPLE = (
    ("smoot", "67 in"),
    ("marathon", "42.195 km"),
    ("jigger", "1 1/2 floz"),
    ("pomodoro", "25 min"),
    ("sheet", "210 mm"),
)


def load(db: Db) -> int:
    """Adds the sample and says how many units that were: 0 where there are units already."""
    if custom.names(db):
        return 0
    for name, definition in SAMPLE:
        custom.add(db, name=name, definition=definition.split())
    return len(SAMPLE)
