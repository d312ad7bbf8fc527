"""Believable sample data: a few channels with messages."""

from __future__ import annotations

from backendhub.kit.db import Db
from backendhub.kit.fanout import Entry, log

from . import service

TALK = {
    "main": (("", "Good morning, everyone."), ("", "The build is green again."), ("", "Lunch at noon?")),
    "news": (
        ("release", "Version 2.4 is out."),
        ("release", "Version 2.4.1 mends the installer."),
        ("notice", "Maintenance on Sunday from 02:00 to 03:00."),
    ),
    "scores": (("goal", "1-0"), ("goal", "1-1"), ("end", "1-1")),
}


def load(db: Db) -> int:
    """Adds messages where there are none; gives how many."""
    if log.channels(db, service.SPACE, limit=1):
        return 0
    for channel, said in TALK.items():
        log.append(db, service.SPACE, channel, [Entry(event, text) for event, text in said])
    return sum(map(len, TALK.values()))
