"""Cron expressions: five fields with names, steps and ranges, or `@daily`; when is the next time?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from backendhub.kit.errors import Invalid

MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
FIELDS: tuple[tuple[str, int, int, Sequence[str]], ...] = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, ("", *MONTHS)),
    ("day of the week", 0, 7, DAYS),
)
HINT = 'five fields as in crontab(5), for instance "0 3 * * *" or "*/30 8-18 * * mon-fri", or @daily'
Cron = tuple[frozenset[int], ...]


def parse(text: str) -> Cron:
    """The values that each field allows. Raises Invalid."""
    words = MACROS.get(text.strip().lower(), text).split()
    if len(words) != 5:
        raise Invalid(f"{text!r} is no cron expression.", hint=HINT)
    fields = [_field(word.lower(), *about) for word, about in zip(words, FIELDS, strict=True)]
    if 7 in fields[4]:
        fields[4] = (fields[4] - {7}) | {0}  # Sunday is 0 and 7
    return (*fields, frozenset({int(not words[2].startswith("*")), 2 * int(not words[4].startswith("*"))}))


def _field(word: str, name: str, low: int, high: int, names: Sequence[str]) -> frozenset[int]:
    found: set[int] = set()
    for part in word.split(","):
        match = re.fullmatch(r"(\*|(\w+)(?:-(\w+))?)(?:/(\d{1,4}))?", part)
        if match is None or (match[4] is not None and int(match[4]) == 0):
            raise Invalid(f"{part!r} is no {name} of a cron expression.", hint=HINT)
        step = int(match[4] or 1)
        if match[1] == "*":
            first, last = low, 6 if names is DAYS else high
        else:
            first = _value(match[2], name, low, high, names)
            last = _value(match[3], name, low, high, names) if match[3] else (high if match[4] else first)
        if last < first:
            raise Invalid(f"{part!r} is no range of the {name}.", hint=HINT)
        found.update(range(first, last + 1, step))
    return frozenset(found)


def _value(word: str, name: str, low: int, high: int, names: Sequence[str]) -> int:
    if word in names and word:
        return list(names).index(word)
    if re.fullmatch(r"\d{1,4}", word) is None or not low <= int(word) <= high:
        raise Invalid(f"{word!r} is no {name} of a cron expression.", hint=HINT)
    return int(word)


def next_after(text: str, moment: datetime) -> datetime:
    """The first time after a moment, in UTC. The fields are read in local time.

    Days that match in either way count if both day fields are restricted, as crontab(5) has it. Raises Invalid
    for what never comes (30 February).
    """
    minutes, hours, days, months, weekdays, given = parse(text)
    either = given == {1, 2}
    at = moment.astimezone().replace(tzinfo=None, second=0, microsecond=0) + timedelta(minutes=1)
    end = at + timedelta(days=366 * 9)  # 29 February may be eight years away
    while at < end:
        if at.month not in months or not _day(at, days, weekdays, either):
            at = at.replace(hour=0, minute=0) + timedelta(days=1)
        elif at.hour not in hours:
            at = at.replace(minute=0) + timedelta(hours=1)
        elif at.minute not in minutes or at.astimezone(UTC) <= moment:  # the hour that clocks repeat
            at += timedelta(minutes=1)
        else:
            return at.astimezone(UTC)
    raise Invalid(f"{text!r} never comes.", hint=HINT)


def _day(at: datetime, days: frozenset[int], weekdays: frozenset[int], either: bool) -> bool:
    in_month, in_week = at.day in days, (at.weekday() + 1) % 7 in weekdays
    return in_month or in_week if either else in_month and in_week
