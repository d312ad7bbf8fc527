"""Cron expressions: five fields as in crontab(5) (or six, seconds first), `L`, `LW`, `5#2`, or `@daily`.

The fields are read in the schedule's time zone, UTC unless another is named; `local` is the machine's own. Where clocks change, Debian's cron is
followed: a time that the change skips runs right after it, a time that comes twice runs the first time only; an
expression whose minute or hour begins with `*` just goes on every so many real minutes.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, tzinfo

from backendhub.kit import clock
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
    from cronsim import CronSim, CronSimError

    text = MACROS.get(expression.strip().lower(), expression)
    try:
        return next(CronSim(text, moment.astimezone(_place(zone)))).astimezone(UTC)
    except (CronSimError, StopIteration, RuntimeError) as error:
        reason = str(error) or "it never comes"
        raise Invalid(f"{expression!r} is no cron expression: {reason}.", hint=HINT) from None


def _place(zone: str) -> tzinfo:
    from zoneinfo import ZoneInfo

    if zone == "UTC":
        return UTC
    try:
        return ZoneInfo(_local() if zone == "local" else zone)
    except (KeyError, ValueError, OSError):
        if zone == "local":  # a machine that names no zone has an offset, which is all there is to follow
            return clock.now().astimezone().tzinfo or UTC
        raise Invalid(
            f"There is no time zone {zone!r}.", hint="a name such as Europe/Berlin, or UTC"
        ) from None


def _local() -> str:
    """The name of the machine's time zone: TZ as POSIX has it, or where /etc/localtime leads."""
    named = os.environ.get("TZ", "").lstrip(":")
    return named or os.path.realpath("/etc/localtime").partition("zoneinfo/")[2]
