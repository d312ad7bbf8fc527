"""Who may read, who may only write, and how keys change."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pyrage
import pytest

from backendhub.kit.errors import Invalid
from backendhub.systems.backup.models import WRONG_KEY, BackupError, Type
from backendhub.systems.backup.repository import age
from backendhub.systems.backup.repository.keys import new_identity
from backendhub.systems.backup.repository.repo import Policy, Repository

New = Callable[..., Repository]


@pytest.mark.parametrize("length", [0, 1, 74, 1000])
def test_our_passphrase_files_are_plain_age(length: int) -> None:
    data = b"k" * length
    assert pyrage.passphrase.decrypt(age.encrypt(data, "pä$$ wörd"), "pä$$ wörd") == data
    with pytest.raises(pyrage.DecryptError):
        pyrage.passphrase.decrypt(age.encrypt(data, "one"), "two")


def test_the_shipped_work_factor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert age.WORK_FACTOR == 16
    assert b" 16\n" in age.encrypt(b"x", "pw")


def test_the_identity_file_opens_with_the_age_tool(local_url: str, new: New) -> None:
    """By hand: `age -d keys/*.age` gives what `age -i` takes."""
    repo = new(local_url)
    (key,) = [p for p in Path(local_url, "keys").iterdir()]
    text = pyrage.passphrase.decrypt(key.read_bytes(), "pw").decode()
    assert repo.export_key() in text
    secret = pyrage.encrypt(b"s", [pyrage.x25519.Recipient.from_str(repo._context.ring.recipients[0])])
    identity = pyrage.x25519.Identity.from_str(repo.export_key().strip())
    assert pyrage.decrypt(secret, [identity]) == b"s"
    if tool := shutil.which("age"):
        assert subprocess.run([tool, "--version"], check=True)


@pytest.fixture
def pair(url: str, new: New, cache: Path) -> SimpleNamespace:
    """A host that can only write, and what the owner of the identity needs."""
    identity, recipient = new_identity()
    host = new(url, recipients=[recipient], passphrase=None, cache_dir=cache / "host")

    def owner() -> Repository:
        return Repository.open(url, identity=identity, cache_dir=cache / "owner")

    return SimpleNamespace(host=host, owner=owner, url=url, cache=cache / "host", identity=identity)


def test_a_host_that_cannot_decrypt_its_own_backups(pair: SimpleNamespace, kit: SimpleNamespace) -> None:
    host = Repository.open(pair.url, cache_dir=pair.cache.parent / "host")
    assert not host.can_read
    data = kit.pages(500)
    first = kit.save(host, {"m.pages": data})
    second = kit.save(host, {"m.pages": kit.touch(data, [3, 77])})
    assert second.type is Type.INCR
    assert second.added < first.added * 0.1  # its cache tells it what is stored
    diff = kit.save(host, {"m.pages": data}, type=Type.DIFF)
    assert diff.added < 2500
    assert [s.seq for s in host.snapshots()] == [1, 2, 3]
    for act in (lambda: host.source(first), lambda: host.tables(first), host.export_key):
        with pytest.raises(BackupError) as e:
            act()
        assert e.value.exit_code == WRONG_KEY
    owner = pair.owner()
    assert kit.load(owner, first) == {"m.pages": data}
    assert owner.verify(read_data=True).findings == []
    # Hashes need no key.
    assert host.verify(read_data=True).findings == []
    assert not host.verify().decrypted
    backend = host._context.backend
    name = next(e.name for e in backend.list("packs"))
    damaged = bytearray(backend.get(name))
    damaged[len(damaged) // 2] ^= 1
    backend.put(name, [damaged])
    findings = host.verify(read_data=True).findings
    assert {f.name for f in findings} == {name}
    assert {s for f in findings for s in f.snapshots} <= {"db #1", "db #2", "db #3"}
    assert any(f.snapshots for f in findings)


def test_a_writing_host_can_forget_and_prune(pair: SimpleNamespace, kit: SimpleNamespace) -> None:
    host = pair.host
    for n in range(3):
        kit.save(host, {"a": b"%d" % n * 5000}, type=Type.FULL)
    host.forget(Policy(last=1))
    assert len(host.prune(grace=timedelta(0)).deleted) == 2
    owner = pair.owner()
    assert owner.verify(read_data=True).findings == []
    assert kit.load(owner, owner.find("latest")) == {"a": b"2" * 5000}


def test_a_writing_host_that_lost_its_cache_uploads_all_with_a_warning(
    pair: SimpleNamespace, kit: SimpleNamespace
) -> None:
    data = kit.pages(200)
    first = kit.save(pair.host, {"m.pages": data})
    shutil.rmtree(pair.cache)
    host = Repository.open(pair.url, cache_dir=pair.cache)
    assert "uploads everything" in host.warnings[0]
    second = kit.save(host, {"m.pages": data})
    assert second.added == pytest.approx(first.added, rel=0.05)
    assert second.seq == 2
    assert any("uploads everything" in w for w in second.warnings)
    again = Repository.open(pair.url, cache_dir=pair.cache)
    assert again.warnings == []
    assert kit.save(again, {"m.pages": data}).added < 2500
    # What it cannot open it must not judge: the owner prunes.
    with pytest.raises(BackupError) as e:
        host.prune(grace=timedelta(0))
    assert e.value.exit_code == WRONG_KEY
    owner = pair.owner()
    assert [kit.load(owner, s) for s in owner.snapshots()] == [{"m.pages": data}] * 3
    owner.prune(grace=timedelta(0))
    assert owner.verify(read_data=True).findings == []


def test_a_recipient_slipped_into_the_configuration_is_noticed(pair: SimpleNamespace, url: str) -> None:
    backend = pair.host._context.backend
    config = json.loads(backend.get("config.json"))
    config["recipients"].append(new_identity()[1])
    backend.put("config.json", [json.dumps(config).encode()])
    with pytest.raises(BackupError, match="recipients") as e:
        Repository.open(url, cache_dir=pair.cache)
    assert e.value.exit_code == WRONG_KEY


def test_a_stranger_identity(pair: SimpleNamespace, url: str, tmp_path: Path) -> None:
    for identity in (new_identity()[0], "nonsense", "AGE-SECRET-KEY-1NONSENSE"):
        with pytest.raises(BackupError) as e:
            Repository.open(url, identity=identity, cache_dir=tmp_path / "stranger")
        assert e.value.exit_code == WRONG_KEY


def test_a_write_key_that_others_can_read_is_refused(pair: SimpleNamespace, url: str) -> None:
    key = pair.cache / pair.host.id / "write.key"
    assert key.stat().st_mode & 0o777 == 0o600
    key.chmod(0o644)
    with pytest.raises(BackupError, match="read by others"):
        Repository.open(url, cache_dir=pair.cache)


def test_init_wants_one_kind_of_key(local_url: str, cache: Path) -> None:
    for options in (
        {},
        {"passphrase": "pw", "recipients": [new_identity()[1]]},
        {"passphrase": ""},
        {"recipients": ["age1nonsense"]},
    ):
        with pytest.raises(Invalid):
            Repository.init(local_url, cache_dir=cache, **options)


def test_a_second_passphrase(local_url: str, new: New, kit: SimpleNamespace, cache: Path) -> None:
    repo = new(local_url)
    snapshot = kit.save(repo, {"a": b"1"})
    repo.add_key(passphrase="second")
    for passphrase in ("pw", "second"):
        again = Repository.open(local_url, passphrase=passphrase, cache_dir=cache / passphrase)
        assert kit.load(again, snapshot) == {"a": b"1"}


def test_a_recipient_beside_the_passphrase(
    local_url: str, new: New, kit: SimpleNamespace, cache: Path
) -> None:
    repo = new(local_url)
    before = kit.save(repo, {"a": b"old"}, type=Type.FULL)
    identity, recipient = new_identity()
    repo.add_key(recipient=recipient)
    after = kit.save(repo, {"a": b"new"}, type=Type.FULL)
    auditor = Repository.open(local_url, identity=identity, cache_dir=cache / "auditor")
    assert kit.load(auditor, after) == {"a": b"new"}
    with pytest.raises(BackupError) as e:
        kit.load(auditor, before)
    assert e.value.exit_code == WRONG_KEY
    verified = auditor.verify(read_data=True)
    assert (verified.findings, verified.unreadable) == ([], ["db #1"])
    again = Repository.open(local_url, passphrase="pw", cache_dir=cache)
    assert kit.load(again, before) == {"a": b"old"}


def test_rotation(url: str, new: New, kit: SimpleNamespace, cache: Path) -> None:
    repo = new(url)
    data = kit.pages(50)
    old = kit.save(repo, {"m.pages": data})
    old_identity = repo.export_key()
    repo.rotate_key(passphrase="new")
    with pytest.raises(BackupError) as e:
        Repository.open(url, passphrase="pw", cache_dir=cache)
    assert e.value.exit_code == WRONG_KEY
    again = Repository.open(url, passphrase="new", cache_dir=cache)
    fresh = kit.save(again, {"m.pages": data})
    assert {s.id for s in again.snapshots()} == {old.id, fresh.id}
    for snapshot in (old, fresh):
        assert kit.load(again, snapshot) == {"m.pages": data}
    assert again.verify(read_data=True).findings == []
    assert len(again.export_key().split()) == 2
    with pytest.raises(BackupError):  # the old identity opens nothing that was written since
        kit.load(Repository.open(url, identity=old_identity, cache_dir=cache / "x"), fresh)


def test_rotating_recipients(pair: SimpleNamespace, kit: SimpleNamespace, url: str, cache: Path) -> None:
    old = kit.save(pair.host, {"a": b"1"})
    identity, recipient = new_identity()
    pair.owner().rotate_key(recipients=[recipient])
    with pytest.raises(BackupError, match="recipients"):
        Repository.open(url, cache_dir=pair.cache)
    (pair.cache / pair.host.id / "recipients.json").unlink()
    with pytest.raises(BackupError):  # still not believed without a word from the operator
        Repository.open(url, cache_dir=pair.cache, identity="x")
    both = Repository.open(url, identity=f"{identity}\n{pair.identity}\n", cache_dir=cache / "both")
    assert kit.load(both, old) == {"a": b"1"}


# ── logs, copies, differences


def test_logs(url: str, new: New, kit: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    from backendhub.systems.backup.repository import logs

    monkeypatch.setattr(logs, "PART", 100_000)
    repo = new(url)
    segments = {f"00000001000000000000000{n}": kit.text(3000 + n) for n in range(4)}
    for name, data in segments.items():
        repo.put_log("pg", name, io.BytesIO(data))
    repo.put_log("pg", "empty", io.BytesIO())
    assert [log.name for log in repo.logs("pg")] == [*segments, "empty"]
    for name, data in segments.items():
        assert b"".join(repo.read_log("pg", name)) == data
    longer = segments["000000010000000000000003"] * 3
    repo.put_log("pg", "000000010000000000000003", io.BytesIO(longer))
    assert b"".join(repo.read_log("pg", "000000010000000000000003")) == longer
    repo.put_log("pg", "000000010000000000000003", io.BytesIO(b"short"))
    assert b"".join(repo.read_log("pg", "000000010000000000000003")) == b"short"
    gone = repo.trim_logs("pg", lambda name: name >= "000000010000000000000002")
    assert gone == ["000000010000000000000000", "000000010000000000000001"]
    assert len(repo.logs("pg")) == 3
    assert repo.logs("other") == []


def test_a_damaged_log(local_url: str, new: New) -> None:
    repo = new(local_url)
    repo.put_log("pg", "x", io.BytesIO(b"data" * 1000))
    (path,) = [p for p in Path(local_url, "logs").rglob("*") if p.is_file()]
    good = path.read_bytes()
    for at in range(0, len(good), 29):
        path.write_bytes(good[:at] + bytes([good[at] ^ 4]) + good[at + 1 :])
        try:
            found = b"".join(repo.read_log("pg", "x"))
        except BackupError:
            continue
        # Only the plain header has bits that mean nothing: the last ones of a base64 text.
        assert (found, at < 700) == (b"data" * 1000, True)
    for at in (0, 10, 300, len(good) - 1):
        path.write_bytes(good[:at])
        with pytest.raises(BackupError):
            list(repo.read_log("pg", "x"))


def test_copying_to_another_repository(
    url: str, tmp_path: Path, new: New, kit: SimpleNamespace, cache: Path
) -> None:
    repo, other = new(url), new(str(tmp_path / "other"), passphrase="another", cache_dir=cache / "other")
    data = kit.pages(300)
    states = {}
    for n in range(3):
        snapshot = kit.save(repo, {"m.pages": data, "d": kit.text(500)}, n=n)
        states[snapshot.id] = data
        data = kit.touch(data, [n, n + 50])
    repo.mark(snapshot, drilled=True)
    copied = repo.copy_to(other)
    assert (len(copied.copied), copied.present) == (3, 0)
    again = repo.copy_to(other)
    assert (len(again.copied), again.present) == (0, 3)
    for there, here in zip(other.snapshots(), repo.snapshots(), strict=True):
        assert (there.id, there.seq, there.time, there.type, there.facts) == (
            here.id,
            here.seq,
            here.time,
            here.type,
            here.facts,
        )
        assert (there.drilled is None) is (here.drilled is None)
        assert kit.load(other, there)["m.pages"] == states[there.id]
    assert len(other.snapshots()[-1].notes) == 1
    assert other.stats()["stored"] < repo.stats()["stored"] * 1.1
    assert other.verify(read_data=True).findings == []


def test_differences(local_url: str, new: New, kit: SimpleNamespace) -> None:
    repo = new(local_url)
    data = kit.pages(100)
    a = kit.save(repo, {"m.pages": data, "gone": b"x"}, tables={"t": {"rows": 1}, "same": {"rows": 5}})
    b = kit.save(
        repo,
        {"m.pages": kit.touch(data, [1, 2, 3]), "new": b"yy"},
        tables={"t": {"rows": 2}, "same": {"rows": 5}, "u": {"rows": 9}},
        type=Type.FULL,
    )
    compared = repo.diff(a, b)
    by_name = {s.stream: s for s in compared.streams}
    assert (by_name["m.pages"].only_before, by_name["m.pages"].only_after) == (3 * 4096, 3 * 4096)
    assert (by_name["gone"].after, by_name["new"].before) == (None, None)
    assert compared.tables == {"t": ({"rows": 1}, {"rows": 2}), "u": (None, {"rows": 9})}


def test_repairing_the_index(url: str, new: New, kit: SimpleNamespace, cache: Path) -> None:
    repo = new(url)
    data = kit.pages(100)
    kit.save(repo, {"m.pages": data})
    for path in (cache / repo.id / "packs").iterdir():
        path.write_bytes(b"rubbish")
    assert kit.save(repo, {"m.pages": data}).added < 2500  # noticed, read anew
    shutil.rmtree(cache / repo.id / "packs")
    repaired = repo.repair_index()
    assert (repaired["packs"], repaired["unreadable"]) == (1, 0)
    assert repaired["chunks"] >= 101  # the pages and the map, which random ids may cut in two
    assert len(list((cache / repo.id / "packs").iterdir())) == 1


def test_figures(url: str, new: New, kit: SimpleNamespace) -> None:
    repo = new(url)
    kit.save(repo, {"a": b"12345"}, target="one")
    kit.save(repo, {"a": b"12345"}, target="two")
    stats = repo.stats()
    assert (stats["snapshots"], stats["targets"], stats["restorable"]) == (2, ["one", "two"], 10)
    assert stats["stored"] > 500
