"""Answers to Plausible's stats API v2 (https://plausible.io/docs/stats-api): metrics by dimensions under filters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from backendhub.kit import clock, when
from backendhub.kit.db import Db
from backendhub.kit.money import Money
from backendhub.systems.analytics import store
from backendhub.systems.analytics.models import BadQuery, Goal, Source
from backendhub.systems.analytics.store import query as sql

METRICS = (*sql.COUNTS, *sql.VISITS, "percentage", "conversion_rate", "group_conversion_rate")
SPANS = {"7d": 6, "28d": 27, "30d": 30, "91d": 91}
"""How many days before today a range begins; today is in it."""
MINUTES = {"realtime": 5, "30m": 30}
MONTHS = {"6mo": 5, "12mo": 11}
NAMES = ("day", "24h", *SPANS, "month", *MONTHS, "year", "all", *MINUTES)
MAX_LIMIT = 10_000
RANGES = 'day, 7d, 30d, month, 12mo, year, all, ["2026-01-01", "2026-01-31"]'
ORDER = '[["visitors", "desc"]], by metrics and dimensions that are asked for'
Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Period:
    """From `since` to `until` (exclusive), in a source's time zone; `unit` is what a chart of it is divided into."""

    since: datetime
    until: datetime
    unit: str


@dataclass(slots=True)
class Asked:
    """A query whose parts are known to make sense."""

    metrics: list[str]
    dimensions: list[str]
    filters: list[Any]
    period: Period
    order_by: list[tuple[str, bool]]
    limit: int
    offset: int
    labels: bool
    total: bool


def query(db: Db, source: Source, body: dict[str, Any]) -> dict[str, Any]:
    """The answer to a query: `results`, `meta` and the `query` as it was understood. Raises BadQuery."""
    asked = understood(db, source, body)
    goals = db.all(Goal, store.GOALS, source_id=source.id)
    rows = _rows(db, source, asked, goals)
    rows.sort(key=lambda row: tuple(str(d) for d in row[0]))
    for name, descending in reversed(asked.order_by):
        rows.sort(key=_sort_key(asked, name), reverse=descending)
    shown = rows[asked.offset : asked.offset + asked.limit]
    meta: dict[str, Any] = {"total_rows": len(rows)} if asked.total else {}
    if asked.labels and (time := next((d for d in asked.dimensions if d.startswith("time")), None)):
        meta["time_labels"] = labels(asked.period, time.removeprefix("time:"))
    results = [
        {"metrics": [metrics[m] for m in asked.metrics], "dimensions": list(key)} for key, metrics in shown
    ]
    return {"results": results, "meta": meta, "query": _told(source, asked)}


def understood(db: Db, source: Source, body: dict[str, Any]) -> Asked:
    """A query taken apart. Raises BadQuery."""
    metrics, dimensions = _names(body, "metrics"), _names(body, "dimensions")
    if not metrics:
        raise BadQuery("metrics is a list of at least one", hint=", ".join(METRICS))
    if unknown := [m for m in metrics if m not in METRICS]:
        raise BadQuery(f"Unknown metric {unknown[0]!r}", hint=", ".join(METRICS))
    found = period(db, source, body.get("date_range"), body.get("date"))
    dimensions = [f"time:{found.unit}" if d == "time" else d for d in dimensions]
    filters = body.get("filters") or []
    if not isinstance(filters, list):
        raise BadQuery("filters is a list")
    about_goals = "event:goal" in dimensions or "event:goal" in str(filters)
    if not about_goals and {"conversion_rate", "group_conversion_rate"} & set(metrics):
        raise BadQuery("conversion_rate goes with a filter or dimension event:goal")
    paging = body.get("pagination") or {}
    include = body.get("include") or {}
    if not isinstance(paging, dict) or not isinstance(include, dict):
        raise BadQuery("pagination and include are objects")
    limit, offset = _number(paging, "limit", MAX_LIMIT), _number(paging, "offset", 0)
    order = _order(body, metrics, dimensions)
    return Asked(
        metrics, dimensions, filters, found, order, min(limit, MAX_LIMIT), offset,
        bool(include.get("time_labels")), bool(include.get("total_rows")),
    )  # fmt: skip


