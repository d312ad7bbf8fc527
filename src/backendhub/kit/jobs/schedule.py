"""Cron expressions: five fields as in crontab(5) (or six, seconds first), `L`, `LW`, `5#2`, or `@daily`.

The fields are read in the schedule's time zone, UTC unless another is named. Where clocks change, Debian's cron is
followed: a time that the change skips runs right after it, a time that comes twice runs the first time only; an
expression whose minute or hour begins with `*` just goes on every so many real minutes.
"""

from __future__ import annotations

from datetime import UTC, datetime

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
HINT = 'five fields as in crontab(5), for instance "0 3 * * *" or "*/30 8-18 * * mon-fri", or @daily'


def next_after(expression: str, moment: datetime, zone: str = "UTC") -> datetime:
    """The first time after a moment, in UTC. Raises Invalid for a wrong expression, one that never comes (30
    February) and an unknown zone."""
    from zoneinfo import ZoneInfo

    from cronsim import CronSim, CronSimError

    try:
        place = UTC if zone == "UTC" else ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        raise Invalid(
            f"There is no time zone {zone!r}.", hint="a name such as Europe/Berlin, or UTC"
        ) from None
    text = MACROS.get(expression.strip().lower(), expression)
    try:
        return next(CronSim(text, moment.astimezone(place))).astimezone(UTC)
    except (CronSimError, StopIteration, RuntimeError) as error:
        reason = str(error) or "it never comes"
        raise Invalid(f"{expression!r} is no cron expression: {reason}.", hint=HINT) from None
