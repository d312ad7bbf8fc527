"""Sign-up: by e-mail address, by phone number, or without either."""

from __future__ import annotations

from typing import Any, NamedTuple

from backendhub.kit.accounts import Taken, User, users
from backendhub.kit.db import Db
from backendhub.kit.ids import uuid7
from backendhub.systems.jwt_auth.models import Account, Challenge, Client, Config, Granted, Purpose, Refusal

from . import sending
from .engine import Engine, account, granted


class NewUser(NamedTuple):
    """Somebody who signs up."""

    email: str | None
    phone: str | None
    hash: str | None
    data: dict[str, Any]


def allowed(config: Config, new: NewUser) -> None:
    """Raises Refusal where sign-up, or sign-up this way, is switched off."""
    if not config.signup:
        raise Refusal(422, "signup_disabled", "Signups not allowed for this instance")
    if new.email and not config.email:
        raise Refusal(400, "email_provider_disabled", "Email signups are disabled")
    if new.phone and not config.phone:
        raise Refusal(400, "phone_provider_disabled", "Phone signups are disabled")


def sign_up(
    db: Db, engine: Engine, new: NewUser, client: Client, flow: Challenge | None = None
) -> Granted | Account:
    """A new account: with a session where addresses need no confirmation, else with a mail on its way.

    An address that is taken is told only where confirmation is off; else the answer looks like that of a new one.
    Raises Refusal.
    """
    config = engine.config
    allowed(config, new)
    sure = config.autoconfirm if new.email else config.phone_autoconfirm
    user = find(db, new)
    if user is None:
        try:
            user = create(db, new, confirmed=sure)
        except Taken:  # somebody was faster by a moment
            user = find(db, new)
            assert user is not None
        else:
            if sure:
                return granted(db, engine, _opened(db, engine, user, client))
            confirm(db, config, user, client, flow)
            return account(db, user)
    if sure:
        raise Refusal(422, "user_already_exists", "User already registered")
    if confirmed(user, new):
        return Account(_pretended(new, user), {}, [])
    confirm(db, config, user, client, flow)
    return account(db, user)


def _opened(db: Db, engine: Engine, user: User, client: Client, method: str = "password") -> Any:
    return engine.sessions.open(db, user, method=method, user_agent=client.user_agent, ip=client.ip)


def find(db: Db, new: NewUser) -> User | None:
    """The account that has the address or number already."""
    return users.by_email(db, new.email) if new.email else users.by_phone(db, new.phone or "")


def confirmed(user: User, new: NewUser) -> bool:
    """Whether the address or number is known to be the account's."""
    return (user.email_confirmed_at if new.email else user.phone_confirmed_at) is not None


def create(db: Db, new: NewUser, *, confirmed: bool) -> User:
    """The account. Raises Taken."""
    return users.add(
        db,
        email=new.email,
        phone=new.phone,
        password_hash=new.hash,
        metadata=new.data,
        app_metadata={"provider": "email" if new.email else "phone"},
        email_confirmed=confirmed,
        phone_confirmed=confirmed,
    )


def confirm(db: Db, config: Config, user: User, client: Client, flow: Challenge | None = None) -> bool:
    """Sends what confirms the address or number; False where it was sent too recently."""
    if user.email:
        return sending.mail(db, config, user, "signup", client, flow=flow)
    return sending.text(db, config, user, Purpose.CONFIRM, user.phone or "")


def _pretended(new: NewUser, user: User) -> User:
    """What a new account would look like: nobody learns that the address is taken."""
    from dataclasses import replace

    from backendhub.kit import clock

    now = clock.precise()
    return replace(
        user,
        id=uuid7(),
        email=new.email,
        phone=new.phone,
        username=None,
        name=None,
        roles=(),
        metadata=new.data,
        app_metadata={"provider": "email" if new.email else "phone"},
        email_confirmed_at=None,
        phone_confirmed_at=None,
        last_sign_in_at=None,
        created_at=now,
        updated_at=now,
        invited_at=None,
    )


def anonymous(db: Db, engine: Engine, data: dict[str, Any], client: Client) -> Granted:
    """An account without address or number, and its session. Raises Refusal where that is switched off."""
    if not engine.config.anonymous:
        raise Refusal(422, "anonymous_provider_disabled", "Anonymous sign-ins are disabled")
    if not engine.config.signup:
        raise Refusal(422, "signup_disabled", "Signups not allowed for this instance")
    user = users.add(db, anonymous=True, metadata=data)
    return granted(db, engine, _opened(db, engine, user, client, "anonymous"))
