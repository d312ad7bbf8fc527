"""What is to happen to which places, and the claim that it makes among the reservations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from backendhub.kit import reservation
from backendhub.kit.db import Db
from backendhub.kit.reservation import Slot, Units
from backendhub.systems.cinema.models import HELD


class Wanted(NamedTuple):
    """An object to change, with what is said of it."""

    label: str
    quantity: int = 1
    ticket_type: str | None = None
    extra: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """What is to happen to some objects."""

    status: str
    token: str | None = None
    order_id: str | None = None
    keep_extra: bool = False
    ignore_channels: bool = False
    channels: Sequence[str] | None = None
    allowed: Sequence[str] | None = None
    rejected: Sequence[str] | None = None
    listing_id: str | None = None
    origin: str = "API_CALL"
    ip: str | None = None
    ticketed: bool = False
    """Whether it comes from the cinema's own bookings, which may change what has a ticket."""
    shared: bool = False
    """Whether the event is shared with others: then only seats that are free, or held by `token`, are had."""


@dataclass(frozen=True, slots=True)
class Best:
    """What the best places have to be."""

    number: int
    categories: Sequence[Any] | None = None
    zone: str | None = None
    sections: Sequence[str] | None = None
    accessible: int = 0
    prevent_orphans: bool = True
    together: bool = False
    ticket_types: Sequence[str] | None = None
    extras: Sequence[dict[str, Any]] | None = None


def claim(db: Db, items: Sequence[Slot | Units], order: Order) -> str:
    """Takes things for an order: into its basket, or for good. Raises Unavailable, HoldOver."""
    if order.status == HELD:
        assert order.token is not None
        return reservation.add(db, order.token, items).id
    return reservation.take(db, items, owner=order.order_id or "cinema").id