def period(db: Db, source: Source, given: Any, at: Any = None) -> Period:
    """A date range of the API: `day`, `7d`, `30d`, `month`, `12mo`, `year`, `all`, or two dates or times. `at` is the day
    that it is counted from, where that is not today. Raises BadQuery."""
    zone = ZoneInfo(source.timezone)
    now = clock.now().astimezone(zone)
    today = _day(at) if at is not None else now.date()
    if isinstance(given, list) and len(given) == 2 and all(isinstance(g, str) for g in given):
        return _between(given[0], given[1], zone)
    if not isinstance(given, str):
        raise BadQuery("date_range is a name or two dates", hint=RANGES)
    if given in MINUTES:
        return Period(now - timedelta(minutes=MINUTES[given]), now + timedelta(seconds=5), "hour")
    if given == "24h":
        return Period(now - timedelta(hours=24), now, "hour")
    if given == "day":
        return _days(today, today, zone)
    if given in SPANS:
        return _days(today - timedelta(days=SPANS[given]), today, zone)
    if given in MONTHS or given == "month":
        first = when.add(today.replace(day=1), -MONTHS.get(given, 0), "m")
        return _days(first, _month_end(today), zone, "month" if given in MONTHS else "")
    if given == "year":
        return _days(today.replace(month=1, day=1), today.replace(month=12, day=31), zone, "month")
    if given == "all":
        begun = db.fetch(store.FIRST_AND_LAST, {"source_id": source.id})[0][0]
        return _days(date.fromisoformat(begun[:10]) if begun else today, today, zone)
    raise BadQuery(f"Invalid date_range {given!r}", hint=RANGES)


def _day(text: Any) -> date:
    try:
        return date.fromisoformat(text)
    except (TypeError, ValueError):
        raise BadQuery(f"Invalid date {str(text)[:40]!r}") from None


def _month_end(day: date) -> date:
    return when.add(day.replace(day=1), 1, "m") - timedelta(days=1)


def _days(first: date, last: date, zone: ZoneInfo, unit: str = "") -> Period:
    since = datetime(first.year, first.month, first.day, tzinfo=zone)
    after = last + timedelta(days=1)
    span = (after - first).days
    return Period(since, datetime(after.year, after.month, after.day, tzinfo=zone), unit or _unit(span))


def _unit(days: int) -> str:
    return "hour" if days <= 1 else "day" if days <= 200 else "month"


def _between(start: str, end: str, zone: ZoneInfo) -> Period:
    try:
        if len(start) == len(end) == 10:
            first, last = date.fromisoformat(start), date.fromisoformat(end)
            found = _days(first, last, zone)
        else:
            since, until = datetime.fromisoformat(start), datetime.fromisoformat(end)
            if since.tzinfo is None or until.tzinfo is None:
                raise ValueError(start)
            found = Period(since, until, _unit((until - since).days))
    except (ValueError, OverflowError):
        raise BadQuery(f"Invalid date_range [{start!r}, {end!r}]") from None
    if found.until <= found.since:
        raise BadQuery("date_range ends before it begins")
    return found


def labels(found: Period, unit: str) -> list[str]:
    """Every hour, day, week or month of a period, as its dimension spells it."""
    at = found.since
    if unit == "week":
        at -= timedelta(days=at.weekday())
    if unit == "month":
        at = at.replace(day=1)
    told: list[str] = []
    while at < found.until and len(told) < MAX_LIMIT:
        told.append(at.strftime("%Y-%m-%d %H:00:00" if unit == "hour" else "%Y-%m-%d"))
        if unit == "hour":
            at += timedelta(hours=1)
        elif unit == "month":
            at = (at + timedelta(days=32)).replace(day=1)
        else:
            at += timedelta(days=7 if unit == "week" else 1)
    return told


# -- rows ----------------------------------------------------------------------------------------------------


def _rows(db: Db, source: Source, asked: Asked, goals: Sequence[Goal]) -> list[tuple[Key, dict[str, Any]]]:
    found = _counted(db, source, asked, goals, asked.filters)
    if set(asked.metrics) & set(sql.VISITS):
        for key, values in _measured(db, source, asked, goals).items():
            found[key] |= values
    if "percentage" in asked.metrics:
        whole = _people(db, source, asked, goals, asked.filters)
        _shares(found, "percentage", lambda key: whole)
    if "conversion_rate" in asked.metrics:
        everybody = _people(db, source, asked, goals, _without_goals(asked.filters))
        _shares(found, "conversion_rate", lambda key: everybody)
    if "group_conversion_rate" in asked.metrics:
        groups = _counted(db, source, asked, goals, _without_goals(asked.filters))
        _shares(found, "group_conversion_rate", lambda key: groups[key]["visitors"])
    return list(found.items())


def _ask(
    db: Db,
    source: Source,
    asked: Asked,
    goals: Sequence[Goal],
    filters: Sequence[Any],
    dimensions: Sequence[str],
    write: Callable[..., str],
) -> list[Sequence[Any]]:
    question = sql.Question(db.dialect, source.id, goals)
    columns = [question.column(d) for d in dimensions]
    where = question.where(filters)
    by_goal = "event:goal" in dimensions
    text = write(question, columns, where, goal=by_goal)
    about = {
        "source_id": source.id,
        "since": store.stamp(asked.period.since),
        "until": store.stamp(asked.period.until),
    }
    return [*db.fetch(text, question.params | about)]


