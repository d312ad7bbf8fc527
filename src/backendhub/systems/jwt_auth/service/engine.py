"""What every rule needs beside the store: the settings, and the keys and lifetimes of tokens and sessions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from backendhub.kit import accounts
from backendhub.kit.accounts import Opened, User, factors, one_time
from backendhub.kit.accounts.sessions import Sessions
from backendhub.kit.accounts.tokens import Tokens
from backendhub.kit.db import Db
from backendhub.systems.jwt_auth.models import Account, Config, Granted, Refusal

if TYPE_CHECKING:
    from backendhub.kit.hub import Hub
    from backendhub.kit.settings import Settings

ROLE = "authenticated"


class Engine(NamedTuple):
    """Settings, tokens and sessions of a process."""

    config: Config
    tokens: Tokens
    sessions: Sessions

    @classmethod
    def of(cls, hub: Hub) -> Engine:
        """The engine of a hub, made once. Raises Invalid where a setting is wrong."""

        def make() -> Engine:
            parts = accounts.of(hub)
            return Engine(config(hub.settings), parts.tokens, parts.sessions)

        return hub.memory("jwt-auth", make)


def config(settings: Settings) -> Config:
    """The settings as values. Raises Invalid."""

    def text(name: str) -> str:
        return settings.get(f"jwt_auth.{name}") or ""

    def flag(name: str) -> bool:
        return settings.flag(f"jwt_auth.{name}")

    def number(name: str) -> float:
        return settings.number(f"jwt_auth.{name}")

    site = text("site_url").rstrip("/")
    return Config(
        site_url=site,
        external_url=text("external_url").rstrip("/"),
        redirects=tuple(text("redirects").split()),
        signup=flag("signup") and accounts.signup_open(settings),
        autoconfirm=flag("autoconfirm"),
        email=flag("email"),
        phone=flag("phone"),
        phone_autoconfirm=flag("phone_autoconfirm"),
        anonymous=flag("anonymous"),
        otp_s=int(number("otp_ttl")),
        otp_digits=min(10, max(6, int(number("otp_digits")))),
        interval_s=number("mail_interval"),
        confirm_both=flag("confirm_both"),
        reauthenticate=flag("reauthenticate"),
        current_password=flag("current_password") or accounts.strict(settings),
        factors=int(number("factors")),
        passkeys=flag("passkeys"),
        rp_id=text("rp_id") or urlsplit(site).hostname or "localhost",
        rp_name=text("rp_name"),
        rp_origins=tuple(text("rp_origins").split()) or (site,),
    )


def account(db: Db, user: User) -> Account:
    """An account with what was sent to it and its factors."""
    return Account(user, one_time.of_user(db, user.id), factors.of_user(db, user.id))


def granted(db: Db, engine: Engine, opened: Opened) -> Granted:
    """The tokens of a session, with the claims that this wire's clients read."""
    user, session, secret = opened
    token = engine.tokens.issue(
        db,
        subject=user.id,
        session=session.id,
        scopes=session.scopes,
        email=user.email or "",
        phone=user.phone or "",
        role=role(user),
        app_metadata=metadata(user),
        user_metadata=user.metadata,
        is_anonymous=user.anonymous,
        aal=session.aal,
        amr=list(reversed(session.methods)),
    )
    return Granted(account(db, user), session, token, secret, engine.tokens.lifetime_s)


def role(user: User) -> str:
    """The wire knows one role: the account's first, or `authenticated`."""
    return user.roles[0] if user.roles else ROLE


def metadata(user: User) -> dict[str, Any]:
    """The administrators' metadata with the providers by which the account can be signed in to."""
    own = [name for name, has in (("email", user.email), ("phone", user.phone)) if has]
    providers = [*own, *(p for p in user.app_metadata.get("providers", []) if p not in ("email", "phone"))]
    first = user.app_metadata.get("provider") or next(iter(providers), None)
    return ({"provider": first, "providers": providers} if providers else {}) | {
        name: value for name, value in user.app_metadata.items() if name not in ("provider", "providers")
    }


def redirect(config: Config, wanted: str | None) -> str:
    """Where a link leads in the end: what was asked for if it is allowed, else the site. Never anywhere else."""
    if not wanted or any(ord(c) < 33 or ord(c) == 127 for c in wanted) or "\\" in wanted:
        return config.site_url
    try:
        parts = urlsplit(wanted)
        same = parts.scheme in ("http", "https") and parts.hostname == urlsplit(config.site_url).hostname
    except ValueError:
        return config.site_url
    if parts.username is not None or not parts.scheme or parts.scheme in ("javascript", "data", "vbscript"):
        return config.site_url
    bare = wanted.partition("#")[0]
    allowed = same or any(re.fullmatch(_glob(pattern), bare) for pattern in config.redirects)
    return wanted if allowed else config.site_url


def _glob(pattern: str) -> str:
    """`*` stands for what has neither `.` nor `/` in it, `**` for anything, `?` for one character."""
    words = {"**": ".*", "*": "[^./]*", "?": "[^./]"}
    return "".join(words.get(part) or re.escape(part) for part in re.split(r"(\*\*|\*|\?)", pattern))


def refuse(status: int, code: str, message: str) -> Refusal:
    """A refusal, as a value: what was noticed on the way is committed before it is raised."""
    return Refusal(status, code, message)
