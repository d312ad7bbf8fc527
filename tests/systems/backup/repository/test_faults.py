"""Damage is found, named, and never handed out."""

from __future__ import annotations

import json
import os
import random
import shutil
import stat
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from backendhub.kit import clock
from backendhub.kit.errors import Conflict, Invalid
from backendhub.systems.backup.models import (
    CORRUPT,
    NO_REPOSITORY,
    STORAGE,
    WRONG_KEY,
    BackupError,
    Type,
)
from backendhub.systems.backup.repository import packs, sealed
from backendhub.systems.backup.repository.repo import Policy, Repository, Snapshot

New = Callable[..., Repository]


def _packs(url: str) -> list[Path]:
    return sorted(p for p in Path(url, "packs").rglob("*") if p.is_file())


@pytest.fixture
def two(local_url: str, new: New, kit: SimpleNamespace) -> SimpleNamespace:
    """Two targets that share nothing; the first has tables whose place in the stream is known."""
    repo = new(local_url)
    dump = kit.text(50_000)
    third = len(dump) // 3
    tables = {f"t{n}": {"rows": 1, "stream": "dump", "start": n * third, "length": third} for n in range(3)}
    first = kit.save(repo, {"dump": dump, "x.pages": kit.pages(200)}, target="one", tables=tables)
    names = set(_packs(local_url))
    second = kit.save(repo, {"dump": kit.text(5000, 9)}, target="two")
    return SimpleNamespace(
        repo=repo,
        url=local_url,
        first=first,
        second=second,
        streams={"dump": dump, "x.pages": kit.pages(200)},
        pack=(sorted(names))[0],
        other=(sorted(set(_packs(local_url)) - names))[0],
    )


def _flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1 << random.randrange(8)
    path.write_bytes(data)


def _wrong_bytes(repo: Repository, snapshot: Snapshot, streams: dict[str, bytes]) -> int | None:
    """The exit code of a restore, None if it succeeded; fails if one byte that came out was wrong."""
    source = repo.source(snapshot)
    for name, data in streams.items():
        at = 0
        try:
            with source.open(name) as reader:
                while block := reader.read(50_000):
                    assert data[at : at + len(block)] == block
                    at += len(block)
        except BackupError as e:
            assert e.exit_code == CORRUPT
            return CORRUPT
        assert at == len(data)
    return None


def test_every_flipped_bit_is_found_and_no_wrong_byte_restored(
    two: SimpleNamespace, kit: SimpleNamespace
) -> None:
    original = two.pack.read_bytes()
    rnd = random.Random(4)
    size = len(original)
    places = [*range(12), 20, 60, size - 1, size - 10, size - 12, size - 14] + [
        rnd.randrange(size) for _ in range(40)
    ]
    for at in places:
        two.pack.write_bytes(original)
        _flip(two.pack, at)
        verified = two.repo.verify(read_data=True)
        assert verified.findings, at
        assert {s for f in verified.findings for s in f.snapshots} <= {"one #1"}
        _wrong_bytes(two.repo, two.first, two.streams)
        assert kit.load(two.repo, two.second) == {"dump": kit.text(5000, 9)}
    two.pack.write_bytes(original)
    assert two.repo.verify(read_data=True).findings == []


