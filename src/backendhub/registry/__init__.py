"""Every system in one table. Nothing is imported until its name is typed."""

from __future__ import annotations

from . import apis, business, network, tools
from .rows import Option, System

__all__ = ["GROUPS", "SYSTEMS", "Option", "System", "extensions", "find"]

SYSTEMS: tuple[System, ...] = (*tools.ROWS, *apis.ROWS, *network.ROWS, *business.ROWS)

GROUPS = {
    "everyday": "Everyday tools",
    "foundations": "Foundations",
    "publishing": "Publishing",
    "life": "Life and work",
    "lookups": "Look-ups",
    "media": "Media",
    "identity": "Identity",
    "realtime": "Real time",
    "infrastructure": "Infrastructure",
    "data": "Data",
    "business": "Business",
    "intelligence": "Intelligence",
    "cloud": "Cloud",
}


def find(name: str) -> System | None:
    """The system of that name; installed extensions are looked at only for a name we do not know."""
    for system in SYSTEMS:
        if system.name == name:
            return system
    return next((system for system in extensions() if system.name == name), None)


def extensions() -> list[System]:
    """Systems of other packages, from the entry-point group `backendhub.systems` (a System each)."""
    from importlib.metadata import entry_points  # 50 ms: never on a known name's path

    return [point.load() for point in entry_points(group="backendhub.systems")]
