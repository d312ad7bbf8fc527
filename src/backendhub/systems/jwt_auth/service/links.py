"""Links and codes: asking for them, and what they are worth."""

from __future__ import annotations

from typing import Any, NamedTuple

from backendhub.kit import clock
from backendhub.kit.accounts import Once, User, one_time, users
from backendhub.kit.accounts import store as accounts_store
from backendhub.kit.accounts.sessions import banned
from backendhub.kit.db import Db
from backendhub.systems.jwt_auth.models import Challenge, Client, Granted, Purpose, Refusal

from . import changing, registering, sending
from .engine import Engine, granted

EXPIRED = ("otp_expired", "Token has expired or is invalid")
EXPIRED_LINK = ("otp_expired", "Email link is invalid or has expired")
HALF = "Confirmation link accepted. Please proceed to confirm link sent to the other email"
OF_LINK = {
    "signup": (Purpose.CONFIRM,),
    "invite": (Purpose.CONFIRM,),
    "recovery": (Purpose.RECOVER,),
    "magiclink": (Purpose.RECOVER,),
    "email": (Purpose.CONFIRM, Purpose.RECOVER),
    "email_change": (Purpose.EMAIL_CURRENT, Purpose.EMAIL_NEW),
}
"""What a type of link may have been sent for."""
OF_CODE = OF_LINK | {"sms": (Purpose.CONFIRM,), "phone_change": (Purpose.PHONE,)}


class Half(NamedTuple):
    """One of the two addresses of a change has agreed."""

    redirect_to: str = ""


class Followed(NamedTuple):
    """What following a link was worth: a session, or the code that ends a flow."""

    granted: Granted | None
    code: str | None


# -- asking -----------------------------------------------------------------------------------------------


def recover(db: Db, engine: Engine, email: str, client: Client, flow: Challenge | None) -> None:
    """Sends a link that signs in, to set a new password. Whether there is such an account shows nowhere."""
    user = users.by_email(db, email)
    if user is not None:
        sending.mail(db, engine.config, user, "recovery", client, flow=flow)


def magic(
    db: Db,
    engine: Engine,
    email: str,
    create: bool,
    data: dict[str, Any],
    client: Client,
    flow: Challenge | None,
) -> None:
    """Sends a link that signs in, and signs up before where `create` says so. Raises Refusal."""
    config = engine.config
    if not config.email:
        raise Refusal(422, "email_provider_disabled", "Email logins are disabled")
    user = users.by_email(db, email)
    if user is None:
        if not create or not config.signup:
            return  # as if it had been sent: nobody learns who has an account
        new = registering.NewUser(email, None, None, data)
        user = registering.create(db, new, confirmed=config.autoconfirm)
    kind = "magiclink" if user.email_confirmed_at is not None else "signup"
    sending.mail(db, config, user, kind, client, flow=flow)


def text(db: Db, engine: Engine, phone: str, create: bool, data: dict[str, Any], client: Client) -> None:
    """Sends a code that signs in to a phone. Raises Refusal."""
    config = engine.config
    if not config.phone:
        raise Refusal(400, "phone_provider_disabled", "Unsupported phone provider")
    user = users.by_phone(db, phone)
    if user is None:
        if not create or not config.signup:
            return
        new = registering.NewUser(None, phone, None, data)
        user = registering.create(db, new, confirmed=config.phone_autoconfirm)
    sending.text(db, config, user, Purpose.CONFIRM, phone)


def resend(
    db: Db,
    engine: Engine,
    kind: str,
    email: str | None,
    phone: str | None,
    client: Client,
    flow: Challenge | None,
) -> None:
    """Sends again what waits for an answer. The response is the same whatever there was to send. Raises Refusal."""
    config = engine.config
    if (email and not config.email) or (phone and not config.phone):
        which = "Email" if email else "Phone"
        raise Refusal(400, f"{which.lower()}_provider_disabled", f"{which} logins are disabled")
    user = users.by_email(db, email) if email else users.by_phone(db, phone or "")
    if user is None:
        return
    waiting = one_time.of_user(db, user.id)
    if kind == "signup" and user.email_confirmed_at is None:
        sending.mail(db, config, user, "signup", client, flow=flow)
    elif kind == "sms" and user.phone_confirmed_at is None:
        sending.text(db, config, user, Purpose.CONFIRM, user.phone or "")
    elif kind == "email_change" and Purpose.EMAIL_NEW in waiting:
        changing.send_email_change(db, engine, user, waiting[Purpose.EMAIL_NEW].target, client, flow)
    elif kind == "phone_change" and Purpose.PHONE in waiting:
        sending.text(db, config, user, Purpose.PHONE, waiting[Purpose.PHONE].target)


