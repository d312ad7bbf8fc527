"""Feeds for people: lines, Markdown for stand-ups, a calendar of blocks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date

from .models import Activity, Group, Heatmap

SHADES = "·░▒▓█"
COLORS = ("38;5;240", "38;5;22", "38;5;28", "38;5;34", "38;5;46")


def lines(items: Sequence[Activity], *, several: bool) -> str:
    """`- Pushed 3 commits to o/r`, with the user's name where there are several."""
    texts = (" ".join(item.text.split()) for item in items)
    return "\n".join(
        f"- {i.user}: {text}" if several else f"- {text}" for i, text in zip(items, texts, strict=True)
    )


def digest(groups: Sequence[Group], *, several: bool) -> str:
    """Groups under their headings."""
    return "\n\n".join(f"{_heading(g.key)}\n{lines(g.items, several=several)}" for g in groups)


def markdown(items: Sequence[Activity], *, several: bool) -> str:
    """A Markdown list whose lines link to what they tell of."""
    return "".join(_markdown(item, several) + "\n" for item in items)


def markdown_digest(groups: Sequence[Group], *, several: bool) -> str:
    """A Markdown section for each group."""
    return "\n".join(
        f"### {_escape(_heading(g.key))}\n\n{markdown(g.items, several=several)}" for g in groups
    )


def _markdown(item: Activity, several: bool) -> str:
    who = f"**{_escape(item.user)}**: " if several else ""
    title = f": {_escape(item.title)}" if item.title else ""
    target = re.sub(r"[()<>\s]", "", item.url)
    return f"- {who}[{_escape(item.text)}]({target}){title}"


def _escape(text: str) -> str:
    """Text that Markdown takes literally; someone else's title must not become a link or HTML."""
    return re.sub(r"([\\`*_\[\]<>#|~!])", r"\\\1", " ".join(text.split()))


def _heading(key: str) -> str:
    if re.fullmatch(r"\d{4}-\d\d-\d\d", key):
        return f"{key} ({date.fromisoformat(key):%A})"
    return key


def heatmap(year: Heatmap, *, color: bool) -> str:
    """A calendar: a column a week, a row a weekday, five shades by quarter of the busiest days."""
    counts = {date.fromisoformat(day.date): day.count for day in year.days}
    if not counts:
        return f"{year.user}: no contributions"
    first, last = min(counts), max(counts)
    start = first.toordinal() - first.isoweekday() % 7  # weeks begin on Sunday, as GitHub draws them
    weeks = (last.toordinal() - start) // 7 + 1
    levels = _levels(list(counts.values()))
    rows = [f"{year.user}: {year.total} contributions, {first} to {last}", "    " + _months(start, weeks)]
    for weekday, name in enumerate(("", "Mon", "", "Wed", "", "Fri", "")):
        cells = []
        for week in range(weeks):
            day = date.fromordinal(start + week * 7 + weekday)
            cells.append(_cell(_level(counts[day], levels), color) if day in counts else " ")
        rows.append(f"{name:<4}" + "".join(cells).rstrip())
    rows.append("    less " + "".join(_cell(level, color) for level in range(5)) + " more")
    return "\n".join(rows)


def _levels(counts: list[int]) -> list[int]:
    """The counts from which the four shades begin: quartiles of the days on which something was done."""
    busy = sorted(count for count in counts if count > 0)
    return [busy[len(busy) * quarter // 4] for quarter in range(4)] if busy else []


def _level(count: int, levels: list[int]) -> int:
    return 0 if count <= 0 else max(1, sum(count >= bound for bound in levels))


def _cell(level: int, color: bool) -> str:
    return f"\x1b[{COLORS[level]}m{SHADES[level]}\x1b[0m" if color else SHADES[level]


def _months(start: int, weeks: int) -> str:
    """The names of the months above the week they begin in."""
    text = [" "] * (weeks + 3)
    free = 0
    for week in range(weeks):
        days = [date.fromordinal(start + week * 7 + d) for d in range(7)]
        named = next((d for d in days if d.day == 1), days[0] if week == 0 else None)
        if named is not None and week >= free:
            text[week : week + 3] = list(f"{named:%b}")
            free = week + 4
    return "".join(text).rstrip()
