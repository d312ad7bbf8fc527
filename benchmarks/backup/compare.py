"""`backendhub backup` beside restic and borg: the figures that docs and CHANGELOG may quote.

    nice -n 10 python benchmarks/backup/compare.py [--megabytes 530] [--servers] [--peers restic,borg]

SQLite: a file of that size, a full run, 1 % of its pages changed by SQL at random, an incremental run, a restore.
Servers (PostgreSQL at 127.0.0.1:5432 as postgres, MariaDB at 3306 as root): one database each, 300 rows changed;
the peers are fed the very same kind of dump. Every step is a process of its own: CPU is user + system of it
and its children, peak memory is that of its largest process.
"""

from __future__ import annotations

import argparse
import json
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
from typing import NamedTuple

PAGE = 4096
ROWS_CHANGED = 300
_PEAK = (
    "import resource,subprocess,sys;r=subprocess.run(sys.argv[1:]).returncode;"
    "sys.stderr.write('\\n%d' % resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss);sys.exit(r)"
)


class Step(NamedTuple):
    wall: float
    cpu: float
    peak: float  # MB
    out: str


def measure(name: str, argv: list[str], env: dict[str, str], *, stdin: Path | None = None) -> Step:
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with open(stdin or os.devnull, "rb") as fed:
        done = subprocess.run(
            [sys.executable, "-c", _PEAK, *argv],
            env={**os.environ, **env},
            stdin=fed,
            capture_output=True,
            text=True,
        )
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{name}: {done.stdout}{done.stderr}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Step(wall, cpu, int(done.stderr.rstrip().rpartition("\n")[2]) / 1000, done.stdout)


def tell(name: str, step: Step, added: int | None = None) -> None:
    line = f"{name:22} wall {step.wall:6.2f} s   cpu {step.cpu:6.2f} s   peak {step.peak:6.1f} MB"
    print(line + (f"   added {added / 1e6:8.3f} MB" if added is not None else ""), flush=True)


def size(path: Path) -> int:
    return sum(p.stat().st_size for p in path.rglob("*") if p.is_file() and p.name != "reserve")


class Tool:
    """A backup program with a repository of its own."""

    def __init__(self, name: str, root: Path) -> None:
        self.name, self.root, self.store = name, root, root / f"{name}-store"
        home = root / f"{name}-home"
        home.mkdir()
        self.env = {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), "TZ": "UTC"}
        self.env |= {"XDG_CONFIG_HOME": str(home / "config"), "XDG_DATA_HOME": str(home / "data")}
        self.env |= {"RESTIC_PASSWORD": "bench", "RESTIC_REPOSITORY": str(self.store)}
        self.env |= {"BORG_PASSPHRASE": "bench", "BORG_REPO": str(self.store), "BORG_BASE_DIR": str(home)}
        self.count = 0

    def backendhub(self, *words: str) -> list[str]:
        return [str(Path(sys.executable).with_name("backendhub")), "backup", *words]

    def init(self) -> None:
        argv = {
            "backendhub": self.backendhub("init", "--repo", str(self.store)),
            "restic": ["restic", "init", "-q", "--repository-version", "2"],
            "borg": ["borg", "init", "-e", "repokey-blake2"],
        }[self.name]
        measure(f"{self.name} init", argv, self.env)

    def backup(self, label: str, path: Path, *, fed: bool = False) -> int:
        self.count += 1
        before = size(self.store)
        argv = {
            "restic": ["restic", "backup", "-q", "--force", *(["--stdin"] if fed else [str(path)])],
            "borg": ["borg", "create", "-C", "zstd,3", f"::a{self.count}", "-" if fed else str(path)],
        }[self.name]
        step = measure(label, argv, self.env, stdin=path if fed else None)
        added = size(self.store) - before
        tell(f"{self.name} {label}", step, added)
        return added

    def run(self, label: str, target: str) -> int:
        before = size(self.store)
        step = measure(label, self.backendhub("run", target), self.env)
        added = size(self.store) - before
        tell(f"{self.name} {label}", step, added)
        return added


# ── SQLite


def build(path: Path, megabytes: int) -> int:
    """A real file of text rows with one index; gives the number of rows."""
    rnd = random.Random(7)
    words = ["".join(rnd.choices("abcdefghijklmnopqrstuvwxyz", k=rnd.randint(2, 10))) for _ in range(5000)]
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
            for i in range(20_000)
        ]
        db.executemany("INSERT INTO t VALUES (?,?,?,?,?)", rows)
        db.commit()
        count += len(rows)
    db.close()
    return count


