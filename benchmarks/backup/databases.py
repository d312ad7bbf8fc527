"""Dumps of PostgreSQL and MariaDB in our repository, restic's and borg's, and a 2 GB SQLite file in ours.

    nice -n 10 python benchmarks/backup/databases.py [--rows 800000] [--only postgresql|mariadb] [--mariadb-port 3306]
    nice -n 10 python benchmarks/backup/databases.py --sqlite-2gb [--megabytes 2000]

A database is made, backed up, 300 rows drawn at random are updated, and it is backed up again. Ours is the engine and
the repository through the Python interface in a process of its own; it dumps by itself, so that the peers' cost
is the line of the peer plus the line of the dump that it is fed. Added bytes are what the repository's directory grew
by. CPU is user + system of the process and its children, without the database server. Memory is sampled every 40 ms
as proportional set size (Linux): the peak of the largest process, and of all processes at one moment.
The high-water mark is the kernel's resident set of our process without its children. Needs restic and borg.
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
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

NAME, COPY = "backendhub_bench_databases", "backendhub_bench_databases_copy"
CHANGED = 300
REWRITTEN = ((24, 28), (40, 44), (92, 100))  # header fields that SQLite's backup interface rewrites
PAGE = 4096


def memory(pid: int) -> list[float]:
    """The proportional set size (MB) of a process and of all below it that live at this moment."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        found = [int(line.split()[1]) * 1024 / 1e6 for line in rollup.splitlines() if line.startswith("Pss:")]
        children = " ".join(task.read_text() for task in Path(f"/proc/{pid}/task").glob("*/children"))
    except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
        return []
    return [*found, *(size for child in children.split() for size in memory(int(child)))]


# fmt: off
def measure(label: str, argv: list[str], env: dict[str, str], stdin: Path | None = None, out: Path | None = None) -> None:
    """Runs a command to its end and prints what it cost and said. Ends the benchmark if it fails."""
    before, started, largest, together = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter(), 0.0, 0.0
    with open(stdin or os.devnull, "rb") as fed, tempfile.TemporaryFile() as said, open(out or os.devnull, "wb") as kept:
        child = subprocess.Popen(argv, env=os.environ | env, stdin=fed, stdout=kept if out else said, stderr=said)
        while child.poll() is None:
            sizes = memory(child.pid)
            largest, together = max(largest, *sizes, 0), max(together, sum(sizes))
            with suppress(subprocess.TimeoutExpired):
                child.wait(0.04)
        wall = time.perf_counter() - started
        said.seek(0)
        text = said.read().decode().strip()
    if child.returncode:
        raise SystemExit(f"{label} failed ({child.returncode}): {text}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    cost = f"wall {wall:6.2f} s  cpu {cpu:6.2f} s  peak {largest:6.1f} MB (together {together:6.1f})"
    print(f"  {label:30} {cost}  {text}".rstrip(), flush=True)
# fmt: on


def size(folder: Path) -> int:
    """What a repository takes; our reserve of 8 MiB is not data."""
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file() and p.name != "reserve")


class Tool:
    """A backup program with a repository of its own; ours is this script as a process of its own."""

    def __init__(self, name: str, root: Path) -> None:
        self.name, self.store, self.home, self.runs = name, root / f"{name}-store", root / f"{name}-home", 0
        self.home.mkdir()
        self.env = {"HOME": str(self.home), "XDG_CACHE_HOME": str(self.home / "cache"), "TZ": "UTC"}
        self.env |= {"RESTIC_PASSWORD": "bench", "RESTIC_REPOSITORY": str(self.store)}
        self.env |= {"BORG_PASSPHRASE": "bench", "BORG_REPO": str(self.store)}
        restic, borg = "restic init -q --repository-version 2", "borg --error init -e repokey-blake2"
        self.do("init", self.step("init"), restic, borg)

    def step(self, *words: str) -> list[str]:
        script = [sys.executable, str(Path(__file__).resolve()), "--step"]
        return [*script, str(self.store), str(self.home / "cache"), *words]

    def do(self, label: str, ours: list[str], restic: str = "", borg: str = "", **files: Path) -> None:
        argv = {"ours": ours, "restic": restic.split(), "borg": borg.split()}[self.name]
        measure(f"{self.name} {label}", argv, self.env, **files)

    def backup(self, label: str, dsn: str, type: str, **files: Path) -> int:
        """One run; gives the bytes that the repository grew by."""
        self.runs += 1
        before = size(self.store)
        words, borg = self.step("backup", dsn, type), f"borg create -C zstd,3 ::a{self.runs} -"
        self.do(label, words, "restic backup -q --stdin --stdin-filename dump", borg, **files)
        return size(self.store) - before

    def read_back(self, out: Path) -> None:
        """Writes the newest dump into a file."""
        borg = f"borg extract --stdout ::a{self.runs}"
        self.do("read the dump back", self.step("read", "dump"), "restic dump -q latest /dump", borg, out=out)


