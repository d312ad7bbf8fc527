"""Group commit: several units in one transaction, each with its own fate."""

from __future__ import annotations

import pytest

from backendhub.kit.db import Db, Store
from backendhub.kit.errors import Conflict, NotFound


@pytest.fixture
def counter(store: Store) -> Store:
    def make(db: Db) -> None:
        db.run("CREATE TABLE t_row (id BIGINT PRIMARY KEY)")

    store.unit(make)
    return store


def put(id: int):
    def unit(db: Db) -> int:
        db.run("INSERT INTO t_row (id) VALUES (:id)", id=id)
        return id

    return unit


def rows(store: Store) -> list[int]:
    return [r[0] for r in store.read(lambda db: db.fetch("SELECT id FROM t_row ORDER BY id", {}))]


def test_every_unit_has_its_result(counter: Store) -> None:
    assert counter.group([put(1), put(2), put(3)]) == [1, 2, 3]
    assert rows(counter) == [1, 2, 3]


def test_a_unit_that_fails_before_writing_leaves_the_others_alone(counter: Store) -> None:
    calls = []

    def absent(db: Db) -> None:
        calls.append(1)
        raise NotFound("nothing there")

    one, two, three = counter.group([put(1), absent, put(2)])
    assert (one, three) == (1, 2) and isinstance(two, NotFound)
    assert rows(counter) == [1, 2] and calls == [1]


def test_a_unit_that_fails_after_writing_is_undone_alone(counter: Store) -> None:
    def half(db: Db) -> None:
        put(7)(db)
        raise ValueError("in the middle")

    one, two, three = counter.group([put(1), half, put(2)])
    assert (one, three) == (1, 2) and isinstance(two, ValueError)
    assert rows(counter) == [1, 2]


def test_a_clash_is_the_second_ones_alone(counter: Store) -> None:
    results = counter.group([put(1), put(1), put(2)])
    assert results[0] == 1 and isinstance(results[1], Conflict) and results[2] == 2
    assert rows(counter) == [1, 2]
