"""Prune takes what nobody needs, waits, gives way to backups, and never takes more."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from backendhub.kit import clock
from backendhub.systems.backup.models import LOCK_BUSY, STORAGE, BackupError, Dump, Type
from backendhub.systems.backup.repository import lease, tombs
from backendhub.systems.backup.repository.repo import Policy, Repository

New = Callable[..., Repository]
NOW, DAY = timedelta(0), timedelta(days=1)


def _packs(repo: Repository) -> set[str]:
    return {e.name for e in repo._context.backend.list("packs")}


def test_condemned_packs_wait_for_time_and_for_a_later_backup(
    url: str, new: New, kit: SimpleNamespace
) -> None:
    repo = new(url)
    with clock.frozen("2026-05-01T00:00"):
        kit.save(repo, {"a": b"1" * 5000}, type=Type.FULL)
        kit.save(repo, {"a": b"2" * 5000}, type=Type.FULL)
        repo.remove(repo.find("1", "db"))
        first = repo.prune(grace=DAY)
    assert (len(first.condemned), first.deleted) == (1, [])
    with clock.frozen("2026-05-01T23:00"):
        kit.save(repo, {"a": b"3" * 5000}, type=Type.FULL)
        assert repo.prune(grace=DAY).deleted == []  # too early
    with clock.frozen("2026-05-02T01:00"):
        third = repo.prune(grace=DAY)
    assert third.deleted == first.condemned
    assert third.freed > 0
    assert tombs.names(repo._context) == set()
    assert repo.verify(read_data=True).findings == []


def test_time_alone_is_not_enough(local_url: str, new: New, kit: SimpleNamespace) -> None:
    repo = new(local_url)
    with clock.frozen("2026-05-01"):
        kit.save(repo, {"a": b"1" * 5000}, type=Type.FULL)
        kit.save(repo, {"a": b"2" * 5000}, type=Type.FULL)
        repo.remove(repo.find("1", "db"))
        repo.prune(grace=DAY)
    with clock.frozen("2026-06-01"):
        assert repo.prune(grace=DAY).deleted == []
        kit.save(repo, {"a": b"3"})
        assert len(repo.prune(grace=DAY).deleted) == 1


def test_a_dry_run_changes_nothing_and_says_what_would_happen(
    local_url: str, new: New, kit: SimpleNamespace
) -> None:
    repo = new(local_url)
    for n in range(3):
        kit.save(repo, {"a": random.Random(n).randbytes(100_000)}, type=Type.FULL)
    repo.forget(Policy(last=1))
    before = {p: p.stat().st_mtime_ns for p in Path(local_url).rglob("*")}
    planned = repo.prune(grace=NOW, dry_run=True)
    assert {p: p.stat().st_mtime_ns for p in Path(local_url).rglob("*")} == before
    done = repo.prune(grace=NOW)
    assert (done.deleted, done.freed) == (planned.deleted, planned.freed)
    assert len(done.deleted) == 2


def test_a_backup_does_not_rely_on_condemned_packs(url: str, new: New, kit: SimpleNamespace) -> None:
    repo = new(url)
    data = kit.pages(100)
    kit.save(repo, {"m.pages": data}, type=Type.FULL)
    kit.save(repo, {"m.pages": b"x"}, type=Type.FULL)
    repo.remove(repo.find("1", "db"))
    (condemned,) = repo.prune(grace=DAY).condemned
    again = kit.save(repo, {"m.pages": data})
    assert again.added > 100_000
    repo._context.backend.delete(condemned)
    assert kit.load(repo, again) == {"m.pages": data}


def test_packs_condemned_while_a_backup_uses_them_are_stored_again(
    url: str, new: New, kit: SimpleNamespace, cache: Path
) -> None:
    repo = new(url)
    data = kit.pages(100)
    first = kit.save(repo, {"m.pages": data}, type=Type.FULL)
    other = Repository.open(url, passphrase="pw", cache_dir=cache / "elsewhere")
    with repo.backup("db") as run:
        with run.stream("m.pages", kind="pages", page_size=4096) as writer:
            writer.write(data)
        other.remove(first)
        (condemned,) = other.prune(grace=DAY).condemned
        snapshot = run.commit(Dump(meta={}))
    repo._context.backend.delete(condemned)  # as that prune, long after
    assert kit.load(repo, snapshot) == {"m.pages": data}
    other.prune(grace=NOW)
    fresh = Repository.open(url, passphrase="pw", cache_dir=cache / "third")
    assert kit.load(fresh, snapshot) == {"m.pages": data}
    assert fresh.verify(read_data=True).findings == []


def test_a_pack_deleted_under_a_running_backup_fails_that_backup_only(
    local_url: str, new: New, kit: SimpleNamespace
) -> None:
    repo = new(local_url)
    data = kit.pages(100)
    kit.save(repo, {"m.pages": data})
    with repo.backup("db") as run:
        with run.stream("m.pages", kind="pages", page_size=4096) as writer:
            writer.write(data)
        for name in _packs(repo):
            repo._context.backend.delete(name)
        with pytest.raises(BackupError, match="nothing was committed") as e:
            run.commit(Dump(meta={}))
        assert e.value.exit_code == STORAGE
    assert len(repo.snapshots()) == 1
    assert kit.load(repo, kit.save(repo, {"m.pages": data})) == {"m.pages": data}


def test_prune_beside_backups(url: str, new: New, kit: SimpleNamespace, cache: Path) -> None:
    new(url).close()
    failures: list[BaseException] = []
    data = kit.pages(400)

    def back_up(target: str) -> None:
        try:
            repo = Repository.open(url, passphrase="pw", cache_dir=cache / target)
            for n in range(4):
                type = Type.FULL if n % 2 == 0 else Type.INCR
                kit.save(repo, {"m.pages": kit.touch(data, list(range(n, 400, 9)))}, target=target, type=type)
                repo.forget(Policy(last=1), target=target)
        except BaseException as e:
            failures.append(e)

    threads = [threading.Thread(target=back_up, args=(f"t{n}",)) for n in range(2)]
    for thread in threads:
        thread.start()
    pruner = Repository.open(url, passphrase="pw", cache_dir=cache / "pruner")
    rounds = 0
    while any(t.is_alive() for t in threads) or rounds == 0:
        pruner.prune(grace=timedelta(seconds=20))
        rounds += 1
    for thread in threads:
        thread.join()
    assert failures == []
    pruner.prune(grace=NOW)
    assert pruner.verify(read_data=True).findings == []
    assert len(pruner.snapshots()) == 2


def test_without_grace_a_running_backup_is_in_the_way(local_url: str, new: New, kit: SimpleNamespace) -> None:
    repo = new(local_url)
    kit.save(repo, {"a": b"1"})
    with repo.backup("db"):
        with pytest.raises(BackupError, match="backup is running") as e:
            repo.prune(grace=NOW)
        assert e.value.exit_code == LOCK_BUSY
        repo.prune(grace=DAY)
    repo.prune(grace=NOW)


def test_mostly_dead_packs_are_rewritten_and_addresses_last(
    url: str, new: New, kit: SimpleNamespace, cache: Path
) -> None:
    repo = new(url)
    data, states = kit.pages(1000), {}
    for n in range(5):
        states[kit.save(repo, {"m.pages": data}).id] = data
        data = kit.touch(data, random.Random(n).sample(range(1000), 400))
    repo.forget(Policy(last=2))
    stored = repo.stats()["stored"]
    result = repo.prune(grace=NOW)
    assert result.repacked
    assert repo.stats()["stored"] < stored * 0.8
    assert repo.verify(read_data=True).findings == []
    for each in (repo, Repository.open(url, passphrase="pw", cache_dir=cache / "elsewhere")):
        for snapshot in each.snapshots():
            assert kit.load(each, snapshot) == {"m.pages": states[snapshot.id]}
    again = repo.prune(grace=NOW)
    assert (again.deleted, again.repacked, again.condemned) == ([], [], [])
    # What was moved is still found by the next run.
    assert kit.save(repo, {"m.pages": states[repo.find("latest").id]}).added < 3000
    # …and can be moved once more.
    repo.remove(repo.snapshots()[0])
    repo.prune(grace=NOW)
    assert repo.verify(read_data=True).findings == []


def test_repacking_with_a_grace_period(local_url: str, new: New, kit: SimpleNamespace) -> None:
    repo = new(local_url)
    data = kit.pages(500)
    with clock.frozen("2026-05-01"):
        for n in range(3):
            latest = kit.save(repo, {"m.pages": data})
            state, data = data, kit.touch(data, random.Random(n).sample(range(500), 250))
        repo.forget(Policy(last=1))
        before = _packs(repo)
        repacked = repo.prune(grace=DAY).repacked
        assert repacked
        assert before <= _packs(repo)
        assert repo.prune(grace=DAY).repacked == []  # once is enough
    with clock.frozen("2026-05-03"):
        kit.save(repo, {"m.pages": state})
        assert set(repacked) <= set(repo.prune(grace=DAY).deleted)
    assert kit.load(repo, latest) == {"m.pages": state}
    assert repo.verify(read_data=True).findings == []


# ── the lease


def test_one_prune_at_a_time(s3_url: str, new: New) -> None:
    context = new(s3_url)._context
    with lease.held(context, beat=0.05, dead=1):
        with pytest.raises(BackupError, match="Another prune") as e, lease.held(context, beat=0.2, dead=2):
            pass
        assert e.value.exit_code == LOCK_BUSY
    assert lease.read(context) == {}


def test_a_dead_holder_is_noticed_without_a_wall_clock(s3_url: str, new: New) -> None:
    context = new(s3_url)._context
    assert context.backend.create(lease.NAME, b'{"token": "dead", "count": 7}')
    with clock.frozen("1999-01-01"), lease.held(context, beat=0.1, dead=0.3) as held:
        held.check()
        assert lease.read(context)["token"] != "dead"


def test_a_holder_that_lost_its_lease_deletes_nothing_more(s3_url: str, new: New) -> None:
    context = new(s3_url)._context
    with pytest.raises(BackupError) as e, lease.held(context, beat=60, dead=120) as held:
        context.backend.put(lease.NAME, [b'{"token": "another", "count": 1}'])
        held.beat()
        held.check()
    assert e.value.exit_code == LOCK_BUSY
    assert lease.read(context) == {"token": "another", "count": 1}


def test_unlock_says_what_it_removed(url: str, new: New) -> None:
    repo = new(url)
    assert repo.unlock() == []
    repo._context.backend.create(lease.NAME, b'{"token": "x"}')
    assert repo.unlock() == [lease.NAME]
