"""Hold tokens: baskets of seats that are free again when their time is over."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from backendhub.kit import clock, reservation
from backendhub.kit.db import Db
from backendhub.systems.cinema import store
from backendhub.systems.cinema.models import FREE, Gone, Refused, Token, TokenOver, Workspace

TTL = timedelta(minutes=15)
MIN_TTL = timedelta(minutes=1)
MAX_TTL = timedelta(days=366)


def add(db: Db, own: Workspace, ttl: timedelta = TTL) -> Token:
    """A basket that lasts so long. Raises Refused."""
    if not MIN_TTL <= ttl <= MAX_TTL:
        raise Refused("INVALID_EXPIRATION", "A hold token lasts between a minute and a year.")
    held = reservation.hold(db, [], ttl=ttl, owner=f"cinema:{own.id}")
    return db.insert(Token, "cinema_token", token=held.id, workspace_id=own.id, expires_at=held.expires_at)


def get(db: Db, own: Workspace, name: str) -> Token:
    """A basket of a workspace. Raises Gone."""
    found = db.one(Token, store.ONE_TOKEN, token=name)
    if found is None or found.workspace_id != own.id:
        raise Gone("HOLD_TOKEN_NOT_FOUND", f"Hold token not found: {name}")
    return found


def live(db: Db, own: Workspace, name: str) -> Token:
    """The same. Raises TokenOver where its time is over; what it claims or confirms tests that again."""
    found = get(db, own, name)
    if found.expires_at <= clock.precise():
        raise TokenOver(f"Hold token {name} has expired.")
    return found


def extend(db: Db, found: Token, ttl: timedelta) -> Token:
    """The basket ends so long from now; at once for nothing, and what it held is free. Raises Refused, TokenOver."""
    if ttl > MAX_TTL:
        raise Refused("INVALID_EXPIRATION", "A hold token lasts at most a year.")
    if ttl <= timedelta(0):
        return end(db, found)
    try:
        expires = reservation.extend(db, found.token, ttl).expires_at
    except reservation.HoldOver:
        raise TokenOver(f"Hold token {found.token} has expired.") from None
    db.run(store.SET_TOKEN, token=found.token, expires_at=expires)
    return replace(found, expires_at=expires)


def end(db: Db, found: Token) -> Token:
    """Gives up what a basket holds; one whose time is over stays as it is."""
    now = clock.precise()
    if found.expires_at <= now:
        return found
    _log_end(db, found.token)
    reservation.release(db, found.token)
    db.run(store.SET_TOKEN, token=found.token, expires_at=now)
    return replace(found, expires_at=now)


def _log_end(db: Db, name: str) -> None:
    """Notes in the logs of events that what a basket holds is free now."""
    common: dict[str, Any] = {"status": FREE, "order_id": None, "token": name, "extra": None}
    common |= {"origin": "HOLD_TOKEN_EXPIRATION", "ip": None, "at": clock.precise()}
    rows: list[dict[str, Any]] = [
        {"event_id": event_id, "label": label, "quantity": 1, **common}
        for event_id, label in db.fetch(store.STATES_OF_CLAIM, {"claim_id": name})
    ]
    for event_id, label, quantity in db.fetch(store.PLACES_OF_CLAIM, {"claim_id": name}):
        rows.append({"event_id": event_id, "label": label, "quantity": quantity, **common})
    if rows:
        db.run_many(store.ADD_CHANGE, rows)
