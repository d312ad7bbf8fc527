"""Targets: which databases there are, how they are reached, when they are due."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from backendhub.kit import clock
from backendhub.kit.cron import next_after
from backendhub.kit.db import Db
from backendhub.kit.errors import Conflict, Invalid
from backendhub.systems.backup import store
from backendhub.systems.backup.models import HUB, Target

if TYPE_CHECKING:
    from backendhub.systems.backup.engines.base import Dsn, Engine

KEEPS = ("last", "hourly", "daily", "weekly", "monthly", "yearly", "within")
TYPES = ("auto", "full", "diff", "incr")
RETRY = timedelta(hours=1)
NAME = r"[^\x00-\x1f\x7f/\\]{1,100}"


def add(
    db: Db,
    *,
    name: str,
    dsn: str | None,
    type: str = "auto",
    options: Mapping[str, Any] | None = None,
    every: str | None = None,
    drill_every: str | None = None,
    keep: str | None = None,
    ping: str | None = None,
) -> Target:
    """Adds a target. Raises Invalid, Conflict where the name is taken."""
    if not re.fullmatch(NAME, name):
        raise Invalid(f"{name!r} is no name of a target.", hint="1 to 100 characters without / and \\")
    if store.target(db, name) is not None:
        raise Conflict(f"There is a target {name!r} already.", hint=f"backendhub backup remove {name}")
    if (dsn is None) != (name == HUB):
        text = "`hub` is the product's own store and takes no DSN." if dsn else "A target needs a DSN."
        raise Invalid(text, hint="backendhub backup add NAME DSN")
    if type not in TYPES:
        raise Invalid(f"There is no type {type!r}.", hint=", ".join(TYPES))
    now = clock.now()
    return store.insert(
        db,
        name=name,
        dsn=dsn or HUB,
        type=type,
        options=dict(options or {}),
        every=every,
        drill_every=drill_every,
        keep=parse_keep(keep),
        ping=ping,
        next_run_at=next_after(every, now, "local") if every else None,
        next_drill_at=next_after(drill_every, now, "local") if drill_every else None,
        created_at=now,
        updated_at=now,
    )


def remove(db: Db, name: str) -> Target:
    """Removes a target; its snapshots stay. Raises Invalid where there is none."""
    found = store.target(db, name)
    if found is None:
        raise unknown(name)
    store.delete(db, name)
    return found


def find(db: Db, name: str) -> Target:
    """A target; `hub` is always there."""
    if found := store.target(db, name):
        return found
    if name == HUB:
        return ephemeral(HUB, HUB)
    raise unknown(name)


def ephemeral(name: str, dsn: str, options: Mapping[str, Any] | None = None) -> Target:
    """A target that is not in the store: `hub` without a schedule, or one known only from its snapshots."""
    now = clock.now()
    return Target(0, name, dsn, "auto", dict(options or {}), None, None, {}, None, None, None, now, now)


def unknown(name: str) -> Invalid:
    """The error for a name that is no target."""
    return Invalid(f"There is no target {name!r}.", hint="`backendhub backup targets` shows them.")


def parse_keep(text: str | None) -> dict[str, Any]:
    """`last=3,daily=7,within=30d` as a mapping. Raises Invalid."""
    found: dict[str, Any] = {}
    for part in (text or "").split(","):
        if not part.strip():
            continue
        key, _, value = part.strip().partition("=")
        if key not in KEEPS or not re.fullmatch(r"\d{1,4}" if key != "within" else r"\d{1,4}\s*\w+", value):
            raise Invalid(
                f"{part.strip()!r} is no rule of what to keep.", hint="last=3,daily=7,weekly=4,monthly=12"
            )
        found[key] = value if key == "within" else int(value)
    return found


def parse_options(words: Sequence[str]) -> dict[str, str]:
    """`key=value` words. Raises Invalid; a password is refused by name."""
    found = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not re.fullmatch(r"[a-z_]{1,40}", key):
            raise Invalid(f"{word.partition('=')[0]!r} is no option.", hint="--option key=value")
        if key in ("password", "passwd", "pwd"):
            raise Invalid("A password is never stored.", hint="--option password_file=… or password_cmd=…")
        found[key] = value
    return found


def after_run(db: Db, target: Target, *, ok: bool) -> None:
    """Sets when it is due again: by its cron expression, or after a failure within the hour."""
    if target.id and target.every:
        store.update(db, target.id, next_run_at=_next(target.every, ok), updated_at=clock.now())


def after_drill(db: Db, target: Target, *, ok: bool) -> None:
    """The same for its drill."""
    if target.id and target.drill_every:
        store.update(db, target.id, next_drill_at=_next(target.drill_every, ok), updated_at=clock.now())


def _next(expression: str, ok: bool) -> datetime:
    """One run makes up for all that were missed, for the next time is counted from now."""
    regular = next_after(expression, clock.now(), "local")
    return regular if ok else min(regular, clock.now() + RETRY)


@contextmanager
def engine_of(target: Target, database: str) -> Iterator[Engine]:
    """The engine of a target. The store's URL may hold a password: it goes through a memory file."""
    from backendhub.systems.backup.engines.base import engine_for

    if target.dsn != HUB:
        yield engine_for(target.dsn, options=target.options)
        return
    dsn, password = split_password(database)
    if password is None:
        yield engine_for(dsn, options=target.options)
        return
    from backendhub.systems.backup.engines.secrets import secret_file

    with secret_file(password + "\n") as file:
        yield engine_for(dsn, options={**target.options, "password_file": file.path})


def split_password(url: str) -> tuple[Dsn, str | None]:
    """The DSN of a store's URL without its password, and the password."""
    from urllib.parse import unquote, urlsplit, urlunsplit

    from backendhub.systems.backup.engines.base import parse_dsn

    if "://" not in url or url.startswith("sqlite"):
        return parse_dsn(url), None
    parts = urlsplit(url)
    if parts.password is None:
        return parse_dsn(url), None
    user, _, host = parts.netloc.rpartition("@")
    bare = urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}@{host}"))
    return parse_dsn(bare), unquote(parts.password)
