"""DSNs, secrets and child processes: what all engines stand on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from backendhub.kit.errors import HubError, Invalid
from backendhub.systems.backup.engines.base import Deadline, engine_for, parse_dsn
from backendhub.systems.backup.engines.child import Child, output
from backendhub.systems.backup.engines.compare import CompareSink
from backendhub.systems.backup.engines.postgres_client import conninfo
from backendhub.systems.backup.engines.secrets import password, secret_file
from backendhub.systems.backup.models import BackupError

PASSWORD = "p:a\\s\"s'# w\u00f6rd;"


@pytest.mark.parametrize(
    ("text", "engine", "database"),
    [
        ("notes.db", "sqlite", "notes.db"),
        ("sqlite:///rel.db", "sqlite", "rel.db"),
        ("sqlite:////abs%20x.db", "sqlite", "/abs x.db"),
        ("/a%20b.db", "sqlite", "/a%20b.db"),
        ("postgresql://u@h:1/--help", "postgres", "--help"),
        ("postgres://h/a%2Fb%3Fc", "postgres", "a/b?c"),
        ("postgresql+psycopg://h/x", "postgres", "x"),
        ("mariadb://h/x", "mariadb", "x"),
        ("mysql://h/%F0%9F%90%98", "mariadb", "🐘"),
        ("mongodb://h/x?replicaSet=r", "mongo", "x"),
    ],
)
def test_dsns(text: str, engine: str, database: str) -> None:
    dsn = parse_dsn(text)
    assert (dsn.engine, dsn.database) == (engine, database)
    assert parse_dsn(str(dsn)).database == database or engine == "sqlite"


def test_host_port_and_user() -> None:
    dsn = parse_dsn("postgresql://jo%40x@[::1]:6000/x")
    assert (dsn.user, dsn.host, dsn.port, str(dsn)) == (
        "jo@x",
        "::1",
        6000,
        "postgresql://jo%40x@[::1]:6000/x",
    )
    assert parse_dsn("postgresql://%2FRun%2FPG/x").host == "/Run/PG"
    assert parse_dsn("mysql://h/x").port == 3306


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://u:hunter2@h/x",
        "postgresql://u:@h/x",
        "mysql://u:hunter2@h/x",
        "postgresql://h/x?password=hunter2",
        "postgresql://u:hunter2@h:notaport/x",
        "mongodb://u:hunter2@[h/x",
    ],
)
def test_a_password_in_a_dsn_is_refused_and_never_repeated(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_dsn(text)
    assert caught.value.exit_code == 2
    assert "hunter2" not in caught.value.message + (caught.value.hint or "")
    if "notaport" not in text and "[" not in text:
        assert all(
            word in (caught.value.hint or "")
            for word in ("pgpass", "my.cnf", "password_cmd", "password_file")
        )


@pytest.mark.parametrize("text", ["", "ftp://x/y", "postgresql://h/a#b", "sqlite://", "postgresql://h/a%00b"])
def test_what_is_no_dsn(text: str) -> None:
    with pytest.raises(Invalid):
        parse_dsn(text)


@pytest.mark.parametrize("text", ["postgresql://h/", "mariadb://h", "mongodb://h/"])
def test_a_server_without_a_database_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="names no database"):
        engine_for(text)


def test_conninfo_quotes_everything() -> None:
    text = conninfo(parse_dsn("postgresql://u@h/x").with_database("a' b\\=c"))
    assert "dbname='a\\' b\\\\=c'" in text


def test_password_from_a_file_must_be_private(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text(PASSWORD + "\n")
    path.chmod(0o600)
    assert password({"password_file": str(path)}) == PASSWORD
    path.chmod(0o604)
    with pytest.raises(Invalid, match="can be read by others"):
        password({"password_file": str(path)})
    with pytest.raises(HubError):
        password({"password_file": str(tmp_path / "absent")})
    with pytest.raises(Invalid):
        password({"password": "x"})
    assert password({}) is None


def test_password_from_a_command_never_shows_its_output(tmp_path: Path) -> None:
    assert password({"password_cmd": f"{sys.executable} -c \"print('a b')\""}) == "a b"
    with pytest.raises(BackupError) as caught:
        password({"password_cmd": f"{sys.executable} -c \"print('hunter2'); raise SystemExit(3)\""})
    assert caught.value.exit_code == 20 and "hunter2" not in caught.value.message
    with pytest.raises(BackupError):
        password({"password_cmd": "/absent/program"})


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="Linux only")
def test_a_secret_reaches_the_child_and_nothing_else() -> None:
    with secret_file("hunter2") as file:
        code = "import sys, os; p = sys.argv[1]; print(open(p).read(), oct(os.stat(p).st_mode & 0o777), open(p).read())"
        said = output([sys.executable, "-c", code, file.path], fds=file.fds)
        assert said == b"hunter2 0o600 hunter2\n"
        assert os.readlink(f"/proc/self/fd/{file.fds[0]}").startswith("/memfd:")


@pytest.mark.postgres
def test_postgres_password_by_memory_file(cluster: Any, stored: Any, watched: Any) -> None:
    quoted = PASSWORD.replace("'", "''")
    client = cluster.client()
    client.psql(f"SET standard_conforming_strings = on; CREATE ROLE own SUPERUSER LOGIN PASSWORD '{quoted}'")
    (cluster.data / "pg_hba.conf").write_text("local all own scram-sha-256\nlocal all all trust\n")
    client.psql("SELECT pg_reload_conf()")
    own = parse_dsn(f"postgresql://own@{cluster.folder.as_posix().replace('/', '%2F')}/postgres")
    engine = engine_for(own, options={"password_file": str(watched.secret), "bin_dir": str(watched.bin)})
    engine.dump(stored)
    assert {"psql", "pg_dump", "pg_dumpall"} <= set(watched.seen()) and all(watched.results())
    watched.secret.write_text("wrong\n")
    with pytest.raises(BackupError) as caught:
        engine.dump(type(stored)())
    assert caught.value.exit_code == 20
    assert "wrong" not in caught.value.message


def test_mariadb_password_by_memory_file(maria: Any, stored: Any, watched: Any) -> None:
    name = maria.database()
    quoted = PASSWORD.replace("\\", "\\\\").replace("'", "''")
    maria.sql(
        f"CREATE USER {name}@'127.0.0.1' IDENTIFIED BY '{quoted}'; GRANT ALL ON *.* TO {name}@'127.0.0.1'"
    )
    try:
        own = parse_dsn(f"mariadb://{name}@127.0.0.1:{maria.port}/{name}")
        engine_for(own, options={"password_file": str(watched.secret), "bin_dir": str(watched.bin)}).dump(
            stored
        )
        assert "mariadb-dump" in watched.seen() and all(watched.results())
        watched.secret.write_text("wrong\n")
        with pytest.raises(BackupError) as caught:
            engine_for(own, options={"password_file": str(watched.secret)}).dump(type(stored)())
        assert caught.value.exit_code == 20
    finally:
        maria.sql(f"DROP USER {name}@'127.0.0.1'")


class Watched:
    """Wrappers around the client programs that look for the password in their own argv and environment."""

    def __init__(self, folder: Path) -> None:
        self.bin, self.secret, self.log = folder / "bin", folder / "secret", folder / "log"
        self.bin.mkdir()
        self.secret.write_text(PASSWORD + "\n", encoding="utf-8")
        self.secret.chmod(0o600)
        for name in ("psql", "pg_dump", "pg_dumpall", "mariadb", "mariadb-dump"):
            path = self.bin / name
            path.write_text(
                f"#!/bin/sh\ncat /proc/$$/cmdline /proc/$$/environ | grep -qF '\"s' && r=bad || r=good\n"
                f'echo "{name} $r" >> {self.log}\nexec /usr/bin/{name} "$@"\n'
            )
            path.chmod(0o755)

    def seen(self) -> list[str]:
        return [line.split()[0] for line in self.log.read_text().splitlines()]

    def results(self) -> list[bool]:
        return [line.endswith(" good") for line in self.log.read_text().splitlines()]


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def test_a_missing_program_is_named() -> None:
    with pytest.raises(BackupError, match="pg_dumb is not installed") as caught:
        Child(["pg_dumb"])
    assert caught.value.exit_code == 20


def test_the_end_of_stderr_is_in_the_error() -> None:
    script = "import sys; sys.stderr.write('noise\\n' * 10000 + 'the reason\\n'); sys.exit(7)"
    with pytest.raises(BackupError, match=r"ended with code 7: .*the reason") as caught:
        output([sys.executable, "-c", script])
    assert caught.value.exit_code == 21
    assert len(caught.value.details["stderr"]) <= 8192


@pytest.mark.parametrize("deadline", [Deadline.after(0.3), Deadline.after(None, stall=0.3)])
def test_a_silent_program_is_stopped(deadline: Deadline) -> None:
    begun = Deadline.after(0.3) if deadline.at else deadline
    with pytest.raises(BackupError) as caught:
        output([sys.executable, "-c", "import time; time.sleep(60)"], deadline=begun)
    assert caught.value.exit_code == 22


def test_a_slow_sink_is_no_stall() -> None:
    script = "import sys\nfor _ in range(3): sys.stdout.write('x' * 70000); sys.stdout.flush()"
    with Child([sys.executable, "-c", script], deadline=Deadline.after(None, stall=0.5)) as child:
        for _ in child.blocks():
            time.sleep(0.3)
        child.finish()


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks into /proc")
def test_sigterm_stops_the_whole_group(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    grandchild = f"sleep 60 & echo $! $$ > {pids}; wait"
    script = (
        "from backendhub.systems.backup.engines.child import output, terminating\n"
        f"with terminating():\n output(['sh', '-c', {grandchild!r}])"
    )
    process = subprocess.Popen([sys.executable, "-c", script])
    while not pids.exists() or len(pids.read_text().split()) < 2:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 143
    deadline = time.monotonic() + 10  # the signal is sent to all at once; each dies in its own time
    for pid in pids.read_text().split():
        while _alive(pid):
            assert time.monotonic() < deadline, f"{pid} goes on"
            time.sleep(0.02)


def _alive(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_compare_finds_every_kind_of_difference(stored: Any) -> None:
    stored.streams = {"a": b"0123456789", "b": b"x"}

    def compared(data: bytes, **masked: Any) -> list[str]:
        sink = CompareSink(stored, masked)
        with sink.stream("a") as writer:
            writer.write(data[:4])
            writer.write(data[4:])
        with sink.stream("b") as writer:
            writer.write(b"x")
        return sink.finish()

    assert compared(b"0123456789") == []
    assert compared(b"01234x6789") == ["a: differs at byte 5"]
    assert compared(b"01234x6789", a=((5, 6),)) == []
    assert compared(b"012345678") == ["a: stored stream goes on after byte 9"]
    assert compared(b"0123456789+") == ["a: differs at byte 10"]
    assert CompareSink(stored).finish() == ["a: not in the second dump", "b: not in the second dump"]


def test_naming_an_engine_loads_no_other() -> None:
    script = (
        "import sys\nfrom backendhub.systems.backup.engines.base import engine_for\n"
        "engine_for('x.db'); engine_for('postgresql://h/x'); engine_for('mongodb://h/x')\n"
        "print([m for m in ('apsw', 'pymongo', 'bson', 'sqlite3', 'asyncio', 'httpx') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, timeout=30)
    assert done.stdout == b"[]\n"
