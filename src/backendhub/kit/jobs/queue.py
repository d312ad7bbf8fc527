"""The queue as functions of the store: put in, take, finish, fail, cancel, try again, list, tidy up.

A job is taken by one worker under a lease. Its id and the number of its attempt name that run of it: a run whose
lease has passed to another changes nothing any more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from backendhub.kit import clock
from backendhub.kit.db import Db
from backendhub.kit.errors import Conflict, Invalid, NotFound

from . import store
from .models import STATES, Depth, Job, Schedule

TOPIC = "jobs"
"""What a transaction signals that has put in, freed or cancelled a job."""
KEEP = timedelta(days=1)
"""How long a job that is done or cancelled can be looked at, unless its declaration says otherwise."""
KEEP_DEAD = timedelta(days=30)
NAME = r"[a-z][a-z0-9-]*(\.[a-z][a-z0-9_-]*)+"
LAST = 1 << 62
LOST = "The worker was lost: its lease ran out."
NEWER = "A newer job waits under the same key."


def enqueue(
    db: Db,
    name: str,
    /,
    *,
    at: datetime | timedelta | None = None,
    unique: str | None = None,
    serial: str | None = None,
    priority: int = 0,
    queue: str = "default",
    attempts: int | None = None,
    **payload: Any,
) -> int:
    """Puts a job in, in the caller's transaction, and gives its id.

    `name` is `<system>.<what>`; `payload` are the keyword arguments of its handler and must be JSON. `at` is a time or
    a delay. Of jobs with the same name and `unique` key one waits at a time: where there is one, its id is given
    and the earlier of both times wins. Jobs with the same `serial` key run one after the other in the order in which
    they were put in. A higher `priority` goes first. `attempts` overrides what the handler declares.
    Raises Invalid.
    """
    text = checked(name, payload)
    now = clock.wall()
    when = now + at if isinstance(at, timedelta) else at or now
    id = db.value(
        store.INSERT,
        name=name,
        queue=queue,
        priority=priority,
        state="scheduled" if when > now else "ready",
        unique=unique,
        serial=serial,
        payload=text,
        at=when,
        attempts=attempts,
        traceparent=_traceparent(),
        now=now,
    )
    db.signal(TOPIC)
    return int(id)


def enqueue_many(db: Db, rows: Iterable[dict[str, Any]]) -> int:
    """Puts many jobs in at once and gives how many. Each row has a `name` and a `payload`, and may have `queue`,
    `unique`, `serial` and `traceparent`; they are due now and not checked."""
    now = clock.wall()
    base = {
        "queue": "default",
        "priority": 0,
        "state": "ready",
        "unique": None,
        "serial": None,
        "attempts": None,
    }
    base |= {"at": now, "now": now, "traceparent": None}
    filled = [{**base, **row, "payload": _json(row["payload"])} for row in rows]
    if filled:
        db.run_many(store.INSERT, filled)
        db.signal(TOPIC)
    return len(filled)


def checked(name: str, payload: dict[str, Any]) -> str:
    """The payload of a job as JSON. Raises Invalid for what is none, and for a name that is no job's."""
    if re.fullmatch(NAME, name) is None:
        raise Invalid(f"{name!r} is no name of a job.", hint="<system>.<what>, for instance blog.publish")
    return _json(payload)


