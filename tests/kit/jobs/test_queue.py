"""The queue as functions of the store, on both engines, with the clock held still."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from backendhub.kit import clock, jobs
from backendhub.kit.db import Db
from backendhub.kit.errors import Conflict, Invalid, NotFound
from backendhub.kit.jobs import Job, queue, store

SYSTEM = "jobs"
Move = Callable[[str], None]


@pytest.fixture(autouse=True)
def _held(frozen: Move) -> Move:
    return frozen


def take(
    db: Db, limit: int = 10, *, queue_: str = "default", worker: str = "w", lease: float = 60
) -> list[Job]:
    return queue.claim(db, queue_, limit=limit, worker=worker, lease=lease)


def names(found: list[Job]) -> list[str]:
    return [job.name for job in found]


def at(text: str) -> Any:
    return clock.parse(f"2026-01-05T{text}Z")


def test_a_job_is_what_was_put_in(db: Db) -> None:
    id = jobs.enqueue(db, "blog.publish", post_id=7, tags=["é", None])
    job = jobs.get(db, id)
    assert (job.name, job.queue, job.priority, job.state) == ("blog.publish", "default", 0, "ready")
    assert job.payload == {"post_id": 7, "tags": ["é", None]}
    assert job.run_at == job.due_at == job.created_at == clock.now()
    assert (job.attempts, job.max_attempts, job.worker, job.finished_at) == (0, None, None, None)
    assert db.signals == {"jobs"}


def test_the_most_urgent_is_taken_first_then_the_oldest(db: Db) -> None:
    for name, priority in (("a.low", -5), ("a.first", 0), ("a.second", 0), ("a.high", 9)):
        jobs.enqueue(db, name, priority=priority)
    assert names(take(db, 2)) == ["a.high", "a.first"]
    assert names(take(db)) == ["a.second", "a.low"]
    assert take(db) == []


def test_queues_are_apart_and_listed_once_each(db: Db) -> None:
    for name, where in (("a.b", "mail"), ("a.c", "mail"), ("a.d", "default"), ("a.e", "zebra")):
        jobs.enqueue(db, name, queue=where)
    jobs.enqueue(db, "a.f", queue="later", at=timedelta(hours=1))
    assert queue.ready_queues(db) == ["default", "mail", "zebra"]
    assert names(take(db, queue_="mail")) == ["a.b", "a.c"]
    assert queue.ready_queues(db) == ["default", "zebra"]


def test_a_job_for_later_waits_until_then(db: Db, frozen: Move) -> None:
    jobs.enqueue(db, "a.b", at=timedelta(minutes=5))
    jobs.enqueue(db, "a.c", at=at("09:10:00"))
    assert queue.next_due(db) == at("09:05:00")
    assert take(db) == []
    frozen("2026-01-05T09:04:59.999Z")
    queue.advance(db)
    assert take(db) == []
    frozen("2026-01-05T09:05:00Z")
    queue.advance(db)
    assert names(take(db)) == ["a.b"]
    jobs.enqueue(db, "a.d", at=at("08:00:00"))  # a time that is past is now
    assert names(take(db)) == ["a.d"]


def test_one_job_waits_under_a_key(db: Db) -> None:
    first = jobs.enqueue(db, "a.b", unique="7", n=1)
    assert jobs.enqueue(db, "a.b", unique="7", n=2) == first
    assert jobs.enqueue(db, "a.c", unique="7") != first
    assert jobs.enqueue(db, "a.b", unique="8") != first
    assert jobs.get(db, first).payload == {"n": 1}
    (job, *_) = take(db, 1)
    second = jobs.enqueue(db, "a.b", unique="7", n=3)  # what came while it runs is not lost
    assert second != first
    assert queue.finish(db, job)
    assert jobs.get(db, second).state == "ready"


def test_of_two_times_under_one_key_the_earlier_counts(db: Db) -> None:
    id = jobs.enqueue(db, "a.b", unique="k", at=timedelta(hours=2))
    jobs.enqueue(db, "a.b", unique="k", at=timedelta(hours=3))
    assert jobs.get(db, id).due_at == at("11:00:00")
    jobs.enqueue(db, "a.b", unique="k")
    assert jobs.get(db, id).due_at == at("09:00:00")
    queue.advance(db)
    assert names(take(db)) == ["a.b"]


def test_jobs_of_one_serial_key_go_one_after_the_other(db: Db) -> None:
    for n in range(3):
        jobs.enqueue(db, "a.b", serial="s", n=n)
    jobs.enqueue(db, "a.b", serial="t", n=9)
    first, other = take(db)
    assert (first.payload["n"], other.payload["n"]) == (0, 9)
    assert take(db) == []
    assert queue.fail(db, first, "no", 60) == "scheduled"
    assert take(db) == []  # it waits for its next attempt, and the others wait for it
    assert [job.state for job in jobs.find(db, name="a.b")] == ["running", "waiting", "waiting", "scheduled"]
    assert queue.end(db, jobs.get(db, first.id), "dead", "x") is None  # not running: nobody's to end
    jobs.cancel(db, first.id)
    (second,) = take(db)
    assert second.payload["n"] == 1
    queue.finish(db, second)
    assert [job.payload["n"] for job in take(db)] == [2]


def test_a_serial_key_goes_on_however_a_job_of_it_ends(db: Db, frozen: Move) -> None:
    ids = [jobs.enqueue(db, "a.b", serial="s", unique=f"u{n}", attempts=1) for n in range(7)]
    (first,) = take(db)
    assert take(db) == []
    jobs.cancel(db, ids[1])  # one that waits in the middle of it
    queue.fail(db, first, "x", None)
    (third,) = take(db)
    assert third.id == ids[2]
    frozen("2026-01-05T09:05:00Z")
    queue.advance(db)  # its worker is lost, and that was its only attempt
    (fourth,) = take(db)
    assert (jobs.get(db, ids[2]).state, fourth.id) == ("dead", ids[3])
    queue.release(db, fourth)
    (fourth,) = take(db)
    queue.later(db, fourth, 60, "busy")
    assert take(db) == []
    assert jobs.enqueue(db, "a.b", serial="s", unique="u5") == ids[5]  # what waits is still one under its key
    frozen("2026-01-05T09:06:00Z")
    queue.advance(db)
    (fourth,) = take(db)
    jobs.cancel(db, fourth.id)
    queue.end(db, fourth, "cancelled", None)
    assert [job.id for job in take(db)] == [ids[4]]


def test_done_keeps_the_result_for_a_while(db: Db, frozen: Move) -> None:
    id = jobs.enqueue(db, "a.b")
    (job,) = take(db)
    assert (job.attempts, job.worker, job.due_at) == (1, "w", at("09:01:00"))
    assert queue.finish(db, job, {"sum": 3}, keep=timedelta(minutes=10))
    done = jobs.get(db, id)
    assert (done.state, done.result, done.progress, done.worker) == ("done", '{"sum":3}', 1, None)
    frozen("2026-01-05T09:10:00Z")
    assert queue.tidy(db) == 0
    frozen("2026-01-05T09:10:00.001Z")
    assert queue.tidy(db) == 1
    with pytest.raises(NotFound, match=f"no job {id}"):
        jobs.get(db, id)


def test_a_failure_is_tried_again_until_the_attempts_are_used_up(db: Db, frozen: Move) -> None:
    id = jobs.enqueue(db, "a.b", attempts=2)
    (job,) = take(db)
    assert queue.fail(db, job, "boom", 30) == "scheduled"
    assert (jobs.get(db, id).due_at, jobs.get(db, id).error) == (at("09:00:30"), "boom")
    frozen("2026-01-05T09:00:30Z")
    queue.advance(db)
    (job,) = take(db)
    assert job.attempts == 2
    assert queue.fail(db, job, "boom again", 30) == "dead"
    dead = jobs.get(db, id)
    assert (dead.state, dead.error, dead.finished_at) == ("dead", "boom again", at("09:00:30"))


def test_no_delay_means_that_no_attempt_can_help(db: Db) -> None:
    id = jobs.enqueue(db, "a.b", attempts=9)
    (job,) = take(db)
    assert queue.fail(db, job, "never", None) == "dead"
    assert jobs.find(db, state="dead")[0].id == id


def test_later_is_no_failure(db: Db, frozen: Move) -> None:
    id = jobs.enqueue(db, "a.b", attempts=1)
    for minute in range(3):
        (job,) = take(db)
        queue.later(db, job, 60, "the other side is busy")
        assert jobs.get(db, id).state == "scheduled"
        frozen(f"2026-01-05T09:0{minute + 1}:00Z")
        queue.advance(db)
    (job,) = take(db)
    assert queue.fail(db, job, "now it fails", 60) == "dead"


def test_a_dead_job_can_be_run_again(db: Db) -> None:
    id = jobs.enqueue(db, "a.b", attempts=1)
    (job,) = take(db)
    queue.fail(db, job, "x", 1)
    assert jobs.retry(db, id).state == "ready"
    (again,) = take(db)
    assert again.attempts == 2  # a number that no run of it has had
    assert not queue.finish(db, job)
    assert queue.finish(db, again)
    with pytest.raises(Conflict, match="is done"):
        jobs.retry(db, id)


def test_every_dead_job_can_be_run_again_at_once(db: Db) -> None:
    for n in range(3):
        jobs.enqueue(db, "a.b", n=n, unique=f"k{n}")
    for job in take(db):
        queue.fail(db, job, "x", None)
    jobs.enqueue(db, "a.b", n=99, unique="k1")
    assert len(jobs.retry_dead(db)) == 2  # k1 has one waiting already
    assert [job.unique_key for job in jobs.find(db, state="dead")] == ["k1"]


def test_a_waiting_job_is_cancelled_at_once_and_a_running_one_is_asked_to_stop(db: Db) -> None:
    waiting = jobs.enqueue(db, "a.b", at=timedelta(days=1))
    running = jobs.enqueue(db, "a.c")
    (job,) = take(db)
    assert jobs.cancel(db, waiting).state == "cancelled"
    assert jobs.cancel(db, running).state == "running"
    assert queue.cancelling(db, "w") == [(running, 1)]
    assert not queue.finish(db, job)  # a unit of work is rolled back …
    assert queue.finish(db, job, anyway=True)  # … and what has happened already has happened
    with pytest.raises(Conflict, match="is done"):
        jobs.cancel(db, running)
    with pytest.raises(NotFound):
        jobs.cancel(db, 12345)


def test_a_lost_worker_s_job_is_taken_by_another(db: Db, frozen: Move) -> None:
    id = jobs.enqueue(db, "a.b", attempts=3)
    (lost,) = take(db, worker="one", lease=60)
    frozen("2026-01-05T09:00:50Z")
    queue.extend(db, [lost], 60)
    frozen("2026-01-05T09:01:49Z")
    queue.advance(db)
    assert jobs.get(db, id).state == "running"
    frozen("2026-01-05T09:01:50Z")
    queue.advance(db)
    assert jobs.get(db, id).error == "The worker was lost: its lease ran out."
    (again,) = take(db, worker="two")
    assert again.attempts == 2
    # The first worker was only asleep. Whatever it does now is in vain.
    queue.extend(db, [lost], 600)
    assert not queue.finish(db, lost, anyway=True)
    assert queue.fail(db, lost, "x", 1) is None
    queue.release(db, lost)
    queue.progress(db, [(lost, 0.5, "half")])
    now = jobs.get(db, id)
    assert (now.state, now.attempts, now.due_at, now.progress) == ("running", 2, at("09:02:50"), None)


def test_a_job_that_kills_its_workers_dies_too(db: Db, frozen: Move) -> None:
    id = jobs.enqueue(db, "a.b", attempts=2)
    for minute in (2, 4):
        assert len(take(db)) == 1
        frozen(f"2026-01-05T09:0{minute}:00Z")
        queue.advance(db)
    assert jobs.get(db, id).state == "dead"


def test_lost_jobs_that_were_cancelled_or_superseded_do_not_come_back(db: Db, frozen: Move) -> None:
    cancelled = jobs.enqueue(db, "a.a")
    older = jobs.enqueue(db, "a.b", unique="k")
    take(db)
    newer = jobs.enqueue(db, "a.b", unique="k")
    take(db)
    alone = jobs.enqueue(db, "a.c", unique="k")
    take(db)
    jobs.cancel(db, cancelled)
    frozen("2026-01-05T10:00:00Z")
    queue.advance(db)
    states = {id: jobs.get(db, id).state for id in (cancelled, older, newer, alone)}
    assert states == {cancelled: "cancelled", older: "cancelled", newer: "ready", alone: "ready"}


def test_a_retry_gives_way_to_the_job_that_waits_under_its_key(db: Db) -> None:
    first = jobs.enqueue(db, "a.b", unique="k")
    (job,) = take(db)
    jobs.enqueue(db, "a.b", unique="k")
    assert queue.fail(db, job, "x", 1) == "cancelled"
    assert "A newer job waits" in str(jobs.get(db, first).error)


def test_progress_is_seen_and_starts_afresh_with_each_attempt(db: Db) -> None:
    id = jobs.enqueue(db, "a.b")
    (job,) = take(db)
    queue.progress(db, [(job, 0.25, "row 1 of 4")])
    assert (jobs.get(db, id).progress, jobs.get(db, id).note) == (0.25, "row 1 of 4")
    queue.release(db, job)
    (again,) = take(db)
    assert (again.progress, again.note, again.attempts, again.max_attempts) == (None, None, 2, 11)


def test_lists_are_by_state_and_name_and_page_by_id(db: Db) -> None:
    made = [jobs.enqueue(db, "a.b" if n % 2 else "a.c", at=timedelta(hours=n % 3)) for n in range(6)]
    assert [j.id for j in jobs.find(db)] == made[::-1]
    assert [j.id for j in jobs.find(db, name="a.b")] == [made[5], made[3], made[1]]
    assert [j.id for j in jobs.find(db, state="ready")] == [made[3], made[0]]
    assert [j.id for j in jobs.find(db, state="scheduled", name="a.b", limit=1)] == [made[5]]
    assert [j.id for j in jobs.find(db, before=made[2], limit=5)] == [made[1], made[0]]
    with pytest.raises(Invalid, match="no state 'odd'"):
        jobs.find(db, state="odd")
    assert jobs.depths(db) == [("default", "ready", 2), ("default", "scheduled", 4)]


def test_what_is_no_job_is_refused(db: Db) -> None:
    for name in ("publish", "Blog.publish", "blog.", "blog..x", "blog publish"):
        with pytest.raises(Invalid, match="no name of a job"):
            jobs.enqueue(db, name)
    for payload in ({"x": object()}, {"x": float("nan")}, {"x": {1, 2}}):
        with pytest.raises(Invalid, match="must be JSON"):
            jobs.enqueue(db, "a.b", **payload)


def test_only_what_is_over_can_be_forgotten(db: Db) -> None:
    over = jobs.enqueue(db, "a.b")
    open_ = jobs.enqueue(db, "a.c", at=timedelta(days=1))
    queue.finish(db, take(db)[0])
    assert jobs.remove(db, [over, open_]) == 1
    assert jobs.get(db, open_).state == "scheduled"


PLANS = {
    "NEXT_DUE": {"jobs_job_due", "jobs_kind_next"},
    "READY_QUEUES": {"jobs_job_ready"},
    "PROMOTE": {"jobs_job_due"},
    "CANCELLING": {"jobs_job_state"},
    "CLAIM": {"jobs_job_ready", "jobs_job_serial"},
    "LOST": {"jobs_job_due"},
    "PUT_ASIDE": {"jobs_job_ready", "jobs_job_serial"},
    "SOME_READY": {"jobs_job_ready"},
    "FREE_NEXT": {"jobs_job_serial"},
    "FREE_ALL": {"jobs_job_state", "jobs_job_serial"},
    "LOST_DEAD": {"jobs_job_due"},
    "LOST_SUPERSEDED": {"jobs_job_due"},
    "PURGE": {"jobs_job_keep"},
    "LIST_STATE": {"jobs_job_state"},
    "LIST_NAME": {"jobs_job_name"},
    "SUPERSEDED": {"jobs_job_unique"},
    "DUE_KINDS": {"jobs_kind_next"},
}


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize("name", PLANS)
def test_the_queue_reads_by_index(db: Db, name: str) -> None:
    import re

    sql = getattr(store, name)
    sql = sql["sqlite"] if isinstance(sql, dict) else sql
    parameters = dict.fromkeys(re.findall(r"(?<![:\w]):([a-z]\w*)", sql))
    plan = [row[3] for row in db.fetch("EXPLAIN QUERY PLAN " + sql, parameters)]
    used = {index for step in plan for index in re.findall(r"jobs_(?:job|kind)_\w+", step)}
    assert PLANS[name] <= used, plan
    assert not [
        step for step in plan if re.match(r"SCAN jobs_\w+$", step) or "TEMP B-TREE FOR ORDER" in step
    ], plan
