"""Idempotency keys on each engine: one effect, the same answer, nothing left of what failed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from backendhub.kit.db import Db, Store, connect
from backendhub.kit.errors import Conflict
from backendhub.kit.idempotency import Kept, KeyReused, once, purge
from backendhub.kit.idempotency import store as statements

COUNT = "SELECT count(*) FROM effect"


@pytest.fixture
def ready(store: Store) -> Store:
    store.use("idempotency")
    store.unit(lambda db: db.run("CREATE TABLE effect (n BIGINT NOT NULL)"))
    return store


def effect(db: Db, n: int = 1) -> Kept:
    db.run("INSERT INTO effect (n) VALUES (:n)", n=n)
    return Kept(
        201, [("location", f"/{n}"), ("set-cookie", "a=1"), ("set-cookie", "b=2")], "text/plain", b"\x00\xff"
    )


def ask(store: Store, key: str = "k", digest: str = "d", scope: str = "s", **more: Any) -> tuple[Kept, bool]:
    return store.unit(lambda db: once(db, scope, key, digest, lambda: effect(db), **more))


def count(store: Store) -> int:
    return int(store.read(lambda db: db.value(COUNT)))


def test_the_second_time_gives_the_first_answer(ready: Store) -> None:
    first, again = ask(ready)
    assert not again
    second, again = ask(ready)
    assert again and second == first and count(ready) == 1
    assert not ask(ready, key="other")[1] and not ask(ready, scope="other")[1]


def test_another_request_under_the_same_key_is_refused(ready: Store) -> None:
    ask(ready)
    with pytest.raises(KeyReused):
        ask(ready, digest="other")
    assert count(ready) == 1


def test_what_failed_left_nothing_behind(ready: Store) -> None:
    def fail(db: Db) -> Kept:
        effect(db)
        raise Conflict("no")

    with pytest.raises(Conflict):
        ready.unit(lambda db: once(db, "s", "k", "d", lambda: fail(db)))
    assert count(ready) == 0
    assert not ask(ready, digest="corrected")[1] and count(ready) == 1


def test_a_key_is_free_when_its_time_is_over(ready: Store, frozen: Callable[[str], None]) -> None:
    ask(ready, ttl=timedelta(minutes=10))
    ask(ready, key="later", ttl=timedelta(hours=2))
    frozen("2026-01-05T09:09:00Z")
    assert ask(ready)[1]
    frozen("2026-01-05T09:11:00Z")
    assert not ask(ready, digest="other")[1] and count(ready) == 3
    frozen("2026-01-05T12:00:00Z")
    assert ready.unit(purge) == 1
    frozen("2026-01-06T10:00:00Z")
    assert ready.unit(purge) == 1


def test_fifty_at_once_have_one_effect(ready: Store, store_url: str) -> None:
    barrier = threading.Barrier(50)
    results: list[Any] = []

    def one(store: Store) -> None:
        barrier.wait()
        results.append(ask(store))

    stores = [connect(store_url) for _ in range(5)]
    for store in stores:
        store.use("idempotency")
    threads = [threading.Thread(target=one, args=(stores[n % 5],)) for n in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for store in stores:
        store.close()
    assert len(results) == 50 and count(ready) == 1
    assert sorted(again for _, again in results) == [False] + [True] * 49
    assert len({kept.body for kept, _ in results}) == 1


def test_every_statement_is_understood(ready: Store) -> None:
    names = {"scope": "s", "key": "k", "digest": "d", "now": "n", "expires_at": "e", "status": 1}
    values = {**names, "headers": "[]", "media": None, "body": b""}
    with ready.transaction() as db:
        for sql in (
            statements.CLAIM,
            statements.SELECT,
            statements.SELECT_LIVE,
            statements.KEEP,
            statements.PURGE,
        ):
            db.run(
                ("EXPLAIN " if db.dialect == "sqlite" else "") + sql,
                **{n: v for n, v in values.items() if f":{n}" in sql},
            )