def ours(store: str, cache: str, kind: str, *words: str) -> None:
    """What a process of ours does: init, backup DSN TYPE, restore DSN, read PREFIX."""
    from backendhub.systems.backup.engines.base import engine_for, parse_dsn
    from backendhub.systems.backup.models import Type
    from backendhub.systems.backup.repository.repo import Repository

    if kind == "init":
        Repository.init(store, passphrase="bench", cache_dir=Path(cache)).close()
        return
    with Repository.open(store, passphrase="bench", cache_dir=Path(cache)) as repo:
        if kind == "backup":
            with repo.backup("db", type=Type(words[1])) as run:
                run.commit(engine_for(words[0]).dump(run, type=run.type))
            peak = Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]
            print(f"high-water mark {int(peak) * 1024 / 1e6:.1f} MB")  # the kernel's, without the children
            return
        source = repo.source(repo.find("latest"))
        if kind == "restore":
            engine_for(words[0]).restore(source, parse_dsn(words[0]))
        else:
            name = next(name for name in source.names() if name.startswith(words[0]))
            with source.open(name) as reader:
                shutil.copyfileobj(reader, sys.stdout.buffer, 1 << 20)


def sha256(path: Path, mask: Iterable[tuple[int, int]] = ()) -> str:
    """Of a file with some ranges of its first page as zeros."""
    with path.open("rb") as file:
        head = bytearray(file.read(PAGE))
        for low, high in mask:
            head[low:high] = bytes(high - low)
        return hashlib.sha256(head).hexdigest() + hashlib.file_digest(file, "sha256").hexdigest()


class Server(NamedTuple):
    name: str
    base: str
    client: list[str]
    dump: list[str]
    plain: list[str]  # a dump that is the same for the same content whatever the database is called
    table: str
    fill: str
    bytes: str

    def sql(self, text: str, database: str = "") -> str:
        where = [f"-d{database or 'postgres'}"] if self.name == "PostgreSQL" else [database] * bool(database)
        done = subprocess.run(
            [*self.client, *where], input=text, text=True, stdout=subprocess.PIPE, check=True
        )
        return done.stdout.strip()

    def drop(self) -> None:
        self.sql(f"DROP DATABASE IF EXISTS {NAME}; DROP DATABASE IF EXISTS {COPY};")

    def content(self, database: str) -> str:
        """A hash of everything in a database; pg_dump's lines with a random token are left out."""
        digest = hashlib.sha256()
        with subprocess.Popen([*self.plain, database], stdout=subprocess.PIPE) as child:
            for line in child.stdout or ():
                if not line.startswith((b"\\restrict ", b"\\unrestrict ")):
                    digest.update(line)
        if child.returncode:
            raise SystemExit(f"{self.name}: dumping {database} failed ({child.returncode})")
        return digest.hexdigest()


# fmt: off
def servers(mariadb_port: int) -> list[Server]:
    pg, maria = ["-h127.0.0.1", "-Upostgres"], ["-h127.0.0.1", f"-P{mariadb_port}", "-uroot"]
    once = ["--single-transaction", "--quick", "--order-by-primary", "--hex-blob", "--skip-dump-date", "--routines", "--events"]
    row = "md5({1}({0})), concat(md5({1}({0} * 7)), md5({1}({0} * 11)), md5({1}({0} * 13))), {0} % 1000 FROM"
    return [
        Server(
            "PostgreSQL", "postgresql://postgres@127.0.0.1:5432/", ["psql", "-XAtqv", "ON_ERROR_STOP=1", *pg],
            ["pg_dump", *pg, "-Fc", "-Z0", NAME], ["pg_dump", *pg],
            "CREATE TABLE t (id BIGINT PRIMARY KEY, a TEXT, b TEXT, c BIGINT); CREATE INDEX t_c ON t (c);",
            f"INSERT INTO t SELECT g, {row.format('g', 'text')} generate_series(1, {{n}}) g;",
            f"SELECT pg_database_size('{NAME}');",
        ),
        Server(
            "MariaDB", f"mariadb://root@127.0.0.1:{mariadb_port}/", ["mariadb", *maria, "-N", "--batch"],
            ["mariadb-dump", *maria, *once, NAME], ["mariadb-dump", *maria, *once, "--skip-comments"],
            "CREATE TABLE t (id BIGINT PRIMARY KEY, a TEXT, b TEXT, c BIGINT, KEY t_c (c));",
            f"INSERT INTO t SELECT seq, {row.format('seq', '')} seq_1_to_{{n}};",
            f"SELECT sum(file_size) FROM information_schema.innodb_sys_tablespaces WHERE name LIKE '{NAME}/%';",
        ),
    ]
# fmt: on


