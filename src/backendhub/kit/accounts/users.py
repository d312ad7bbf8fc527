"""Accounts: make, find, change, remove. Every function is a unit of work over the store alone."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypedDict, Unpack

from backendhub.kit import audit, clock
from backendhub.kit.db import Db, columns, contains
from backendhub.kit.errors import Conflict, Invalid, NotFound
from backendhub.kit.ids import uuid7
from backendhub.kit.paging import Page, Sort, order, page

from . import store
from .models import Status, Taken, User

ROLE = r"[a-z][a-z0-9_-]{0,39}"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_EMAIL = re.compile(r"[^@\s\"(),:;<>\[\\\]]{1,64}@[\w-]+(\.[\w-]+)*")
"""RFC 5321 without quoted names and address literals, with RFC 6531's letters."""
SORTS = {"id": Sort("u.id", lambda u: u.id)}


class Changes(TypedDict, total=False):
    """What `edit` can change; what is not named stays."""

    email: str | None
    username: str | None
    phone: str | None
    name: str | None
    roles: Iterable[str]
    status: Status
    banned_until: datetime | None
    anonymous: bool
    metadata: dict[str, Any]
    app_metadata: dict[str, Any]
    email_confirmed_at: datetime | None
    phone_confirmed_at: datetime | None
    invited_at: datetime | None
    deleted_at: datetime | None


# -- names ------------------------------------------------------------------------------------------------


