"""Dated versions of the wire: objects are kept as the latest has them, and made older where a client asks for that."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from backendhub.kit.db import Db
from backendhub.systems.payment.errors import ApiError
from backendhub.systems.payment.models import LATEST

Json = dict[str, Any]
OLDEST = "2011-01-01"


class Change(NamedTuple):
    """What a version changed: `older(db, object)` makes an object of one kind what it was before `since`."""

    since: str
    kind: str
    what: str
    older: Callable[[Db, Json], None]


_changes: list[Change] = []


def change(
    since: str, kind: str, what: str
) -> Callable[[Callable[[Db, Json], None]], Callable[[Db, Json], None]]:
    """Declares what a version changed."""

    def add(older: Callable[[Db, Json], None]) -> Callable[[Db, Json], None]:
        _changes.append(Change(since, kind, what, older))
        _changes.sort(key=lambda c: c.since, reverse=True)
        return older

    return add


def changes() -> list[Change]:
    """Every change, the newest first."""
    return list(_changes)


def asked(header: str | None) -> str:
    """The version that a request asks for, the latest where it says none. Raises ApiError."""
    if header is None:
        return LATEST
    match = re.fullmatch(r"(\d{4}-\d{2}-\d{2})(\.[a-z]+)?(; *[a-z0-9_]+=v\d+)*", header.strip())
    if match is None or match[1] < OLDEST:
        raise ApiError(f"Invalid Stripe API version: {header[:40]}", status=400)
    return match[1] + (match[2] or "")


def shaped(db: Db, value: Any, version: str) -> Any:
    """A value with all objects in it as a version has them."""
    day = version[:10]
    due = [c for c in _changes if c.since > day]
    if due:
        _walk(db, value, due)
    return value


def _walk(db: Db, value: Any, due: list[Change]) -> None:
    if isinstance(value, list):
        for each in value:
            _walk(db, each, due)
    elif isinstance(value, dict):
        kind = value.get("object")
        if isinstance(kind, str):
            for each in due:
                if each.kind == kind:
                    each.older(db, value)
        for member in list(value.values()):
            if isinstance(member, (dict, list)):
                _walk(db, member, due)
