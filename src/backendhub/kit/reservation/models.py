"""What can be reserved, and what a reservation is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from backendhub.kit.db import derived
from backendhub.kit.errors import Conflict


class Units(NamedTuple):
    """So many of a countable thing, at a location; None takes any one location that has enough."""

    resource: str
    quantity: int = 1
    location: str | None = ""


class Slot(NamedTuple):
    """One of a kind: the seat `B-7` of the show `cinema:show:12`."""

    resource: str
    slot: str


class Nights(NamedTuple):
    """A stay: every night from the first (inclusive) to the day of departure."""

    resource: str
    arrival: date
    departure: date

    def slots(self) -> list[Slot]:
        """One slot a night."""
        days = (self.departure - self.arrival).days
        return [Slot(self.resource, (self.arrival + timedelta(days=n)).isoformat()) for n in range(days)]


Item = Units | Slot | Nights


class State(StrEnum):
    """Where a hold stands. `held` ends by itself when its time is over."""

    HELD = "held"
    CONFIRMED = "confirmed"
    RELEASED = "released"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Hold:
    """A set of claims that live and end together."""

    id: str
    owner: str
    state: State
    expires_at: datetime
    size: int
    created_at: datetime
    units: tuple[Units, ...] = derived(())
    slots: tuple[Slot, ...] = derived(())


@dataclass(frozen=True, slots=True)
class Stock:
    """How many of a countable thing are at a location: free, in a hold (live or not yet swept), sold."""

    resource: str
    location: str
    free: int
    held: int
    sold: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.free + self.held + self.sold


@dataclass(frozen=True, slots=True)
class Claim:
    """Who has a slot now."""

    slot: str
    hold_id: str
    state: State
    expires_at: datetime


class Unavailable(Conflict):
    """Not everything asked for is free; `details["items"]` names what is not."""

    code = "unavailable"


class HoldOver(Conflict):
    """The hold has expired, or was released (`details["why"]`)."""

    code = "hold_over"
