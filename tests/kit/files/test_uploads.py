"""Uploads in several requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import pytest

from backendhub.kit import clock
from backendhub.kit import files as kit
from backendhub.kit.errors import Conflict, NotFound, TooLarge
from backendhub.kit.files import Files, QuotaExceeded
from backendhub.kit.files.uploads import OffsetMismatch


class Broken(Exception):
    """The client went away."""


def broken(*blocks: bytes) -> Iterator[bytes]:
    yield from blocks
    raise Broken


def test_an_upload_goes_on_where_it_broke_off(files: Files) -> None:
    upload = files.uploads.begin(owner="ann", name="../a b.csv", type="text/csv", size=10)
    assert (upload.name, upload.received, upload.complete) == ("a b.csv", 0, False)
    with pytest.raises(Broken):
        files.uploads.append(upload.id, 0, broken(b"ab", b"cd"))
    assert files.uploads.get(upload.id).received == 4
    for offset in (0, 3, 5):
        with pytest.raises(OffsetMismatch) as caught:
            files.uploads.append(upload.id, offset, b"x")
        assert caught.value.details["offset"] == 4
    with pytest.raises(Conflict):
        files.uploads.finish(upload.id)
    assert files.uploads.append(upload.id, 4, b"efghij").complete
    assert files.uploads.append(upload.id, 10, b"").received == 10
    file = files.uploads.finish(upload.id)
    assert files.content(file) == b"abcdefghij"
    assert (file.name, file.type, file.owner) == ("a b.csv", "text/csv", "ann")
    assert files.store.read(kit.usage, "ann") == kit.Usage("ann", 10, 1, None)
    assert list(files.spool.iterdir()) == []
    for gone in (files.uploads.get, files.uploads.finish, files.uploads.abort):
        with pytest.raises(NotFound):
            gone(upload.id)


def test_more_than_was_declared_does_not_fit(files: Files) -> None:
    upload = files.uploads.begin(owner="ann", name="x", size=3)
    with pytest.raises(TooLarge):
        files.uploads.append(upload.id, 0, [b"ab", b"cd"])
    assert files.uploads.get(upload.id).received == 2
    files.limit = 5
    with pytest.raises(TooLarge):
        files.uploads.begin(owner="ann", name="x", size=6)
    open_end = files.uploads.begin(owner="ann", name="x")
    with pytest.raises(TooLarge):
        files.uploads.append(open_end.id, 0, b"123456")
    files.uploads.append(open_end.id, 0, b"12345")
    assert files.content(files.uploads.finish(open_end.id)) == b"12345"


def test_a_declared_size_is_reserved(files: Files) -> None:
    files.quota = 100
    first = files.uploads.begin(owner="ann", name="x", size=60)
    with pytest.raises(QuotaExceeded):
        files.uploads.begin(owner="ann", name="x", size=50)
    with pytest.raises(QuotaExceeded):
        files.put(b"x" * 50, owner="ann", name="x")
    files.uploads.abort(first.id)
    assert files.store.read(kit.usage, "ann") == kit.Usage("ann", 0, 0, None)
    open_end = files.uploads.begin(owner="ann", name="x")
    files.uploads.append(open_end.id, 0, b"x" * 101)
    with pytest.raises(QuotaExceeded):
        files.uploads.finish(open_end.id)
    assert files.uploads.get(open_end.id).received == 101


def test_uploads_that_nobody_goes_on_with_end(files: Files) -> None:
    files.quota = 100
    old = files.uploads.begin(owner="ann", name="x", size=60)
    files.uploads.append(old.id, 0, b"x" * 10)
    with clock.frozen(clock.now() + timedelta(hours=23)):
        files.uploads.append(old.id, 10, b"x" * 10)
    with clock.frozen(clock.now() + timedelta(hours=25)):
        assert files.collect().uploads == 0
    with clock.frozen(clock.now() + timedelta(hours=48)):
        assert files.collect().uploads == 1
    with pytest.raises(NotFound):
        files.uploads.get(old.id)
    assert files.store.read(kit.usage, "ann").bytes == 0
    assert list(files.spool.iterdir()) == []


def test_a_piece_that_is_gone_is_no_file(files: Files) -> None:
    upload = files.uploads.begin(owner="ann", name="x", size=2)
    files.uploads.append(upload.id, 0, b"xy")
    for path in files.spool.iterdir():
        path.unlink()
    with pytest.raises(Conflict):
        files.uploads.finish(upload.id)


def test_pieces_as_they_arrive(files: Files) -> None:
    async def parts(fail: bool) -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * 100_000
        if fail:
            raise Broken

    async def run() -> kit.File:
        upload = files.uploads.begin(owner="ann", name="x", size=600_000)
        with pytest.raises(Broken):
            await files.uploads.aappend(upload.id, 0, parts(True))
        assert files.uploads.get(upload.id).received == 300_000
        await files.uploads.aappend(upload.id, 300_000, parts(False))
        return files.uploads.finish(upload.id)

    assert asyncio.run(run()).size == 600_000
