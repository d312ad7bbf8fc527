"""Sessions: every sign-in is one, continued by a cookie or by refresh tokens that are replaced at each use.

A refresh token that comes a second time is a token that two people have. Inside a short grace it may be one client that
asked twice (a lost answer, two tabs), and gets the same successor again; later it ends the session for both.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from backendhub.kit import clock
from backendhub.kit.db import Db
from backendhub.kit.db.records import encode
from backendhub.kit.errors import NotFound
from backendhub.kit.identity import Principal
from backendhub.kit.ids import uuid7

from . import store, users
from .models import NotSignedIn, Opened, Proven, Refused, Session, Status, User
from .secret import derive, digest, opaque

if TYPE_CHECKING:
    from backendhub.kit.settings import Settings

TOUCH_S = 60
"""How often it is noted that a session or key is in use."""
KEPT_DAYS = 30
"""How long an ended session stays for the account's owner to see."""


class Sessions:
    """Opens, continues and ends sessions, with the lifetimes of the settings (seconds)."""

    def __init__(
        self, *, lifetime_s: int = 30 * 86_400, idle_s: int = 7 * 86_400, grace_s: float = 10
    ) -> None:
        self.lifetime_s, self.idle_s, self.grace_s = lifetime_s, idle_s, grace_s

    @classmethod
    def of(cls, settings: Settings) -> Sessions:
        """As the settings say. Raises Invalid."""
        return cls(
            lifetime_s=int(settings.number("accounts.session_ttl")),
            idle_s=int(settings.number("accounts.session_idle")),
            grace_s=settings.number("accounts.refresh_grace"),
        )

    def open(
        self,
        db: Db,
        user: User,
        *,
        method: str = "password",
        cookie: bool = False,
        scopes: Iterable[str] = (),
        aal: str = "aal1",
        user_agent: str | None = None,
        ip: str | None = None,
        session_s: int | None = None,
        idle_s: int | None = None,
    ) -> Opened:
        """A new session. Its secret is the value of a cookie, or the first refresh token of a family.

        `session_s` is how long it holds at most; `idle_s=0` means that it does not end by not being used.
        Raises NotSignedIn where the user was proved by a password that is another one by now.
        """
        if isinstance(user, Proven) and db.value(store.HASH_HELD[db.dialect], id=user.id) != user.hash:
            raise NotSignedIn  # it was changed while it was being compared
        now, secret = clock.precise(), opaque()
        idle = self.idle_s if idle_s is None else idle_s
        expires = now + timedelta(seconds=session_s or self.lifetime_s)
        session = db.one(
            Session,
            store.INSERT_SESSION,
            id=uuid7(),
            user_id=user.id,
            token_hash=digest(secret) if cookie else None,
            scopes=sorted(set(scopes)),
            aal=aal,
            methods=[proof(method)],
            user_agent=(user_agent or "")[:400] or None,
            ip=ip,
            now=now,
            idle_s=idle,
            idle_until=_until(now, idle, expires),
            expires_at=expires,
        )
        assert session is not None
        if not cookie:
            db.run(store.INSERT_REFRESH, hash=digest(secret), session_id=session.id, parent=None, now=now)
        users.signed_in(db, user.id)
        return Opened(users.get(db, user.id), session, secret)

    def refresh(self, db: Db, token: str) -> Opened | Refused:
        """The session that a refresh token continues and the token that replaces it, or why it is not taken.

        The unit must be committed in either case: a reused token has ended its session. So raise after it, not in it.
        """
        now, hash = clock.precise(), digest(token)
        rows = db.fetch(store.REFRESH, {"hash": hash})
        if not rows:
            return Refused("unknown")
        session_id, parent, _, _ = rows[0]
        nonce = opaque()
        # This is the only door: of two that come at once one changes the row, and the other sees that it did.
        used = db.run(store.USE_REFRESH, hash=hash, now=now, nonce=nonce)
        session = db.one(Session, store.SESSION_BY_ID, id=session_id)
        user = users.find(db, session.user_id) if session else None
        if session is None or user is None:
            return Refused("unknown")
        if (why := unusable(session, user, now)) is not None:
            return Refused(why)
        if not used:
            return self._again(db, token, hash, session, user, now)
        if parent is not None:
            db.run(store.FORGET_NONCE, hash=parent)
        successor = derive(token, nonce)
        db.run(store.INSERT_REFRESH, hash=digest(successor), session_id=session.id, parent=hash, now=now)
        self._seen(db, session, now)
        return Opened(user, session, successor)

    def _again(
        self, db: Db, token: str, hash: str, session: Session, user: User, now: datetime
    ) -> Opened | Refused:
        """A token that was used before: the same successor again, or the end of the family."""
        _, _, nonce, used_at = db.fetch(store.REFRESH, {"hash": hash})[0]
        if nonce is not None and now - clock.parse(used_at) <= timedelta(seconds=self.grace_s):
            return Opened(user, session, derive(token, nonce))
        end(db, session.id, by="reuse")
        return Refused("reused")

    def _seen(self, db: Db, session: Session, now: datetime) -> None:
        idle = self.idle_s if session.idle_until < session.expires_at else 0
        db.run(store.SEEN, id=session.id, now=now, idle_until=_until(now, idle, session.expires_at))


