"""Domains in the store: who changes one tells every process, by a number that all of them look at."""

from __future__ import annotations

from backendhub.kit import clock
from backendhub.kit.db import Db
from backendhub.kit.errors import NotFound

from . import store
from .models import Stored


def domains(db: Db) -> list[Stored]:
    """Every domain."""
    return db.all(Stored, store.ALL)


def find(db: Db, domain: str) -> Stored | None:
    """A domain; None where there is none."""
    return db.one(Stored, store.ONE, domain=domain)


def get(db: Db, domain: str) -> Stored:
    """A domain. Raises NotFound."""
    found = find(db, domain)
    if found is None:
        raise NotFound(f"There is no domain {domain[:80]!r}.")
    return found


def put(db: Db, *, domain: str, config: str) -> Stored:
    """Sets the configuration of a domain, which has been read before."""
    db.run(store.BUMP)
    made = db.one(Stored, store.PUT, domain=domain, config=config, now=clock.now())
    assert made is not None
    return made


def remove(db: Db, domain: str) -> None:
    """Forgets a domain. Raises NotFound."""
    db.run(store.BUMP)
    if not db.run(store.DELETE, domain=domain):
        raise NotFound(f"There is no domain {domain[:80]!r}.")


def revision(db: Db) -> int:
    """A number that grows with every change."""
    return int(db.value(store.REVISION))
