"""Stretches of days: calendar months and years, the past week, custom ranges, and the periods of budgets."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from backendhub.kit import clock, when
from backendhub.kit.errors import Invalid

PAST = {"week": "1w", "month": "1m", "3months": "3m", "quarter": "3m", "year": "1y"}
EVERY = {"day": "1d", "week": "1w", "fortnight": "2w", "month": "1m", "quarter": "3m", "year": "1y"}
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Period:
    """Days from `start` to `end`, both included (None: open); `key` for programs, `name` for people."""

    start: date | None
    end: date | None
    key: str
    name: str | None


ALWAYS = Period(None, None, "all", None)


def choose(
    *,
    month: str | None = None,
    year: str | None = None,
    last: str | None = None,
    since: date | None = None,
    until: date | None = None,
) -> Period:
    """The one period that was asked for. Raises Invalid for none that exists and for two at once."""
    ranged = since is not None or until is not None
    if (last is not None) + ranged + (month is not None or year is not None) > 1:
        raise Invalid("Give one period: a month or year, or the past so long, or a range of days.")
    if month is not None:
        return month_of(month, year)
    if year is not None:
        return year_of(year)
    if last is not None:
        return past(last)
    return between(since, until) if ranged else ALWAYS


def month_of(text: str, year: str | None = None) -> Period:
    """`8`, `august`, `2024-08`, `this`: a calendar month, of this year where none is named. Raises Invalid."""
    word = text.strip().lower()
    today = clock.today()
    names = [n.lower() for n in calendar.month_name]
    if match := re.fullmatch(r"(\d{4})-(\d{1,2})", word):
        number, which = int(match[2]), int(match[1])
        if year is not None and _year(year) != which:
            raise Invalid(f"--month {text} and --year {year} do not agree.")
    else:
        which = _year(year) if year is not None else today.year
        if word in ("this", "last"):
            anchor = today if word == "this" else today.replace(day=1) - ONE_DAY
            number, which = anchor.month, anchor.year
        elif word.isascii() and word.isdecimal() and len(word) <= 2:
            number = int(word)
        else:
            number = next((i for i, n in enumerate(names) if len(word) >= 3 and n.startswith(word)), 0)
    if not 1 <= number <= 12 or which < 1:
        raise Invalid(f"{text!r} is not a month.", hint="write 1 to 12, august or 2024-08")
    return _month(which, number)


def _month(year: int, number: int) -> Period:
    start = date(year, number, 1)
    end = date(year, number, calendar.monthrange(year, number)[1])
    return Period(start, end, f"{year:04}-{number:02}", month_name(start))


def month_name(day: date) -> str:
    """`August`, and of another year than this one `August 2024`."""
    name = calendar.month_name[day.month]
    return name if day.year == clock.today().year else f"{name} {day.year}"


def _year(text: str) -> int:
    word = text.strip().lower()
    if word in ("this", "last"):
        return clock.today().year - (word == "last")
    if not re.fullmatch(r"[0-9]{4}", word) or word == "0000":
        raise Invalid(f"{text!r} is not a year.", hint="write 2026, this or last")
    return int(word)


def year_of(text: str) -> Period:
    """`2024`, `this`, `last`. Raises Invalid."""
    year = _year(text)
    return Period(date(year, 1, 1), date(year, 12, 31), f"{year:04}", str(year))


def past(text: str) -> Period:
    """The past `week`, `month`, `3months`, `year` or any span (`10d`), today included. Raises Invalid."""
    word = text.strip().lower().replace(" ", "")
    amount, unit = when.span(PAST.get(word, word))
    today = clock.today()
    names = {"week": "week", "month": "month", "3months": "3 months", "quarter": "3 months", "year": "year"}
    start = when.add(today, -amount, unit) + ONE_DAY
    return Period(start, today, f"{start}/{today}", f"the past {names.get(word, word)}")


def between(since: date | None, until: date | None) -> Period:
    """A custom range, either end open. Raises Invalid where it is reversed."""
    if since and until and since > until:
        raise Invalid(f"The range ends ({until}) before it starts ({since}).")
    key = f"{since or '..'}/{until or '..'}"
    parts = [f"from {since}"] if since else []
    name = " ".join(parts + ([f"to {until}"] if until else []))
    return Period(since, until, key, name)


# -- periods of budgets ------------------------------------------------------------------------------------


def every_of(text: str) -> str:
    """`month`, `fortnight`, `10d`, `monthly` as a span. Raises Invalid."""
    word = text.strip().lower()
    amount, unit = when.span(EVERY.get(word, word))
    return f"{amount}{unit}"


def default_anchor(every: str, today: date) -> date:
    """Where periods start unless somebody says: Mondays, first days of months and years, today for days."""
    unit = every[-1]
    if unit == "w":
        return today - timedelta(days=today.weekday())
    if unit == "m":
        months = int(every[:-1])
        first = (today.month - 1) // months * months + 1 if 12 % months == 0 else today.month
        return date(today.year, first, 1)
    return date(today.year, 1, 1) if unit == "y" else today


def starts(every: str, anchor: date, *, first: int = 0) -> Iterator[date]:
    """The starts of the periods from an anchor on. Counted from it, so that the 31st comes back after February."""
    amount, unit = int(every[:-1]), every[-1]
    step = first
    while True:
        yield when.add(anchor, step * amount, unit)
        step += 1


def window(every: str, anchor: date, day: date) -> tuple[int, Period]:
    """The period that holds a day, and how many periods it is away from the anchor (negative before it)."""
    amount, unit = int(every[:-1]), every[-1]
    length = {"d": 1, "w": 7, "m": 31, "y": 366}[unit] * amount
    step = (day - anchor).days // length  # never beyond the right one going forward; adjusted below
    while _edge(anchor, step * amount, unit) > day:
        step -= 1
    while (following := _edge(anchor, (step + 1) * amount, unit)) <= day < date.max:
        step += 1
    start, end = _edge(anchor, step * amount, unit), following - ONE_DAY
    return step, Period(start, end, _key(every, start, end), _name(every, start, end))


def _edge(anchor: date, amount: int, unit: str) -> date:
    """A start of a period; beyond the calendar's ends its last or first day."""
    try:
        return when.add(anchor, amount, unit)
    except Invalid:
        return date.max if amount > 0 else date.min


def _key(every: str, start: date, end: date) -> str:
    if every == "1m" and start.day == 1:
        return f"{start:%Y-%m}"
    return f"{start:%Y}" if every == "1y" and (start.month, start.day) == (1, 1) else f"{start}/{end}"


def _name(every: str, start: date, end: date) -> str:
    if every == "1m" and start.day == 1:
        return month_name(start)
    if every == "1y" and (start.month, start.day) == (1, 1):
        return str(start.year)
    return str(start) if start == end else f"{start} to {end}"
