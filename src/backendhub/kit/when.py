"""Dates and spans of time as people type them: `2026-02-28`, `tomorrow`, `fri`, `eom`, `+3d`, `2w`."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from backendhub.kit import clock
from backendhub.kit.errors import Invalid

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
HINT = "write 2026-02-28, 2026-02-28T17:00, today, tomorrow, fri, eow, eom, eoy or +3d (h, d, w, m, y)"
_SPAN = r"(?i)([+-]?)(\d{1,4})\s*(min|h|d|w|m|y)[a-z]*"
_WORDS = {
    "daily": "1d",
    "weekly": "1w",
    "fortnightly": "2w",
    "monthly": "1m",
    "quarterly": "3m",
    "yearly": "1y",
}


def parse(text: str) -> date | datetime:
    """A day, or a moment in UTC where a time of day was given (without an offset it is local).

    Raises Invalid for what is no date, `2026-02-30` included.
    """
    word = text.strip().lower()
    today = clock.today()
    fixed = {"today": 0, "tomorrow": 1, "yesterday": -1}
    if word in fixed:
        return today + timedelta(days=fixed[word])
    if word == "now":
        return clock.now()
    if len(word) >= 3 and (days := [i for i, d in enumerate(DAYS) if d.startswith(word)]):
        return today + timedelta(days=(days[0] - today.weekday() - 1) % 7 + 1)
    if word in ("eow", "eom", "eoy"):
        return _end(today, word)
    if match := re.fullmatch(_SPAN, word):
        return _shift(today, match)
    return _iso(text.strip())


def _end(today: date, word: str) -> date:
    if word == "eow":
        return today + timedelta(days=6 - today.weekday())
    if word == "eom":
        return today.replace(day=_days_in(today.year, today.month))
    return today.replace(month=12, day=31)


def _shift(today: date, match: re.Match[str]) -> date | datetime:
    amount = int(match[2]) * (-1 if match[1] == "-" else 1)
    unit = match[3].lower()
    if unit in ("min", "h"):
        return (
            clock.now() + timedelta(hours=amount) if unit == "h" else clock.now() + timedelta(minutes=amount)
        )
    return add(today, amount, unit)


def _iso(text: str) -> date | datetime:
    try:
        if len(text) <= 10:
            return date.fromisoformat(text)
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.astimezone()  # what a person types is local
        return moment.astimezone(UTC).replace(microsecond=0)
    except (ValueError, OverflowError):
        raise Invalid(f"{text!r} is not a date.", hint=HINT) from None


def add(day: date, amount: int, unit: str) -> date:
    """A day so many `d`, `w`, `m` or `y` later; a month without that day gives its last one.

    Raises Invalid beyond the years 1 to 9999.
    """
    try:
        if unit in ("d", "w"):
            return day + timedelta(days=amount * (7 if unit == "w" else 1))
        months = day.year * 12 + day.month - 1 + amount * (12 if unit == "y" else 1)
        year, month = divmod(months, 12)
        return date(year, month + 1, min(day.day, _days_in(year, month + 1)))
    except (ValueError, OverflowError):
        raise Invalid("That date is beyond the calendar.") from None


def _days_in(year: int, month: int) -> int:
    """The number of days in a month. Raises ValueError beyond the calendar."""
    if month == 12:
        return 31
    return (date(year, month + 1, 1) - date(year, month, 1)).days


def span(text: str) -> tuple[int, str]:
    """`2w`, `1m`, `monthly` as a number and a unit of d, w, m, y. Raises Invalid."""
    word = text.strip().lower()
    match = re.fullmatch(_SPAN, _WORDS.get(word, word))
    if match is None or match[1] == "-" or int(match[2]) == 0 or match[3] in ("min", "h"):
        raise Invalid(
            f"{text!r} is not a span of days.", hint="write 3d, 2w, 1m, 1y, daily, weekly or monthly"
        )
    return int(match[2]), match[3].lower()


def duration(text: str) -> timedelta:
    """`90min`, `24h`, `7d`, `2w` as a length of time; a month is 30 days, a year 365. Raises Invalid."""
    match = re.fullmatch(_SPAN, text.strip())
    if match is None or match[1] == "-":
        raise Invalid(f"{text!r} is not a length of time.", hint="write 90min, 24h, 7d or 2w")
    days = {"min": 1 / 1440, "h": 1 / 24, "d": 1, "w": 7, "m": 30, "y": 365}[match[3].lower()]
    return timedelta(days=int(match[2]) * days)


def stored(moment: date | datetime) -> str:
    """A day as `2026-02-28`, a moment as `2026-02-28T17:00:00Z`; both sort as text."""
    return clock.iso(moment) if isinstance(moment, datetime) else moment.isoformat()
