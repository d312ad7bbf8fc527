"""Crash points: named instants at which a test kills the process; nothing at all unless the test asks.

`BACKENDHUB_CRASH_AT=name` (or `name:3` for the third passage) ends the process there as a power cut would:
no cleanup, no flushing.
"""

from __future__ import annotations

import os

POINTS = (
    "local.tmp-written",
    "local.renamed",
    "pack.before",
    "pack.stored",
    "snapshot.before",
    "snapshot.stored",
    "forget.before",
    "forget.snapshot-deleted",
    "forget.marks-deleted",
    "prune.leased",
    "prune.tombed",
    "prune.repacked",
    "prune.pack-deleted",
    "prune.tomb-deleted",
    "prune.swept",
    "copy.pack-stored",
    "copy.snapshot-stored",
    "mark.stored",
)
VARIABLE = "BACKENDHUB_CRASH_AT"

_name, _, _nth = os.environ.get(VARIABLE, "").partition(":")
_left = int(_nth or 1)


def point(name: str) -> None:
    """Dies here if the environment names this point."""
    if name == _name:
        _passed()


def _passed() -> None:
    global _left
    _left -= 1
    if _left == 0:
        os._exit(137)
