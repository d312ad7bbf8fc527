"""Second factors and the challenges that they answer. A code, a challenge and an answer each count once."""

from __future__ import annotations

import hmac
import secrets
from datetime import timedelta
from typing import NamedTuple

from backendhub.kit import clock
from backendhub.kit.db import Db
from backendhub.kit.errors import Conflict, NotFound
from backendhub.kit.ids import uuid7
from backendhub.kit.sealing import seal, unseal

from . import store
from .models import Challenge, Factor
from .secret import digest

STEP_S = 30
SKEW = 1
"""Steps that a phone's clock may be off (RFC 6238 §5.2)."""
GUESSES = 5
CHALLENGE_S = 300
UNVERIFIED_S = 86_400
"""How long a factor that was never verified stays."""


class Enrolled(NamedTuple):
    """A new factor, and for totp the secret and its URI, shown this once."""

    factor: Factor
    secret: str | None = None
    uri: str | None = None


def enrol(
    db: Db,
    user_id: str,
    kind: str,
    *,
    name: str | None = None,
    phone: str | None = None,
    account: str = "",
    issuer: str = "",
) -> Enrolled:
    """A new factor, which counts once an answer of it was right. Raises Conflict where the name is taken."""
    now = clock.precise()
    db.run(store.SWEEP_FACTORS, user_id=user_id, before=now - timedelta(seconds=UNVERIFIED_S))
    secret = uri = None
    if kind == "totp":
        import pyotp

        secret = pyotp.random_base32()
        uri = pyotp.TOTP(secret).provisioning_uri(
            name=account or "account", issuer_name=issuer or "backendhub"
        )
    values = {"id": uuid7(), "user_id": user_id, "kind": kind, "name": name or None, "phone": phone}
    stored = None if secret is None else seal(secret)
    factor = db.one(Factor, store.INSERT_FACTOR, **values, secret=stored, now=now)
    if factor is None:
        raise Conflict(f"There is already a factor called {name!r}.", field="name")
    return Enrolled(factor, secret, uri)


def of_user(db: Db, user_id: str) -> list[Factor]:
    """The factors of an account, oldest first."""
    return db.all(Factor, store.FACTORS, user_id=user_id)


def get(db: Db, user_id: str, id: str) -> Factor:
    """A factor of an account. Raises NotFound."""
    factor = db.one(Factor, store.FACTOR_BY_ID, id=id, user_id=user_id)
    if factor is None:
        raise NotFound("There is no such factor.")
    return factor


def rename(db: Db, factor: Factor, *, name: str | None = None, phone: str | None = None) -> Factor:
    """A factor with another name or number."""
    changed = db.one(
        Factor,
        store.NAME_FACTOR,
        id=factor.id,
        name=name or factor.name,
        phone=phone or factor.phone,
        now=clock.precise(),
    )
    assert changed is not None
    return changed


def remove(db: Db, factor: Factor) -> None:
    """Removes a factor and, for webauthn, its key."""
    if (credential := db.value(store.CREDENTIAL_OF, id=factor.id)) is not None:
        db.run(store.DROP_CREDENTIAL, credential=credential)
    db.run(store.DROP_FACTOR, id=factor.id)


def verified(db: Db, factor: Factor) -> bool:
    """Marks a factor as one that counts; whether it did not yet. Unfinished ones of its kind go."""
    fresh = bool(db.run(store.VERIFY_FACTOR, id=factor.id, now=clock.precise()))
    db.run(store.DROP_UNVERIFIED, user_id=factor.user_id, kind=factor.kind, keep=factor.id)
    return fresh


# -- challenges -------------------------------------------------------------------------------------------


def challenge(
    db: Db,
    kind: str,
    *,
    user_id: str | None = None,
    factor: Factor | None = None,
    data: str = "",
    ip: str | None = None,
    ttl_s: int = CHALLENGE_S,
) -> Challenge:
    """A new question. Old ones that nobody answered go."""
    now = clock.precise()
    db.run(store.SWEEP_CHALLENGES, before=now - timedelta(days=1))
    if factor is not None:
        db.run(store.CHALLENGED, id=factor.id, now=now)
    made = db.one(
        Challenge,
        store.INSERT_CHALLENGE,
        id=uuid7(),
        kind=kind,
        user_id=factor.user_id if factor is not None else user_id,
        factor_id=factor.id if factor is not None else None,
        data=data,
        ip=ip,
        now=now,
        expires_at=now + timedelta(seconds=ttl_s),
    )
    assert made is not None
    return made


def asked(db: Db, id: str) -> Challenge | None:
    """The challenge with this id, or None."""
    return db.one(Challenge, store.CHALLENGE_BY_ID, id=id)


def used(db: Db, challenge: Challenge) -> bool:
    """Takes a challenge; of many who answer it one does."""
    return bool(db.run(store.USE_CHALLENGE, id=challenge.id))


def wrong(db: Db, challenge: Challenge) -> None:
    """Counts a wrong answer; the last of a few takes the challenge away."""
    if challenge.attempts + 1 >= GUESSES:
        db.run(store.USE_CHALLENGE, id=challenge.id)
    else:
        db.run(store.WRONG_ANSWER, id=challenge.id)


# -- answers ----------------------------------------------------------------------------------------------


def right_totp(db: Db, factor: Factor, code: str) -> bool:
    """Whether this is the code of now, of the step before or after; no step counts twice (RFC 6238 §5.2)."""
    import pyotp

    secret = db.value(store.FACTOR_SECRET, id=factor.id)
    if secret is None:
        return False
    step = int(clock.precise().timestamp()) // STEP_S
    totp = pyotp.TOTP(unseal(secret))
    for at in range(step - SKEW, step + SKEW + 1):
        if hmac.compare_digest(totp.generate_otp(at), code.strip().encode("ascii", "replace").decode()):
            return bool(db.run(store.USE_STEP, id=factor.id, step=at))
    return False


def digits(count: int = 6) -> str:
    """Random digits for a text message."""
    return f"{secrets.randbelow(10**count):0{count}}"


def right_digits(challenge: Challenge, code: str) -> bool:
    """Whether these are the digits whose hash the challenge holds."""
    return hmac.compare_digest(challenge.data, hashed(challenge.factor_id or "", code))


def hashed(factor_id: str, code: str) -> str:
    """What a challenge holds of digits that were sent."""
    return digest(f"{factor_id}:{code.strip()}")
