"""What administrators and servers may do with accounts."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from backendhub.kit import clock
from backendhub.kit.accounts import Factor, Taken, User, factors, sessions, users
from backendhub.kit.db import Db
from backendhub.kit.errors import Conflict
from backendhub.systems.jwt_auth import store
from backendhub.systems.jwt_auth.models import Account, Client, Refusal

from . import multifactor, registering, sending
from .changing import merged
from .engine import ROLE, Engine, account

UUID = r"(?i)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
KINDS = ("signup", "invite", "magiclink", "recovery", "email_change_current", "email_change_new")
DURATION = r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)"
FACTORS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}


class Wanted(NamedTuple):
    """How an account is to be; None stays, or is left out of a new one."""

    id: str | None
    email: str | None
    phone: str | None
    role: str | None
    hash: str | None
    email_confirm: bool
    phone_confirm: bool
    data: dict[str, Any] | None
    app_data: dict[str, Any] | None
    ban: str | None


class Link(NamedTuple):
    """A link that was made without being sent."""

    account: Account
    url: str
    code: str
    token: str
    kind: str
    redirect_to: str


def get(db: Db, id: str) -> User:
    """The account with this id. Raises Refusal."""
    if not re.fullmatch(UUID, id):
        raise Refusal(404, "validation_failed", "user_id must be an UUID")
    user = users.find(db, id.lower())
    if user is None:
        raise Refusal(404, "user_not_found", "User not found")
    return user


def listed(db: Db, page: int, size: int) -> tuple[list[Account], int]:
    """A page of accounts, newest first, and how many there are."""
    skip = min((page - 1) * size, 2**53)
    found = db.all(User, store.PAGE, skip=skip, limit=size)
    return [Account(user, {}, []) for user in found], int(db.value(store.COUNT))


def add(db: Db, wanted: Wanted) -> Account:
    """A new account. Raises Refusal."""
    roles = [wanted.role] if wanted.role and wanted.role != ROLE else []
    if wanted.id is not None and not re.fullmatch(UUID, wanted.id):
        raise Refusal(400, "validation_failed", "ID must conform to the uuid v4 format")
    try:
        user = users.add(
            db,
            id=wanted.id.lower() if wanted.id else None,
            email=wanted.email,
            phone=wanted.phone,
            password_hash=wanted.hash,
            roles=roles,
            metadata=wanted.data,
            app_metadata=merged({"provider": "email" if wanted.email else "phone"}, wanted.app_data or {}),
            email_confirmed=wanted.email_confirm,
            phone_confirmed=wanted.phone_confirm,
        )
    except Taken as error:
        raise taken(error) from None
    except Conflict as error:
        raise Refusal(422, "conflict", error.message) from None
    if wanted.ban is not None:
        user = users.edit(db, user.id, banned_until=until(wanted.ban))
    return account(db, user)


def taken(error: Taken) -> Refusal:
    """How this wire says that an address or number is taken."""
    if error.field == "phone":
        return Refusal(422, "phone_exists", "Phone number already registered by another user")
    return Refusal(422, "email_exists", "A user with this email address has already been registered")


def until(duration: str) -> datetime | None:
    """The end of a ban of `24h` or `1h30m`; `none` ends it. Raises Refusal."""
    if duration == "none":
        return None
    if not re.fullmatch(f"({DURATION})+", duration) or len(duration) > 40:
        raise Refusal(
            400,
            "validation_failed",
            f'invalid format for ban duration: time: invalid duration "{duration[:40]}"',
        )
    seconds = sum(float(n) * FACTORS[unit] for n, unit in re.findall(DURATION, duration))
    return clock.precise() + timedelta(seconds=min(seconds, 3e9))


def edit(db: Db, id: str, wanted: Wanted) -> Account:
    """Changes an account. Raises Refusal."""
    user, now = get(db, id), clock.precise()
    changes: users.Changes = {}
    if wanted.email:
        changes["email"] = wanted.email
    if wanted.phone:
        changes["phone"] = wanted.phone
    if wanted.role:
        changes["roles"] = (
            [] if wanted.role == ROLE else [wanted.role, *(r for r in user.roles if r != wanted.role)]
        )
    if wanted.email_confirm:
        changes |= {"email_confirmed_at": user.email_confirmed_at or now, "anonymous": False}
    if wanted.phone_confirm:
        changes |= {"phone_confirmed_at": user.phone_confirmed_at or now, "anonymous": False}
    if wanted.data is not None:
        changes["metadata"] = merged(user.metadata, wanted.data)
    if wanted.app_data is not None:
        changes["app_metadata"] = merged(user.app_metadata, wanted.app_data)
    if wanted.ban is not None:
        changes["banned_until"] = until(wanted.ban)
    try:
        user = users.edit(db, user.id, **changes)
    except Taken as error:
        raise taken(error) from None
    if wanted.hash is not None:
        users.set_hash(db, user.id, wanted.hash)
        sessions.end_all(db, user.id, by="password")
    if wanted.ban not in (None, "none"):
        sessions.end_all(db, user.id, by="ban")
    return account(db, user)


def remove(db: Db, id: str, *, softly: bool) -> None:
    """Removes an account, or leaves its id and nothing else. Raises Refusal, Conflict for the last administrator."""
    user = get(db, id)
    if not softly:
        users.remove(db, user.id)
        return
    if user.deleted_at is not None:
        return
    for factor in factors.of_user(db, user.id):
        factors.remove(db, factor)
    users.set_hash(db, user.id, None)
    sessions.end_all(db, user.id, by="deleted")
    users.retire(db, user.id)


def invite(db: Db, engine: Engine, email: str, data: dict[str, Any], client: Client) -> Account:
    """An account for somebody who is asked to come, and the mail that asks. Raises Refusal."""
    user = _invited(db, email, data)
    sending.mail(db, engine.config, user, "invite", client)
    return account(db, user)


def _invited(db: Db, email: str, data: dict[str, Any]) -> User:
    user = users.by_email(db, email)
    if user is not None and user.email_confirmed_at is not None:
        raise Refusal(422, "email_exists", "A user with this email address has already been registered")
    if user is None:
        user = registering.create(db, registering.NewUser(email, None, None, data), confirmed=False)
    return users.edit(db, user.id, invited_at=clock.precise())


def link(
    db: Db,
    engine: Engine,
    kind: str,
    email: str,
    client: Client,
    *,
    hash: str | None = None,
    new_email: str | None = None,
    data: dict[str, Any] | None = None,
) -> Link:
    """A link for an administrator to send by their own means. Raises Refusal."""
    if kind not in KINDS:
        raise Refusal(400, "validation_failed", f"Invalid email action link type requested: {kind}")
    user = users.by_email(db, email)
    if user is None:
        if kind in ("recovery", "email_change_current", "email_change_new"):
            raise Refusal(404, "user_not_found", "User with this email not found")
        kind = "signup" if kind == "magiclink" else kind
    if kind == "invite":
        user = _invited(db, email, data or {})
    elif kind == "signup":
        if user is not None and user.email_confirmed_at is not None:
            raise Refusal(422, "email_exists", "A user with this email address has already been registered")
        if user is None:
            user = registering.create(db, registering.NewUser(email, None, hash, data or {}), confirmed=False)
        elif data:
            user = users.edit(db, user.id, metadata=merged(user.metadata, data))
    assert user is not None
    if kind.startswith("email_change"):
        _free(db, user, new_email)
    target = new_email if kind == "email_change_new" else user.email
    made = sending.make(
        db, engine.config, user, kind, target or "", data={"email": new_email} if new_email else None
    )
    assert made is not None
    url = sending.action_link(engine.config, made.token, kind, client.redirect_to)
    return Link(account(db, user), url, made.code, made.token, kind, client.redirect_to)


def _free(db: Db, user: User, email: str | None) -> None:
    if not email:
        raise Refusal(400, "validation_failed", "new_email is required")
    other = users.by_email(db, email)
    if other is not None and other.id != user.id:
        raise Refusal(422, "email_exists", "A user with this email address has already been registered")


def factor(db: Db, user_id: str, factor_id: str) -> Factor:
    """A factor of an account. Raises Refusal."""
    return multifactor.find(db, get(db, user_id).id, factor_id)
