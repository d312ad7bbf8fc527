"""Test clocks: a present of their own, what is due on the way, and what goes by the wall all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from backendhub.kit import clock, clocks, idempotency, jobs, outbox
from backendhub.kit import hub as hubs
from backendhub.kit.db import Db, Store
from backendhub.kit.errors import Conflict, Invalid, NotFound
from backendhub.kit.jobs import Run, declared
from backendhub.kit.jobs.worker import Worker
from backendhub.kit.settings import Settings

THEN = clock.parse("2030-01-31T00:00:00Z")
WEEK = timedelta(days=7)


@pytest.fixture(autouse=True)
def _own_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(declared, "_kinds", {})


@pytest.fixture
def made(store: Store, frozen: Callable[[str], None]) -> Store:
    """A store with a clock `c` that stands in 2030, and a table that shows what was done when."""
    store.use("clocks", "outbox", "idempotency")

    def unit(db: Db) -> None:
        db.run("CREATE TABLE t_effect (what TEXT, at TEXT)")
        clocks.create(db, "c", THEN)

    store.unit(unit)
    return store


def note(db: Db, what: str) -> None:
    """A unit of work that knows nothing of clocks."""
    db.run("INSERT INTO t_effect (what, at) VALUES (:what, :at)", what=what, at=clock.now())


def noted(store: Store) -> list[tuple[str, str]]:
    sql = "SELECT what, at FROM t_effect ORDER BY at, what"
    return [(what, at[:10]) for what, at in store.read(lambda db: db.fetch(sql, {}))]


def walk(store: Store, id: str = "c") -> int:
    """Takes a clock to where it was sent and gives the number of things done on the way."""
    steps = 0
    while store.unit(clocks.step, id):
        steps += 1
    return steps


def test_within_is_another_present_and_without_a_clock_it_is_ours(made: Store) -> None:
    with made.transaction() as db:
        with clocks.within(db, "c"):
            assert clock.now() == THEN
        with clocks.within(db, None):
            assert clock.now() == clock.wall() == clock.parse("2026-01-05T09:00:00Z")
        with pytest.raises(NotFound), clocks.within(db, "nobody's"):
            pass


def test_what_is_due_is_done_on_the_way_at_its_time_and_in_its_order(made: Store) -> None:
    def monthly(db: Db, number: int) -> None:
        note(db, f"renewal {number}")
        clocks.schedule(db, "c", "t.renew", at=clock.now() + WEEK, number=number + 1)

    jobs.job("t.renew")(monthly)
    jobs.job("t.note")(note)
    with made.transaction() as db:
        clocks.schedule(db, "c", "t.note", at=THEN + 2 * WEEK, what="second of that day")
        clocks.schedule(db, "c", "t.renew", at=THEN + WEEK, number=1)
        clocks.schedule(db, "c", "t.note", at=THEN - WEEK, what="late")
        clocks.schedule(db, "c", "t.note", at=THEN + 3 * WEEK + timedelta(seconds=1), what="not yet")
        assert clocks.advance(db, "c", THEN + 3 * WEEK).target == THEN + 3 * WEEK
    assert noted(made) == []  # nothing happens before somebody steps
    assert walk(made) == 5
    assert noted(made) == [
        ("late", "2030-01-31"),
        ("renewal 1", "2030-02-07"),
        ("renewal 2", "2030-02-14"),
        ("second of that day", "2030-02-14"),
        ("renewal 3", "2030-02-21"),
    ]
    there = made.read(clocks.get, "c")
    assert (there.at, there.target) == (THEN + 3 * WEEK, None)
    assert walk(made) == 0


def test_a_step_that_fails_leaves_everything_for_the_next_try(made: Store) -> None:
    broken = [True]

    def fragile(db: Db) -> None:
        note(db, "tried")
        if broken[0]:
            raise Invalid("not today")

    jobs.job("t.fragile")(fragile)
    with made.transaction() as db:
        clocks.schedule(db, "c", "t.fragile", at=THEN + WEEK)
        clocks.advance(db, "c", THEN + 2 * WEEK)
    with pytest.raises(Invalid, match="not today"):
        made.unit(clocks.step, "c")
    assert noted(made) == []
    there = made.read(clocks.get, "c")
    assert (there.at, there.target) == (THEN, THEN + 2 * WEEK)
    broken[0] = False
    assert walk(made) == 1
    assert noted(made) == [("tried", "2030-02-07")]


def test_two_who_walk_one_clock_do_everything_once(made: Store) -> None:
    jobs.job("t.note")(note)
    with made.transaction() as db:
        for day in range(20):
            clocks.schedule(db, "c", "t.note", at=THEN + timedelta(days=day), what=f"{day:02}")
        clocks.advance(db, "c", THEN + 4 * WEEK)
    with ThreadPoolExecutor(3) as pool:
        assert sum(pool.map(lambda _: walk(made), range(3))) == 20
    assert [what for what, _ in noted(made)] == [f"{day:02}" for day in range(20)]


def test_a_job_takes_a_clock_to_where_it_was_sent(made: Store) -> None:
    """As a system does it: the request says where to and puts the job in, a worker walks."""
    jobs.job("t.note")(note)

    @jobs.job("t.advance")
    def advance(run: Run, clock_id: str) -> None:
        while run.hub.store.unit(clocks.step, clock_id):
            run.check()

    with made.transaction() as db:
        clocks.schedule(db, "c", "t.note", at=THEN + WEEK, what="on the way")
        clocks.schedule(db, None, "t.note", at=clock.now(), what="by the wall")
        clocks.advance(db, "c", THEN + 2 * WEEK)
        with clocks.within(db, "c"):
            jobs.enqueue(db, "t.advance", clock_id="c")
    worker = Worker(hubs.Hub(Settings({}), store=made), declared.Modules({}), once=True)
    asyncio.run(asyncio.wait_for(worker.run(), 30))
    assert noted(made) == [("by the wall", "2026-01-05"), ("on the way", "2030-02-07")]
    assert made.read(clocks.get, "c").at == THEN + 2 * WEEK


def test_of_one_name_and_key_the_earlier_time_wins(made: Store) -> None:
    jobs.job("t.note")(note)
    with made.transaction() as db:
        for weeks in (3, 1, 2):
            clocks.schedule(db, "c", "t.note", at=THEN + weeks * WEEK, unique="k", what="once")
        clocks.advance(db, "c", THEN + 5 * WEEK)
    assert walk(made) == 1
    assert noted(made) == [("once", "2030-02-07")]


def test_a_clock_goes_forward_only_and_one_way_at_a_time(made: Store) -> None:
    with made.transaction() as db:
        with pytest.raises(Invalid, match="forward only"):
            clocks.advance(db, "c", THEN)
        clocks.advance(db, "c", THEN + WEEK)
        with pytest.raises(Conflict, match="on its way"):
            clocks.advance(db, "c", THEN + 2 * WEEK)
        for call in (clocks.get, clocks.delete, clocks.step):
            with pytest.raises(NotFound):
                call(db, "nobody's")
        with pytest.raises(NotFound):
            clocks.schedule(db, "nobody's", "t.note", at=THEN)
        with pytest.raises(Invalid):
            clocks.schedule(db, "c", "no name", at=THEN)


def test_a_deleted_clock_takes_along_what_was_due(made: Store) -> None:
    with made.transaction() as db:
        clocks.schedule(db, "c", "t.note", at=THEN, what="never")
        clocks.delete(db, "c")
        assert db.value("SELECT count(*) FROM clocks_due") == 0


def test_without_a_clock_it_is_a_job_like_any_other(made: Store) -> None:
    with made.transaction() as db:
        clocks.schedule(db, None, "t.note", at=clock.wall() + WEEK, unique="k", what="x")
        (job,) = jobs.find(db)
    assert (job.name, job.unique_key, job.payload, job.state) == ("t.note", "k", {"what": "x"}, "scheduled")
    assert job.run_at == clock.wall() + WEEK


def test_what_others_judge_by_their_clocks_goes_by_the_wall(made: Store) -> None:
    """A webhook of 2030 would be refused, its job would wait for years, and its key of idempotency never end."""
    with made.transaction() as db, clocks.within(db, "c"):
        id = jobs.enqueue(db, "t.note", what="now")
        event = outbox.publish(db, "t.happened", {})
        effect = lambda: idempotency.Kept(200, [], None, b"")  # noqa: E731
        idempotency.once(db, "s", "k", "d", effect)
        assert jobs.get(db, id).state == "ready"
        assert jobs.get(db, id).run_at == clock.wall()
        assert outbox.get(db, event).at == clock.wall()
    with made.transaction() as db:
        until = clock.parse(db.value("SELECT expires_at FROM idempotency_answer"))
        assert until - clock.wall() == idempotency.TTL