def _counted(
    db: Db, source: Source, asked: Asked, goals: Sequence[Goal], filters: Sequence[Any]
) -> dict[Key, dict[str, Any]]:
    size = len(asked.dimensions)
    found: dict[Key, dict[str, Any]] = {}
    for row in _ask(db, source, asked, goals, filters, asked.dimensions, sql.counts):
        values: dict[str, Any] = dict(zip(sql.COUNTS, (value or 0 for value in row[size:]), strict=False))
        currency = row[size + len(sql.COUNTS)]
        for name in ("total_revenue", "average_revenue"):
            values[name] = _revenue(values[name], currency)
        found[tuple(row[:size])] = values | dict.fromkeys(sql.VISITS, 0)
    return found


def _revenue(minor: int, currency: str | None) -> dict[str, Any] | None:
    """An amount as the API tells it; nothing where there is none, or where currencies are mixed."""
    return {"value": float(Money(int(minor), currency).decimal), "currency": currency} if currency else None


def _measured(db: Db, source: Source, asked: Asked, goals: Sequence[Goal]) -> dict[Key, dict[str, Any]]:
    size = len(asked.dimensions)
    places = {"bounce_rate": 0, "visit_duration": 0, "views_per_visit": 2}
    found = {}
    for row in _ask(db, source, asked, goals, asked.filters, asked.dimensions, sql.visits):
        values = zip(sql.VISITS, row[size:], strict=True)
        found[tuple(row[:size])] = {n: round(float(v or 0), places[n] or None) for n, v in values}
    return found


def _people(db: Db, source: Source, asked: Asked, goals: Sequence[Goal], filters: Sequence[Any]) -> int:
    row = _ask(db, source, asked, goals, filters, (), sql.counts)[0]
    return int(row[list(sql.COUNTS).index("visitors")] or 0)


def _shares(found: dict[Key, dict[str, Any]], name: str, whole: Callable[[Key], int]) -> None:
    for key, values in found.items():
        of = whole(key)
        values[name] = round(100 * values["visitors"] / of, 1) if of else 0.0


def _without_goals(filters: Sequence[Any]) -> list[Any]:
    return [f for f in filters if "event:goal" not in str(f)]


# -- what was asked ------------------------------------------------------------------------------------------


def _names(body: dict[str, Any], field: str) -> list[str]:
    given = body.get(field) or []
    if not isinstance(given, list) or len(given) > 20 or not all(isinstance(g, str) for g in given):
        raise BadQuery(f"{field} is a list of names")
    return list(dict.fromkeys(given))


def _number(body: dict[str, Any], name: str, default: int) -> int:
    given = body.get(name, default)
    if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given < 1 << 31:
        raise BadQuery(f"{name} is a number that is not negative")
    return given


def _order(body: dict[str, Any], metrics: Sequence[str], dimensions: Sequence[str]) -> list[tuple[str, bool]]:
    """By time first, then by the first metric, unless something else is asked for."""
    given = body.get("order_by")
    if given is None:
        times = [(d, False) for d in dimensions if d.startswith("time")]
        return [*times, (metrics[0], True)]
    if not isinstance(given, list):
        raise BadQuery("order_by is a list", hint=ORDER)
    return [_ordered(each, metrics, dimensions) for each in given]


def _ordered(each: Any, metrics: Sequence[str], dimensions: Sequence[str]) -> tuple[str, bool]:
    if not isinstance(each, list) or len(each) != 2 or each[1] not in ("asc", "desc"):
        raise BadQuery(f"Invalid order_by entry {each!r}", hint=ORDER)
    time = next((d for d in dimensions if d.startswith("time:")), None)
    name = time if each[0] == "time" and time is not None else each[0]
    if name not in (*metrics, *dimensions):
        raise BadQuery(f"Invalid order_by entry {each!r}: it was not asked for", hint=ORDER)
    return name, each[1] == "desc"


def _sort_key(asked: Asked, name: str) -> Callable[[tuple[Key, dict[str, Any]]], Any]:
    if name in asked.dimensions:
        place = asked.dimensions.index(name)
        return lambda row: str(row[0][place])
    return lambda row: _comparable(row[1].get(name))


def _comparable(value: Any) -> float:
    return float(value["value"]) if isinstance(value, dict) else float(value or 0)


def _told(source: Source, asked: Asked) -> dict[str, Any]:
    last = asked.period.until - timedelta(seconds=1)
    return {
        "site_id": source.domain or source.write_key,
        "metrics": asked.metrics,
        "date_range": [asked.period.since.isoformat(timespec="seconds"), last.isoformat(timespec="seconds")],
        "filters": asked.filters,
        "dimensions": asked.dimensions,
        "order_by": [[name, "desc" if descending else "asc"] for name, descending in asked.order_by],
        "include": {},
        "pagination": {"offset": asked.offset, "limit": asked.limit},
    }
