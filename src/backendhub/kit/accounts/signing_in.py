"""Signing in and signing up, with the hashing outside of the transaction: what faces call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from backendhub.kit import clock
from backendhub.kit.db import Db
from backendhub.kit.errors import Denied, Invalid, Unauthenticated
from backendhub.kit.limits import Rule, TooManyHits

from . import authentication, users
from .models import NotSignedIn, Opened, Proven, Refused, Session, User
from .sessions import banned

if TYPE_CHECKING:
    from collections.abc import Callable

    from backendhub.kit.hub import Hub
    from backendhub.kit.settings import Settings
    from backendhub.kit.web import Request


PERIOD_S = 300
PER_LOGIN = Rule(30, PERIOD_S, name="guesses")
"""Sign-ins for one login, whoever tries and whether or not there is such an account."""


class Grant(NamedTuple):
    """What a client is given: an access token for `expires_in` seconds and the token that gets the next one."""

    access_token: str
    refresh_token: str
    expires_in: int
    user: User
    session: Session


def signup_open(settings: Settings) -> bool:
    """Whether anybody may make an account of their own. Raises Invalid for a setting that says neither."""
    asked = settings.get("accounts.signup")
    if asked not in ("open", "closed"):
        raise Invalid(f"The setting accounts.signup is {asked!r}.", hint="say open or closed")
    return asked == "open"


def signing_up(hub: Hub) -> None:
    """What every route asks by which somebody makes an account of their own. Raises Denied where sign-up is closed."""
    if not signup_open(hub.settings):
        raise Denied(
            "This server takes no sign-ups: an administrator makes accounts.", hint="backendhub user add"
        )


def strict(settings: Settings) -> bool:
    """Whether every wire asks of passwords what ASVS does, though its clients may not expect it. Raises Invalid."""
    if settings.get("accounts.strict"):
        return settings.flag("accounts.strict")
    return settings.get("auth") == "token"


async def present(request: Request, user_id: str, given: str) -> bool:
    """Whether this is the present password of an account; counted as a try for it. Raises TooManyHits."""
    await tried(request, "password", user_id)
    stored = await request.read(users.password_hash, user_id)
    return (await request.hub.passwords.averify(given, stored)).right


async def registering(request: Request) -> None:
    """What every route by which somebody makes an account asks before any work is done: whether it may be, and whether
    this address does not do it too often. Raises Denied, TooManyHits."""
    signing_up(request.hub)
    await tried(request, "register")


async def tried(request: Request, what: str, login: str | None = None) -> None:
    """Counts a try, for all systems of the store together. Raises TooManyHits (429) before any work is done for it."""
    most = int(request.hub.settings.number("accounts.tries"))
    address = (request.scope.get("client") or ("-",))[0]
    pairs = [(f"accounts:{what}:{address}", Rule(most, PERIOD_S, name="tries"))] if most > 0 else []
    if login is not None:
        pairs.append((f"accounts:guess:{users.folded(login)[:254]}", PER_LOGIN))
    decisions = await request.hub.tries.ahit_all(pairs) if pairs else []
    if not all(d.allowed for d in decisions):
        raise TooManyHits(decisions)


async def verified(
    request: Request,
    login: str,
    password: str,
    *,
    find: Callable[[Db, str], User | None] = users.by_login,
    counted: bool = False,
) -> User:
    """The account with this login and password, hashed with the event loop free; a session of it is opened only while that
    still is the password. It is counted as a try, so that no door
    is without a limit, unless the caller has `counted` it. Raises TooManyHits then.

    Raises NotSignedIn (an Unauthenticated): the same, and after the same work, for an unknown login, a wrong password and
    an account without one; told apart is only a right password of an account that is disabled or banned.
    """
    if not counted:
        await tried(request, "login", login)
    user, stored = await request.read(credentials, login, find)
    verdict = await request.hub.passwords.averify(password, stored)
    if user is None or stored is None or not verdict.right:
        raise NotSignedIn
    if banned(user, clock.precise()):
        raise NotSignedIn(user)
    if verdict.replacement is not None:
        await request.call(users.rehash, user.id, stored, verdict.replacement)
    return Proven.of(user, verdict.replacement or stored)


def credentials(
    db: Db, login: str, find: Callable[[Db, str], User | None] = users.by_login
) -> tuple[User | None, str | None]:
    """The account with this login and its password's hash, as far as there are any."""
    user = find(db, login)
    return user, users.password_hash(db, user.id) if user else None


def granted(db: Db, hub: Hub, opened: Opened, *, lifetime_s: int | None = None, **claims: Any) -> Grant:
    """The tokens of a session that was just opened or refreshed; `claims` are further claims of the access token."""
    tokens = authentication.of(hub).tokens
    access = tokens.issue(
        db,
        subject=opened.user.id,
        session=opened.session.id,
        scopes=opened.session.scopes,
        lifetime_s=lifetime_s,
        **claims,
    )
    return Grant(access, opened.secret, lifetime_s or tokens.lifetime_s, opened.user, opened.session)


def sign_in(
    db: Db, hub: Hub, user: User, *, method: str = "password", lifetime_s: int | None = None, **about: Any
) -> Grant:
    """A new session of an account and its tokens; `about` are arguments of `Sessions.open`."""
    opened = authentication.of(hub).sessions.open(db, user, method=method, **about)
    return granted(db, hub, opened, lifetime_s=lifetime_s)


def refreshed(db: Db, hub: Hub, token: str, *, lifetime_s: int | None = None) -> Grant | Refused:
    """New tokens for a refresh token, or why not. Commit either way, then `taken` raises for a refusal."""
    opened = authentication.of(hub).sessions.refresh(db, token)
    return opened if isinstance(opened, Refused) else granted(db, hub, opened, lifetime_s=lifetime_s)


def taken(outcome: Grant | Refused) -> Grant:
    """The grant. Raises Unauthenticated for a refusal: call it after the unit, which had to be committed."""
    if isinstance(outcome, Refused):
        raise Unauthenticated("The refresh token is not valid.", token=outcome.reason)
    return outcome