def test_a_flip_names_snapshot_stream_and_tables(two: SimpleNamespace) -> None:
    _flip(two.pack, two.pack.stat().st_size // 2)
    (finding,) = two.repo.verify(read_data=True).findings
    assert finding.snapshots == ("one #1",)
    assert finding.name.endswith(two.pack.name)
    assert set(finding.tables) <= {"t0", "t1", "t2"}
    assert finding.tables
    with pytest.raises(BackupError, match="one #1") as e:
        two.repo.verify(read_data=True).raise_if_bad()
    assert e.value.exit_code == CORRUPT


def test_verify_hashes_without_any_key(two: SimpleNamespace) -> None:
    _flip(two.pack, two.pack.stat().st_size - 20)
    import hashlib

    assert hashlib.sha256(two.pack.read_bytes()).hexdigest() != two.pack.name
    assert hashlib.sha256(two.other.read_bytes()).hexdigest() == two.other.name


@pytest.mark.parametrize("left", [0, 5, 12, 500, 0.5, -1])
def test_truncated(two: SimpleNamespace, kit: SimpleNamespace, left: float) -> None:
    size = two.pack.stat().st_size
    os.truncate(
        two.pack, int(left) if left >= 1 or left == 0 else (size - 1 if left < 0 else int(size * left))
    )
    for options in ({}, {"read_data": True}):
        findings = two.repo.verify(**options).findings
        assert {s for f in findings for s in f.snapshots} == {"one #1"}
    assert _wrong_bytes(two.repo, two.first, two.streams) == CORRUPT
    assert kit.load(two.repo, two.second)


def test_missing(two: SimpleNamespace, kit: SimpleNamespace) -> None:
    two.pack.unlink()
    findings = two.repo.verify().findings
    assert {s for f in findings for s in f.snapshots} == {"one #1"}
    assert {t for f in findings for t in f.tables} == {"t0", "t1", "t2"}
    assert _wrong_bytes(two.repo, two.first, two.streams) == CORRUPT
    assert kit.load(two.repo, two.second)
    again = kit.save(two.repo, two.streams, target="one")  # the next run heals what it can
    assert kit.load(two.repo, again) == two.streams


def test_a_damaged_pack_is_removed_and_the_next_backup_heals(
    two: SimpleNamespace, kit: SimpleNamespace
) -> None:
    _flip(two.pack, two.pack.stat().st_size // 2)
    (finding,) = two.repo.verify(read_data=True).findings
    two.repo.remove_pack(finding.name)
    again = kit.save(two.repo, two.streams, target="one")
    assert kit.load(two.repo, again) == two.streams
    # The old snapshot looks for its chunks at their lasting addresses, so it stays broken until removed.
    assert _wrong_bytes(two.repo, two.first, two.streams) == CORRUPT
    two.repo.remove(two.first)
    two.repo.prune(grace=timedelta(0))
    assert two.repo.verify(read_data=True).findings == []


def test_swapped(two: SimpleNamespace) -> None:
    a, b = two.pack.read_bytes(), two.other.read_bytes()
    two.pack.write_bytes(b)
    two.other.write_bytes(a)
    assert {s for f in two.repo.verify(read_data=True).findings for s in f.snapshots} == {"one #1", "two #1"}
    # A restore goes by what the pack says it is, so both still come out right, or not at all.
    assert _wrong_bytes(two.repo, two.first, two.streams) in (None, CORRUPT)


def test_a_pack_of_the_same_repository_under_a_wrong_name_with_the_cache_warm(
    two: SimpleNamespace, kit: SimpleNamespace
) -> None:
    size = two.other.stat().st_size
    two.other.write_bytes(two.pack.read_bytes()[:size].ljust(size, b"\0"))
    assert {s for f in two.repo.verify(read_data=True).findings for s in f.snapshots} == {"two #1"}
    assert _wrong_bytes(two.repo, two.second, {"dump": kit.text(5000, 9)}) == CORRUPT


def test_a_damaged_snapshot_record(two: SimpleNamespace, cache: Path, kit: SimpleNamespace) -> None:
    record = Path(two.url, two.first.name)
    original = record.read_bytes()
    rnd = random.Random(11)
    places = [3, 30, 60, 75, 90, len(original) // 2, len(original) - 3]
    for at in places + [rnd.randrange(len(original)) for _ in range(25)]:
        record.write_bytes(original)
        _flip(record, at)
        shutil.rmtree(cache / two.repo.id / "snaps", ignore_errors=True)
        assert any(f.text for f in two.repo.verify().findings)
        assert kit.load(two.repo, two.second)
        with pytest.raises(BackupError) as e:
            two.repo.prune(grace=timedelta(0))  # what it needs is unknown: nothing may go
        assert e.value.exit_code in (CORRUPT, WRONG_KEY)
    two.repo.remove_damaged(two.first.name)
    two.repo.prune(grace=timedelta(0))
    assert two.repo.verify(read_data=True).findings == []
    assert kit.load(two.repo, two.second)


def test_a_snapshot_under_another_name_is_refused(two: SimpleNamespace, cache: Path) -> None:
    record = Path(two.url, two.first.name)
    record.rename(record.with_name(record.name.replace("00000001", "00000009")))
    findings = two.repo.verify().findings
    assert any("00000009" in f.text or "frame 0" in f.text for f in findings)


def test_verify_in_parts_reads_everything_once(two: SimpleNamespace) -> None:
    whole = two.repo.verify(read_data=True).read
    assert sum(two.repo.verify(subset=(n, 3)).read for n in (1, 2, 3)) == whole
    for wrong in ((0, 3), (4, 3), (1, 0)):
        with pytest.raises(Invalid):
            two.repo.verify(subset=wrong)


def test_a_damaged_predecessor_does_not_stop_the_next_backup(
    two: SimpleNamespace, cache: Path, kit: SimpleNamespace
) -> None:
    shutil.rmtree(cache)
    _flip(two.pack, two.pack.stat().st_size // 3)
    repo = Repository.open(two.url, passphrase="pw", cache_dir=cache)
    assert kit.save(repo, {"new": b"data"}, target="two")


# ── keys


def test_a_wrong_passphrase_is_exit_12_and_writes_nothing(two: SimpleNamespace, tmp_path: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in Path(two.url).rglob("*")}
    with pytest.raises(BackupError) as e:
        Repository.open(two.url, passphrase="wrong", cache_dir=tmp_path / "none")
    assert e.value.exit_code == WRONG_KEY
    assert {p: p.stat().st_mtime_ns for p in Path(two.url).rglob("*")} == before
    assert not (tmp_path / "none").exists()


def test_no_repository_and_one_too_many(tmp_path: Path, new: New) -> None:
    (tmp_path / "empty").mkdir()
    for place in ("none", "empty"):
        with pytest.raises(BackupError) as e:
            Repository.open(str(tmp_path / place), passphrase="pw", cache_dir=tmp_path / "c")
        assert e.value.exit_code == NO_REPOSITORY
    new(str(tmp_path / "one"))
    with pytest.raises(Conflict):
        new(str(tmp_path / "one"))


def test_config_that_somebody_changed(two: SimpleNamespace, tmp_path: Path) -> None:
    from backendhub.systems.backup.repository.keys import new_identity

    path = Path(two.url, "config.json")
    good = json.loads(path.read_text())
    _, stranger = new_identity()
    changes = [
        {"recipients": [*good["recipients"], stranger]},
        {"recipients": [stranger]},
        {"mode": "recipients"},
        {"mac": "00"},
        {"id": "../../x"},
        {"recipients": "age1"},
    ]
    for change in changes:
        path.write_text(json.dumps({**good, **change}))
        with pytest.raises(BackupError) as e:
            Repository.open(two.url, passphrase="pw", cache_dir=tmp_path / "c")
        assert e.value.exit_code in (CORRUPT, WRONG_KEY), change
    for text in ("", "[]", "{}", "\x00", '{"format": 2, "id": "", "mode": "", "recipients": []}'):
        path.write_text(text)
        with pytest.raises(BackupError) as e:
            Repository.open(two.url, passphrase="pw", cache_dir=tmp_path / "c")
        assert e.value.exit_code in (CORRUPT, NO_REPOSITORY)


def test_a_planted_key_file_with_an_absurd_work_factor_is_passed_over(
    two: SimpleNamespace, cache: Path
) -> None:
    key = next(Path(two.url, "keys").iterdir())
    hostile = key.with_name("0000000000000000.age")
    hostile.write_bytes(key.read_bytes().replace(b" 4\n", b" 30\n", 1))
    Repository.open(two.url, passphrase="pw", cache_dir=cache)


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
def test_packs_that_are_none(two: SimpleNamespace, data: bytes) -> None:
    planted = Path(two.url, "packs/00/" + "00" * 32)
    planted.parent.mkdir(exist_ok=True)
    planted.write_bytes(data)
    assert two.repo.verify().findings
    assert _wrong_bytes(two.repo, two.first, two.streams) is None


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


def test_a_link_planted_as_a_pack(two: SimpleNamespace, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.write_bytes(two.pack.read_bytes())
    two.pack.unlink()
    two.pack.symlink_to(copy)
    with pytest.raises(BackupError, match="symbolic link") as e:
        _wrong_bytes(two.repo, two.first, two.streams)
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
