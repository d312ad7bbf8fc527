"""One suite for every store: what the seven verbs promise holds on SQLite and on PostgreSQL alike."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Any
from uuid import uuid4

import pytest

from backendhub.kit.db import ANEW, Db, Store, as_dict, base, columns, connect, contains, derived, postgres
from backendhub.kit.db.base import pyformat
from backendhub.kit.db.migrate import TOKENS
from backendhub.kit.errors import Conflict, Invalid, StoreBusy, StoreError


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True, slots=True)
class Thing:
    id: int
    name: str | None
    flag: bool | None
    at: datetime | None
    day: date | None
    colour: Colour | None
    tags: list[str] | None
    pair: tuple[int, ...] | None
    data: dict[str, Any] | None
    price: Decimal | None
    ratio: Fraction | None
    weight: float | None
    raw: bytes | None
    parent_id: int | None
    extra: str = derived("filled in by a service")


TABLE = """CREATE TABLE thing (
  id {pk}, name TEXT UNIQUE, flag BOOLEAN, at TEXT, day TEXT, colour TEXT CHECK (colour IN ('red')), tags TEXT,
  pair TEXT, data TEXT, price TEXT, ratio TEXT, weight DOUBLE PRECISION, raw {bytes},
  parent_id BIGINT REFERENCES thing (id)
)"""
FULL: dict[str, Any] = {
    "name": "Ünïcode ☃ 100% 'quoted' :colon",
    "flag": True,
    "at": datetime(2026, 1, 5, 9, 0, 0, 123000, tzinfo=UTC),
    "day": date(2026, 2, 28),
    "colour": Colour.RED,
    "tags": ["a", "ü"],
    "pair": (1, 2),
    "data": {"k": [1, None, {"x": 2.5}]},
    "price": Decimal("10.10"),
    "ratio": Fraction(1, 3),
    "weight": 0.1,
    "raw": b"\x00\xff",
}


def create(db: Db) -> None:
    sql = TABLE
    for token, text in TOKENS[db.dialect].items():
        sql = sql.replace(token, text)
    db.run(sql)


@pytest.fixture
def things(db: Db) -> Db:
    """A transaction with the table above, rolled back at the end."""
    create(db)
    return db


# -- the verbs ---------------------------------------------------------------------------------------------


def test_every_type_comes_back_as_it_went_in(things: Db) -> None:
    thing = things.insert(Thing, "thing", **FULL)
    assert as_dict(thing) == {"id": 1, "parent_id": None, "extra": "filled in by a service", **FULL}
    again = things.one(Thing, f"SELECT {columns(Thing)} FROM thing WHERE id = :id", id=1)
    assert again == thing
    assert isinstance(thing.flag, bool)
    assert isinstance(thing.raw, bytes)


def test_every_type_may_be_null(things: Db) -> None:
    thing = things.insert(Thing, "thing")
    assert {v for k, v in as_dict(thing).items() if k not in ("id", "extra")} == {None}


def test_times_are_stored_in_utc_with_milliseconds(things: Db) -> None:
    there = datetime(2026, 1, 5, 10, 0, tzinfo=timezone(timedelta(hours=1)))
    things.insert(Thing, "thing", at=there)
    assert things.value("SELECT at FROM thing") == "2026-01-05T09:00:00.000Z"


def test_one_all_value_of_nothing(things: Db) -> None:
    sql = f"SELECT {columns(Thing)} FROM thing"
    assert things.one(Thing, sql) is None
    assert things.all(Thing, sql) == []
    assert things.value("SELECT id FROM thing") is None
    assert things.fetch("SELECT id FROM thing", {}) == []


def test_run_tells_how_many_rows_it_changed(things: Db) -> None:
    assert things.run_many("INSERT INTO thing (name) VALUES (:n)", [{"n": str(i)} for i in range(7)]) == 7
    assert things.run("UPDATE thing SET flag = :flag WHERE id > :id", flag=False, id=4) == 3
    assert things.run("DELETE FROM thing WHERE id = :id", id=99) == 0
    assert things.value("SELECT count(*) FROM thing WHERE NOT flag") == 3


def test_update_gives_the_row_or_none(things: Db) -> None:
    thing = things.insert(Thing, "thing", name="a")
    changed = things.update(Thing, "thing", thing.id, name="b", tags=[])
    assert changed is not None
    assert (changed.name, changed.tags) == ("b", [])
    assert things.update(Thing, "thing", thing.id) == changed  # nothing to change: the row as it is
    assert things.update(Thing, "thing", 99, name="c") is None


def test_among_takes_a_list_of_numbers(things: Db) -> None:
    things.run_many("INSERT INTO thing (name) VALUES (:n)", [{"n": str(i)} for i in range(5)])
    sql = f"SELECT id FROM thing WHERE id {things.among('ids')} ORDER BY id"
    assert [row[0] for row in things.fetch(sql, {"ids": [4, 2, 99]})] == [2, 4]
    assert things.fetch(sql, {"ids": []}) == []
    assert len(things.fetch(sql, {"ids": list(range(40_000))})) == 5  # beyond any limit of parameters


def test_like_takes_wildcards_literally(things: Db) -> None:
    for name in ("50% off", "50 off", "a_b", "axb", "c\\d"):
        things.insert(Thing, "thing", name=name)
    sql = "SELECT name FROM thing WHERE name LIKE :like ESCAPE '\\' ORDER BY id"
    for text, found in (("50%", ["50% off"]), ("a_b", ["a_b"]), ("c\\d", ["c\\d"])):
        assert [row[0] for row in things.fetch(sql, {"like": contains(text)})] == found


def test_colons_and_percent_signs_in_literals_are_no_parameters(things: Db) -> None:
    assert things.value("SELECT ':x 10%% ''y' || :z", z="!") == ":x 10%% 'y!"
    assert things.value("SELECT 7 % 4") == 3
    assert things.value("SELECT 7 % :d", d=4) == 3
    assert pyformat("a = :a AND b::text = ':b' AND c = :c") == "a = %(a)s AND b::text = ':b' AND c = %(c)s"


def test_an_injected_text_stays_a_text(things: Db) -> None:
    text = "x'); DROP TABLE thing; --"
    assert things.insert(Thing, "thing", name=text).name == text
    assert things.value("SELECT count(*) FROM thing") == 1


# -- what goes wrong ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({"name": "taken"}, Conflict),
        ({"parent_id": 99}, Conflict),
        ({"colour": "green"}, Invalid),
        ({"id": 2**70}, Invalid),
        ({"name": "\ud800"}, Invalid),
    ],
    ids=["unique", "foreign key", "check", "too large", "lone surrogate"],
)
def test_broken_rules_are_errors_of_ours(things: Db, values: dict[str, Any], kind: type[Exception]) -> None:
    things.insert(Thing, "thing", name="taken")
    with pytest.raises(kind), things.savepoint():
        things.insert(Thing, "thing", **values)
    assert things.value("SELECT count(*) FROM thing") == 1  # the transaction goes on


def test_run_many_reports_the_same_errors(things: Db) -> None:
    with pytest.raises(Conflict), things.savepoint():
        things.run_many("INSERT INTO thing (name) VALUES (:n)", [{"n": "x"}, {"n": "x"}])
    assert things.value("SELECT count(*) FROM thing") == 0


def test_broken_sql_is_a_store_error(things: Db) -> None:
    with pytest.raises(StoreError), things.savepoint():
        things.run("SELECT nothing FROM nowhere")


# -- transactions ------------------------------------------------------------------------------------------


def test_a_unit_commits_and_an_exception_rolls_back(store: Store) -> None:
    store.unit(create)

    def fail(db: Db) -> None:
        db.insert(Thing, "thing", name="gone")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.unit(fail)
    store.unit(lambda db: db.insert(Thing, "thing", name="kept"))
    assert [r[0] for r in store.read(lambda db: db.fetch("SELECT name FROM thing", {}))] == ["kept"]


def test_a_nested_unit_is_a_savepoint(store: Store) -> None:
    store.unit(create)

    def outer(db: Db) -> None:
        db.insert(Thing, "thing", name="outer")
        with pytest.raises(Conflict):
            store.unit(lambda inner: [inner.insert(Thing, "thing", name=n) for n in ("inner", "outer")])
        store.unit(lambda inner: inner.insert(Thing, "thing", name="second"))

    store.unit(outer)
    names = store.read(lambda db: db.fetch("SELECT name FROM thing ORDER BY name", {}))
    assert [r[0] for r in names] == ["outer", "second"]


def test_savepoints_nest(things: Db) -> None:
    with things.savepoint():
        things.insert(Thing, "thing", name="a")
        with pytest.raises(ZeroDivisionError), things.savepoint():
            things.insert(Thing, "thing", name="b")
            raise ZeroDivisionError
        with things.savepoint():
            things.insert(Thing, "thing", name="c")
    assert [r[0] for r in things.fetch("SELECT name FROM thing ORDER BY name", {})] == ["a", "c"]


def test_a_reader_is_not_stopped_by_a_writer_and_sees_no_half_of_it(store: Store, store_url: str) -> None:
    store.unit(create)
    other = connect(store_url)
    try:
        with store.transaction() as db:
            db.insert(Thing, "thing", name="not yet")
            assert other.read(lambda seen: seen.value("SELECT count(*) FROM thing")) == 0
        assert other.read(lambda seen: seen.value("SELECT count(*) FROM thing")) == 1
    finally:
        other.close()


def test_each_thread_has_a_transaction_of_its_own(store: Store) -> None:
    store.unit(create)
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for i in range(5):
                store.unit(lambda db, n=f"{number}.{i}": db.insert(Thing, "thing", name=n))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors
    assert store.read(lambda db: db.value("SELECT count(*) FROM thing")) == 30


def test_a_closed_store_can_be_used_again(store: Store) -> None:
    store.unit(create)
    store.close()
    store.unit(lambda db: db.insert(Thing, "thing", name="a"))
    assert store.read(lambda db: db.value("SELECT count(*) FROM thing")) == 1


def test_slow_queries_are_logged(
    things: Db, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert base.SLOW_QUERY_MS == 50.0
    monkeypatch.setattr(base, "SLOW_QUERY_MS", -1.0)
    with caplog.at_level(logging.INFO, logger="backendhub.db"):
        things.value("SELECT\n  1")
    assert caplog.messages
    assert caplog.messages[0].startswith("slow query: ")
    assert caplog.messages[0].endswith("SELECT 1")


def test_addresses_never_show_a_password() -> None:
    assert connect("postgresql://me:hunter2@host/db").url == "postgresql://me:***@host/db"


@pytest.mark.parametrize("url", ["mysql://x", "http://x", "oracle://"])
def test_other_engines_are_refused(url: str) -> None:
    with pytest.raises(Invalid, match="is not a database"):
        connect(url)


def test_a_server_that_is_not_there_is_one_clear_line() -> None:
    store = connect("postgresql://nobody@127.0.0.1:1/none?connect_timeout=1")
    with pytest.raises(StoreError, match="does not answer"):
        store.read(lambda db: db.value("SELECT 1"))
    store.close()


@pytest.mark.postgres
def test_a_statement_that_is_planned_anew_is_not_prepared(postgres_url: str) -> None:
    def named(db: Db, start: str) -> int:
        for n in range(6):
            assert db.value(f"{start}SELECT CAST(:n AS bigint) + 41", n=n) == 41 + n
        sql = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE :text"
        return int(db.value(sql, text=f"{start}SELECT CAST(%41"))

    store = connect(postgres_url)
    assert [store.read(named, ""), store.read(named, ANEW)] == [1, 0]
    store.close()


@pytest.mark.postgres
def test_more_units_than_connections_wait_here_and_not_at_the_server(postgres_url: str) -> None:
    name = f"pool{uuid4().hex[:12]}"
    store = connect(f"{postgres_url}&application_name={name}")
    many, start, lock = 4 * postgres.POOL, threading.Barrier(4 * postgres.POOL), threading.Lock()
    working, most = 0, 0

    def unit(db: Db) -> int:
        nonlocal working, most
        with lock:
            working += 1
            most = max(most, working)
        db.value("SELECT 1 FROM pg_sleep(0.02)")
        count = db.value("SELECT count(*) FROM pg_stat_activity WHERE application_name = :name", name=name)
        with lock:
            working -= 1
        return int(count)

    def go(_: int) -> int:
        start.wait()
        return store.unit(unit)

    with ThreadPoolExecutor(many) as pool:
        seen = list(pool.map(go, range(many)))
    assert most == postgres.POOL
    assert max(seen) <= postgres.POOL
    store.close()


@pytest.mark.postgres
def test_who_waits_too_long_for_a_connection_is_told_so(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "POOL", 1)
    monkeypatch.setattr(postgres, "POOL_WAIT_S", 0.05)
    store = connect(postgres_url)
    held, done = threading.Event(), threading.Event()

    def hold(db: Db) -> None:
        held.set()
        done.wait(10)

    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(store.unit, hold)
        assert held.wait(10)
        with pytest.raises(StoreBusy, match="are at work"):
            store.unit(lambda db: db.value("SELECT 1"))
        assert store.read(lambda db: db.value("SELECT 1")) == 1  # readers have connections of their own
        done.set()
        holding.result()
    assert store.unit(lambda db: db.value("SELECT 2")) == 2
    store.close()
