"""The tier on disk: what outlives the process is whole, or it is not there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from backendhub.kit.errors import Conflict
from backendhub.systems.cache_proxy.disk import PIECE, Damaged, Disk, clear
from backendhub.systems.cache_proxy.entry import Entry
from backendhub.systems.cache_proxy.rules import Freshness, Policy

from .conftest import Origin, response

NOW = 1_700_000_000.0


def made(key: str, body: bytes, **more: Any) -> Entry:
    fields = [(b"cache-control", b"max-age=1000"), (b"surrogate-key", b"a b"), (b"vary", b"foo")]
    fresh = Freshness.of(200, fields, NOW, NOW, Policy())
    return Entry(key.encode(), 200, fields, fresh, ("1",), len(body), body, NOW, **more)


@pytest.fixture
def disk(tmp_path: Path) -> Any:
    opened = Disk(tmp_path / "cache", 1 << 30)
    yield opened
    opened.close()


@pytest.mark.parametrize("length", [0, 5, PIECE, PIECE + 1, 3 * PIECE - 1])
def test_what_is_written_is_read(disk: Disk, length: int) -> None:
    body = os.urandom(length)
    entry = made("/a?x=é".encode().decode("latin-1"), body)
    entry.key = b"/a?x=\xc3\xa9"
    disk.write(entry, None)
    [again] = disk.scan()
    assert (again.key, again.status, again.fields, again.names, again.variant) == (
        entry.key, 200, entry.fields, ("foo",), ("1",),
    )  # fmt: skip
    assert again.fresh == entry.fresh and again.tags == {"a", "b"} and again.body is None
    assert disk.read(again) == body
    for first, end in ((0, length), (length // 3, length // 2), (max(length - 1, 0), length)):
        assert b"".join(disk.pieces(again, first, end)) == body[first:end]


def test_damage_is_told_from_what_was_written(disk: Disk) -> None:
    """Any byte that changes, and any end that is missing: never served."""
    body = os.urandom(2 * PIECE + 100)
    entry = made("/a", body)
    disk.write(entry, None)
    path = disk.path(entry.file or "")
    whole = path.read_bytes()
    for at in (0, PIECE - 1, PIECE, 2 * PIECE + 50):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(Damaged):
            disk.read(disk.load(entry.file or ""))
    for at in (len(body) + 3, len(whole) - 5, len(whole) - 1):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(Damaged):
            disk.load(entry.file or "")
    for end in (0, 3, len(body), len(whole) - 1):
        path.write_bytes(whole[:end])
        assert list(disk.scan()) == [] and not path.exists()


def test_what_a_304_says_is_appended(disk: Disk) -> None:
    entry = made("/a", b"body")
    disk.write(entry, None)
    entry.freshen([(b"x-new", b"1")], Freshness.of(200, entry.fields, NOW + 50, NOW + 50, Policy()))
    disk.update(entry)
    [again] = disk.scan()
    assert (b"x-new", b"1") in again.fields and again.fresh.born == NOW + 50 and disk.read(again) == b"body"
    path = disk.path(entry.file or "")
    path.write_bytes(path.read_bytes()[:-7])  # killed while it was appended: gone, not wrong
    assert list(disk.scan()) == []


def test_one_process_has_the_directory(tmp_path: Path, disk: Disk) -> None:
    with pytest.raises(Conflict, match="Another cache-proxy"):
        Disk(tmp_path / "cache", 1)


def test_it_outlives_the_process(start: Any, tmp_path: Path) -> None:
    def answer(origin: Any, method: str, target: str, headers: dict[str, str], body: bytes) -> bytes:
        return response(
            f"{origin.count}" * (500_000 if target == "/large" else 1), Cache_Control="max-age=60", ETag='"a"'
        )

    where = str(tmp_path / "disk")
    origin = Origin(answer)
    first = start(answer, origin=origin, disk=where)
    texts = {path: first.get(path).text for path in ("/a", "/b", "/large")}
    first.settle()
    assert first.get("/_cache/objects").json()[0]["where"] == "memory and disk"
    first.stop()
    second = start(answer, origin=origin, disk=where)
    for path, text in texts.items():
        again = second.get(path)
        assert (again.text, again.headers["x-cache"]) == (text, "HIT")
    part = second.get("/large", Range="bytes=400000-400004")
    assert (part.status_code, part.text) == (206, "33333")
    assert origin.count == 3 and second.get("/_check").json()["ok"]
    origin.close()


def test_a_damaged_file_is_fetched_again(start: Any, tmp_path: Path) -> None:
    where = tmp_path / "disk"
    cache = start(lambda origin, *_: response(f"{origin.count}", Cache_Control="max-age=60"), disk=str(where))
    cache.get("/a")
    cache.settle()
    [entry] = cache.proxy.shelf
    path = cache.proxy.disk.path(entry.file)
    path.write_bytes(b"X" + path.read_bytes()[1:])
    entry.body, cache.proxy.shelf.memory = None, 0
    cache.proxy.shelf._warm.clear()
    assert cache.get("/_check").json()["ok"] is False
    assert cache.get("/a").text == "2" and cache.proxy.stats.damaged == 1
    cache.settle()
    assert cache.get("/_check").json()["ok"] is True


def test_bounded_on_disk_and_warm_in_memory(start: Any, tmp_path: Path) -> None:
    body = "x" * 10_000
    cache = start(
        lambda *_: response(body, Cache_Control="max-age=600"), disk=str(tmp_path / "d"), memory="50KB"
    )
    cache.proxy.disk.limit = 200_000
    for number in range(40):
        cache.get(f"/{number}")
    cache.settle()
    shelf = cache.proxy.shelf
    assert shelf.memory <= 50 * 1024 and shelf.on_disk <= 200_000 and len(shelf) == 20
    assert shelf.problems() == []
    cold = next(e for e in shelf if e.body is None)
    assert cache.get(cold.target).headers["x-cache"] == "HIT" and cold.body is not None


def test_cleared_from_outside(start: Any, tmp_path: Path) -> None:
    cache = start(lambda *_: response("x", Cache_Control="max-age=60"), disk=str(tmp_path / "d"))
    for path in ("/a", "/b"):
        cache.get(path)
    cache.settle()
    assert clear(cache.proxy.config.disk) == 2
    for _ in range(300):
        if not len(cache.proxy.shelf):
            break
        time.sleep(0.01)
    assert len(cache.proxy.shelf) == 0


def test_a_full_disk_does_not_stop_the_cache(
    start: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = start(lambda *_: response("x", Cache_Control="max-age=60"), disk=str(tmp_path / "d"))

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache.proxy.disk, "write", full)
    assert cache.get("/a").text == "x"
    cache.settle()
    assert cache.get("/a").headers["x-cache"] == "HIT" and cache.proxy.stats.disk_errors == 1


WRITER = """
import sys, os
from pathlib import Path
from backendhub.systems.cache_proxy.disk import Disk
from backendhub.systems.cache_proxy.entry import Entry
from backendhub.systems.cache_proxy.rules import Freshness, Policy
disk = Disk(Path(sys.argv[1]), 1 << 30)
fields = [(b"cache-control", b"max-age=1000")]
print("ready", flush=True)
n = 0
while True:
    body = bytes([n % 251]) * (1 + n * 7919 % 700_000)
    entry = Entry(b"/%d" % (n % 40), 200, fields, Freshness.of(200, fields, 1e9, 1e9, Policy()), (), len(body), body, 1e9)
    disk.write(entry, None)
    if n % 3 == 0:
        disk.update(entry)
    n += 1
"""


@pytest.mark.parametrize("times", [int(os.environ.get("BACKENDHUB_TEST_KILLS", "4"))])
def test_a_kill_leaves_nothing_torn(tmp_path: Path, times: int) -> None:
    """kill -9 in the middle of writing, over and over: every body that can be read is one that was written."""
    where = tmp_path / "cache"
    for number in range(times):
        child = subprocess.Popen([sys.executable, "-c", WRITER, str(where)], stdout=subprocess.PIPE)
        assert child.stdout is not None and child.stdout.readline() == b"ready\n"
        time.sleep(0.05 + number % 7 / 50)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
        disk = Disk(where, 1 << 30)
        entries = list(disk.scan())
        for entry in entries:
            body = disk.read(entry)
            assert body == body[:1] * len(body) and len(body) == entry.size
        assert number == 0 or entries
        assert list(disk.parts.iterdir()) == []
        disk.close()
