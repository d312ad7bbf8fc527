"""Killed at every named point and at random instants: nothing acknowledged is lost, nobody has to clean up.

`BACKENDHUB_BACKUP_KILLS=200` turns the random part into a campaign.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from backendhub.systems.backup.repository import crash, tombs
from backendhub.systems.backup.repository.repo import Repository

New = Callable[..., Repository]
KILLS = int(os.environ.get("BACKENDHUB_BACKUP_KILLS", "5"))

CHILD = r"""
import hashlib, json, os, random, sys
from datetime import timedelta
from pathlib import Path
from backendhub.systems.backup.models import Dump, Type
from backendhub.systems.backup.repository import age, lease
from backendhub.systems.backup.repository.repo import Policy, Repository

age.WORK_FACTOR, lease.BEAT, lease.DEAD = 4, 0.1, 1.0
url, other, cache, operations, seed = sys.argv[1:]
rnd = random.Random(int(seed))

def say(*words):
    os.write(1, (json.dumps(words) + "\n").encode())

def run(repo):
    # An invariant across both streams: the hash of one is the content of the other.
    data = rnd.randbytes(600_000) + bytes(rnd.randrange(200_000)) + b"common" * 100_000
    digest = hashlib.sha256(data).hexdigest()
    with repo.backup("db", type=Type(rnd.choice(["full", "incr", "incr", "diff"]))) as active:
        with active.stream("data", kind="pages", page_size=4096) as writer:
            for at in range(0, len(data), 50_000):
                writer.write(data[at:at + 50_000])
        with active.stream("hash") as writer:
            writer.write(digest.encode())
        snapshot = active.commit(Dump(meta={}), sha=digest)
    say("ack", snapshot.id)
    if snapshot.seq % 2 == 0:
        repo.mark(snapshot, drilled=True)

def forget(repo):
    policy = Policy(last=rnd.choice([1, 2, 3]) if operations == "any" else 1)
    for decision in repo.forget(policy, dry_run=True, force=True):
        if not decision.keep:
            say("forget", decision.snapshot.id)
    repo.forget(policy, force=True)

def prune(repo):
    repo.prune(grace=timedelta(0))

def condemn(repo):
    repo.prune(grace=timedelta(days=1))

def copy(repo):
    with Repository.open(other, passphrase="pw", cache_dir=Path(cache) / "other") as into:
        for snapshot in repo.copy_to(into).copied:
            say("copied", snapshot.id)

with Repository.open(url, passphrase="pw", cache_dir=Path(cache)) as repo:
    say("ready")
    while True:
        for name in operations.split(","):
            (rnd.choice([run, run, forget, prune, condemn, copy]) if name == "any" else globals()[name])(repo)
        if operations != "any":
            break
