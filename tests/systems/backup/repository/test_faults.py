"""Damage is found, named, and never handed out."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from backendhub.kit.errors import Conflict, Invalid
from backendhub.systems.backup.models import (
    CORRUPT,
    NO_REPOSITORY,
    WRONG_KEY,
    BackupError,
)
from backendhub.systems.backup.repository.repo import Repository, Snapshot

New = Callable[..., Repository]


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
