"""Configuration in files: what is wrong with them is said, and what was served before is served on."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backendhub.kit.errors import Invalid
from backendhub.kit.hub import Hub
from backendhub.kit.settings import Settings
from backendhub.systems.rate_limiter import board
from backendhub.systems.rate_limiter.models import Descriptor

FIVE = "domain: d\ndescriptors: [{key: k, rate_limit: {unit: minute, requests_per_unit: 5}}]"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "limits"
    made.mkdir()
    (made / "d.yaml").write_text(FIVE)
    return made


@pytest.fixture
def limiter(folder: Path, tmp_path: Path) -> Iterator[Hub]:
    made = Hub(Settings({"database": str(tmp_path / "a.db"), "rate_limiter.files": str(folder)}))
    board.of(made).refresh(made)
    yield made
    made.close()


def amount(hub: Hub) -> int:
    found = board.of(hub).config.find("d", Descriptor((("k", "v"),)))
    assert found is not None
    return found.limit.amount


def test_a_file_with_a_mistake_is_told_once_and_the_limits_before_hold(limiter: Hub, folder: Path) -> None:
    (folder / "d.yaml").write_text(FIVE.replace("minute", "fortnight"))
    with pytest.raises(Invalid, match=r"d\.yaml: d\.k has no unit"):
        board.of(limiter).refresh(limiter)
    board.of(limiter).refresh(limiter)  # it has not changed since
    assert amount(limiter) == 5 and "has no unit" in (board.of(limiter).trouble or "")
    (folder / "d.yaml").write_text(FIVE.replace("5}", "50}"))
    board.of(limiter).refresh(limiter)
    assert amount(limiter) == 50 and board.of(limiter).trouble is None


async def test_a_folder_that_cannot_be_read_does_not_end_the_watch(
    limiter: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, looks = Path.iterdir, 0

    def iterdir(path: Path) -> Any:
        nonlocal looks
        looks += 1
        if locked and path == folder:
            raise PermissionError(13, "Permission denied")
        return whole(path)

    locked = True
    notes: list[str] = []
    monkeypatch.setattr(Path, "iterdir", iterdir)
    monkeypatch.setattr(board, "INTERVAL", 0.01)
    monkeypatch.setattr(limiter.output, "note", notes.append)
    watching = asyncio.create_task(board.watch(limiter))
    async with asyncio.timeout(5):
        while looks < 5:
            await asyncio.sleep(0.01)
    assert not watching.done() and amount(limiter) == 5
    assert notes == [
        f"rate-limiter: {folder} cannot be read: Permission denied. The configuration before is served on."
    ]
    (folder / "d.yaml").write_text(FIVE.replace("5}", "50}"))
    locked = False
    async with asyncio.timeout(5):
        while amount(limiter) != 50:
            await asyncio.sleep(0.01)
    watching.cancel()


def test_a_file_that_may_be_read_now_is_read_although_it_has_not_changed(limiter: Hub, folder: Path) -> None:
    before = board.of(limiter)._files_stamp()
    stat = (folder / "d.yaml").stat()
    (folder / "d.yaml").chmod(0o600)
    os.utime(folder / "d.yaml", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert board.of(limiter)._files_stamp() != before