def _json(payload: dict[str, Any]) -> str:
    import json

    try:
        return json.dumps(payload, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise Invalid(f"The payload of a job must be JSON: {error}.") from None


def _traceparent() -> str | None:
    from backendhub.kit import telemetry

    return telemetry.traceparent.get()


# -- workers -------------------------------------------------------------------------------------------------


def claim(db: Db, queue: str, *, limit: int, worker: str, lease: float) -> list[Job]:
    """Takes up to `limit` jobs of a queue for `lease` seconds, the most urgent first. No job is given twice."""
    now = clock.wall()
    about = {"queue": queue, "worker": worker, "now": now, "lease": now + timedelta(seconds=lease)}
    found = db.all(Job, store.CLAIM[db.dialect], limit=limit, **about)
    if len(found) < limit and db.value(store.SOME_READY[db.dialect], queue=queue):
        _lock(db, store.LOCK_ALONE)
        db.run(store.PUT_ASIDE[db.dialect], queue=queue)
    return sorted(found, key=lambda job: (-job.priority, job.id))


def _lock(db: Db, sql: str) -> None:
    if db.dialect == "postgres":
        db.fetch(sql, {})


def _free_next(db: Db, serial: str | None) -> None:
    """After the end of a job: the next of its serial key may run."""
    if serial is not None:
        db.run(store.FREE_NEXT, serial=serial)
        db.signal(TOPIC)


def extend(db: Db, jobs: Iterable[Job], lease: float) -> None:
    """The heartbeat: from now on the leases of these jobs last `lease` seconds again."""
    until = clock.wall() + timedelta(seconds=lease)
    db.run_many(
        store.EXTEND[db.dialect], [{"id": j.id, "attempts": j.attempts, "lease": until} for j in jobs]
    )


def progress(db: Db, rows: Iterable[tuple[Job, float | None, str | None]]) -> None:
    """Notes how far jobs have come (0 to 1) and what they are at."""
    db.run_many(
        store.PROGRESS,
        [{"id": j.id, "attempts": j.attempts, "progress": done, "note": note} for j, done, note in rows],
    )


def finish(db: Db, job: Job, result: Any = None, *, keep: timedelta = KEEP, anyway: bool = False) -> bool:
    """Marks a run as done; False where its lease is lost or (unless `anyway`) somebody has cancelled it."""
    from backendhub.kit.output import dumps

    now = clock.wall()
    if job.serial is not None:
        _lock(db, store.LOCK_SHARED)
    text = None if result is None else dumps(result, compact=True)
    done = db.run(store.FINISH, **_run(job), result=text, now=now, keep=now + keep, anyway=anyway) == 1
    if done:
        _free_next(db, job.serial)
    return done


def fail(
    db: Db, job: Job, error: str, delay: float | None, *, attempts: int = 10, keep: timedelta = KEEP
) -> str | None:
    """Ends a run that failed: another attempt after `delay` seconds, or (None, or too many attempts) it is dead.

    `attempts` are allowed unless the job itself says how many. Gives the state it is in now, None where the lease was lost. A job that waits under the same key takes the place
    of the retry.
    """
    now = clock.wall()
    if delay is None or job.attempts >= (attempts if job.max_attempts is None else job.max_attempts):
        return end(db, job, "dead", error, keep=KEEP_DEAD)
    if _superseded(db, job):
        return end(db, job, "cancelled", f"{NEWER} {error}", keep=keep)
    due = now + timedelta(seconds=delay)
    return "scheduled" if db.run(store.RETRY, **_run(job), error=error, due=due) else None


def later(db: Db, job: Job, seconds: float, why: str) -> None:
    """Puts a run off without counting it as a failure."""
    if _superseded(db, job):
        end(db, job, "cancelled", NEWER)
        return
    due = clock.wall() + timedelta(seconds=seconds)
    db.run(store.LATER, **_run(job), error=why, due=due)


def end(db: Db, job: Job, state: str, error: str | None, *, keep: timedelta = KEEP) -> str | None:
    """Ends a run for good, as `dead` or `cancelled`; None where its lease is lost."""
    now = clock.wall()
    if job.serial is not None:
        _lock(db, store.LOCK_SHARED)
    done = db.run(store.END, **_run(job), state=state, error=error, now=now, keep=now + keep)
    if done:
        _free_next(db, job.serial)
    return state if done else None


def release(db: Db, job: Job) -> None:
    """Gives a job back that its worker has no time left for; the attempt does not count."""
    if _superseded(db, job):
        end(db, job, "cancelled", NEWER)
    else:
        db.run(store.RELEASE, **_run(job))
    db.signal(TOPIC)


def _run(job: Job) -> dict[str, int]:
    return {"id": job.id, "attempts": job.attempts}


def _superseded(db: Db, job: Job) -> bool:
    if job.unique_key is None:
        return False
    return bool(db.value(store.SUPERSEDED, name=job.name, unique=job.unique_key, id=job.id))


def next_due(db: Db) -> datetime | None:
    """When the next job is to run, the next lease ends or the next cron entry comes; None for never."""
    text = db.value(store.NEXT_DUE)
    return datetime.fromisoformat(text) if text else None


def ready_queues(db: Db) -> list[str]:
    """The queues in which jobs wait now."""
    return [row[0] for row in db.fetch(store.READY_QUEUES[db.dialect], {})]


def cancelling(db: Db, worker: str) -> list[tuple[int, int]]:
    """Id and attempt of the jobs of a worker that somebody wants cancelled."""
    return [(row[0], row[1]) for row in db.fetch(store.CANCELLING, {"worker": worker})]


def advance(db: Db) -> None:
    """Makes ready what has come due: scheduled jobs, cron entries, and jobs whose worker has been lost."""
    now = clock.wall()
    db.run(store.PROMOTE, now=now)
    about = {"now": now, "keep": now + KEEP}
    over = db.run(store.LOST_CANCELLED, **about)
    over += db.run(store.LOST_DEAD, now=now, keep_dead=now + KEEP_DEAD, error=LOST)
    over += db.run(store.LOST_SUPERSEDED, **about, superseded=NEWER)
    if over:
        _lock(db, store.LOCK_SHARED)
        db.run(store.FREE_ALL)
    db.run(store.LOST, now=now, error=LOST)
    for due in db.all(Schedule, store.DUE_KINDS, now=now):
        _fire(db, due, now)


def _fire(db: Db, entry: Schedule, now: datetime) -> None:
    """Puts in the job of a cron entry, once however many workers look, and once however often it was missed."""
    from backendhub.kit.cron import next_after

    assert entry.cron is not None and entry.zone is not None and entry.next_at is not None
    following = next_after(entry.cron, max(now, entry.next_at), entry.zone)
    if db.run(store.ADVANCE, name=entry.name, due=entry.next_at, next=following):
        enqueue(db, entry.name, at=entry.next_at, unique="cron")


# -- people --------------------------------------------------------------------------------------------------


def get(db: Db, id: int) -> Job:
    """One job. Raises NotFound."""
    job = db.one(Job, store.SELECT, id=id)
    if job is None:
        raise NotFound(f"There is no job {id}.", hint="backendhub jobs list")
    return job


def find(
    db: Db, *, state: str | None = None, name: str | None = None, before: int = LAST, limit: int = 50
) -> list[Job]:
    """Jobs, the newest first; `before` is the id of the last one of the page before. Raises Invalid."""
    if state is not None and state not in STATES:
        raise Invalid(f"There is no state {state!r}.", hint="choose from " + ", ".join(STATES))
    sql = {
        (False, False): store.LIST,
        (True, False): store.LIST_STATE,
        (False, True): store.LIST_NAME,
        (True, True): store.LIST_BOTH,
    }[state is not None, name is not None]
    given = {"before": before, "limit": limit, "state": state, "name": name}
    return db.all(Job, sql, **{k: v for k, v in given.items() if v is not None})


def depths(db: Db) -> list[Depth]:
    """How many jobs each queue has in each state that is not over."""
    return [Depth(*row) for row in db.fetch(store.DEPTHS, {})]


def schedules(db: Db) -> list[Schedule]:
    """What the code declares, with the next time of each cron entry."""
    return db.all(Schedule, store.KINDS)


def cancel(db: Db, id: int) -> Job:
    """Cancels a job that waits; asks the worker of one that runs to stop. Raises NotFound, Conflict."""
    now = clock.wall()
    job = get(db, id)
    if job.serial is not None:
        _lock(db, store.LOCK_SHARED)
    if db.run(store.CANCEL_PENDING, id=id, now=now, keep=now + KEEP):
        _free_next(db, job.serial)
    elif not db.run(store.CANCEL_RUNNING, id=id):
        job = get(db, id)
        raise Conflict(f"Job {id} is {job.state}: there is nothing left to cancel.")
    db.signal(TOPIC)
    return get(db, id)


def retry(db: Db, id: int) -> Job:
    """Runs a job again that is dead, cancelled, or waits for its next attempt. Raises NotFound, Conflict."""
    job = get(db, id)
    if _superseded(db, job):
        raise Conflict(f"Job {id} cannot run again: another one waits under its key {job.unique_key!r}.")
    if not db.run(store.AGAIN, id=id, now=clock.wall()):
        raise Conflict(f"Job {id} is {job.state}.", hint="put in another one; what is done stays done")
    db.signal(TOPIC)
    return get(db, id)


def retry_dead(db: Db, *, limit: int = 1000) -> list[int]:
    """Runs every dead job again, except where another one waits under its key; gives their ids."""
    again = []
    for id in [row[0] for row in db.fetch(store.DEAD_IDS, {"after": 0, "limit": limit})]:
        try:
            again.append(retry(db, id).id)
        except Conflict:
            continue
    return again


def remove(db: Db, ids: Sequence[int]) -> int:
    """Forgets jobs that are over; gives how many there were."""
    return sum(db.run(store.DELETE_FINISHED, id=id) for id in ids)


def tidy(db: Db) -> int:
    """Forgets what nobody has to look at any longer, a thousand at a time; gives how many."""
    return db.run(store.PURGE, now=clock.wall())