# -- answering --------------------------------------------------------------------------------------------


def by_link(db: Db, engine: Engine, kind: str, token: str, client: Client) -> Followed | Half | Refusal:
    """Follows a link. A token that began with a code challenge is worth a code, any other a session."""
    once = one_time.use_token(db, token, *OF_LINK.get(kind, ()))
    if once is None:
        return Refusal(403, *EXPIRED_LINK)
    user = _settled(db, engine, once)
    if not isinstance(user, User):
        return user
    if token.startswith(sending.PKCE):
        code = sending.give_code(db, user.id, once.purpose)
        if code is None:
            return Refusal(422, "flow_state_not_found", "No valid flow state found for user.")
        return Followed(None, code)
    return Followed(_session(db, engine, user, client), None)


def by_token(db: Db, engine: Engine, kind: str, token: str, client: Client) -> Granted | Half | Refusal:
    """Answers with a link's token, by a server that has read it out of the address: always worth a session."""
    once = one_time.use_token(db, token, *OF_LINK.get(kind, ()))
    if once is None:
        return Refusal(403, *EXPIRED_LINK)
    user = _settled(db, engine, once)
    return _session(db, engine, user, client) if isinstance(user, User) else user


def by_code(
    db: Db, engine: Engine, kind: str, email: str | None, phone: str | None, code: str, client: Client
) -> Granted | Half | Refusal:
    """Answers with the digits that were sent. A wrong guess is counted, so the unit must be committed."""
    once = None
    for user_id in _asked(db, kind, email, phone):
        if (once := one_time.use_code(db, user_id, code, *OF_CODE.get(kind, ()))) is not None:
            break
    if once is None:
        return Refusal(403, *EXPIRED)
    user = _settled(db, engine, once)
    return _session(db, engine, user, client) if isinstance(user, User) else user


def _asked(db: Db, kind: str, email: str | None, phone: str | None) -> list[str]:
    """The accounts to which the digits may have been sent."""
    if kind == "email_change":
        found = [o for p in OF_LINK[kind] for o in one_time.of_target(db, p, email or "")]
        return list(dict.fromkeys(once.user_id for once in found))[:3]
    if kind == "phone_change":
        return [once.user_id for once in one_time.of_target(db, Purpose.PHONE, phone or "")][:3]
    user = users.by_email(db, email) if email else users.by_phone(db, phone or "")
    return [user.id] if user is not None else []


def _settled(db: Db, engine: Engine, once: Once) -> User | Half | Refusal:
    """Does what an answer means for the account: its address is confirmed, or changed."""
    user = users.get(db, once.user_id)
    now = clock.precise()
    if banned(user, now):
        return Refusal(403, "user_banned", "User is banned")
    if once.purpose in (Purpose.EMAIL_CURRENT, Purpose.EMAIL_NEW):
        db.fetch(
            accounts_store.LOCK_USER[db.dialect], {"id": user.id}
        )  # both halves at once: one after the other
        other = Purpose.EMAIL_NEW if once.purpose == Purpose.EMAIL_CURRENT else Purpose.EMAIL_CURRENT
        if other in one_time.of_user(db, user.id):
            return Half()
        return changing.email_changed(db, user, str(once.data.get("email") or once.target))
    if once.purpose == Purpose.PHONE:
        return users.edit(db, user.id, phone=once.target, phone_confirmed_at=now, anonymous=False)
    if "@" in once.target:
        if user.email is None or users.folded(user.email) != users.folded(once.target):
            return Refusal(403, *EXPIRED)  # the account has another address by now
        if user.email_confirmed_at is None:
            user = users.edit(db, user.id, email_confirmed_at=now)
        one_time.drop(db, user.id, Purpose.CONFIRM, Purpose.RECOVER)
        return user
    return user if user.phone_confirmed_at else users.edit(db, user.id, phone_confirmed_at=now)


def _session(db: Db, engine: Engine, user: User, client: Client) -> Granted:
    opened = engine.sessions.open(db, user, method="otp", user_agent=client.user_agent, ip=client.ip)
    return granted(db, engine, opened)
