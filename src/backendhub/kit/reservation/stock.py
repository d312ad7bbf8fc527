"""Countable things: how many are where, and who took how many of them."""

from __future__ import annotations

from collections.abc import Sequence

from backendhub.kit import clock
from backendhub.kit.db import Db
from backendhub.kit.db.records import encode
from backendhub.kit.errors import Invalid, NotFound

from . import store
from .models import Stock, Unavailable, Units

MAX_QUANTITY = 10**9
MAX_NAME = 200


def restock(db: Db, resource: str, quantity: int, location: str = "") -> Stock:
    """Adds units to a stock, or takes free ones out of it (negative); makes the stock where there is none.

    Raises Invalid, Unavailable where fewer are free, and NotFound where there is no stock to take them from.
    """
    check_names(resource, location)
    if abs(quantity) > MAX_QUANTITY:
        raise Invalid(f"At most {MAX_QUANTITY} units at a time.")
    if quantity >= 0:
        made = db.one(Stock, store.RESTOCK, resource=resource, location=location, quantity=quantity)
        assert made is not None
        return made
    if not db.run(store.WITHDRAW, resource=resource, location=location, quantity=-quantity):
        reclaim(db, resource, location, encode(clock.precise()))
        if not db.run(store.WITHDRAW, resource=resource, location=location, quantity=-quantity):
            free = stock(db, resource, location).free
            raise Unavailable(f"Only {free} of {resource} are free.", items=[resource])
    return stock(db, resource, location)


def restock_all(db: Db, wanted: Sequence[Units]) -> None:
    """Adds units to stocks, many at once; makes those that are not there. Raises Invalid."""
    for each in wanted:
        check_names(each.resource)
        if not 0 < each.quantity <= MAX_QUANTITY:
            raise Invalid(f"A quantity is between 1 and {MAX_QUANTITY}, not {each.quantity}.")
    rows = [{"resource": u.resource, "location": u.location or "", "quantity": u.quantity} for u in wanted]
    if rows:
        db.run_many(store.ADD_STOCK, rows)


def stock(db: Db, resource: str, location: str = "") -> Stock:
    """A stock as counted; what expired holds keep counts as held until somebody needs it. Raises NotFound."""
    found = db.one(Stock, store.ONE_STOCK, resource=resource, location=location)
    if found is None:
        raise NotFound(f"There is no stock of {resource}" + (f" at {location}." if location else "."))
    return found


def stock_of(db: Db, resource: str) -> list[Stock]:
    """A resource's stock at every location, the fullest first."""
    return db.all(Stock, store.STOCK_OF, resource=resource)


def take_units(db: Db, part: Units, now: str) -> str | None:
    """Takes units where they are, expired holds giving back what they keep; None where there are not enough."""
    if part.location is not None:
        places = [part.location]
    else:
        places = [s.location for s in stock_of(db, part.resource)]
    for place in places:
        if db.run(store.TAKE, resource=part.resource, location=place, quantity=part.quantity):
            return place
    for place in sorted(places):
        if reclaim(db, part.resource, place, now) and db.run(
            store.TAKE, resource=part.resource, location=place, quantity=part.quantity
        ):
            return place
    return None


def reclaim(db: Db, resource: str, location: str, now: str) -> int:
    """Puts what expired holds keep of a stock back into it; gives the number of units."""
    if db.dialect == "postgres":
        db.fetch(store.LOCK_STOCK_ON_POSTGRES, {"resource": resource, "location": location})
    rows = db.fetch(store.RECLAIM, {"resource": resource, "location": location, "now": now})
    back: int = sum(row[0] for row in rows)
    if back:
        db.run(store.GIVE_BACK, resource=resource, location=location, quantity=back)
    return back


def check_names(*names: str) -> None:
    """Raises Invalid for a name that is too long or holds a NUL."""
    if any(len(name) > MAX_NAME or "\x00" in name for name in names):
        raise Invalid(f"Names of resources, slots and owners have at most {MAX_NAME} characters.")
