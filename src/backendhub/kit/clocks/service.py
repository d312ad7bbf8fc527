"""Clocks that stand until somebody moves them, and what happens on the way."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

from backendhub.kit import clock, jobs
from backendhub.kit.db import Db
from backendhub.kit.errors import Conflict, Invalid, NotFound
from backendhub.kit.jobs.queue import checked

from . import store
from .models import Clock, Due


def create(db: Db, id: str, at: datetime) -> Clock:
    """A clock that stands at a time. Raises Conflict where there is one of that id."""
    made = db.one(Clock, store.INSERT, id=id, at=at)
    assert made is not None
    return made


def get(db: Db, id: str) -> Clock:
    """One clock. Raises NotFound."""
    found = db.one(Clock, store.ONE, id=id)
    if found is None:
        raise NotFound(f"There is no clock {id}.")
    return found


def delete(db: Db, id: str) -> None:
    """Forgets a clock with all that is due on it; what belongs to it is its owner's to delete. Raises NotFound."""
    if not db.run(store.DELETE, id=id):
        raise NotFound(f"There is no clock {id}.")


def within(db: Db, id: str | None) -> AbstractContextManager[None]:
    """`with within(db, customer.clock_id):` does things at the present of a clock; None is the present of the caller.

    Raises NotFound.
    """
    return clock.traveling(None if id is None else get(db, id).at)


def schedule(
    db: Db, id: str | None, name: str, /, *, at: datetime, unique: str | None = None, **payload: Any
) -> None:
    """Runs a declared unit of work at a time of a clock, when it is moved there; without a clock it is a job like any
    other. Name, payload and `unique` are as `jobs.enqueue` has them. Raises Invalid, NotFound (the clock)."""
    if id is None:
        jobs.enqueue(db, name, at=at, unique=unique, **payload)
        return
    text = checked(name, payload)
    get(db, id)
    db.run(store.PUT, clock_id=id, at=at, name=name, unique=unique, payload=text)


def advance(db: Db, id: str, to: datetime) -> Clock:
    """Sends a clock to a later time; `step` takes it there. Raises NotFound, Invalid (not later), Conflict (it is on its way)."""
    moved = db.one(Clock, store.AIM, id=id, to=to)
    if moved is not None:
        return moved
    found = get(db, id)
    if found.target is not None:
        raise Conflict(f"The clock {id} is on its way already.")
    raise Invalid(f"A clock goes forward only: it is {clock.iso(found.at)}.")


def step(db: Db, id: str) -> bool:
    """Does the next thing that is due on a clock's way, at that thing's time; False where nothing is left and the
    clock has arrived. One transaction each, so a way that breaks off goes on where it was.

        @jobs.job("payment.advance")
        def advance(run: Run, clock_id: str) -> None:
            while run.hub.store.unit(clocks.step, clock_id):
                run.check()

    Raises what the unit of work raises (nothing has happened then) and NotFound.
    """
    from backendhub.kit.jobs.declared import unit

    found = db.one(Clock, store.LOCK[db.dialect], id=id)
    if found is None:
        raise NotFound(f"There is no clock {id}.")
    if found.target is None:
        return False
    due = db.one(Due, store.NEXT, clock_id=id, until=found.target)
    if due is None:
        db.run(store.ARRIVE, id=id)
        return False
    moment = max(found.at, due.at)
    fn = unit(due.name)
    db.run(store.MOVE, id=id, at=moment)
    db.run(store.DONE, id=due.id)
    with clock.traveling(moment):
        fn(db, **due.payload)
    return True
