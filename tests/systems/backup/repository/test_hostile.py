"""Hostile repositories, doubtful clocks, full and forbidden disks."""

from __future__ import annotations

import json
import os
import random
import stat
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from backendhub.kit import clock
from backendhub.kit.errors import Invalid
from backendhub.systems.backup.models import (
    STORAGE,
    BackupError,
    Type,
)
from backendhub.systems.backup.repository import packs, sealed
from backendhub.systems.backup.repository.repo import Policy, Repository

New = Callable[..., Repository]


# ── a hostile repository


def test_a_frame_that_declares_more_than_it_may_hold(two: SimpleNamespace) -> None:
    import zstandard

    bomb = zstandard.ZstdCompressor().compress(bytes(300 << 20))
    with pytest.raises(sealed.Corrupt, match="declares"):
        sealed.inflate(bomb, "frame", 1 << 20)
    unsized = zstandard.ZstdCompressor(write_content_size=False).compress(b"x" * 100)
    with pytest.raises(sealed.Corrupt):
        sealed.inflate(unsized, "frame", 1 << 20)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"BHUBSEA1",
        b"BHUBSEA1" + struct.pack("<I", 0xFFFFFFFF) + b"{}",
        b"BHUBSEA1" + struct.pack("<I", 2) + b"{}",
        b"BHUBSEA1" + struct.pack("<I", 26) + b'{"kind": "pack", "id": 7}  ',
        b"BHUBSEA1" + struct.pack("<I", 10) + b"\xff" * 10,
        os.urandom(100_000),
    ],
)
def test_packs_that_are_none(two: SimpleNamespace, kit: SimpleNamespace, data: bytes) -> None:
    planted = Path(two.url, "packs/00/" + "00" * 32)
    planted.parent.mkdir(exist_ok=True)
    planted.write_bytes(data)
    assert two.repo.verify().findings
    assert kit.load(two.repo, two.first) == two.streams


@pytest.mark.parametrize(
    "footer",
    [
        {"frames": [[0, 20, 1 << 40, 1]], "origins": [["00" * 16, 0, 1]]},
        {"frames": [[0, 20, 5, 1 << 40]], "origins": []},
        {"frames": [[-5, 20, 5, 1]], "origins": [["00" * 16, 0, 1]]},
        {"frames": [[0, 20, 5, 1]], "origins": [["00" * 16, 0, 2]]},
        {"frames": 7, "origins": []},
        [],
    ],
)
def test_footers_that_lie(footer: object) -> None:
    with pytest.raises(sealed.Corrupt):
        packs.Footer.decode(json.dumps(footer).encode() + b"\n" + bytes(20), "a pack")


def test_a_link_planted_as_a_pack(two: SimpleNamespace, kit: SimpleNamespace, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.write_bytes(two.pack.read_bytes())
    two.pack.unlink()
    two.pack.symlink_to(copy)
    with pytest.raises(BackupError, match="symbolic link") as e:
        kit.load(two.repo, two.first)
    assert e.value.exit_code == STORAGE


# ── clocks


def test_forget_refuses_while_the_clock_is_doubtful(two: SimpleNamespace, kit: SimpleNamespace) -> None:
    with clock.frozen("2031-01-01"):
        kit.save(two.repo, {"a": b"future"}, target="one")
    with pytest.raises(Invalid) as e:
        two.repo.forget(Policy(last=1))
    assert e.value.exit_code == 2
    assert len(two.repo.snapshots("one")) == 2
    kept = [d.snapshot.seq for d in two.repo.forget(Policy(last=1), target="one", force=True) if d.keep]
    assert kept == [2]


def test_the_dry_run_is_the_plan(two: SimpleNamespace, kit: SimpleNamespace) -> None:
    for n in range(5):
        kit.save(two.repo, {"a": b"%d" % n}, target="one", type=Type.FULL)
    planned = two.repo.forget(Policy(last=2), dry_run=True)
    assert len(two.repo.snapshots("one")) == 6
    done = two.repo.forget(Policy(last=2))
    assert [(d.snapshot.id, d.keep, d.reason) for d in planned] == [
        (d.snapshot.id, d.keep, d.reason) for d in done
    ]
    assert [s.seq for s in two.repo.snapshots("one")] == [5, 6]


# ── a full disk


@contextmanager
def _small_disk(path: Path, megabytes: int) -> Iterator[Path]:
    path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "tmpfs", str(path)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("a small file system can only be mounted by root")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def test_a_full_disk(tmp_path: Path, kit: SimpleNamespace, new: New) -> None:
    with _small_disk(tmp_path / "disk", 40) as disk:
        url, cache = str(disk / "repository"), disk / "cache"
        repo = new(url, cache_dir=cache)
        first = kit.save(repo, {"a": random.Random(1).randbytes(9 << 20)}, type=Type.FULL)
        kept = kit.save(repo, {"a": random.Random(2).randbytes(9 << 20)}, type=Type.FULL)
        with pytest.raises(BackupError) as e:
            kit.save(repo, {"a": random.Random(3).randbytes(30 << 20)}, type=Type.FULL)
        assert e.value.exit_code == STORAGE
        assert list(Path(url, "tmp").iterdir()) == []
        filler = disk / "filler"  # the last bytes, too
        with pytest.raises(OSError), filler.open("wb") as file:
            while True:
                file.write(bytes(4096))
                file.flush()
        assert os.statvfs(disk).f_bavail == 0
        repo = Repository.open(url, passphrase="pw", cache_dir=cache)
        assert [s.id for s in repo.snapshots()] == [first.id, kept.id]
        decisions = repo.forget(Policy(last=1))
        assert [d.keep for d in decisions] == [False, True]
        pruned = repo.prune()  # with the usual grace period: on a full disk, in a quiet repository, at once
        assert pruned.freed > 9 << 20
        assert repo.verify(read_data=True).findings == []
        assert kit.load(repo, kept) == {"a": random.Random(2).randbytes(9 << 20)}
        filler.unlink()
        repo.prune()
        assert Path(url, "reserve").stat().st_size == 8 << 20
        kit.save(repo, {"a": b"room again"})


def test_a_directory_that_may_not_be_written(tmp_path: Path, local_url: str, new: New) -> None:
    """As another user, for root may write everywhere."""
    if os.getuid() != 0:
        pytest.skip("needs root to become somebody else")
    new(local_url)
    for path in [tmp_path, *tmp_path.parents]:
        if path.stat().st_mode & stat.S_IXOTH or path == Path("/"):
            continue
        path.chmod(path.stat().st_mode | stat.S_IXOTH | stat.S_IROTH)
    script = (
        "import os,sys;os.setuid(65534)\n"
        "from pathlib import Path\n"
        "from backendhub.systems.backup.models import BackupError\n"
        "from backendhub.systems.backup.repository.repo import Repository\n"
        "try: Repository.open(sys.argv[1], passphrase='pw', cache_dir=Path('/nonexistent'))\n"
        "except BackupError as e: print(e.exit_code, e.message)\n"
    )
    # Imported before the change of user: the sources may not be readable to it.
    script = (
        "import backendhub.systems.backup.repository.repo, backendhub.systems.backup.repository.local\n"
        + script
    )
    done = subprocess.run(
        [sys.executable, "-c", script, local_url], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"{STORAGE} {local_url}"), done
    assert "uid 65534" in done.stdout
