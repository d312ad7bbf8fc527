"""Ways through a site: funnels, and who comes back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from backendhub.kit.db import Db
from backendhub.systems.analytics import store
from backendhub.systems.analytics.models import BadQuery, Goal, Source

from . import stats

MAX_STEPS = 10
PERIODS = {"day": 1, "week": 7}


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a funnel: how many visitors came this far, and how many percent of those of the step before."""

    name: str
    visitors: int
    conversion_rate: float
    drop_off: int


@dataclass(frozen=True, slots=True)
class Funnel:
    """How far visitors came, and how many percent of those who began came to the end."""

    steps: list[Step]
    entering: int
    completed: int
    conversion_rate: float


@dataclass(frozen=True, slots=True)
class Cohort:
    """Visitors who came first in one period, and how many of them came in each period after it (0 is the first)."""

    start: str
    size: int
    returned: list[int]


def funnel(db: Db, source: Source, *, steps: Sequence[str], date_range: Any, window_s: int) -> Funnel:
    """How many visitors reached each of these goals in this order, the last within `window_s` seconds of the first.

    Raises BadQuery.
    """
    if not 2 <= len(steps) <= MAX_STEPS or len(set(steps)) != len(steps):
        raise BadQuery(f"A funnel has 2 to {MAX_STEPS} different goals")
    known = {goal.name: goal for goal in db.all(Goal, store.GOALS, source_id=source.id)}
    if missing := [name for name in steps if name not in known]:
        raise BadQuery(f"The goal {missing[0]!r} is not configured for this site")
    found = stats.period(db, source, date_range)
    rows = db.fetch(
        store.GOALS_REACHED[db.dialect],
        {"source_id": source.id, "since": store.stamp(found.since), "until": store.stamp(found.until)},
    )
    order = {known[name].id: i for i, name in enumerate(steps)}
    reached = _furthest(
        ((v, order[g], at) for v, g, at in rows if g in order), len(steps), timedelta(seconds=window_s)
    )
    counts = [sum(1 for far in reached if far > i) for i in range(len(steps))]
    before = [counts[0], *counts]
    told = [
        Step(n, c, _percent(c, before[i]), before[i] - c)
        for i, (n, c) in enumerate(zip(steps, counts, strict=True))
    ]
    return Funnel(told, counts[0], counts[-1], _percent(counts[-1], counts[0]))


def _furthest(rows: Any, steps: int, window: timedelta) -> list[int]:
    """How many steps each visitor made, of (visitor, step, time) ordered by visitor and time.

    For each step the latest beginning is kept from which it was reached: whoever begins again has the whole window.
    """
    reached: dict[str, int] = {}
    began: list[datetime | None] = []
    current = None
    for visitor, step, text in rows:
        at = datetime.fromisoformat(text)
        if visitor != current:
            current, began = visitor, [None] * steps
        start = at if step == 0 else began[step - 1]
        if start is not None and at - start <= window:
            began[step] = max(start, began[step] or start)
            reached[visitor] = max(reached.get(visitor, 0), step + 1)
    return list(reached.values())


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 2) if whole else 0.0


def retention(db: Db, source: Source, *, date_range: Any, unit: str = "day") -> list[Cohort]:
    """For the visitors who came first in each day or week of a range, in how many of the following ones they came again."""
    if unit not in PERIODS:
        raise BadQuery("unit is day or week")
    found = stats.period(db, source, date_range)
    begin = found.since.date() - timedelta(days=found.since.weekday() if unit == "week" else 0)
    about = {"source_id": source.id, "since": store.stamp(found.since), "until": store.stamp(found.until)}
    about["first"] = begin.isoformat()
    rows = db.fetch(store.RETURNS[unit][db.dialect], about)
    cohorts: dict[str, dict[int, int]] = {}
    last = max((row[1] for row in rows), default="")
    for first, came, visitors in rows:
        index = (date.fromisoformat(came) - date.fromisoformat(first)).days // PERIODS[unit]
        cohorts.setdefault(first, {})[index] = visitors
    return [_cohort(start, counts, last, PERIODS[unit]) for start, counts in sorted(cohorts.items())]


def _cohort(start: str, counts: dict[int, int], last: str, days: int) -> Cohort:
    length = (date.fromisoformat(last) - date.fromisoformat(start)).days // days + 1
    return Cohort(start, counts.get(0, 0), [counts.get(i, 0) for i in range(length)])
