"""Sample tasks, made through the service as a person would make them."""

from __future__ import annotations

from typing import Any

from backendhub.kit.db import Db

from . import service

SAMPLE: tuple[dict[str, Any], ...] = (
    {
        "description": "Send the invoice to Lindqvist & Co",
        "priority": "H",
        "due": "+1d",
        "project": "office",
    },
    {
        "description": "Renew the TLS certificate of the staging server",
        "priority": "H",
        "due": "+5d",
        "project": "ops",
    },
    {
        "description": "Write the release notes for 2.4",
        "priority": "M",
        "due": "+7d",
        "project": "website",
        "tags": ["writing"],
    },
    {"description": "Publish 2.4", "due": "+8d", "project": "website", "needs": (3,)},
    {
        "description": "Ask Amira about the onboarding survey",
        "due": "-2d",
        "project": "office",
        "tags": ["call"],
    },
    {"description": "Pay the rent", "priority": "H", "due": "eom", "tags": ["home"], "every": "1m"},
    {"description": "Water the plants", "tags": ["home"], "every_after": "4d"},
    {"description": "Book the dentist", "priority": "L", "tags": ["call", "health"]},
    {
        "description": "Read chapter 7 of Designing Data-Intensive Applications",
        "project": "learning",
        "tags": ["reading"],
    },
    {
        "description": "Move the backups to the new bucket",
        "priority": "M",
        "project": "ops",
        "tags": ["backup"],
    },
    {"description": "Buy a birthday present for Noor", "due": "+12d", "tags": ["home", "errand"]},
    {"description": "Descale the coffee machine", "priority": "L", "tags": ["home"]},
)
NOTES = {1: "Use the new address, they have moved.", 10: "Bucket is created; the old one is deleted in May."}
STARTED, DONE = (10,), (8, 12)


def load(db: Db) -> int:
    """Adds the sample and says how many tasks that were: 0 where there are tasks already."""
    if service.count(db):
        return 0
    ids: dict[int, int] = {}
    for number, row in enumerate(SAMPLE, 1):
        values = {k: v for k, v in row.items() if k != "needs"}
        ids[number] = service.add(db, **values, depends_on=[ids[n] for n in row.get("needs", ())]).id
    for number, text in NOTES.items():
        service.add_note(db, ids[number], text)
    for number in STARTED:
        service.start(db, ids[number])
    for number in DONE:
        service.complete(db, ids[number])
    return len(SAMPLE)
