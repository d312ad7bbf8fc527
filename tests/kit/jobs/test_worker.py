"""One worker in one event loop: kinds of handlers, failures, cancellation, leases, its end."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from backendhub.kit import clock, jobs, telemetry
from backendhub.kit import hub as hubs
from backendhub.kit.db import Db, Store
from backendhub.kit.errors import Invalid, NotFound
from backendhub.kit.jobs import declared, queue, worker
from backendhub.kit.jobs.worker import Worker
from backendhub.kit.settings import Settings

Body = Callable[[Worker], Awaitable[None]]


@pytest.fixture(autouse=True)
def _own_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(declared, "_kinds", {})


@pytest.fixture
def made(store: Store) -> Store:
    """A store with the tables of the queue and one that shows effects."""
    store.use("jobs")

    def unit(db: Db) -> None:
        db.run("CREATE TABLE t_effect (n BIGINT)")

    store.unit(unit)
    return store


@pytest.fixture
def workers(made: Store) -> Iterator[Callable[..., Worker]]:
    hub = hubs.Hub(Settings({}), store=made)

    def make(**options: Any) -> Worker:
        return Worker(hub, declared.Modules({}), **options)

    yield make


def effects(store: Store) -> list[int]:
    return [row[0] for row in store.read(lambda db: db.fetch("SELECT n FROM t_effect ORDER BY n", {}))]


def put(store: Store, name: str, **options: Any) -> int:
    return store.unit(jobs.enqueue, name, **options)


def job(store: Store, id: int) -> jobs.Job:
    return store.read(jobs.get, id)


def drain(made: Worker) -> None:
    """Runs what is due, and stops."""
    made.once = True
    asyncio.run(asyncio.wait_for(made.run(), 30))


def beside(made: Worker, body: Body) -> None:
    """Runs a worker, and a test beside it; then stops it."""

    async def both() -> None:
        task = asyncio.create_task(made.run())
        try:
            await asyncio.wait_for(body(made), 30)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(both())


async def until(store: Store, id: int, *states: str) -> jobs.Job:
    while True:
        found = await asyncio.to_thread(job, store, id)
        if found.state in states:
            return found
        await asyncio.sleep(0.01)


def test_a_unit_of_work_and_its_mark_are_one_transaction(made: Store, workers: Any) -> None:
    @jobs.job("t.add")
    def add(db: Db, n: int) -> int:
        db.run("INSERT INTO t_effect (n) VALUES (:n)", n=n)
        if n == 2:
            raise ValueError("after the effect")
        return n * 10

    good, bad = put(made, "t.add", n=1), put(made, "t.add", n=2, attempts=1)
    drain(workers())
    assert effects(made) == [1]
    assert (job(made, good).state, job(made, good).result) == ("done", "10")
    failed = job(made, bad)
    assert failed.state == "dead"
    assert "ValueError: after the effect" in str(failed.error)
    assert 'raise ValueError("after the effect")' in str(failed.error)  # the line that failed


def test_a_handler_in_a_thread_and_one_in_the_loop(made: Store, workers: Any) -> None:
    seen: dict[str, Any] = {}

    @jobs.job("t.thread")
    def thread(run: jobs.Run, word: str) -> str:
        seen["thread"] = (word, run.attempt, threading.current_thread() is threading.main_thread())
        seen["trace"] = telemetry.traceparent.get()
        return word.upper()

    @jobs.job("t.loop")
    async def loop(run: jobs.Run) -> dict[str, int]:
        await asyncio.sleep(0)
        return {"attempt": run.attempt}

    telemetry.traceparent.set("00-" + "ab" * 16 + "-" + "cd" * 8 + "-01")
    ids = [put(made, "t.thread", word="x"), put(made, "t.loop")]
    telemetry.traceparent.set(None)
    drain(workers())
    assert seen == {"thread": ("x", 1, False), "trace": "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"}
    assert [job(made, id).result for id in ids] == ['"X"', '{"attempt":1}']


def test_the_last_unit_and_the_mark_can_be_one_transaction(made: Store, workers: Any) -> None:
    def add(db: Db, n: int) -> str:
        db.run("INSERT INTO t_effect (n) VALUES (:n)", n=n)
        return "added"

    @jobs.job("t.fetch")
    def fetch(run: jobs.Run) -> None:
        run.finish(add, 5)

    @jobs.job("t.late")
    def late(run: jobs.Run) -> None:
        run.hub.store.unit(jobs.cancel, run.job.id)
        run.finish(add, 6)

    fine, cancelled = put(made, "t.fetch"), put(made, "t.late")
    drain(workers())
    assert effects(made) == [5]
    assert (job(made, fine).state, job(made, fine).result) == ("done", '"added"')
    assert job(made, cancelled).state == "cancelled"


def test_failures_are_told_and_tried_again_later(made: Store, workers: Any) -> None:
    @jobs.job("t.refuse", backoff=100.0)
    def refuse(run: jobs.Run) -> None:
        raise Invalid("The colour is wrong.")

    @jobs.job("t.hopeless")
    def hopeless(run: jobs.Run) -> None:
        raise jobs.GiveUp("nobody is there")

    @jobs.job("t.wait", attempts=1)
    async def wait(run: jobs.Run) -> None:
        raise jobs.Later(timedelta(minutes=2), "too many requests")

    ids = [put(made, name) for name in ("t.refuse", "t.hopeless", "t.wait", "t.unknown")]
    drain(workers())
    refused, hopeless_, waits, unknown = [job(made, id) for id in ids]
    assert (refused.state, refused.error) == ("scheduled", "Invalid: The colour is wrong.")
    assert 75 < (refused.due_at - clock.precise()).total_seconds() < 121
    assert (hopeless_.state, hopeless_.error) == ("dead", "nobody is there")
    assert (waits.state, waits.error, waits.max_attempts) == ("scheduled", "too many requests", 11)
    assert (unknown.state, unknown.attempts) == ("scheduled", 1)
    assert "No system has a job 't.unknown'" in str(unknown.error)


def test_a_wrong_payload_is_a_failure_like_any_other(made: Store, workers: Any) -> None:
    @jobs.job("t.add")
    def add(db: Db, n: int) -> None: ...

    id = put(made, "t.add", m=1, attempts=1)
    drain(workers())
    assert "unexpected keyword argument 'm'" in str(job(made, id).error)


def test_it_is_woken_by_a_commit_and_does_not_poll(made: Store, workers: Any, monkeypatch: Any) -> None:
    @jobs.job("t.quick")
    def quick(db: Db) -> None: ...

    monkeypatch.setattr(made, "watch", lambda wake: lambda: None)  # nothing but the signal of this process

    async def body(_: Worker) -> None:
        await asyncio.sleep(0.3)  # it sleeps by now
        start = time.monotonic()
        await until(made, put(made, "t.quick"), "done")
        assert time.monotonic() - start < 2

    beside(workers(), body)


def test_it_is_woken_by_another_process_s_commit(made: Store, store_url: str, workers: Any) -> None:
    from backendhub.kit.db import connect

    @jobs.job("t.quick")
    def quick(db: Db) -> None: ...

    other = connect(store_url)
    other.use("jobs")

    async def body(_: Worker) -> None:
        await asyncio.sleep(0.3)
        start = time.monotonic()
        id = await asyncio.to_thread(put, other, "t.quick")
        await until(made, id, "done")
        assert time.monotonic() - start < 3

    beside(workers(), body)
    other.close()


def test_it_wakes_by_itself_when_something_is_due(made: Store, workers: Any) -> None:
    @jobs.job("t.quick")
    def quick(db: Db) -> None: ...

    async def body(_: Worker) -> None:
        id = put(made, "t.quick", at=timedelta(seconds=0.4))
        done = await until(made, id, "done")
        assert done.finished_at is not None
        assert 0 <= (done.finished_at - done.run_at).total_seconds() < 2

    beside(workers(), body)


def test_the_loop_is_never_blocked(made: Store, workers: Any) -> None:
    @jobs.job("t.slow")
    def slow(db: Db) -> None:
        time.sleep(0.5)

    @jobs.job("t.sleepy")
    def sleepy(run: jobs.Run) -> None:
        time.sleep(0.5)

    async def body(_: Worker) -> None:
        ids = [put(made, "t.slow"), put(made, "t.sleepy")]
        worst, last = 0.0, time.monotonic()
        done = asyncio.gather(*(until(made, id, "done") for id in ids))
        while not done.done():
            await asyncio.sleep(0.005)
            worst, last = max(worst, time.monotonic() - last), time.monotonic()
        assert worst < 0.25

    beside(workers(), body)


def test_a_running_job_is_cancelled(made: Store, workers: Any) -> None:
    @jobs.job("t.thread")
    def thread(run: jobs.Run) -> None:
        run.sleep(30)

    @jobs.job("t.loop")
    async def loop(run: jobs.Run) -> None:
        await asyncio.sleep(30)

    async def body(_: Worker) -> None:
        ids = [put(made, "t.thread"), put(made, "t.loop")]
        for id in ids:
            await until(made, id, "running")
            made.unit(jobs.cancel, id)
        for id in ids:
            assert (await until(made, id, "cancelled")).attempts == 1

    beside(workers(), body)


@pytest.mark.parametrize("style", ["thread", "loop"])
def test_what_takes_too_long_is_a_failure(made: Store, workers: Any, style: str) -> None:
    @jobs.job("t.thread", timeout=0.1, attempts=1)
    def thread(run: jobs.Run) -> None:
        run.sleep(20)

    @jobs.job("t.loop", timeout=0.1, attempts=1)
    async def loop(run: jobs.Run) -> None:
        await asyncio.sleep(20)

    id = put(made, f"t.{style}")
    drain(workers())
    dead = job(made, id)
    assert (dead.state, dead.error) == ("dead", "It took longer than 0.1 s.")


def test_a_unit_that_takes_too_long_leaves_no_effect(made: Store, workers: Any) -> None:
    @jobs.job("t.unit", timeout=0.1, attempts=1)
    def unit(db: Db) -> None:
        time.sleep(0.4)
        db.run("INSERT INTO t_effect (n) VALUES (1)")

    id = put(made, "t.unit")
    drain(workers())
    assert effects(made) in ([], [1])  # decided below: whichever came first, state and effect agree
    assert (job(made, id).state == "done") == (effects(made) == [1])


def test_progress_is_written_down_while_it_runs(made: Store, workers: Any) -> None:
    go = threading.Event()

    @jobs.job("t.thread")
    def thread(run: jobs.Run) -> None:
        run.progress(0.5, "half of it")
        go.wait(20)

    async def body(_: Worker) -> None:
        id = put(made, "t.thread")
        while (found := await asyncio.to_thread(job, made, id)).progress is None:
            await asyncio.sleep(0.02)
        assert (found.progress, found.note, found.state) == (0.5, "half of it", "running")
        go.set()
        assert (await until(made, id, "done")).progress == 1

    beside(workers(lease=2.0), body)


def test_heartbeats_keep_a_long_job(made: Store, workers: Any) -> None:
    runs: list[int] = []

    @jobs.job("t.thread")
    def thread(run: jobs.Run) -> None:
        runs.append(run.attempt)
        time.sleep(2.5)

    async def body(_: Worker) -> None:
        await until(made, put(made, "t.thread"), "done")
        assert runs == [1]

    beside(workers(lease=0.8), body)


def test_an_effect_under_a_lost_lease_is_rolled_back(made: Store, workers: Any) -> None:
    """The worker is asleep for longer than its lease, and another has done the job meanwhile."""

    @jobs.job("t.unit")
    def unit(db: Db) -> None:
        db.run("INSERT INTO t_effect (n) VALUES (1)")

    id = put(made, "t.unit")
    sleeper = workers()
    kind = declared._kinds["t.unit"]
    (claimed,) = made.unit(queue.claim, "default", limit=1, worker=sleeper.id, lease=0.0)
    made.unit(queue.advance)
    drain(workers())
    assert effects(made) == [1]
    run = jobs.Run(sleeper.hub, claimed, kind)
    with pytest.raises(jobs.LeaseLost):
        run.finish(unit)
    assert effects(made) == [1]
    assert job(made, id).attempts == 2


def test_queues_have_places_of_their_own(made: Store, workers: Any) -> None:
    go = threading.Event()

    @jobs.job("t.stuck")
    def stuck(run: jobs.Run) -> None:
        go.wait(20)

    @jobs.job("t.quick")
    def quick(db: Db) -> None: ...

    async def body(made_: Worker) -> None:
        blocked = [put(made, "t.stuck", queue="slow") for _ in range(5)]
        await until(made, blocked[1], "running")
        await until(made, put(made, "t.quick"), "done")
        assert [job(made, id).state for id in blocked] == ["running", "running", "ready", "ready", "ready"]
        go.set()
        for id in blocked:
            await until(made, id, "done")

    beside(workers(concurrency=2), body)


def test_a_worker_may_serve_some_queues_only(made: Store, workers: Any) -> None:
    @jobs.job("t.quick")
    def quick(db: Db) -> None: ...

    mine, other = put(made, "t.quick", queue="mail"), put(made, "t.quick")
    drain(workers(queues=["mail"]))
    assert (job(made, mine).state, job(made, other).state) == ("done", "ready")


def test_at_its_end_a_worker_waits_a_little_and_gives_back_the_rest(
    made: Store, workers: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(worker, "GRACE_S", 1.0)

    @jobs.job("t.short")
    async def short(run: jobs.Run) -> None:
        await asyncio.sleep(0.2)

    @jobs.job("t.loop")
    async def loop(run: jobs.Run) -> None:
        await asyncio.sleep(60)

    @jobs.job("t.thread")
    def thread(run: jobs.Run) -> None:
        run.sleep(60)

    @jobs.job("t.deaf")
    def deaf(run: jobs.Run) -> None:
        time.sleep(5)

    ids = [put(made, f"t.{name}", attempts=1) for name in ("short", "loop", "thread", "deaf")]

    async def body(_: Worker) -> None:
        for id in ids:
            await until(made, id, "running")

    beside(workers(), body)
    assert [job(made, id).state for id in ids] == ["done", "ready", "ready", "running"]
    assert job(made, ids[1]).max_attempts == 2  # the attempt does not count


def test_a_store_that_fails_for_a_moment_is_waited_for(made: Store, workers: Any, monkeypatch: Any) -> None:
    from backendhub.kit.errors import StoreError

    @jobs.job("t.quick")
    def quick(db: Db) -> None: ...

    original, left = made.unit, [3]

    def unit(fn: Any, *args: Any, **kwargs: Any) -> Any:
        if fn in (queue.claim, queue.fail) and left[0]:
            left[0] -= 1
            raise StoreError("The store is gone.")
        return original(fn, *args, **kwargs)

    id = put(made, "t.quick")
    monkeypatch.setattr(made, "unit", unit)

    async def body(_: Worker) -> None:
        await until(made, id, "done")

    beside(workers(), body)
    assert left == [0]


def test_a_job_that_is_gone_is_not_found(made: Store) -> None:
    with pytest.raises(NotFound):
        job(made, 99)