def folded(text: str) -> str:
    """The form in which names are compared: NFKC, case folded."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def email(text: str) -> str:
    """An e-mail address as it is kept. Raises Invalid for what cannot be one, so that no header can be smuggled in."""
    text = text.strip()
    if len(text) > 254 or _CONTROL.search(text) or not _EMAIL.fullmatch(text):
        raise Invalid("This is no e-mail address.", hint="write name@example.com", field="email")
    return text


def username(text: str) -> str:
    """A username as it is kept. Raises Invalid: 1 to 64 visible characters, and no `@`, which is for addresses."""
    text = unicodedata.normalize("NFC", text.strip())
    if not 1 <= len(text) <= 64 or _CONTROL.search(text) or "@" in text or not folded(text).strip():
        raise Invalid("A username has 1 to 64 characters and no @.", field="username")
    return text


def phone(text: str) -> str:
    """The digits of an E.164 number. Raises Invalid."""
    digits = re.sub(r"[\s().-]", "", text).removeprefix("+")
    if not re.fullmatch(r"[1-9][0-9]{5,14}", digits):
        raise Invalid("This is no phone number.", hint="write +491701234567", field="phone")
    return digits


def role_names(names: Iterable[str]) -> list[str]:
    """Roles in order, each once. Raises Invalid for one that is no lower-case word."""
    found = sorted(set(names))
    for name in found:
        if not re.fullmatch(ROLE, name):
            raise Invalid(f"{name!r} is no role.", hint="a role is a word: admin, writer", field="roles")
    return found


# -- one account ------------------------------------------------------------------------------------------


def add(
    db: Db,
    *,
    email: str | None = None,
    username: str | None = None,
    phone: str | None = None,
    name: str | None = None,
    password_hash: str | None = None,
    roles: Iterable[str] = (),
    metadata: dict[str, Any] | None = None,
    app_metadata: dict[str, Any] | None = None,
    email_confirmed: bool = False,
    phone_confirmed: bool = False,
    anonymous: bool = False,
    id: str | None = None,
) -> User:
    """A new account. Raises Taken (a Conflict whose `field` is `email`, `username` or `phone`), Invalid."""
    now = clock.precise()
    values = _named(email, username, phone) | {"id": id or uuid7()}
    user = db.one(
        User,
        store.INSERT,
        **values,
        name=name,
        roles=role_names(roles),
        anonymous=anonymous,
        metadata=metadata or {},
        app_metadata=app_metadata or {},
        email_confirmed_at=now if email_confirmed and email else None,
        phone_confirmed_at=now if phone_confirmed and phone else None,
        now=now,
    )
    if user is None:
        raise _taken(db, values)
    noted(db, "added", user.id, after={"roles": user.roles, "status": user.status.value})
    if password_hash is not None:
        set_hash(db, user.id, password_hash)
    return user


def noted(db: Db, what: str, id: str, *, before: Any = None, after: Any = None) -> None:
    """Notes a change of an account in the audit log: ids, roles and states, and the names of other fields. What they
    held is left out, because the log cannot forget and an account must be able to."""
    audit.note(db, audit.actor(db), f"accounts.{what}", f"user:{id}", before, after)


def _named(address: str | None, handle: str | None, number: str | None) -> dict[str, Any]:
    kept = email(address) if address else None
    called = username(handle) if handle else None
    return {
        "email": kept,
        "email_key": folded(kept) if kept else None,
        "username": called,
        "username_key": folded(called) if called else None,
        "phone": phone(number) if number else None,
    }


def _taken(db: Db, values: dict[str, Any]) -> Conflict:
    names = {n: values[n] for n in ("id", "email_key", "username_key", "phone")}
    field = db.value(store.TAKEN, **names)
    return Taken(field) if field else Conflict("There is already an account with this id.")


def get(db: Db, id: str) -> User:
    """The account with this id. Raises NotFound."""
    user = find(db, id)
    if user is None:
        raise NotFound(f"There is no account {id[:80]!r}.")
    return user


def find(db: Db, id: str) -> User | None:
    """The account with this id, or None."""
    return db.one(User, store.BY_ID, id=id)


def by_email(db: Db, text: str) -> User | None:
    """The account with this e-mail address, in whatever case, or None."""
    return db.one(User, store.BY_EMAIL, key=folded(text.strip()))


def by_username(db: Db, text: str) -> User | None:
    """The account with this username, in whatever case, or None."""
    return db.one(User, store.BY_USERNAME, key=folded(text.strip()))


def by_phone(db: Db, text: str) -> User | None:
    """The account with this phone number, or None."""
    return db.one(User, store.BY_PHONE, key=re.sub(r"[^0-9]", "", text))


def by_login(db: Db, text: str) -> User | None:
    """The account that somebody names at a login form: an address has an `@`, a username has none."""
    return by_email(db, text) if "@" in text else by_username(db, text)


def resolve(db: Db, text: str) -> User:
    """The account that a person means on the command line: id, address, username or phone. Raises NotFound."""
    user = find(db, text) or by_login(db, text) or (by_phone(db, text) if text[:1] == "+" else None)
    if user is None:
        raise NotFound(f"There is no account {text[:80]!r}.", hint="backendhub user list")
    return user


def edit(db: Db, id: str, *, if_revision: int | None = None, **changes: Unpack[Changes]) -> User:
    """Changes an account. Raises NotFound, Taken, Invalid, Conflict (another revision; the last administrator)."""
    before = get(db, id)
    values: dict[str, Any] = dict(changes)
    if "roles" in values:
        values["roles"] = role_names(values["roles"])
    named = _named(values.get("email"), values.get("username"), values.get("phone")) | {"id": id}
    for field in ("email", "username"):
        if field in values:
            values[field], values[f"{field}_key"] = named[field], named[f"{field}_key"]
    if "phone" in values:
        values["phone"] = named["phone"]
    _keep_an_admin(db, before, values)
    sets = "".join(f"{name} = :{name}, " for name in values)
    guard = "" if if_revision is None else " AND revision = :if_revision"
    sql = f"UPDATE accounts_user SET {sets}revision = revision + 1, updated_at = :now WHERE id = :id{guard} RETURNING {store.USER}"
    try:
        with db.savepoint():
            user = db.one(User, sql, **values, id=id, now=clock.precise(), if_revision=if_revision)
    except Conflict:
        raise _taken(db, named) from None
    if user is None:
        raise Conflict("The account has been changed meanwhile.")
    shown: list[dict[str, Any]] = [{"roles": u.roles, "status": u.status.value} for u in (before, user)]
    noted(db, "edited", id, before=shown[0], after=shown[1] | {"changed": sorted(changes)})
    return user


def _keep_an_admin(db: Db, before: User, values: dict[str, Any]) -> None:
    """Raises Conflict where this change would leave nobody who may change roles."""
    stays = "admin" in values.get("roles", before.roles)
    stays = stays and values.get("status", before.status) is Status.ACTIVE
    if "admin" in before.roles and before.status is Status.ACTIVE and not stays:
        db.fetch(store.ONE_AT_A_TIME[db.dialect], {})
        if not db.value(store.ADMINS, id=before.id):
            raise Conflict(
                f"{before.label} is the last administrator.",
                hint="make somebody else one first",
                last_admin=True,
            )


def remove(db: Db, id: str) -> User:
    """Removes an account and all that proves it; systems decide by their foreign keys what becomes of its rows.

    Raises NotFound, Conflict for the last administrator.
    """
    user = get(db, id)
    _keep_an_admin(db, user, {"status": Status.DISABLED})
    db.run(store.DELETE, id=id)
    noted(db, "removed", id, before={"roles": user.roles, "status": user.status.value})
    return user


def retire(db: Db, id: str) -> User:
    """Leaves nothing of an account but its id, for rows that must go on naming somebody. Raises NotFound, Conflict."""
    return edit(
        db,
        id,
        email=None,
        username=None,
        phone=None,
        name=None,
        roles=[],
        status=Status.DISABLED,
        metadata={},
        app_metadata={},
        email_confirmed_at=None,
        phone_confirmed_at=None,
        deleted_at=clock.precise(),
    )


def signed_in(db: Db, id: str) -> None:
    """Notes that the account has just signed in."""
    db.run(store.SIGNED_IN, id=id, now=clock.precise())


# -- passwords --------------------------------------------------------------------------------------------


def password_hash(db: Db, id: str) -> str | None:
    """The stored hash, or None where the account has no password."""
    found: str | None = db.value(store.HASH, id=id)
    return found


def set_hash(db: Db, id: str, hash: str | None) -> None:
    """Gives an account a password, by its hash (`hub.passwords.hash`), or none."""
    if hash is None:
        db.run(store.CLEAR_HASH, id=id)
    else:
        db.run(store.SET_HASH, id=id, hash=hash, now=clock.precise())
    noted(db, "password_changed" if hash is not None else "password_removed", id)


def rehash(db: Db, id: str, old: str, new: str) -> None:
    """Replaces a hash by one with today's parameters, unless the password has been changed meanwhile."""
    db.run(store.REHASH, id=id, old=old, new=new)


# -- many -------------------------------------------------------------------------------------------------


def listed(
    db: Db,
    *,
    text: str | None = None,
    role: str | None = None,
    status: Status | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> Page[User]:
    """Accounts, newest first, page by page. Raises Invalid for a cursor that is none."""
    by = order("-id", SORTS)
    where, params = by.after(cursor)
    parts = [where] if cursor else []
    if text:
        parts.append(
            "(u.email_key LIKE :text ESCAPE '\\' OR u.username_key LIKE :text ESCAPE '\\' OR lower(u.name) LIKE :text ESCAPE '\\')"
        )
        params["text"] = contains(folded(text))
    if role is not None:
        parts.append("u.roles LIKE :role ESCAPE '\\'")
        params["role"] = contains(f'"{role}"')
    if status is not None:
        parts.append("u.status = :status")
        params["status"] = status
    names = columns(User, "u")
    sql = f"SELECT {names} FROM accounts_user u WHERE {' AND '.join(parts) or 'TRUE'} ORDER BY {by.sql} LIMIT :limit"
    return page(db.all(User, sql, **params, limit=limit + 1), limit, by)


def count(db: Db) -> int:
    """How many accounts there are."""
    return int(db.value(store.COUNT))
