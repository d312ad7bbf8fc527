"""Domains in the store, on both engines."""

from __future__ import annotations

import pytest

from backendhub.kit.db import Db
from backendhub.kit.errors import NotFound
from backendhub.systems.rate_limiter import service


def test_every_change_is_a_revision(db: Db) -> None:
    assert service.domains(db) == [] and service.revision(db) == 0
    first = service.put(db, domain="d", config="domain: d")
    again = service.put(db, domain="d", config="domain: d # more")
    assert (first.revision, again.revision) == (1, 2) and again.created_at == first.created_at
    assert service.get(db, "d") == again and service.revision(db) == 2
    service.remove(db, "d")
    assert service.revision(db) == 3 and service.find(db, "d") is None
    with pytest.raises(NotFound):
        service.remove(db, "d")
