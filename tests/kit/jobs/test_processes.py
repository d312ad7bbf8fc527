"""Workers as processes of their own: each job once, whatever is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from backendhub.kit import jobs
from backendhub.kit.db import Db, Store, connect
from backendhub.kit.jobs import queue

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")

HANDLERS = """
import os, time
from backendhub.kit import jobs
from backendhub.kit.db import Db

def note(db: Db, n: int) -> None:
    db.run("INSERT INTO t_effect (n, pid) VALUES (:n, :pid)", n=n, pid=os.getpid())

@jobs.job("t.unit")
def unit(db: Db, n: int) -> None:
    note(db, n)

@jobs.job("t.hang")
def hang(run: jobs.Run, n: int) -> None:
    run.finish(note, n)  # effect and mark are committed …
    time.sleep(600)      # … and the worker is killed before it could say so

@jobs.job("t.first")
def first(run: jobs.Run, n: int) -> None:
    run.hub.store.unit(note, -run.attempt)
    if run.attempt == 1:
        time.sleep(600)
    run.finish(note, n)

"""
TICKER = """
@jobs.job("t.tick", cron="* * * * * *")
def tick(db: Db) -> None:
    note(db, int(time.time()))
"""

WORKER = """
import asyncio, sys
from backendhub.kit.hub import Hub
from backendhub.kit.settings import Settings
from backendhub.kit.jobs.declared import Modules
from backendhub.kit.jobs.worker import Worker
hub = Hub(Settings({"database": sys.argv[1]}))
options = {"once": "once" in sys.argv, "lease": 2.0}
sys.stdout.write("up\\n"); sys.stdout.flush()
sys.stdin.readline()
asyncio.run(Worker(hub, Modules({"t": "t_handlers"}), **options).run())
"""


@pytest.fixture
def made(store: Store) -> Store:
    store.use("jobs")
    store.unit(lambda db: db.run("CREATE TABLE t_effect (n BIGINT, pid BIGINT)"))
    return store


Spawn = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def spawn(tmp_path: Path, store_url: str) -> Iterator[Spawn]:
    """Starts a worker, which waits until `go` is called with it."""
    (tmp_path / "t_handlers.py").write_text(HANDLERS)
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    started: list[subprocess.Popen[bytes]] = []

    def start(*words: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", WORKER, store_url, *words]
        process = subprocess.Popen(
            command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=20)


def go(*processes: subprocess.Popen[bytes]) -> None:
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()


def effects(store: Store) -> list[tuple[int, int]]:
    return store.read(lambda db: db.fetch("SELECT n, pid FROM t_effect", {}))


def until(check: Callable[[], Any], seconds: float = 30) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def test_ten_workers_take_each_of_500_jobs_once(made: Store, spawn: Spawn) -> None:
    def put(db: Db) -> None:
        for n in range(500):
            jobs.enqueue(db, "t.unit", n=n, priority=n % 3)

    made.unit(put)
    workers = [spawn("once") for _ in range(10)]
    go(*workers)
    said = [(worker.communicate(timeout=120)[1], worker.returncode) for worker in workers]
    assert said == [(b"", 0)] * 10
    found = effects(made)
    assert sorted(n for n, _ in found) == list(range(500))
    assert len({pid for _, pid in found}) > 1
    rows = made.read(
        lambda db: db.fetch("SELECT state, attempts, count(*) FROM jobs_job GROUP BY state, attempts", {})
    )
    assert rows == [("done", 1, 500)]


def test_a_worker_that_is_killed_in_the_middle_leaves_the_job_to_another(made: Store, spawn: Spawn) -> None:
    id = made.unit(jobs.enqueue, "t.first", n=7)
    victim = spawn()
    go(victim)
    until(lambda: (-1, victim.pid) in effects(made))
    victim.send_signal(signal.SIGKILL)
    victim.wait(20)
    killed = time.monotonic()
    heir = spawn()
    go(heir)
    until(lambda: made.read(jobs.get, id).state == "done")
    assert 0.5 < time.monotonic() - killed < 15  # not before the lease of two seconds was over
    assert effects(made) == [(-1, victim.pid), (-2, heir.pid), (7, heir.pid)]
    assert made.read(jobs.get, id).attempts == 2


def test_what_was_committed_before_the_kill_is_not_done_again(made: Store, spawn: Spawn) -> None:
    id = made.unit(jobs.enqueue, "t.hang", n=7)
    victim = spawn()
    go(victim)
    until(lambda: effects(made))
    victim.kill()
    victim.wait(20)
    heir = spawn()
    go(heir)
    other = made.unit(jobs.enqueue, "t.unit", n=8)
    until(lambda: made.read(jobs.get, other).state == "done")
    time.sleep(2.5)  # longer than the lease of the one that was killed
    assert sorted(effects(made)) == [(7, victim.pid), (8, heir.pid)]
    assert made.read(jobs.get, id).state == "done"


def test_workers_that_are_killed_again_and_again_lose_and_double_nothing(made: Store, spawn: Spawn) -> None:
    def put(db: Db) -> None:
        for n in range(200):
            jobs.enqueue(db, "t.unit", n=n, attempts=1000)

    made.unit(put)
    for _ in range(4):
        victims = [spawn(), spawn()]
        before = len(effects(made))
        go(*victims)
        until(lambda: len(effects(made)) > before or len(effects(made)) == 200)  # noqa: B023
        for victim in victims:
            victim.kill()
            victim.wait(20)
    last = spawn()
    go(last)
    until(lambda: len(effects(made)) == 200)
    time.sleep(0.3)
    assert Counter(n for n, _ in effects(made)) == Counter(range(200))


def test_a_cron_entry_fires_once_however_many_workers_look(made: Store, spawn: Spawn, tmp_path: Path) -> None:
    (tmp_path / "t_handlers.py").write_text(HANDLERS + TICKER)
    workers = [spawn() for _ in range(3)]
    go(*workers)
    until(lambda: len(effects(made)) >= 4)
    for worker in workers:
        worker.kill()
    runs = made.read(lambda db: db.fetch("SELECT run_at FROM jobs_job WHERE name = 't.tick'", {}))
    times = [row[0] for row in runs]
    assert len(set(times)) == len(times) >= 4
    seconds = sorted(int(n) for n, _ in effects(made))
    assert max(Counter(seconds).values()) <= 2  # one that came late may share its second with the next


def test_one_of_many_parallel_enqueues_under_a_key_wins(made: Store, store_url: str) -> None:
    stores = [connect(store_url) for _ in range(8)]
    for each in stores:
        each.use("jobs")

    def put(n: int) -> list[int]:
        return [stores[n].unit(jobs.enqueue, "t.unit", unique=f"key {k}", n=k) for k in range(25)]

    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(put, range(8)))
    assert all(row == ids[0] for row in ids)
    assert len(set(ids[0])) == 25
    assert len(made.read(jobs.find, limit=1000)) == 25
    for each in stores:
        each.close()


def test_whoever_takes_a_job_sees_what_was_committed_with_its_last_enqueue(
    made: Store, store_url: str
) -> None:
    """An enqueue that finds a waiting job must not be overtaken by a worker that takes it before the commit."""
    other = connect(store_url)
    other.use("jobs")
    made.unit(jobs.enqueue, "t.unit", unique="k", n=1)
    taken = []
    with ThreadPoolExecutor(1) as pool:
        with made.transaction() as db:
            jobs.enqueue(db, "t.unit", unique="k", n=1)
            db.run("INSERT INTO t_effect (n, pid) VALUES (42, 0)")

            def take() -> None:
                while not taken:
                    taken.extend(other.unit(queue.claim, "default", limit=1, worker="w", lease=60))
                taken.append(other.read(lambda db: db.value("SELECT count(*) FROM t_effect")))

            racing = pool.submit(take)
            time.sleep(0.3)
            assert taken == []
        racing.result(20)
    assert taken[1] == 1
    other.close()
