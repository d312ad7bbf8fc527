"""Events on their way: a real receiver, failures, order, and processes that are killed."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from backendhub.kit import clock, jobs, outbox, sealing
from backendhub.kit import hub as hubs
from backendhub.kit.db import Db, Store
from backendhub.kit.db.migrate import TOKENS
from backendhub.kit.errors import Invalid
from backendhub.kit.fetch import Fetcher, Policy
from backendhub.kit.jobs import declared
from backendhub.kit.jobs.worker import Worker
from backendhub.kit.outbox import endpoints
from backendhub.kit.outbox.jobs import SCHEDULE
from backendhub.kit.outbox.relay import Relay
from backendhub.kit.outbox.store import HOLDER
from backendhub.kit.settings import Settings

MODULES = {"outbox": "backendhub.kit.outbox.jobs"}


class Receiver:
    """An HTTP server that keeps what it is sent and answers as told."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answer: Callable[[bytes], tuple[int, dict[str, str]]] = lambda body: (200, {})
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
                status, headers = receiver.answer(body)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(b"thanks")

            def log_message(self, *args: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(body) for _, body in self.got]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def made(store: Store) -> Store:
    store.use("outbox")
    store.unit(
        lambda db: db.run(
            "CREATE TABLE t_effect (at {pk}, n BIGINT, pid BIGINT)".replace(
                "{pk}", TOKENS[store.dialect]["{pk}"]
            )
        )
    )
    return store


@pytest.fixture
def worker(made: Store) -> Callable[[], Worker]:
    hub = hubs.Hub(Settings({"fetch.allow": "127.0.0.1"}), store=made)

    def make() -> Worker:
        return Worker(hub, declared.Modules(MODULES), sources=[Relay()], once=True)

    return make


def work(worker: Callable[[], Worker]) -> None:
    asyncio.run(asyncio.wait_for(worker().run(), 60))


def publish(store: Store, *values: Any, key: str | None = None, topic: str = "t.happened") -> list[str]:
    def unit(db: Db) -> list[str]:
        return [outbox.publish(db, topic, value, key=key) for value in values]

    return store.unit(unit)


def log_of(store: Store, place: outbox.Endpoint) -> list[tuple[bool, int | None, int]]:
    found = store.read(endpoints.deliveries, place.id)
    return [(d.ok, d.status, d.attempt) for d in reversed(found)]


def test_an_event_is_posted_signed_and_logged(made: Store, receiver: Receiver, worker: Any) -> None:
    place = made.unit(endpoints.add, url=receiver.url, topics=["t.*"])
    (uid,) = publish(made, {"who": "Zoë"})
    publish(made, 1, topic="x.other")
    work(worker)
    ((headers, body),) = receiver.got
    assert Webhook(place.secret).verify(body, headers)["data"] == {"who": "Zoë"}
    assert (headers["webhook-id"], headers["content-type"]) == (uid, "application/json")
    (row,) = made.read(endpoints.deliveries, place.id)
    assert (row.ok, row.status, row.answer, row.error) == (True, 200, "thanks", None)
    assert made.read(jobs.get, row.job_id).state == "done"


