"""An entry of the audit log, and what a check of all of it says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Entry:
    """One change. `before` and `after` are JSON text, as they are hashed; `previous` is the hash of the entry before."""

    id: int
    at: datetime
    actor: str
    action: str
    subject: str
    before: str | None
    after: str | None
    previous: str
    hash: str


class Checked(NamedTuple):
    """A chain that holds: how many entries it has, and the hash of the last, to be written down elsewhere."""

    entries: int
    head: str
