"""What is sent by mail and text message, in the commit of the change that it belongs to.

Mail goes through `kit/mail`. Text messages are only written down (table `jwt_auth_message`): there is no gateway to hand
them to.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from backendhub.kit import clock
from backendhub.kit import mail as outbox
from backendhub.kit.accounts import User, one_time
from backendhub.kit.accounts.secret import digest, opaque
from backendhub.kit.db import Db
from backendhub.kit.ids import uuid7
from backendhub.systems.jwt_auth import store
from backendhub.systems.jwt_auth.models import Challenge, Client, Config, Flow, Purpose, Refusal

PKCE = "pkce_"
FLOW_S = 3600
PURPOSES = {
    "signup": Purpose.CONFIRM,
    "invite": Purpose.CONFIRM,
    "recovery": Purpose.RECOVER,
    "magiclink": Purpose.RECOVER,
    "email_change_current": Purpose.EMAIL_CURRENT,
    "email_change_new": Purpose.EMAIL_NEW,
    "reauthentication": Purpose.REAUTHENTICATE,
}
"""What the kinds of mail are for."""


def challenge(value: str | None, method: str | None) -> Challenge | None:
    """The PKCE challenge of a request. Raises Refusal (RFC 7636 §4.2, §4.3)."""
    if not value and not method:
        return None
    if not value or not method:
        raise Refusal(400, "validation_failed", "PKCE flow requires code_challenge_method and code_challenge")
    if not 43 <= len(value) <= 128:
        raise Refusal(400, "validation_failed", "code challenge has to be between 43 and 128 characters")
    if not re.fullmatch(r"[A-Za-z0-9._~-]+", value):
        raise Refusal(400, "validation_failed", "code challenge can only contain unreserved characters")
    if method.lower() not in ("s256", "plain"):
        raise Refusal(400, "validation_failed", "code_challenge_method is s256 or plain")
    return Challenge(value, method.lower())


def mail(
    db: Db,
    config: Config,
    user: User,
    kind: str,
    client: Client,
    *,
    to: str | None = None,
    flow: Challenge | None = None,
    data: dict[str, Any] | None = None,
) -> bool:
    """Sends a link and a code to an account's address; False where the last ones were sent too recently.

    Raises Invalid where the address can get no mail.
    """
    target = to or user.email or ""
    made = make(db, config, user, kind, target, flow=flow, data=data, interval_s=config.interval_s)
    if made is None:
        return False
    context = {
        "code": made.code,
        "link": action_link(config, made.token, kind, client.redirect_to),
        "site": config.site_url,
        "minutes": max(1, config.otp_s // 60),
        "old": user.email,
        "new": (data or {}).get("email"),
    }
    outbox.send(db, to=target, template=f"jwt-auth/{kind}", context=context)
    return True


def make(
    db: Db,
    config: Config,
    user: User,
    kind: str,
    target: str,
    *,
    flow: Challenge | None = None,
    data: dict[str, Any] | None = None,
    interval_s: float = 0,
) -> one_time.Sent | None:
    """A link's token and the code beside it, without sending them."""
    purpose = PURPOSES[kind]
    made = one_time.make(
        db,
        user.id,
        purpose,
        target,
        ttl_s=config.otp_s,
        interval_s=interval_s,
        prefix=PKCE if flow else "",
        digits=config.otp_digits,
        data=(data or {}) | {"kind": kind},
    )
    if made is not None and flow is not None:
        begin(db, user.id, purpose, flow)
    return made


def text(db: Db, config: Config, user: User, purpose: Purpose, number: str) -> bool:
    """Sends a code to a phone; False where the last one was sent too recently."""
    made = one_time.make(
        db,
        user.id,
        purpose,
        number,
        ttl_s=config.otp_s,
        interval_s=config.interval_s,
        digits=config.otp_digits,
    )
    if made is None:
        return False
    message(db, number, purpose, {"code": made.code})
    return True


def message(db: Db, number: str, purpose: str, data: dict[str, Any]) -> None:
    """Writes down a text message to a phone."""
    values = {"recipient": number, "purpose": purpose, "data": data}
    db.run(store.INSERT_MESSAGE, id=uuid7(), now=clock.precise(), **values)


def action_link(config: Config, token: str, kind: str, redirect_to: str) -> str:
    """The address in a mail. It begins with a setting and never with what a request calls this host."""
    shown = "email_change" if kind.startswith("email_change") else kind
    return (
        f"{config.external_url}/verify?token={token}&type={shown}&redirect_to={quote(redirect_to, safe='')}"
    )


# -- flows with a code challenge --------------------------------------------------------------------------


def begin(db: Db, user_id: str, purpose: Purpose, flow: Challenge) -> None:
    """Begins a flow; its end is a code that only the holder of the verifier can trade in."""
    now = clock.precise()
    db.run(store.SWEEP_FLOWS, before=now)
    db.run(
        store.INSERT_FLOW,
        id=uuid7(),
        user_id=user_id,
        purpose=purpose,
        challenge=flow.value,
        method=flow.method,
        now=now,
        expires_at=now + timedelta(seconds=FLOW_S),
    )


def give_code(db: Db, user_id: str, purpose: str) -> str | None:
    """The code that ends the newest flow of an account for a purpose, or None where none was begun."""
    flow = db.one(Flow, store.WAITING, user_id=user_id, purpose=purpose, now=clock.precise())
    code = opaque()
    if flow is None or not db.run(store.GIVE_CODE, id=flow.id, hash=digest(code)):
        return None
    return code
