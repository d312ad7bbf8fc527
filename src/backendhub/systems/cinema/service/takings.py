"""What shows have sold: revenue and occupancy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, tzinfo

from backendhub.kit import clock
from backendhub.kit.db import Db
from backendhub.kit.errors import Invalid
from backendhub.systems.cinema import store
from backendhub.systems.cinema.films import Taking

MAX_SHOWS = 10_000
KINDS = ("show", "movie", "hall", "day")


@dataclass(frozen=True, slots=True)
class Revenue:
    """What a show, film, hall or day has brought in, in one currency."""

    key: str
    label: str
    currency: str
    amount: int
    tickets: int
    shows: int


def takings(db: Db, *, since: datetime, until: datetime) -> list[Taking]:
    """What each show of a period has sold, by time. Raises Invalid for too long a period."""
    if until <= since:
        raise Invalid("The period ends after it begins.", field="until")
    params = {"since": since, "until": until, "now": clock.precise(), "limit": MAX_SHOWS + 1}
    found = db.all(Taking, store.TAKINGS, **params)
    if len(found) > MAX_SHOWS:
        raise Invalid(f"That are more than {MAX_SHOWS} shows: choose a shorter period.", field="until")
    return found


def revenue(found: list[Taking], by: str, zone: tzinfo) -> list[Revenue]:
    """Takings put together by `show`, `movie`, `hall` or `day`, the largest first."""
    keys: dict[str, Callable[[Taking], tuple[str, str]]] = {
        "show": lambda t: (t.show_id, f"{t.title}, {clock.iso(t.starts_at)}"),
        "movie": lambda t: (t.movie_id, t.title),
        "hall": lambda t: (t.hall, t.hall),
        "day": lambda t: (day := t.starts_at.astimezone(zone).date().isoformat(), day),
    }
    groups: dict[tuple[str, str, str], list[Taking]] = {}
    for taking in found:
        groups.setdefault((*keys[by](taking), taking.currency), []).append(taking)
    made = [
        Revenue(key, label, currency, sum(t.amount for t in part), sum(t.sold for t in part), len(part))
        for (key, label, currency), part in groups.items()
    ]
    return sorted(made, key=lambda r: (-r.amount, r.label))
