"""Reservations: hold, confirm, release, with a time limit; for stock, seats, nights, or several of them together.

`Units` are countable, a `Slot` is one of a kind, `Nights` are a slot each. A hold claims all it is asked for or nothing;
an expired one bars nobody, swept or not. A migration says `-- needs: reservation`.
"""

from __future__ import annotations

from .holds import (
    add,
    cancel,
    claims,
    confirm,
    drop,
    extend,
    get,
    hold,
    holds_of,
    release,
    ship,
    sweep,
    take,
    taken,
)
from .models import Claim, Hold, HoldOver, Item, Nights, Slot, State, Stock, Unavailable, Units
from .stock import restock, restock_all, stock, stock_of
from .verify import CHECKS, verify

__all__ = [
    "CHECKS",
    "Claim",
    "Hold",
    "HoldOver",
    "Item",
    "Nights",
    "Slot",
    "State",
    "Stock",
    "Unavailable",
    "Units",
    "add",
    "cancel",
    "claims",
    "confirm",
    "drop",
    "extend",
    "get",
    "hold",
    "holds_of",
    "release",
    "restock",
    "restock_all",
    "ship",
    "stock",
    "stock_of",
    "sweep",
    "take",
    "taken",
    "verify",
]
