"""Where the cinema stands: its time zone."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from backendhub.kit.errors import Invalid
from backendhub.kit.settings import Settings


def zone_of(settings: Settings) -> ZoneInfo:
    """The cinema's time zone. Raises Invalid."""
    name = str(settings.get("cinema.zone") or "UTC")
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise Invalid(f"cinema.zone: there is no time zone {name!r}.") from None
