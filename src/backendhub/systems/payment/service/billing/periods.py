"""Periods of a cycle: months that remember on which day they began, and how much of one is left."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, datetime, timedelta
from fractions import Fraction

SECONDS = {"day": 86_400, "week": 7 * 86_400}
MONTHS = {"month": 1, "year": 12}


def boundary(anchor: int, interval: str, count: int, number: int) -> int:
    """The beginning of period `number` of a cycle that goes by `anchor`; months end early where they are short."""
    if interval in SECONDS:
        return anchor + number * count * SECONDS[interval]
    start = datetime.fromtimestamp(anchor, UTC)
    month = start.year * 12 + start.month - 1 + number * count * MONTHS[interval]
    year, month = divmod(month, 12)
    day = min(start.day, monthrange(year, month + 1)[1])
    return int(start.replace(year=year, month=month + 1, day=day).timestamp())


def after(anchor: int, interval: str, count: int, moment: int) -> int:
    """The first boundary after a moment."""
    number = _guess(anchor, interval, count, moment)
    while boundary(anchor, interval, count, number) <= moment:
        number += 1
    while boundary(anchor, interval, count, number - 1) > moment:
        number -= 1
    return boundary(anchor, interval, count, number)


def before(anchor: int, interval: str, count: int, moment: int) -> int:
    """The last boundary before a moment."""
    number = _guess(anchor, interval, count, moment)
    while boundary(anchor, interval, count, number) >= moment:
        number -= 1
    while boundary(anchor, interval, count, number + 1) < moment:
        number += 1
    return boundary(anchor, interval, count, number)


def _guess(anchor: int, interval: str, count: int, moment: int) -> int:
    length = SECONDS.get(interval) or MONTHS[interval] * 30 * 86_400
    return (moment - anchor) // (length * count)


def left(start: int, end: int, moment: int) -> Fraction:
    """How much of a period is still to come at a moment, by the second."""
    return Fraction(min(max(end - moment, 0), end - start), end - start)


def days(moment: int, number: int) -> int:
    """A moment so many days later."""
    return moment + int(timedelta(days=number).total_seconds())


def day(moment: int) -> str:
    """`05 Jan 2026`, as invoices write it."""
    return datetime.fromtimestamp(moment, UTC).strftime("%d %b %Y")
