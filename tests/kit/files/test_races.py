"""Many at once, on both engines: quotas are never passed, nothing in use is collected, and kill -9 leaves no damage."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from backendhub.kit import clock
from backendhub.kit import files as kit
from backendhub.kit.db import Store, connect
from backendhub.kit.errors import Conflict, NotFound
from backendhub.kit.files import Files, QuotaExceeded, rows
from backendhub.kit.files import store as sql
from backendhub.kit.files.places import open_backend
from backendhub.kit.files.uploads import OffsetMismatch

NOW = timedelta(0)


@pytest.fixture
def files(store: Store, make: Callable[..., Files]) -> Files:
    """Files in a directory, their rows on each engine."""
    return make(store=store)


def at_once(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Runs work(0), work(1), … in threads that start together; what each gave or raised."""
    barrier = threading.Barrier(count)
    results: list[Any] = [None] * count

    def run(number: int) -> None:
        barrier.wait()
        try:
            results[number] = work(number)
        except Exception as error:
            results[number] = error

    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def statements(module: Any) -> dict[str, str]:
    return {
        n: v
        for n, v in vars(module).items()
        if n.isupper() and isinstance(v, str) and " " in v and "{" not in v
    }


def test_every_statement_is_understood_by_both_engines(store: Store) -> None:
    from tests.architecture.test_systems import check

    store.use("files")
    with store.transaction() as db:
        for name, text in statements(sql).items():
            if text.split()[0] in ("SELECT", "INSERT", "UPDATE", "DELETE"):
                check(db, name, text)
        for name in ("KNOWN", "ALIVE"):
            check(db, name, getattr(sql, name)[db.dialect])


def test_parallel_uploads_never_pass_the_quota(files: Files) -> None:
    files.quota = 1000
    results = at_once(16, lambda i: files.put(bytes([i]) * 100, owner="ann", name=f"{i}"))
    made = [r for r in results if isinstance(r, kit.File)]
    assert len(made) == 10
    assert all(isinstance(r, QuotaExceeded) for r in results if r not in made), results
    assert files.store.read(kit.usage, "ann") == kit.Usage("ann", 1000, 10, None)
    files.delete(made[0].id)
    assert files.put(b"x" * 100, owner="ann", name="fits").size == 100


def test_one_file_is_deleted_once(files: Files) -> None:
    file = files.put(b"data", owner="ann", name="x")
    files.put(b"data", owner="ann", name="y")
    results = at_once(8, lambda i: files.delete(file.id))
    assert [r for r in results if r is None] == [None]
    assert all(isinstance(r, NotFound) for r in results if r is not None), results
    assert files.store.read(kit.usage, "ann") == kit.Usage("ann", 4, 1, None)
    assert files.store.read(lambda db: db.value("SELECT refs FROM files_blob")) == 1


