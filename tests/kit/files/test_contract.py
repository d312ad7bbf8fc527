"""What every back-end must do, on a directory and on a bucket."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import pytest

from backendhub.kit import clock
from backendhub.kit import files as kit
from backendhub.kit.errors import Invalid, NotFound, TooLarge
from backendhub.kit.files import Files, Missing, QuotaExceeded
from backendhub.kit.files.backend import BLOCK
from backendhub.kit.files.bucket import PART
from backendhub.kit.files.places import open_backend
from backendhub.kit.files.service import Damaged

NOW = timedelta(0)
LATER = timedelta(hours=2)


def keys(files: Files) -> set[str]:
    """What lies in the back-end, temporary files left out."""
    return {entry.key for entry in files.backend.entries(files.space.prefix + "/")}


def used(files: Files) -> set[str]:
    return {row[0] for row in files.store.read(lambda db: db.fetch("SELECT key FROM files_blob", {}))}


def later(files: Files, **options: Any) -> kit.Collected:
    """A collection in two hours, when nothing is in progress any more."""
    with clock.frozen(clock.now() + LATER):
        return files.collect(wait=NOW, **options)


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, PART + 12345])
def test_what_goes_in_comes_out(files: Files, size: int) -> None:
    data = Random(size).randbytes(size)
    file = files.put(io.BytesIO(data), owner="ann", name="data.bin")
    assert (file.size, file.sha256) == (size, sha256(data).hexdigest())
    assert files.get(file.id) == file
    assert b"".join(files.read(file)) == data
    assert files.content(file) == data
    assert files.backend.size(file.key) == size


def test_sources_of_every_kind(files: Files) -> None:
    made = [
        files.put(source, owner="ann", name="x")
        for source in (b"abc", io.BytesIO(b"abc"), iter([b"a", b"bc"]))
    ]
    assert {files.content(file) for file in made} == {b"abc"}

    async def parts() -> AsyncIterator[bytes]:
        for letter in b"abc" * 1000:
            yield bytes([letter]) * 1000

    async def both() -> tuple[kit.File, bytes]:
        file = await files.aput(parts(), owner="ann", name="x")
        return file, b"".join([block async for block in files.aread(file)])

    file, data = asyncio.run(both())
    assert len(data) == file.size == 3_000_000
    assert sha256(data).hexdigest() == file.sha256
    staged = asyncio.run(files.astage(parts()))
    assert staged.sha256 == file.sha256


def test_parts_of_a_file(files: Files) -> None:
    data = Random(1).randbytes(BLOCK * 2 + 100)
    file = files.put(data, owner="ann", name="x")
    random = Random(2)
    cases = [(0, 1), (0, 0), (len(data), 10), (len(data) - 1, 5), (BLOCK - 1, 2), (5, None), (0, 10**9)]
    cases += [(random.randrange(len(data)), random.randrange(BLOCK * 2)) for _ in range(15)]
    for start, length in cases:
        end = None if length is None else start + length
        assert b"".join(files.read(file, start, length)) == data[start:end]
    for start in (-1, len(data) + 1):
        with pytest.raises(Invalid):
            files.read(file, start)


def test_equal_content_is_stored_once(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    first = files.put(b"same", owner="ann", name="a.txt")
    monkeypatch.setattr(files.backend, "put", lambda *a, **k: pytest.fail("written again"))
    second = files.put(b"same", owner="bob", name="b.txt")
    third = files.store.unit(kit.copy, first.id, owner="eve")
    assert len({first.id, second.id, third.id}) == 3
    assert first.key == second.key == third.key
    assert (third.name, third.owner) == ("a.txt", "eve")
    assert len(keys(files)) == 1


def test_what_nobody_has_is_collected(files: Files) -> None:
    first, second = (files.put(b"same", owner=owner, name="x") for owner in ("ann", "bob"))
    kept = files.put(b"other", owner="ann", name="y")
    files.delete(first.id)
    assert later(files).blobs == 0
    assert files.content(second) == b"same"
    files.delete(second.id)
    assert files.content(second) == b"same"  # a download that has begun may end
    assert later(files) == kit.Collected(1, 4, 0, 0)
    assert keys(files) == used(files) == {kept.key}
    with pytest.raises(Missing):
        list(files.read(second))
    for gone in (first, second):
        with pytest.raises(NotFound):
            files.get(gone.id)
        with pytest.raises(NotFound):
            files.delete(gone.id)


def test_bytes_outlive_their_row_for_a_while(files: Files) -> None:
    file = files.put(b"data", owner="ann", name="x")
    files.delete(file.id)
    with clock.frozen(clock.now() + LATER):
        assert files.collect().blobs == 0  # thrown away, not yet deleted
        assert keys(files) == {file.key}
    with clock.frozen(clock.now() + LATER + timedelta(minutes=11)):
        assert files.collect() == kit.Collected(1, 4, 0, 0)
        assert keys(files) == set()


def test_content_that_comes_back_gets_a_place_of_its_own(files: Files) -> None:
    """The old bytes may still be waiting for their deletion."""
    old = files.put(b"data", owner="ann", name="x")
    files.delete(old.id)
    with clock.frozen(clock.now() + LATER):
        files.collect()
        new = files.put(b"data", owner="ann", name="x")
        assert new.key != old.key
        files.collect(wait=NOW)
        assert files.content(new) == b"data"
        assert keys(files) == {new.key}


def test_staged_content_is_kept_for_an_hour(files: Files) -> None:
    staged = files.stage(b"data")
    assert files.collect(wait=NOW).blobs == 0
    file = files.store.unit(kit.add, staged, owner="ann", name="x.txt")
    assert files.content(file) == b"data"
    lost = files.stage(b"lost")
    assert later(files).blobs == 1
    with pytest.raises(kit.Gone):
        files.store.unit(kit.add, lost, owner="ann", name="x.txt")
    assert files.store.read(kit.usage, "ann").files == 1


def test_a_put_that_slept_too_long_stores_again(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    settle, slept = files.settle, []

    def sleepy(spool: Any) -> Any:
        staged = settle(spool)
        if not slept:
            slept.append(later(files))
        return staged

    monkeypatch.setattr(files, "settle", sleepy)
    file = files.put(b"data", owner="ann", name="x")
    assert slept[0].blobs == 1
    assert files.content(file) == b"data"
    assert keys(files) == used(files) == {file.key}


class Killed(BaseException):
    """Stands for the end of the process."""


def test_an_end_before_the_bytes_leaves_nothing_behind(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(files.backend, "put", lambda *a, **k: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            files.put(b"data", owner="ann", name="x")
    assert keys(files) == set()
    file = files.put(b"data", owner="ann", name="x")  # the claim without bytes is no obstacle
    assert files.content(file) == b"data"
    assert files.check(verify=True) == []


def test_an_end_after_the_bytes_leaves_what_the_collection_finds(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(kit.rows, "add", lambda *a, **k: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            files.put(b"data", owner="ann", name="x")
    assert len(keys(files)) == 1
    assert files.store.read(kit.usage, "ann") == kit.Usage("ann", 0, 0, None)
    assert later(files).blobs == 1
    assert keys(files) == used(files) == set()


def test_bytes_that_no_row_knows_are_found_when_asked(files: Files, tmp_path: Path) -> None:
    """A power cut may take the last rows of a store along that is not told to wait for the disk."""
    kept = files.put(b"kept", owner="ann", name="x")
    lost = files.put(b"lost", owner="ann", name="x")
    with files.store.transaction() as db:
        db.run("DELETE FROM files_file WHERE id = :id", id=lost.id)
        db.run("DELETE FROM files_blob WHERE sha256 = :sha256", sha256=lost.sha256)
    assert files.collect(wait=NOW, strays=True).strays == 0  # too young to be sure
    with clock.frozen(clock.now() + timedelta(days=2)):
        assert files.collect(wait=NOW).strays == 0
        assert files.collect(wait=NOW, strays=True).strays == 1
    assert keys(files) == {kept.key}


def test_two_stores_share_a_place(url: str, make: Callable[..., Files]) -> None:
    one, two = make(url), make(url)
    files = [f.put(b"data", owner="ann", name="x") for f in (one, two)]
    assert files[0].key != files[1].key
    one.delete(files[0].id)
    with clock.frozen(clock.now() + timedelta(days=2)):
        assert one.collect(wait=NOW, strays=True).blobs == 1
        assert two.collect(wait=NOW, strays=True) == kit.Collected()
    assert two.content(files[1]) == b"data"


def test_damage_is_found(files: Files, tmp_path: Path) -> None:
    good, short, bad, gone = (
        files.put(text.encode() * 1000, owner="ann", name="x") for text in ("a", "b", "c", "d")
    )
    for file, data in ((short, b"b"), (bad, b"C" + b"c" * 999)):
        wrong = tmp_path / file.id
        wrong.write_bytes(data)
        files.backend.put(file.key, wrong, type="text/plain")
    files.backend.delete(gone.key)
    assert {(d.sha256, d.what, d.files) for d in files.check()} == {
        (short.sha256, "of 1 bytes instead of 1,000", 1),
        (gone.sha256, "missing", 1),
    }
    assert (bad.sha256, bad.key, "damaged", 1) in files.check(verify=True)
    assert files.content(good) == b"a" * 1000
    for file, error in ((short, Missing), (gone, Missing), (bad, Damaged)):
        with pytest.raises(error):
            files.content(file)
    assert b"".join(files.read(bad)) == b"C" + b"c" * 999  # nobody asked for the hash


def test_lost_bytes_come_back_with_the_next_upload(files: Files) -> None:
    file = files.put(b"data", owner="ann", name="x")
    files.backend.delete(file.key)
    again = files.put(b"data", owner="bob", name="y")
    assert again.key == file.key
    assert files.content(file) == b"data"


def test_limits(url: str, make: Callable[..., Files]) -> None:
    files = make(url, limit=1000, quota=2500)
    for _ in range(2):
        files.put(b"x" * 1000, owner="ann", name="x")
    with pytest.raises(TooLarge):
        files.put(b"x" * 1001, owner="ann", name="x")
    with pytest.raises(QuotaExceeded) as caught:
        files.put(b"x" * 501, owner="ann", name="x")
    assert (caught.value.status, caught.value.code) == (413, "quota_exceeded")
    files.put(b"x" * 500, owner="ann", name="x")
    files.put(b"x" * 1000, owner="bob", name="x")
    files.store.unit(kit.set_quota, "ann", 3000)
    files.put(b"x" * 500, owner="ann", name="x")
    assert files.store.read(kit.usage, "ann") == kit.Usage("ann", 3000, 4, 3000)
    with pytest.raises(QuotaExceeded):
        files.store.unit(kit.copy, files.put(b"", owner="ann", name="x").id, owner="bob", quota=0)


def test_nothing_more_is_read_than_fits(make: Callable[..., Files]) -> None:
    files = make(limit=10 * BLOCK, quota=5 * BLOCK)
    read: list[int] = []

    def endless() -> Iterator[bytes]:
        while True:
            read.append(BLOCK)
            yield b"x" * BLOCK

    with pytest.raises(QuotaExceeded):
        files.put(endless(), owner="ann", name="x")
    assert len(read) == 6
    with pytest.raises(TooLarge):
        files.stage(endless())
    assert list(files.spool.iterdir()) == []


def test_temporary_files_of_dead_processes_go(files: Files) -> None:
    import os

    files.put(b"x", owner="ann", name="x")
    old, young = files.spool / "put-dead", files.spool / "put-alive"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (1, 1))
    assert files.collect().strays == 1
    assert (old.exists(), young.exists()) == (False, True)


def test_a_page_of_files(files: Files) -> None:
    made = [files.put(str(i).encode(), owner="ann", name=f"{i}.txt") for i in range(5)]
    files.put(b"other", owner="bob", name="x")
    first = files.store.read(kit.find, owner="ann", limit=3)
    rest = files.store.read(kit.find, owner="ann", limit=3, cursor=first.next)
    assert [*first.items, *rest.items] == made
    renamed = files.store.unit(kit.rename, made[0].id, "../new\nname.txt")
    assert (renamed.name, files.get(made[0].id).name) == ("newname.txt", "newname.txt")


@pytest.mark.parametrize("url", ["ftp://host/x", "nonsense://"])
def test_no_such_place(url: str) -> None:
    with pytest.raises(Invalid):
        open_backend(url)
