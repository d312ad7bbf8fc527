"""When a repeating task is due again.

Fixed series are counted from their anchor, never from the last date: monthly from 31 January gives 28 February
and then 31 March. Occurrences that were missed do not pile up.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

from backendhub.kit import clock, when

from .models import RecurMode, Task


def next_due(task: Task) -> str:
    """The due date of the task that follows this one, which is done just now."""
    assert task.recur_rule is not None
    amount, unit = when.span(task.recur_rule)
    today = clock.today()
    if task.recur_mode is RecurMode.AFTER:
        return _on(when.add(today, amount, unit), task.due)
    anchor = day_of(task.recur_anchor or task.due or today.isoformat())
    last = day_of(task.due) if task.due else anchor
    return _on(_after(anchor, amount, unit, last, today), task.due)


def _after(anchor: date, amount: int, unit: str, last: date, today: date) -> date:
    """The first date of the series that is later than the last one and not before today."""
    goal = max(last + timedelta(days=1), today)
    days = {"d": 1, "w": 7, "m": 28, "y": 365}[unit] * amount
    step = max((goal - anchor).days // (days + (4 * amount if unit == "m" else 1)) - 1, 1)
    while (day := when.add(anchor, step * amount, unit)) < goal:
        step += 1
    return day


def day_of(due: str) -> date:
    """The local day of a stored due date."""
    if len(due) == 10:
        return date.fromisoformat(due)
    return datetime.fromisoformat(due).astimezone().date()


def _on(day: date, pattern: str | None) -> str:
    """A day, at the wall-clock time of the previous due date where that had one."""
    if pattern is None or len(pattern) == 10:
        return day.isoformat()
    at = datetime.fromisoformat(pattern).astimezone().time()
    return clock.iso(datetime.combine(day, at).astimezone())
