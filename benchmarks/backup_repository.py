"""The backup repository alone, against restic on the same file: a synthetic database, then 1 % of its pages changed.

    python benchmarks/backup_repository.py [--megabytes 530] [--restic] [--only full|incr|restore]

Each step runs in a process of its own, so that CPU seconds and peak memory are those of that step.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PAGE = 4096


def build(path: Path, megabytes: int) -> None:
    """A real SQLite file: one table of text rows, one index."""
    rnd = random.Random(7)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(rnd.choices(letters, k=rnd.randint(2, 10))) for _ in range(5000)]
    path.unlink(missing_ok=True)
    db = sqlite3.connect(path)
    db.execute("PRAGMA synchronous=OFF")
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, email TEXT, body TEXT, at REAL)")
    db.execute("CREATE INDEX i ON t (email)")
    count = 0
    while path.stat().st_size < megabytes * 1_000_000:
        rows = [
            (
                count + i,
                f"{rnd.choice(words)} {rnd.choice(words)}",
                f"{count + i:08d}{rnd.choice(words)}@example.org",
                " ".join(rnd.choices(words, k=rnd.randint(5, 40))),
                1.7e9 + rnd.random() * 1e8,
            )
            for i in range(50_000)
        ]
        db.executemany("INSERT INTO t VALUES (?,?,?,?,?)", rows)
        db.commit()
        count += len(rows)
    db.close()


def change(path: Path, share: float) -> None:
    """Writes 60 bytes into that share of the pages, scattered."""
    rnd = random.Random(8)
    count = path.stat().st_size // PAGE
    with path.open("r+b") as file:
        for number in sorted(rnd.sample(range(1, count), int(count * share))):
            file.seek(number * PAGE + rnd.randrange(PAGE - 60))
            file.write(rnd.randbytes(30).hex().encode())


def step(kind: str, root: Path) -> None:
    from backendhub.systems.backup.models import Dump, Type
    from backendhub.systems.backup.repository.repo import Repository

    url, cache = str(root / "repo"), root / "cache"
    if kind == "full":
        repo = Repository.init(url, passphrase="bench", cache_dir=cache)
    else:
        repo = Repository.open(url, passphrase="bench", cache_dir=cache)
    if kind == "restore":
        source = repo.source(repo.find("latest"))
        with source.open("db") as reader, (root / "restored").open("wb") as file:
            while block := reader.read(1 << 20):
                file.write(block)
        return
    with repo.backup("db", type=Type(kind)) as run:
        with run.stream("db", kind="pages", page_size=PAGE) as writer, (root / "db").open("rb") as file:
            while block := file.read(1 << 16):
                writer.write(block)
        snapshot = run.commit(Dump(meta={}))
    sys.stdout.write(f"{snapshot.added}\n")


def measure(name: str, argv: list[str], env: dict[str, str] | None = None) -> str:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    wrapped = [sys.executable, "-c", _PEAK, *argv]
    done = subprocess.run(wrapped, env={**os.environ, **(env or {})}, capture_output=True, text=True)
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{name}: {done.stderr}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    out, _, peak = done.stdout.rstrip().rpartition("\n")
    print(f"{name:18} wall {wall:6.2f} s  cpu {cpu:6.2f} s  peak {int(peak) / 1000:6.1f} MB", end="  ")
    return out


_PEAK = (
    "import resource,subprocess,sys;r=subprocess.run(sys.argv[1:]).returncode;"
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss);sys.exit(r)"
)


def size(path: Path) -> int:
    return sum(p.stat().st_size for p in path.rglob("*") if p.is_file() and p.name != "reserve")


def restic(root: Path) -> None:
    env = {
        "RESTIC_PASSWORD": "bench",
        "RESTIC_REPOSITORY": str(root / "restic"),
        "RESTIC_CACHE_DIR": str(root / "rc"),
    }
    measure("restic init", ["restic", "init", "--repository-version", "2"], env)
    print()
    backup = ["restic", "backup", "-q", str(root / "db")]
    return_to = root / "out"
    for name, argv in (("restic full", backup), ("restic incr", [*backup, "--force"])):
        before = size(root / "restic")
        if name == "restic incr":
            change(root / "db", 0.01)
        measure(name, argv, env)
        print(f"added {(size(root / 'restic') - before) / 1e6:.2f} MB")
    measure("restic restore", ["restic", "restore", "-q", "latest", "--target", str(return_to)], env)
    print()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--megabytes", type=int, default=530)
    parser.add_argument("--restic", action="store_true")
    parser.add_argument("--step")
    parser.add_argument("--root", type=Path)
    args = parser.parse_args()
    if args.step:
        step(args.step, args.root)
        return
    root = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        build(root / "db", args.megabytes)
        me = [sys.executable, __file__, "--root", str(root), "--step"]
        for kind in ("full", "incr", "restore"):
            before = size(root / "repo") if kind != "full" else 0
            if kind == "incr":
                change(root / "db", 0.01)
            measure(f"ours {kind}", [*me, kind])
            print(f"added {(size(root / 'repo') - before) / 1e6:.2f} MB")
        same = (
            hashlib.sha256((root / "db").read_bytes()).digest()
            == hashlib.sha256((root / "restored").read_bytes()).digest()
        )
        print("restored equal:", same)
        if args.restic:
            build(root / "db", args.megabytes)
            restic(root)
    finally:
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