def test_a_collection_never_takes_what_is_put(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few contents, put and deleted by many, and a collector that spares nothing: leases are over when they begin."""
    monkeypatch.setattr(rows, "LEASE", timedelta(days=-1))
    end = time.monotonic() + 5
    seen: list[int] = [0, 0, 0]
    wrong: list[Any] = []

    def going() -> bool:
        return time.monotonic() < end and (seen[0] < 150 or seen[1] < 30)

    def user(number: int) -> None:
        random = Random(number)
        mine: list[kit.File] = []
        while going():
            try:
                file = files.put(bytes([random.randrange(3)]) * 5000, owner=f"u{number}", name="x")
            except kit.Gone:  # three collections in a row between two lines
                seen[2] += 1
                continue
            seen[0] += 1
            mine.append(file)
            if files.content(file) != files.content(file):
                wrong.append(file)
            if len(mine) > 2:
                files.delete(mine.pop(random.randrange(3)).id)

    def collector(number: int) -> None:
        while going():
            seen[1] += files.collect(wait=NOW).blobs

    results = at_once(6, lambda i: collector(i) if i < 2 else user(i))
    assert results == [None] * 6
    assert wrong == []
    assert seen[0] > 50, seen
    assert seen[1] > 3, seen
    assert files.check(verify=True) == []
    monkeypatch.undo()
    with clock.frozen(clock.now() + timedelta(hours=2)):
        files.collect(wait=NOW)
    left = {e.key for e in files.backend.entries(files.space.prefix + "/")}
    assert left == {r[0] for r in files.store.read(lambda db: db.fetch("SELECT key FROM files_blob", {}))}
    counted = "SELECT owner, sum(size), count(*) FROM files_file GROUP BY owner ORDER BY owner"
    real = files.store.read(lambda db: [(o, int(s), n) for o, s, n in db.fetch(counted, {})])
    assert real == [(u.owner, u.bytes, u.files) for u in (files.store.read(kit.usage, o) for o, _, _ in real)]


def test_of_pieces_at_one_place_one_counts(files: Files) -> None:
    upload = files.uploads.begin(owner="ann", name="x", size=300)
    for offset in (0, 100, 200):
        results = at_once(6, lambda i, at=offset: files.uploads.append(upload.id, at, bytes([i]) * 100))
        done = [r for r in results if isinstance(r, kit.Upload)]
        assert [u.received for u in done] == [offset + 100]
        assert all(isinstance(r, OffsetMismatch) for r in results if r not in done), results
    finished = at_once(4, lambda i: files.uploads.finish(upload.id))
    (file,) = [r for r in finished if isinstance(r, kit.File)]
    assert all(isinstance(r, (NotFound, Conflict)) for r in finished if r is not file), finished
    content = files.content(file)
    assert [len(set(content[i : i + 100])) for i in (0, 100, 200)] == [1, 1, 1]
    assert files.store.read(kit.usage, "ann") == kit.Usage("ann", 300, 1, None)
    assert list(files.spool.iterdir()) == []


def test_reservations_and_files_share_one_quota(files: Files) -> None:
    files.quota = 1000
    results = at_once(12, lambda i: files.uploads.begin(owner="ann", name="x", size=100) if i % 2 else files.put(
        bytes([i]) * 100, owner="ann", name="y"
    ))  # fmt: skip
    assert sum(not isinstance(r, QuotaExceeded) for r in results) == 10
    assert files.store.read(kit.usage, "ann").bytes == 1000


WORKER = """
import sys, itertools
from datetime import timedelta
from random import Random
from backendhub.kit.db import connect
from backendhub.kit.files import Files, rows
from backendhub.kit.files.places import open_backend
url, place, seed = sys.argv[1:]
rows.LEASE = timedelta(seconds=-1)
files = Files(connect(url), open_backend(place))
random, mine = Random(int(seed)), []
print("ready", flush=True)
for i in itertools.count():
    mine.append(files.put(bytes([random.randrange(4)]) * 40_000, owner="ann", name="x").id)
    upload = files.uploads.begin(owner="ann", name="u", size=2000)
    files.uploads.append(upload.id, 0, b"u" * 1000)
    files.uploads.append(upload.id, 1000, b"v" * 1000)
    if i % 2:
        mine.append(files.uploads.finish(upload.id).id)
    while len(mine) > 3:
        files.delete(mine.pop(random.randrange(len(mine))))
    files.collect(wait=timedelta(0))
"""


def test_kill_9_leaves_no_row_without_bytes_and_nothing_that_is_not_found(
    store_url: str, tmp_path: Path
) -> None:
    place = str(tmp_path / "kept")
    store = connect(store_url)
    files = Files(store, open_backend(place))
    store.read(lambda db: db.value("SELECT 1"))
    random = Random(7)
    for round in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", WORKER, store_url, place, str(round)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(random.uniform(0.05, 0.3))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        assert files.check(verify=True) == []
    made = store.read(lambda db: db.value("SELECT count(*) FROM files_file"))
    assert made >= 4
    with clock.frozen(clock.now() + timedelta(days=3)):
        files.collect(wait=NOW)
        left = {e.key for e in files.backend.entries(files.space.prefix + "/")}
        assert left == {r[0] for r in store.read(lambda db: db.fetch("SELECT key FROM files_blob", {}))}
        assert store.read(kit.usage, "ann").files == made
        assert files.collect(wait=NOW, strays=True).strays == 0
        sizes = "SELECT coalesce(sum(size), 0) FROM files_file"
        assert store.read(kit.usage, "ann").bytes == store.read(lambda db: db.value(sizes))
    store.close()