def _until(now: datetime, idle_s: int, expires: datetime) -> datetime:
    return min(now + timedelta(seconds=idle_s), expires) if idle_s else expires


def proof(method: str) -> dict[str, Any]:
    """How something was proved, and when (RFC 8176 calls it amr)."""
    return {"method": method, "timestamp": int(clock.precise().timestamp())}


def unusable(session: Session, user: User, now: datetime) -> str | None:
    """Why a session cannot be used: `ended`, `expired` or `disabled`; None where it can."""
    if session.ended_at is not None:
        return "reused" if session.ended_by == "reuse" else "ended"
    if session.idle_until <= now:
        return "expired"
    return "disabled" if banned(user, now) else None


def banned(user: User, now: datetime) -> bool:
    """Whether the account may not be used now."""
    return user.status is not Status.ACTIVE or (user.banned_until is not None and user.banned_until > now)


def find(db: Db, id: str) -> Session | None:
    """The session with this id, or None."""
    return db.one(Session, store.SESSION_BY_ID, id=id)


def holding(db: Db, who: Iterable[Principal]) -> set[Principal]:
    """Those who are still signed in: their accounts may be used, and their sessions have not ended."""
    asked = set(who)
    values = {
        "users": encode(sorted({each.id for each in asked})),
        "sessions": encode(sorted({each.session for each in asked if each.session is not None})),
        "now": encode(clock.precise()),
    }
    rows = db.fetch(store.holding(db), values)
    users, sessions = {user for user, _ in rows}, {session for _, session in rows}
    return {each for each in asked if each.id in users and (each.session is None or each.session in sessions)}


def of_user(db: Db, user_id: str) -> list[Session]:
    """The sessions of an account that go on, newest first."""
    return db.all(Session, store.SESSIONS, user_id=user_id, now=clock.precise())


def raised(db: Db, session: Session, method: str, aal: str) -> Session:
    """A session after one more proof, at a higher level of assurance. Raises NotFound."""
    again = [m for m in session.methods if m.get("method") != method]
    found = db.one(Session, store.RAISE, id=session.id, aal=aal, methods=[*again, proof(method)])
    if found is None:
        raise NotFound("The session is gone.")
    return found


def reissued(db: Db, session: Session) -> str:
    """A new refresh token of a session; those before it are gone, so that none that was taken earlier rises with it."""
    secret = opaque()
    db.run(store.DROP_FAMILY, session_id=session.id)
    db.run(store.INSERT_REFRESH, hash=digest(secret), session_id=session.id, parent=None, now=clock.precise())
    return secret


def renew_cookie(db: Db, id: str) -> str:
    """A new secret for a session's cookie (a change of privilege must change it). Raises NotFound."""
    secret = opaque()
    if not db.run(store.REPLACE_TOKEN, id=id, new=digest(secret)):
        raise NotFound("The session is gone.")
    return secret


def end(db: Db, id: str, *, by: str = "logout") -> bool:
    """Ends a session; whether it was going on."""
    return bool(db.run(store.END_SESSION, id=id, now=clock.precise(), by=by))


def end_all(db: Db, user_id: str, *, but: str = "", by: str = "logout") -> int:
    """Ends every session of an account, but for one if named, and gives how many those were."""
    return db.run(store.END_SESSIONS, user_id=user_id, keep=but, now=clock.precise(), by=by)


def end_lesser(db: Db, user_id: str, *, keep: str) -> int:
    """Ends the sessions of an account that were proved by one factor only, but for one."""
    return db.run(store.END_LESSER, user_id=user_id, keep=keep, now=clock.precise())


def lower(db: Db, user_id: str) -> None:
    """Takes the sessions of an account back to one factor: a factor that they were proved by is gone."""
    db.run(store.LOWER, user_id=user_id)


def sweep(db: Db) -> int:
    """Deletes what ended or ran out over 30 days ago."""
    return db.run(store.SWEEP_SESSIONS, before=clock.precise() - timedelta(days=KEPT_DAYS))
