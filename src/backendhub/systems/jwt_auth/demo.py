"""Sample accounts: without passwords, so that none of them is a way in (`backendhub user passwd` gives one)."""

from __future__ import annotations

from backendhub.kit.accounts import Taken, users
from backendhub.kit.db import Db

PEOPLE = (
    ("amelia@example.com", "Amelia Earhart", ("admin",)),
    ("grace@example.com", "Grace Hopper", ("writer",)),
    ("katherine@example.com", "Katherine Johnson", ()),
    ("hedy@example.com", "Hedy Lamarr", ()),
    ("mary@example.com", "Mary Anning", ()),
)


def load(db: Db) -> int:
    """Adds them where there is no account yet, and gives how many."""
    if users.count(db):
        return 0
    added = 0
    for email, name, roles in PEOPLE:
        try:
            users.add(db, email=email, name=name, roles=roles, metadata={"name": name}, email_confirmed=True)
            added += 1
        except Taken:
            continue
    return added