def change(path: Path, rows: int) -> tuple[int, int]:
    """Rewrites rows in place until 1 % of the pages differ; gives pages changed and pages in all."""
    rnd, before = random.Random(8), path.read_bytes()
    pages = len(before) // PAGE
    db = sqlite3.connect(path)
    for id in rnd.sample(range(rows), pages // 100):
        body = db.execute("SELECT body FROM t WHERE id = ?", (id,)).fetchone()[0]
        fresh = "".join(rnd.choices("abcdefghijklmnopqrstuvwxyz ", k=len(body)))
        db.execute("UPDATE t SET body = ? WHERE id = ?", (fresh, id))
    db.commit()
    db.close()
    after = path.read_bytes()
    return sum(before[i : i + PAGE] != after[i : i + PAGE] for i in range(0, len(before), PAGE)), pages


def sqlite(root: Path, megabytes: int, peers: list[str]) -> None:
    path = root / "app.db"
    rows = build(path, megabytes)
    tools = [Tool(name, root) for name in ("backendhub", *peers)]
    ours = tools[0]
    for tool in tools:
        tool.init()
    measure("add", ours.backendhub("add", "app", str(path), "--no-test"), ours.env)
    print(f"SQLite file of {path.stat().st_size / 1e6:.1f} MB, {rows} rows")
    for label in ("full", "1 % changed"):
        if label != "full":
            changed, pages = change(path, rows)
            print(f"{changed} of {pages} pages changed ({changed / pages:.2%})")
        for tool in tools:
            if tool is ours:
                tool.run(label, "app")
            else:
                tool.backup(label, path)
    restore(tools, root, path)
    for _ in range(5):
        tell("backendhub run --due", measure("due", ours.backendhub("run", "--due", "--quiet"), ours.env))


def restore(tools: list[Tool], root: Path, path: Path) -> None:
    for tool in tools:
        out = root / f"{tool.name}-out"
        out.mkdir()
        argv = {
            "backendhub": tool.backendhub("restore", "app", "--out", str(out / "app.db")),
            "restic": ["restic", "restore", "-q", "latest", "--target", str(out)],
            "borg": ["sh", "-c", f"cd {out} && borg extract ::a{tool.count}"],
        }[tool.name]
        tell(f"{tool.name} restore", measure("restore", argv, tool.env))
    ours, wanted = bytearray((root / "backendhub-out" / "app.db").read_bytes()), bytearray(path.read_bytes())
    for low, high in ((24, 28), (40, 44), (92, 100)):  # fields that SQLite's backup interface rewrites
        ours[low:high] = wanted[low:high] = bytes(high - low)
    print("restored equal to the source:", ours == wanted)


# ── servers


class Server(NamedTuple):
    name: str
    dsn: str
    client: list[str]
    dump: list[str]
    series: str


DATABASE = "backendhub_benchmark"
MARIADB_PORT = os.environ.get("BACKENDHUB_BENCH_MARIADB_PORT", "3306")
SERVERS = (
    Server(
        "PostgreSQL",
        f"postgresql://postgres@127.0.0.1:5432/{DATABASE}",
        ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h127.0.0.1", "-Upostgres"],
        ["pg_dump", "-h127.0.0.1", "-Upostgres", "-Fc", "-Z0", "-d", DATABASE],
        "INSERT INTO t SELECT g, md5(g::text), repeat(md5((g * 7)::text), 4), g % 1000 FROM generate_series(1, {n}) g",
    ),
    Server(
        "MariaDB",
        f"mariadb://root@127.0.0.1:{MARIADB_PORT}/{DATABASE}",
        ["mariadb", "-h127.0.0.1", f"-P{MARIADB_PORT}", "-uroot", "-N", "--batch"],
        ["mariadb-dump", "-h127.0.0.1", f"-P{MARIADB_PORT}", "-uroot", "--single-transaction", "--quick", "--order-by-primary",
         "--hex-blob", "--skip-dump-date", DATABASE],
        "INSERT INTO t SELECT seq, md5(seq), repeat(md5(seq * 7), 4), seq % 1000 FROM seq_1_to_{n}",
    ),
)  # fmt: skip


def sql(server: Server, text: str, database: str | None = DATABASE) -> None:
    where = {"PostgreSQL": ["-d", database or "postgres"], "MariaDB": [database] if database else []}[
        server.name
    ]
    subprocess.run([*server.client, *where], input=text, text=True, check=True)


def servers(root: Path, rows: int, peers: list[str]) -> None:
    for server in SERVERS:
        folder = root / server.name
        folder.mkdir()
        sql(server, f"DROP DATABASE IF EXISTS {DATABASE};", None)
        sql(server, f"CREATE DATABASE {DATABASE};", None)
        try:
            sql(server, "CREATE TABLE t (id BIGINT PRIMARY KEY, a TEXT, b TEXT, c BIGINT);")
            sql(server, server.series.format(n=rows) + ";")
            compare(server, folder, rows, peers)
        finally:
            sql(server, f"DROP DATABASE {DATABASE};", None)


def compare(server: Server, folder: Path, rows: int, peers: list[str]) -> None:
    tools = [Tool(name, folder) for name in ("backendhub", *peers)]
    for tool in tools:
        tool.init()
    measure("add", tools[0].backendhub("add", "db", server.dsn, "-o", "logs=off"), tools[0].env)
    dump = folder / "dump"
    for label in ("full", f"{ROWS_CHANGED} rows changed"):
        if label != "full":
            step = rows // ROWS_CHANGED
            sql(server, f"UPDATE t SET c = c + 1 WHERE id % {step} = 0 AND id <= {ROWS_CHANGED * step};")
        with dump.open("wb") as file:
            subprocess.run(server.dump, stdout=file, check=True)
        print(f"{server.name}: dump of {dump.stat().st_size / 1e6:.1f} MB")
        for tool in tools:
            if tool.name == "backendhub":
                tool.run(label, "db")
            else:
                tool.backup(label, dump, fed=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--megabytes", type=int, default=530)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--peers", default="restic,borg")
    parser.add_argument("--servers", action="store_true", help="PostgreSQL and MariaDB instead of SQLite")
    args = parser.parse_args()
    peers = [name for name in args.peers.split(",") if name and shutil.which(name)]
    for name in peers:
        said = subprocess.run(
            [name, "version" if name == "restic" else "--version"], capture_output=True, text=True
        )
        print(said.stdout.strip())
    print(json.dumps({"cpus": os.cpu_count(), "python": sys.version.split()[0]}))
    root = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        servers(root, args.rows, peers) if args.servers else sqlite(root, args.megabytes, peers)
    finally:
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
