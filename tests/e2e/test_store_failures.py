"""A store that cannot be used ends in one clear line and exit code 7, and is left as it was."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def refused(cli: Callable[..., Any]) -> Callable[..., str]:
    """Runs a reading and a writing command on a store and gives what the second said."""

    def run(path: Path | str, *, reads: bool = False) -> str:
        listing = cli("task", "list", "--db", str(path))
        assert (listing.code == 0) is reads, listing
        ran = cli("task", "add", "x", "--db", str(path))
        assert (ran.code, ran.out) == (7, ""), ran
        lines = ran.err.splitlines()
        assert lines[0].startswith("Error: ")
        assert len(lines) == 2
        assert lines[1].startswith("Hint: ")
        assert "Traceback" not in ran.err
        return lines[0]

    return run


def test_a_directory(refused: Any, tmp_path: Path) -> None:
    place = tmp_path / "folder"
    place.mkdir()
    assert "is a directory, not a database" in refused(place)
    assert list(place.iterdir()) == []


@pytest.mark.parametrize(
    "content", [b"hello, I am a letter" * 100, b"PK\x03\x04" + b"\x00" * 5000], ids=["text", "zip"]
)
def test_not_a_database(refused: Any, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "letter.txt"
    path.write_bytes(content)
    assert "is not a backendhub store" in refused(path)
    assert path.read_bytes() == content
    assert {p.name for p in tmp_path.iterdir() if p.name.startswith("letter")} == {"letter.txt"}


def test_a_newer_version(refused: Any, cli: Any, tmp_path: Path) -> None:
    path = tmp_path / "newer.db"
    assert cli("task", "add", "kept", "--db", str(path)).code == 0
    connection = sqlite3.connect(path)
    connection.execute("INSERT INTO hub_migrations VALUES ('task', 99, '0099_future.sql', 'x', 'x')")
    connection.commit()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    before = digest(path)
    assert "newer version" in refused(path)
    assert digest(path) == before


def test_a_damaged_file(refused: Any, cli: Any, tmp_path: Path) -> None:
    path = tmp_path / "damaged.db"
    for n in range(20):
        assert cli("task", "add", f"{n} " + "x" * 500, "--db", str(path)).code == 0
    content = bytearray(path.read_bytes())
    content[4096 + 20 :] = b"\xde\xad" * ((len(content) - 4096 - 20) // 2)
    path.write_bytes(content)
    before = digest(path)
    assert "damaged" in refused(path) or "failed" in refused(path)
    assert digest(path) == before


def _mount(place: Path, options: str) -> None:
    place.mkdir(exist_ok=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip("this machine does not let a test mount a file system: " + done.stderr.strip())


@pytest.fixture
def protected(tmp_path: Path) -> Iterator[tuple[Path, Callable[[], None]]]:
    """A folder, and what makes it read-only: a mount for root, whom permissions do not stop."""
    place = tmp_path / "place"
    if os.geteuid() != 0:
        place.mkdir()

        def protect() -> None:
            for path in place.rglob("*"):
                path.chmod(0o444)
            place.chmod(0o555)

        yield place, protect
        place.chmod(0o755)
        return
    _mount(place, "size=8m")
    yield place, lambda: subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True) and None
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_read_only_file(refused: Any, cli: Any, protected: Any) -> None:
    place, protect = protected
    path = place / "hub.db"
    assert cli("task", "add", "kept", "--db", str(path)).code == 0
    protect()
    before = digest(path)
    ran = cli("task", "add", "x", "--db", str(path))
    assert (ran.code, ran.out) == (7, ""), ran
    assert ran.err.startswith("Error: The store ")
    assert len(ran.err.splitlines()) == 2
    assert digest(path) == before


def test_a_folder_that_cannot_be_written(cli: Any, protected: Any) -> None:
    place, protect = protected
    protect()
    ran = cli("task", "add", "x", "--db", str(place / "hub.db"))
    assert (ran.code, ran.out) == (7, ""), ran
    assert len(ran.err.splitlines()) == 2
    assert list(place.iterdir()) == []
    ran = cli("task", "add", "x", "--db", str(place / "new" / "hub.db"))
    assert ran.code == 7, ran


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 512 kB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    place = tmp_path / "disk"
    _mount(place, "size=512k")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_loses_nothing_and_says_so(small_disk: Path, cli: Any) -> None:
    subprocess.run(
        ["mount", "-o", "remount,size=2m", str(small_disk)], check=True
    )  # the tables need over 512 kB
    path = small_disk / "hub.db"
    count = 0
    for _ in range(400):
        ran = cli("task", "add", "x" * 5000, "--db", str(path))
        if ran.code:
            break
        count += 1
    assert ran.code == 7, ran
    assert "disk" in ran.err
    assert "Traceback" not in ran.err
    assert count
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT count(*) FROM task").fetchone()[0] == count
    assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    connection.close()


def test_a_full_disk_at_the_first_use(small_disk: Path, cli: Any) -> None:
    (small_disk / "filler").write_bytes(b"\x00" * (512 * 1024 - 8192))
    ran = cli("task", "add", "x", "--db", str(small_disk / "hub.db"))
    assert ran.code == 7, ran
    assert "Traceback" not in ran.err


def test_a_locked_store_is_waited_for_and_then_explained(cli: Any, tmp_path: Path, monkeypatch: Any) -> None:
    from backendhub.kit.db import sqlite

    path = tmp_path / "hub.db"
    assert cli("task", "add", "kept", "--db", str(path)).code == 0
    monkeypatch.setattr(sqlite, "BUSY_MS", 50)
    monkeypatch.setattr(sqlite, "PRAGMAS", ("PRAGMA busy_timeout=50", *sqlite.PRAGMAS[1:]))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    ran = cli("task", "add", "x", "--db", str(path))
    assert ran.code == 7
    assert "is locked by another program" in ran.err
    assert cli("task", "list", "--db", str(path)).out.count("\n") == 1  # reading goes on
    other.execute("ROLLBACK")
    other.close()
    assert cli("task", "add", "x", "--db", str(path)).code == 0


def test_a_new_store_belongs_to_its_owner_alone(cli: Any, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "hub.db"
    assert cli("task", "add", "x", "--db", str(path)).code == 0
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
