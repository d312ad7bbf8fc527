from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from backendhub.systems.backup.models import Dump, Type
from backendhub.systems.backup.repository import age, lease
from backendhub.systems.backup.repository.repo import Repository, Snapshot


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passphrases that cost nothing, and leases that are given up soon."""
    monkeypatch.setattr(age, "WORK_FACTOR", 4)
    monkeypatch.setattr(lease, "BEAT", 0.1)
    monkeypatch.setattr(lease, "DEAD", 1.0)


@pytest.fixture(params=["local", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A place for a repository, once in a directory and once in a bucket."""
    if request.param == "local":
        return str(tmp_path / "repository")
    return str(request.getfixturevalue("s3_url"))


@pytest.fixture
def local_url(tmp_path: Path) -> str:
    return str(tmp_path / "repository")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def new(cache: Path) -> Callable[..., Repository]:
    """Makes a repository with the passphrase `pw`."""

    def make(url: str, **options: Any) -> Repository:
        options.setdefault("cache_dir", cache)
        if "recipients" not in options:
            options.setdefault("passphrase", "pw")
        return Repository.init(url, **options)

    return make


@pytest.fixture
def kit() -> SimpleNamespace:
    """Little helpers that the tests share."""
    return SimpleNamespace(save=_save, load=_load, pages=_pages, text=_text, touch=_touch)


@pytest.fixture
def two(local_url: str, new: Callable[..., Repository], kit: SimpleNamespace) -> SimpleNamespace:
    """Two targets that share nothing; the first has tables whose place in the stream is known."""
    repo = new(local_url)
    dump = kit.text(50_000)
    third = len(dump) // 3
    tables = {f"t{n}": {"rows": 1, "stream": "dump", "start": n * third, "length": third} for n in range(3)}
    first = kit.save(repo, {"dump": dump, "x.pages": kit.pages(200)}, target="one", tables=tables)
    names = set(_pack_files(local_url))
    second = kit.save(repo, {"dump": kit.text(5000, 9)}, target="two")
    return SimpleNamespace(
        repo=repo,
        url=local_url,
        first=first,
        second=second,
        streams={"dump": dump, "x.pages": kit.pages(200)},
        pack=(sorted(names))[0],
        other=(sorted(set(_pack_files(local_url)) - names))[0],
    )


def _pack_files(url: str) -> list[Path]:
    return sorted(p for p in Path(url, "packs").rglob("*") if p.is_file())


def _save(
    repo: Repository,
    streams: dict[str, bytes],
    *,
    target: str = "db",
    type: Type = Type.INCR,
    tables: dict[str, dict[str, Any]] | None = None,
    block: int = 60_000,
    **facts: Any,
) -> Snapshot:
    with repo.backup(target, type=type) as run:
        for name, data in streams.items():
            options: dict[str, Any] = {}
            if name.endswith(".pages"):
                options = {"kind": "pages", "page_size": 4096}
            elif name.endswith(".tar"):
                options = {"kind": "pg-tar"}
            with run.stream(name, **options) as writer:
                for at in range(0, len(data), block):
                    writer.write(data[at : at + block])
        return run.commit(Dump(meta={"streams": list(streams)}, tables=tables or {}), **facts)


def _load(repo: Repository, snapshot: Snapshot) -> dict[str, bytes]:
    source = repo.source(snapshot)
    found = {}
    for name in source.names():
        with source.open(name) as reader:
            found[name] = reader.read()
    return found


def _pages(count: int, seed: int = 1) -> bytes:
    rnd = random.Random(seed)
    return b"".join(rnd.randbytes(1024).ljust(4096, bytes([n % 251])) for n in range(count))


def _text(rows: int, seed: int = 1) -> bytes:
    rnd = random.Random(seed)
    return b"".join(b"INSERT INTO t VALUES (%d, '%x');\n" % (n, rnd.getrandbits(128)) for n in range(rows))


def _touch(data: bytes, pages: list[int]) -> bytes:
    changed = bytearray(data)
    for number in pages:
        changed[number * 4096 + 100 : number * 4096 + 132] = os.urandom(32)
    return bytes(changed)