def compare(server: Server, root: Path, rows: int) -> None:
    dump, dsn, labels = root / "dump", server.base + NAME, ("full", f"{CHANGED} rows changed")
    print(f"{server.name} {server.sql('SELECT version();')}")
    try:
        server.drop()
        server.sql(f"CREATE DATABASE {NAME};")
        server.sql(server.table + server.fill.format(n=rows), NAME)
        print(f"  {rows} rows, database of {int(server.sql(server.bytes)) / 1e6:.1f} MB", flush=True)
        tools = [Tool(name, root) for name in ("ours", "restic", "borg")]
        added: dict[str, list[int]] = {tool.name: [] for tool in tools}
        for label, type in zip(labels, ("full", "incr"), strict=True):
            if type == "incr":
                ids = ",".join(map(str, random.Random(4).sample(range(1, rows + 1), CHANGED)))
                server.sql(f"UPDATE t SET c = c + 1 WHERE id IN ({ids});", NAME)
            measure(f"dump alone, {label}", server.dump, {}, out=dump)
            for tool in tools:
                added[tool.name].append(tool.backup(label, dsn, type, stdin=dump))
        print(f"  dump of {dump.stat().st_size / 1e6:.1f} MB")
        for at, label in enumerate(labels):
            report(label, {name: sizes[at] for name, sizes in added.items()})
        restore(server, tools, root, dump)
    finally:
        server.drop()


def report(label: str, added: dict[str, int]) -> None:
    parts = [f"{name} {got / 1e6:.3f} MB ({got / added['ours']:.1f} x ours)" for name, got in added.items()]
    print(f"  added, {label}: {', '.join(parts)}", flush=True)


def restore(server: Server, tools: list[Tool], root: Path, dump: Path) -> None:
    """The peers' dump against the file they were fed; ours loaded into a server, then both databases compared."""
    for tool in tools:
        tool.read_back(out := root / f"{tool.name}-out")
        if tool.name != "ours":  # ours dumped by itself: a header with another time of day
            check(f"{tool.name}: the dump read back equals the dump fed", sha256(out) == sha256(dump))
    tools[0].do("restore into the server", tools[0].step("restore", server.base + COPY))
    check("ours: restored database equals the source", server.content(COPY) == server.content(NAME))


def check(text: str, holds: bool) -> None:
    if not holds:
        raise SystemExit(f"NOT SO: {text}")
    print(f"  {text}: yes", flush=True)


def build(path: Path, megabytes: int) -> int:
    """Rows of hexadecimal noise, which halve when compressed, three to a page; gives their number."""
    rnd, count = random.Random(5), megabytes * 1_000_000 // PAGE * 3
    db = sqlite3.connect(path)
    db.executescript(f"PRAGMA page_size={PAGE}; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;")
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, body TEXT)")
    db.executemany("INSERT INTO t VALUES (?, ?)", ((i, rnd.randbytes(600).hex()) for i in range(count)))
    db.commit()
    db.close()
    return count


def large(root: Path, megabytes: int) -> None:
    path, out, rnd = root / "large.db", root / "restored.db", random.Random(6)
    rows = build(path, megabytes)
    pages = path.stat().st_size // PAGE
    print(f"SQLite file of {path.stat().st_size / 1e6:.1f} MB, {pages} pages, {rows} rows", flush=True)
    tool = Tool("ours", root)
    report("full", {"ours": tool.backup("full", str(path), "full")})
    db = sqlite3.connect(path)
    changes = [(rnd.randbytes(600).hex(), id) for id in rnd.sample(range(rows), pages // 100)]
    db.executemany("UPDATE t SET body = ? WHERE id = ?", changes)
    db.commit()
    db.close()
    report("1 % changed", {"ours": tool.backup("1 % changed", str(path), "incr")})
    tool.do("restore", tool.step("restore", str(out)))
    same = sha256(path, REWRITTEN) == sha256(out, REWRITTEN)
    check("restored equals the source but for rewritten header fields", same)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=800_000)
    parser.add_argument("--only", choices=("postgresql", "mariadb"))
    parser.add_argument("--mariadb-port", type=int, default=3306)
    parser.add_argument("--sqlite-2gb", action="store_true", help="a large SQLite file, no servers")
    parser.add_argument("--megabytes", type=int, default=2000, help="the size of that file")
    parser.add_argument("--step", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.step:
        return ours(*args.step)
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}", sys.version.split()[0], flush=True)
    with tempfile.TemporaryDirectory(prefix="bench-databases-") as folder:
        if args.sqlite_2gb:
            return large(Path(folder), args.megabytes)
        for name, option in (("restic", "version"), ("borg", "--version")):
            subprocess.run([name, option], check=True)
        for server in servers(args.mariadb_port):
            if args.only in (None, server.name.lower()):
                compare(server, Path(tempfile.mkdtemp(dir=folder)), args.rows)


if __name__ == "__main__":
    main()