"""

CASES = {
    "run": [
        "local.tmp-written",
        "local.renamed",
        "local.tmp-written:2",
        "local.renamed:2",
        "pack.before",
        "pack.stored",
        "snapshot.before",
        "snapshot.stored",
        "mark.stored",
    ],
    "forget": ["forget.before", "forget.snapshot-deleted", "forget.marks-deleted"],
    "prune": [
        "prune.leased",
        "prune.pack-deleted",
        "prune.tomb-deleted",
        "prune.repacked",
        "pack.before",
        "prune.swept",
    ],
    "condemn": ["prune.tombed"],
    "copy": ["copy.pack-stored", "copy.snapshot-stored", "snapshot.before", "snapshot.stored"],
}


def test_every_crash_point_is_passed_in_some_case() -> None:
    assert {p.partition(":")[0] for points in CASES.values() for p in points} == set(crash.POINTS)


class World:
    """A repository with a history, another to copy to, and what its children acknowledged."""

    def __init__(self, url: str, cache: Path, new: New, kit: SimpleNamespace) -> None:
        self.url, self.other, self.cache, self.kit = url, f"{url}-2", cache, kit
        self.acknowledged: set[str] = set()
        self.copied: set[str] = set()
        self.forgotten: set[str] = set()
        with new(url) as repo, new(self.other, cache_dir=cache / "other"):
            pages = kit.pages(300)
            for n in range(3):
                # The third changes most of what the second changed: with that one gone, its pack is mostly dead.
                changed = list(range(1, 300, 2))[: 150 if n == 1 else 120]
                pages = kit.touch(pages, changed) if n else pages
                self._save(repo, pages)
            first, second, _ = repo.snapshots()
            repo.remove(second)
            repo.mark(first, drilled=True)
            self.acknowledged.discard(second.id)

    def _save(self, repo: Repository, data: bytes) -> None:
        digest = hashlib.sha256(data).hexdigest()
        snapshot = self.kit.save(repo, {"data": data, "hash": digest.encode()}, sha=digest)
        self.acknowledged.add(snapshot.id)

    def child(self, operations: str, seed: int, point: str = "") -> subprocess.Popen[bytes]:
        env = {**os.environ, crash.VARIABLE: point}
        argv = [sys.executable, "-c", CHILD, self.url, self.other, str(self.cache), operations, str(seed)]
        return subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def heard(self, output: bytes) -> None:
        for line in output.splitlines():
            word, *rest = json.loads(line)
            {"ack": self.acknowledged, "forget": self.forgotten, "copied": self.copied}.get(
                word, set()
            ).update(rest)

    def check(self) -> None:
        """No unlock, no repair: the next run simply works, and all that was promised is there."""
        with Repository.open(self.url, passphrase="pw", cache_dir=self.cache) as repo:
            self._save(repo, self.kit.pages(50, seed=random.randrange(10**9)))
            self._check_one(repo, self.acknowledged - self.forgotten)
        with Repository.open(self.other, passphrase="pw", cache_dir=self.cache / "other") as into:
            self._check_one(into, self.copied)

    def _check_one(self, repo: Repository, promised: set[str]) -> None:
        assert repo.verify(read_data=True).findings == []
        there = {s.id for s in repo.snapshots()}
        assert promised <= there
        repo.prune(grace=timedelta(0))
        repo.prune(grace=timedelta(0))
        assert repo.verify(read_data=True).findings == []
        for snapshot in repo.snapshots():
            streams = self.kit.load(repo, snapshot)
            digest = hashlib.sha256(streams["data"]).hexdigest()
            assert digest == streams["hash"].decode() == snapshot.facts["sha"]
        assert {s.id for s in repo.snapshots()} == there
        self._nothing_unreachable(repo)

    def _nothing_unreachable(self, repo: Repository) -> None:
        context = repo._context
        needed = {pack for s in repo.snapshots() for pack in s.packs}
        from backendhub.systems.backup.repository import index as indexes

        index = indexes.load(context.backend, context.ring, context.cache, fresh=True)
        for pack in index.packs:
            assert {o[0] for o in pack.origins} & needed
        left = repo.prune(grace=timedelta(0), dry_run=True)
        assert (left.deleted, left.condemned, left.repacked) == ([], [], [])
        ids = [pack.id for pack in index.packs]
        assert len(ids) == len(set(ids))
        assert tombs.names(context) == set()
        assert list(context.backend.list("tmp")) == []
        assert list(context.backend.list("lease")) == []
        there = {s.id for s in repo.snapshots()}
        assert {e.name.rsplit("/", 1)[-1][:32] for e in context.backend.list("marks")} <= there


@pytest.fixture
def world(url: str, cache: Path, new: New, kit: SimpleNamespace) -> World:
    return World(url, cache, new, kit)


def _cases() -> Iterator[object]:
    for operation, points in CASES.items():
        for point in points:
            yield pytest.param(operation, point, id=f"{operation}-{point}")


@pytest.mark.parametrize(("operation", "point"), list(_cases()))
def test_killed_at(world: World, operation: str, point: str, url: str) -> None:
    if point.startswith("local.") and url.startswith("s3:"):
        pytest.skip("a point of the directory back-end")
    operations = {"prune.tomb-deleted": "condemn,prune"}.get(point, operation).replace("forget", "run,forget")
    child = world.child(operations, 6, point)
    output, errors = child.communicate(timeout=60)
    assert child.returncode == 137, errors.decode()
    world.heard(output)
    world.check()


def test_killed_at_random_instants(world: World) -> None:
    rnd = random.Random(os.urandom(8))
    for n in range(KILLS):
        child = world.child("any", rnd.randrange(10**9))
        assert child.stdout is not None
        first = child.stdout.readline()
        assert first == b'["ready"]\n', child.stderr.read().decode() if child.stderr else ""
        time.sleep(rnd.uniform(0, 0.6))
        child.send_signal(signal.SIGKILL)
        output, errors = child.communicate(timeout=60)
        assert child.returncode == -signal.SIGKILL, errors.decode()
        world.heard(output)
        if n % 5 == 4 or n == KILLS - 1:
            world.check()
