"""Hold, confirm, release: several things together, or none of them.

Time is tested inside the statement that claims, confirms or extends; nothing depends on `sweep`, which only tidies.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from typing import Any

from backendhub.kit import clock
from backendhub.kit.db import Db
from backendhub.kit.db.records import encode
from backendhub.kit.errors import Conflict, Invalid, NotFound
from backendhub.kit.ids import uuid7

from . import store
from .models import Claim, Hold, HoldOver, Item, Nights, Slot, State, Unavailable, Units
from .stock import MAX_QUANTITY, check_names, reclaim, take_units

MAX_ITEMS = 1000
MAX_TTL = timedelta(days=3660)


class _Twice(Exception):
    """A hold of this id was made meanwhile."""


# -- holds -------------------------------------------------------------------------------------------------


def hold(
    db: Db, items: Sequence[Item], *, ttl: timedelta | None, owner: str = "", id: str | None = None
) -> Hold:
    """Claims all of these until `ttl` has passed (None: until it is released), or raises Unavailable naming what is
    not free and claims nothing. Without items it is a basket that `add` fills. The same `id` again gives the same hold,
    as it stands. Raises Invalid, Conflict.
    """
    return _new(db, items, ttl, owner, id, sold=False)


def take(db: Db, items: Sequence[Item], *, owner: str = "", id: str | None = None) -> Hold:
    """Claims and confirms at once."""
    return _new(db, items, None, owner, id, sold=True)


def add(db: Db, id: str, items: Sequence[Item]) -> Hold:
    """Claims more things within a hold that is not over. Raises HoldOver, NotFound, Unavailable."""
    units, slots = _sorted(items)
    now = encode(clock.precise())
    with db.savepoint():
        if not db.run(store.GROW, id=id, size=0, now=now):
            raise _why(get(db, id))
        found = get(db, id)
        new = sorted(set(slots) - set(found.slots))
        places = _claim(db, id, units, new, encode(found.expires_at), now)
        places -= {
            (u.resource, u.location or "") for u in found.units
        }  # those rows have grown, and are no more
        db.run(store.GROW, id=id, size=len(places) + len(new), now=now)
        if found.state is State.CONFIRMED and units:
            raise Conflict("A confirmed hold takes no more units: make another hold.")
    return get(db, id)


def drop(db: Db, id: str, items: Sequence[Item]) -> Hold:
    """Gives some things of a hold back, of a confirmed one too. Raises NotFound, and Conflict where the hold does not have them."""
    units, slots = _sorted(items)
    now = encode(clock.precise())
    with db.savepoint():
        if not db.run(store.GROW, id=id, size=0, now=now):
            raise _why(get(db, id))
        have = get(db, id).units
        gone = sum(_drop_units(db, id, _placed(part, have)) for part in units)
        if slots and db.run(store.DROP_SLOTS[db.dialect], id=id, slots=slots) != len(slots):
            raise Conflict("The hold does not have all of these.")
        db.run(store.GROW, id=id, size=-gone - len(slots), now=now)
    return get(db, id)


def confirm(db: Db, id: str) -> Hold:
    """Makes a hold final; confirming twice is confirming once. Raises HoldOver, NotFound."""
    now = encode(clock.precise())
    with db.savepoint():
        if not db.run(store.CONFIRM, id=id, now=now, forever=store.FOREVER):
            found = get(db, id)
            if found.state is State.CONFIRMED:
                return found
            raise _why(found)
        found = _stored(db, id)
        _lock(db, id)
        kept = db.run(store.SELL_UNITS, id=id, now=now, forever=store.FOREVER)
        if kept:
            db.run(store.SELL_STOCK, id=id)
        kept += db.run(store.KEEP_SLOTS, id=id, now=now, expires_at=store.FOREVER)
        if kept != found.size:  # somebody whose clock is ahead has taken what had expired for them
            raise HoldOver("The hold has expired.", why="expired")
    return get(db, id)


def extend(db: Db, id: str, ttl: timedelta) -> Hold:
    """Lets a hold end `ttl` from now. Raises HoldOver, NotFound, Invalid."""
    _check_ttl(ttl)
    moment = clock.precise()
    now, expires = encode(moment), encode(moment + ttl)
    with db.savepoint():
        if not db.run(store.EXTEND, id=id, now=now, expires_at=expires):
            raise _why(get(db, id))
        found = _stored(db, id)
        _lock(db, id)
        kept = db.run(store.EXTEND_UNITS, id=id, now=now, expires_at=expires)
        kept += db.run(store.KEEP_SLOTS, id=id, now=now, expires_at=expires)
        if kept != found.size:
            raise HoldOver("The hold has expired.", why="expired")
    return get(db, id)


def release(db: Db, id: str) -> Hold:
    """Gives everything of a hold back; releasing one that is over does nothing. Raises NotFound, and Conflict for one
    that is confirmed (`cancel` it)."""
    return _end(db, id, State.HELD)


def cancel(db: Db, id: str) -> Hold:
    """Gives everything of a confirmed hold back; what it sold is free again. Raises NotFound, and Conflict for one
    that is not confirmed."""
    return _end(db, id, State.CONFIRMED)


def ship(db: Db, id: str) -> Hold:
    """The units of a confirmed hold leave their stock for good. Shipping twice ships once. Raises NotFound, Conflict."""
    now = encode(clock.precise())
    db.run(
        store.GROW, id=id, size=0, now=now
    )  # takes its row: whoever cancels it does so before or afterwards
    found = get(db, id)
    if found.state is not State.CONFIRMED:
        raise Conflict(f"A hold that is {found.state} ships nothing.")
    _lock(db, id)
    db.run(store.SHIP_STOCK, id=id)
    if gone := db.run(store.SHIP_UNITS, id=id):
        db.run(store.GROW, id=id, size=-gone, now=now)
    return get(db, id)


def get(db: Db, id: str) -> Hold:
    """A hold with what it claims; one whose time is over says so. Raises NotFound."""
    found = _stored(db, id)
    if found.state is State.HELD and found.expires_at <= clock.precise():
        return replace(found, state=State.EXPIRED)
    if found.state not in (State.HELD, State.CONFIRMED):
        return found
    units = tuple(Units(*row) for row in db.fetch(store.UNITS_OF, {"id": id}))
    slots = tuple(Slot(*row) for row in db.fetch(store.SLOTS_OF, {"id": id}))
    return replace(found, units=units, slots=slots)


def holds_of(db: Db, owner: str) -> list[Hold]:
    """The holds of an owner, oldest first, without what they claim."""
    now = clock.precise()
    return [
        replace(h, state=State.EXPIRED) if h.state is State.HELD and h.expires_at <= now else h
        for h in db.all(Hold, store.HOLDS_OF, owner=owner)
    ]


def claims(db: Db, resource: str) -> list[Claim]:
    """Which slots of a resource are taken now, and by which hold."""
    return db.all(Claim, store.CLAIMS, resource=resource, now=clock.precise())


def taken(db: Db, slots: Sequence[Slot]) -> list[Slot]:
    """Which of these somebody has now."""
    rows = db.fetch(store.TAKEN_SLOTS[db.dialect], {"slots": slots, "now": clock.precise()})
    return [Slot(row[0], row[1]) for row in rows]


def sweep(db: Db, limit: int = 500) -> int:
    """Tidies what has expired (holds, their units and slots), up to `limit` holds; gives their number."""
    now = encode(clock.precise())
    swept = db.run(store.EXPIRE[db.dialect], now=now, limit=limit)
    for resource, location in db.fetch(store.OVERDUE_STOCK[db.dialect], {"now": now, "limit": limit}):
        reclaim(db, resource, location, now)
    db.run(store.SWEEP_SLOTS[db.dialect], now=now)
    return swept


# -- inside ------------------------------------------------------------------------------------------------


def _new(
    db: Db, items: Sequence[Item], ttl: timedelta | None, owner: str, id: str | None, *, sold: bool
) -> Hold:
    units, slots = _sorted(items, at_least=0)
    _check_ttl(ttl)
    check_names(owner, id or "x")
    request = json.dumps([sold, units, slots], separators=(",", ":"))
    if id is not None and (known := _again(db, id, owner, request)) is not None:
        return known
    moment = clock.precise()
    now = encode(moment)
    name = id or uuid7()
    expires = store.FOREVER if ttl is None else encode(moment + ttl)
    one_step = id is None and len(units) + len(slots) == 1 and not sold
    try:
        with nullcontext() if one_step else db.savepoint():
            size = len(_claim(db, name, units, slots, expires, now)) + len(slots)
            final = sold and not units  # slots that are claimed for ever need no further word
            state = State.CONFIRMED if final else State.HELD
            values: dict[str, Any] = {"id": name, "owner": owner, "state": state, "size": size}
            if not db.run(store.INSERT_HOLD, **values, request=request, expires_at=expires, now=now):
                raise _Twice
            if sold and not final:
                confirm(db, name)
    except _Twice:
        known = _again(db, name, owner, request)
        assert known is not None
        return known
    return get(db, name)


def _again(db: Db, id: str, owner: str, request: str) -> Hold | None:
    rows = db.fetch(store.REQUEST, {"id": id})
    if not rows:
        return None
    if rows[0] != (owner, request):
        raise Conflict(f"The id {id} belongs to a hold of something else.")
    return get(db, id)


def _claim(
    db: Db, id: str, units: list[Units], slots: list[Slot], expires: str, now: str
) -> set[tuple[str, str]]:
    """Claims everything and gives the stock and place of the units; raises Unavailable with all that is not free."""
    missing: list[str] = []
    placed: list[tuple[str, str, int]] = []
    for part in units:
        location = take_units(db, part, now)
        if location is None:
            missing.append(part.resource)
        else:
            placed.append((part.resource, location, part.quantity))
    if slots:
        busy = db.fetch(store.TAKEN_SLOTS[db.dialect], {"slots": slots, "now": now})
        missing += [row[1] for row in busy]
    if not missing and slots:
        values = {"hold_id": id, "expires_at": expires, "now": now, "slots": slots}
        if db.run(store.CLAIM_SLOTS[db.dialect], **values) != len(slots):  # somebody was faster
            busy = db.fetch(store.TAKEN_SLOTS[db.dialect], {"slots": slots, "now": now})
            missing += [row[1] for row in busy if row[2] != id]
    if missing:
        raise Unavailable(f"Not available: {', '.join(missing)}.", items=missing)
    rows = [
        {"hold_id": id, "resource": r, "location": at, "quantity": n, "expires_at": expires}
        for r, at, n in placed
    ]
    if rows:
        db.run_many(store.ADD_UNITS, rows)
    return {(r, at) for r, at, _ in placed}


def _drop_units(db: Db, id: str, part: Units) -> int:
    """Takes units out of a hold, sold or not; 1 where its row is gone with them."""
    place = {"resource": part.resource, "location": part.location or "", "quantity": part.quantity}
    if db.dialect == "postgres":
        db.fetch(store.LOCK_STOCK_ON_POSTGRES, {k: place[k] for k in ("resource", "location")})
    gone = db.fetch(store.DROP_ALL_UNITS, {"id": id, **place})
    rows = gone or db.fetch(store.DROP_UNITS, {"id": id, **place})
    if not rows:
        raise Conflict(f"The hold does not have {part.quantity} of {part.resource}.")
    db.run(store.UNSELL if rows[0][0] else store.GIVE_BACK, **place)
    return len(gone)


def _placed(part: Units, have: Iterable[Units]) -> Units:
    """Units without a location are those that a hold has, wherever it has enough of them."""
    if part.location is not None:
        return part
    places = (u.location for u in have if u.resource == part.resource and u.quantity >= part.quantity)
    return part._replace(location=next(places, ""))


def _end(db: Db, id: str, state: State) -> Hold:
    if not db.run(store.RELEASE, id=id, state=state, now=clock.precise()):
        found = get(db, id)
        if found.state is State.RELEASED or (state is State.HELD and found.state is State.EXPIRED):
            return found
        raise Conflict(f"The hold is {found.state}.")
    _lock(db, id)
    db.run(store.FREE_STOCK, id=id)
    db.run(store.DELETE_UNITS, id=id)
    db.run(store.DELETE_SLOTS, id=id)
    return get(db, id)


def _stored(db: Db, id: str) -> Hold:
    found = db.one(Hold, store.ONE_HOLD, id=id)
    if found is None:
        raise NotFound(f"There is no hold {id}.")
    return found


def _lock(db: Db, id: str) -> None:
    """Stock before units, slots in order: see the store."""
    if db.dialect == "postgres":
        db.fetch(store.LOCK_STOCK_OF_ON_POSTGRES, {"id": id})
        db.fetch(store.LOCK_SLOTS_ON_POSTGRES, {"id": id})


def _why(found: Hold) -> HoldOver:
    return HoldOver(f"The hold is {found.state}.", why=str(found.state))


def _sorted(items: Sequence[Item], at_least: int = 1) -> tuple[list[Units], list[Slot]]:
    """Items in the order in which rows are locked, the same thing asked for twice put together. Raises Invalid."""
    slots: set[Slot] = set()
    units: dict[tuple[str, str | None], int] = {}
    for item in items:
        check_names(item.resource)
        if isinstance(item, Units):
            if not 0 < item.quantity <= MAX_QUANTITY:
                raise Invalid(f"A quantity is between 1 and {MAX_QUANTITY}, not {item.quantity}.")
            key = (item.resource, item.location)
            units[key] = units.get(key, 0) + item.quantity
        elif isinstance(item, Nights):
            if item.departure <= item.arrival:
                raise Invalid("A stay ends after it begins.")
            slots.update(item.slots())
        else:
            check_names(item.slot)
            slots.add(item)
    if not at_least <= len(slots) + len(units) <= MAX_ITEMS:
        raise Invalid(f"A hold is of 1 to {MAX_ITEMS} things, nights counted one by one.")
    ordered = sorted(units.items(), key=lambda pair: (pair[0][0], pair[0][1] or ""))
    return [Units(r, n, at) for (r, at), n in ordered], sorted(slots)


def _check_ttl(ttl: timedelta | None) -> None:
    if ttl is not None and not timedelta(milliseconds=1) <= ttl <= MAX_TTL:
        raise Invalid(f"A hold lasts between a millisecond and {MAX_TTL.days} days.")