def test_secrets_are_encrypted_where_there_is_a_key(
    made: Store, receiver: Receiver, worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old plain rows go on to work; both secrets of a rotation sign; a message without the key is not lost."""
    old = made.unit(endpoints.add, url=receiver.url)
    one, two = sealing.new_key(), sealing.new_key()
    monkeypatch.setenv(sealing.VARIABLE, one)
    new = made.unit(endpoints.rotate, old.id)
    kept = made.read(endpoints.get, old.id)
    assert (kept.old_secret, kept.secret.startswith("sealed:")) == (old.secret, True)
    assert made.unit(sealing.reseal, [HOLDER]) == 2 and made.read(sealing.counted, [HOLDER]) == (2, 0, 0)
    kept = made.read(endpoints.get, old.id)
    assert not {old.secret, new.secret} & {kept.secret, kept.old_secret}
    assert endpoints.opened(kept).old_secret == old.secret
    publish(made, 1)
    monkeypatch.setenv(sealing.VARIABLE, two)
    work(worker)
    assert receiver.got == [] and made.read(jobs.find, state="dead") == []
    monkeypatch.setenv(sealing.VARIABLE, f"{two} {one}")
    made.unit(sealing.reseal, [HOLDER])
    monkeypatch.setenv(sealing.VARIABLE, two)
    made.unit(lambda db: db.run("UPDATE jobs_job SET due_at = created_at WHERE state = 'scheduled'"))
    work(worker)
    ((headers, body),) = receiver.got
    assert all(Webhook(each.secret).verify(body, headers) for each in (old, new))
    with pytest.raises(Invalid, match="cannot begin"):
        made.unit(endpoints.add, url=receiver.url, secret="sealed:x", signer="stripe")


def test_a_failure_is_tried_again_with_the_same_id_until_it_works(
    made: Store, receiver: Receiver, worker: Any, frozen: Callable[[str], None]
) -> None:
    place = made.unit(endpoints.add, url=receiver.url)
    (uid,) = publish(made, 1)
    answers = [500, 302, 200]
    receiver.answer = lambda body: (answers.pop(0), {"location": receiver.url})
    for at in ("09:00:00", "09:00:10", "09:10:00"):
        frozen(f"2026-01-05T{at}Z")
        work(worker)
        work(worker)  # nothing is due: nothing happens
    assert log_of(made, place) == [(False, 500, 1), (False, 302, 2), (True, 200, 3)]
    assert {headers["webhook-id"] for headers, _ in receiver.got} == {uid}
    stamps = [int(headers["webhook-timestamp"]) for headers, _ in receiver.got]
    assert stamps == sorted(set(stamps))  # each attempt is signed anew
    assert made.read(endpoints.get, place.id).failing_since is None


def test_an_endpoint_that_fails_for_days_is_disabled_and_can_be_caught_up(
    made: Store, receiver: Receiver, worker: Any, frozen: Callable[[str], None]
) -> None:
    place = made.unit(endpoints.add, url=receiver.url)
    receiver.answer = lambda body: (500, {})
    publish(made, 1)
    moment = clock.now()
    for delay in (0, *SCHEDULE):
        moment += timedelta(seconds=delay * 1.3)
        frozen(clock.iso(moment))
        work(worker)
    assert len(receiver.got) == len(SCHEDULE) + 1
    (dead,) = made.read(jobs.find, state="dead")
    assert "answered 500" in str(dead.error)
    assert made.read(endpoints.get, place.id).enabled
    frozen(clock.iso(moment + timedelta(days=2)))
    publish(made, 2)
    work(worker)
    off = made.read(endpoints.get, place.id)
    assert not off.enabled and "failing since 2026-01-05" in str(off.reason)
    receiver.answer = lambda body: (204, {})
    receiver.got.clear()
    made.unit(endpoints.enable, place.id)
    assert made.unit(endpoints.replay_missed, place.id, clock.parse("2026-01-05T00:00:00Z")) == 2
    work(worker)
    assert sorted(body["data"] for body in receiver.bodies) == [1, 2]


def test_gone_means_never_again(made: Store, receiver: Receiver, worker: Any) -> None:
    place = made.unit(endpoints.add, url=receiver.url)
    receiver.answer = lambda body: (410, {})
    publish(made, 1)
    work(worker)
    assert made.read(endpoints.get, place.id).reason == "answered 410 Gone"
    publish(made, 2)
    work(worker)
    assert len(receiver.got) == 1


def test_what_waits_for_a_disabled_endpoint_is_not_sent(made: Store, receiver: Receiver, worker: Any) -> None:
    place = made.unit(endpoints.add, url=receiver.url)
    publish(made, 1)
    made.unit(lambda db: Relay().pump(db))
    made.unit(endpoints.disable, place.id, "holidays")
    work(worker)
    assert receiver.got == []
    (dead,) = made.read(jobs.find, state="dead")
    assert dead.error == "the endpoint is disabled: holidays"


def test_retry_after_is_heeded_and_counts(
    made: Store, receiver: Receiver, worker: Any, frozen: Callable[[str], None]
) -> None:
    made.unit(endpoints.add, url=receiver.url)
    receiver.answer = lambda body: (429, {"retry-after": "1234"})
    publish(made, 1)
    work(worker)
    (job,) = made.read(jobs.find, name="outbox.deliver")
    assert (job.state, job.max_attempts) == ("scheduled", None)
    assert job.due_at == clock.now() + timedelta(seconds=1234)


def test_private_addresses_are_not_asked(made: Store, receiver: Receiver, worker: Any) -> None:
    made.unit(endpoints.add, url=receiver.url)
    publish(made, 1)
    guarded = worker()
    guarded.hub.fetch = Fetcher(Policy())
    asyncio.run(asyncio.wait_for(guarded.run(), 60))
    assert receiver.got == []
    (dead,) = made.read(jobs.find, state="dead")
    assert dead.attempts == 1


def test_a_server_that_is_not_there_is_a_failure(made: Store, receiver: Receiver, worker: Any) -> None:
    place = made.unit(endpoints.add, url=receiver.url)
    receiver.server.shutdown()
    receiver.server.server_close()
    publish(made, 1)
    work(worker)
    (row,) = made.read(endpoints.deliveries, place.id)
    assert (row.ok, row.status) == (False, None)
    assert "cannot be reached" in str(row.error)


def test_events_of_a_key_arrive_in_order_even_where_one_fails(
    made: Store, receiver: Receiver, worker: Any, frozen: Callable[[str], None]
) -> None:
    made.unit(endpoints.add, url=receiver.url)
    for n in range(20):
        publish(made, {"key": "a", "n": n}, key="a")
        publish(made, {"key": "b", "n": n}, key="b")
    failing = [3, 7]

    def answer(body: bytes) -> tuple[int, dict[str, str]]:
        data = json.loads(body)["data"]
        if data["key"] == "a" and data["n"] in failing:
            failing.remove(data["n"])
            return 500, {}
        return 200, {}

    receiver.answer = answer
    work(worker)
    assert [b["data"]["n"] for b in receiver.bodies if b["data"]["key"] == "b"] == list(range(20))
    for at in ("09:01:00", "09:02:00"):
        frozen(f"2026-01-05T{at}Z")
        work(worker)
    seen = [b["data"]["n"] for b in receiver.bodies if b["data"]["key"] == "a"]
    assert seen == [0, 1, 2, 3, 3, 4, 5, 6, 7, 7, *range(8, 20)]


def test_handlers_get_events_once_and_in_order(made: Store, worker: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(declared, "_kinds", dict(declared._kinds))

    @jobs.job("t.count", on=("t.*",))
    def count(db: Db, event: dict[str, Any]) -> None:
        db.run("INSERT INTO t_effect (n, pid) VALUES (:n, 0)", n=event["data"])

    made.unit(declared.adopt, "t", "1", [declared._kinds["t.count"]])
    publish(made, *range(600), key="k")  # more than the relay takes at a time
    work(worker)
    assert [r[0] for r in made.read(lambda db: db.fetch("SELECT n FROM t_effect ORDER BY at", {}))] == list(
        range(600)
    )


def test_a_slow_endpoint_does_not_hold_up_the_loop_or_the_others(
    made: Store, receiver: Receiver, worker: Any
) -> None:
    slow = Receiver()
    slow.answer = lambda body: (time.sleep(4), (200, {}))[1]
    places = [made.unit(endpoints.add, url=url) for url in (slow.url, receiver.url)]
    while places[0].id[-1] == places[1].id[-1]:  # another of the sixteen lanes
        made.unit(endpoints.remove, places[1].id)
        places[1] = made.unit(endpoints.add, url=receiver.url)
    publish(made, *range(15))
    start = time.monotonic()
    seen: list[float] = []
    receiver.answer = lambda body: (seen.append(time.monotonic() - start), (200, {}))[1]
    work(worker)
    assert len(seen) == 15 and len(slow.got) == 15
    assert max(seen) < 4  # while the ten first of the slow one had not been answered yet
    slow.server.shutdown()
    slow.server.server_close()


# -- processes -----------------------------------------------------------------------------------------------

HANDLERS = """
import os, time
from backendhub.kit import jobs
from backendhub.kit.db import Db
from backendhub.kit.db.migrate import TOKENS
from backendhub.kit.errors import Invalid

@jobs.job("t.count", on=("t.*",), attempts=1000)
def count(db: Db, event: dict) -> None:
    db.run("INSERT INTO t_effect (n, pid) VALUES (:n, :pid)", n=event["data"], pid=os.getpid())
"""

WORKER = """
import asyncio, sys
from backendhub.kit.hub import Hub
from backendhub.kit.settings import Settings
from backendhub.kit.jobs.declared import Modules
from backendhub.kit.jobs.worker import Worker
from backendhub.kit.outbox.relay import Relay
from backendhub.kit.outbox.store import HOLDER
hub = Hub(Settings({"database": sys.argv[1], "fetch.allow": "127.0.0.1"}))
modules = Modules({"t": "t_listeners", "outbox": "backendhub.kit.outbox.jobs"})
asyncio.run(Worker(hub, modules, sources=[Relay()], lease=1.5).run())
"""

PUBLISHER = """
import sys, time
from backendhub.kit import outbox
from backendhub.kit.db import connect
from backendhub.kit.db.migrate import TOKENS
from backendhub.kit.errors import Invalid
store = connect(sys.argv[1])
store.use("outbox")
class No(Exception): pass
def unit(db, n):
    outbox.publish(db, "t.happened", n, key=str(n % 3))
    db.run("INSERT INTO t_effect (n, pid) VALUES (:n, -1)", n=n)
    if n % 5 == 0:
        raise No
for n in range(int(sys.argv[2]), int(sys.argv[2]) + 1000):
    try:
        store.unit(unit, n)
    except No:
        pass
    time.sleep(0.01)
"""


def _published(store: Store) -> set[int]:
    """What publishers have committed: the change that was made together with each event."""
    return {r[0] for r in store.read(lambda db: db.fetch("SELECT n FROM t_effect WHERE pid = -1", {}))}


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_nothing_is_lost_or_invented_whoever_is_killed(
    made: Store, store_url: str, receiver: Receiver, tmp_path: Path
) -> None:
    """Publishers and workers are killed at any moment; what was committed, and only that, arrives."""
    (tmp_path / "t_listeners.py").write_text(HANDLERS)
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    made.unit(endpoints.add, url=receiver.url)

    def start(script: str, *words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", script, store_url, *words], env=env)

    rng = random.Random(7)
    workers = [start(WORKER), start(WORKER)]
    try:
        for round_ in range(4):
            publisher = start(PUBLISHER, str(round_ * 1000))
            while len(_published(made)) < 20 * (round_ + 1):
                assert publisher.poll() is None
                time.sleep(0.02)
            time.sleep(rng.random() * 0.3)
            publisher.kill()
            publisher.wait(20)
            victim = workers.pop(0)
            victim.kill()
            victim.wait(20)
            workers.append(start(WORKER))
        committed = {
            r[0] for r in made.read(lambda db: db.fetch("SELECT n FROM t_effect WHERE pid = -1", {}))
        }
        assert len(committed) > 20
        assert not [n for n in committed if n % 5 == 0]
        deadline = time.monotonic() + 60
        while True:
            told = [r[0] for r in made.read(lambda db: db.fetch("SELECT n FROM t_effect WHERE pid > 0", {}))]
            posted = {body["data"] for body in receiver.bodies}
            if committed <= set(told) and committed <= posted:
                break
            assert time.monotonic() < deadline, (len(committed), len(told), len(posted))
            time.sleep(0.1)
    finally:
        for process in workers:
            process.kill()
            process.wait(20)
    assert Counter(told) == Counter(committed)  # handlers that are units: exactly once
    assert posted == committed  # webhooks: at least once, nothing invented
    for key in range(3):  # and in the order of their key
        first = list(dict.fromkeys(b["data"] for b in receiver.bodies if b["data"] % 3 == key))
        assert first == sorted(first)
