"""SQLite against real files: page sizes, journals, live writers, damage, restores."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from backendhub.kit.errors import Conflict, HubError, Invalid, NotFound
from backendhub.systems.backup.engines.base import Deadline, engine_for, parse_dsn
from backendhub.systems.backup.models import BackupError

MASKED = [*range(24, 28), *range(40, 44), *range(92, 100)]


def masked(data: bytes) -> bytes:
    page = bytearray(data)
    for at in MASKED:
        page[at] = 0
    return bytes(page)


def make(path: Path, *, page_size: int = 4096, journal: str = "DELETE", rows: int = 300) -> Path:
    with closing(sqlite3.connect(path)) as db:
        db.executescript(f"""
            PRAGMA page_size = {page_size}; PRAGMA journal_mode = {journal};
            CREATE TABLE account(id INTEGER PRIMARY KEY AUTOINCREMENT, owner TEXT, balance INTEGER,
                                 twice INTEGER GENERATED ALWAYS AS (balance * 2) STORED);
            CREATE INDEX by_owner ON account(owner);
            CREATE TABLE journal(note TEXT);
            CREATE TRIGGER noted AFTER INSERT ON account BEGIN INSERT INTO journal VALUES (new.owner); END;
            CREATE VIEW rich AS SELECT * FROM account WHERE balance > 50;
            CREATE VIRTUAL TABLE words USING fts5(text);
            CREATE VIRTUAL TABLE boxes USING rtree(id, x0, x1);
            CREATE TABLE "a ""quoted"" 🐘\n-x ../name"(k TEXT PRIMARY KEY, v BLOB) WITHOUT ROWID;
        """)
        db.executemany(
            "INSERT INTO account(owner, balance) VALUES (?, 100)", [(f"o{i}",) for i in range(rows)]
        )
        db.executemany("INSERT INTO words VALUES (?)", [(f"word{i} elephant",) for i in range(rows)])
        db.executemany("INSERT INTO boxes VALUES (?, ?, ?)", [(i, i, i + 1) for i in range(rows)])
        name = '"a ""quoted"" 🐘\n-x ../name"'
        db.executemany(f"INSERT INTO {name} VALUES (?, ?)", [(str(i), os.urandom(500)) for i in range(rows)])
        db.commit()
    return path


def dump(path: Path, stored: Any, **options: Any) -> Any:
    done = engine_for(str(path), options=options).dump(stored)
    stored.meta = done.meta
    return done


def restore(stored: Any, path: Path, **options: Any) -> Any:
    return engine_for(str(path)).restore(stored, parse_dsn(str(path)), **options)


@pytest.mark.parametrize("journal", ["WAL", "DELETE"])
@pytest.mark.parametrize("page_size", [512, 1024, 4096, 65536])
def test_round_trip_is_equal_but_for_the_rewritten_header(
    tmp_path: Path, stored: Any, page_size: int, journal: str
) -> None:
    path = make(tmp_path / "a.db", page_size=page_size, journal=journal)
    dump(path, stored)
    assert stored.kinds == {"pages": ("pages", page_size)}
    out = tmp_path / "b.db"
    restore(stored, out)
    assert masked(out.read_bytes()) == masked(path.read_bytes())
    with closing(sqlite3.connect(out)) as db:
        assert db.execute("SELECT count(*) FROM words WHERE words MATCH 'elephant'").fetchone() == (300,)
        assert db.execute("SELECT count(*) FROM boxes WHERE x0 >= 10 AND x1 <= 20").fetchone() == (10,)
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_database_of_one_page(tmp_path: Path, stored: Any) -> None:
    with closing(sqlite3.connect(tmp_path / "a.db")) as db:
        db.execute("PRAGMA user_version = 7")
    dump(tmp_path / "a.db", stored)
    assert len(stored.streams["pages"]) == 4096
    (tmp_path / "a.db").chmod(0o640)
    stored.meta = dump(tmp_path / "a.db", type(stored)()).meta
    restore(stored, tmp_path / "b.db")
    assert (tmp_path / "b.db").stat().st_mode & 0o777 == 0o640
    with closing(sqlite3.connect(tmp_path / "b.db")) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (7,)


def test_page_one_is_stored_last_and_the_wal_is_included(tmp_path: Path, stored: Any) -> None:
    path = make(tmp_path / "a.db", journal="WAL")
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("PRAGMA wal_autocheckpoint = 0")
        writer.execute("INSERT INTO account(owner, balance) VALUES ('only in the log', 1)")
        writer.commit()
        done = dump(path, stored)
    assert stored.streams["pages"][-4096:].startswith(b"SQLite format 3\0")
    assert done.meta["journal_mode"] == "wal"
    restore(stored, tmp_path / "b.db")
    with closing(sqlite3.connect(tmp_path / "b.db")) as db:
        assert db.execute("SELECT count(*) FROM account WHERE owner LIKE 'only%'").fetchone() == (1,)


@pytest.mark.parametrize("journal", ["WAL", "DELETE"])
def test_the_sum_holds_in_every_dump_under_a_transferring_writer(
    tmp_path: Path, new_stored: Any, journal: str
) -> None:
    path = make(tmp_path / "a.db", journal=journal, rows=2000)
    stop, transfers = threading.Event(), []

    def transfer() -> None:
        with closing(sqlite3.connect(path, timeout=30)) as db:
            count = 0
            while not stop.wait(0.001):
                with db:
                    db.execute("UPDATE account SET balance = balance - 5 WHERE id = ?", (count % 2000 + 1,))
                    db.execute(
                        "UPDATE account SET balance = balance + 5 WHERE id = ?", (count * 7 % 2000 + 1,)
                    )
                count += 1
            transfers.append(count)

    writer = threading.Thread(target=transfer)
    writer.start()
    try:
        seen = [new_stored() for _ in range(4)]
        for stored in seen:
            dump(path, stored)
    finally:
        stop.set()
        writer.join()
    assert transfers[0] > 0
    for number, stored in enumerate(seen):
        restore(stored, tmp_path / f"{number}.db")
        with closing(sqlite3.connect(tmp_path / f"{number}.db")) as db:
            assert db.execute("SELECT sum(balance) FROM account").fetchone() == (200_000,)


@pytest.mark.parametrize("older_reader", [False, True])
def test_commits_and_checkpoints_between_two_pages_are_not_seen(
    tmp_path: Path, stored: Any, older_reader: bool
) -> None:
    path = make(tmp_path / "a.db", journal="WAL", rows=12_000)
    moved, written = [0], []
    with closing(sqlite3.connect(path)) as db, closing(sqlite3.connect(path)) as old:
        db.execute("PRAGMA wal_autocheckpoint = 0")
        if older_reader:  # holds frames back, so that the file alone is not the whole of it
            old.execute("BEGIN")
            old.execute("SELECT count(*) FROM account").fetchone()
        db.execute("UPDATE account SET balance = balance + 1 WHERE id = 1")
        db.execute("UPDATE account SET balance = balance - 1 WHERE id = 2")
        db.commit()
        inner = stored.stream

        @contextmanager
        def meddling(*args: Any, **more: Any) -> Iterator[Any]:
            with inner(*args, **more) as writer:

                class Meddling:
                    @property
                    def offset(self) -> int:
                        return int(writer.offset)

                    def write(self, data: bytes) -> None:
                        writer.write(data)
                        db.execute(
                            "UPDATE account SET balance = balance - 3, owner = owner || 'x' WHERE id % 2 = 0"
                        )
                        db.execute(
                            "UPDATE account SET balance = balance + 3, owner = owner || 'x' WHERE id % 2 = 1"
                        )
                        db.commit()
                        written.append(db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone())
                        moved[0] += 1

                yield Meddling()

        stored.stream = meddling
        done = dump(path, stored)
    assert moved[0] > 2
    stored.stream = inner
    restore(stored, tmp_path / "b.db")
    with closing(sqlite3.connect(tmp_path / "b.db")) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("SELECT sum(balance), sum(owner LIKE '%x') FROM account").fetchone() == (
            1_200_000,
            0,
        )
        assert db.execute("SELECT balance FROM account WHERE id < 3 ORDER BY id").fetchall() == [
            (101,),
            (99,),
        ]
    assert done.meta["pages"] * 4096 == len(stored.streams["pages"])


@pytest.mark.parametrize(
    "name", ["--help", "a'b\"c.db", "new\nline.db", "🐘.db", ":memory:", "file:x?mode=ro"]
)
def test_hostile_file_names(tmp_path: Path, stored: Any, name: str) -> None:
    path = make(tmp_path / name)
    dump(path, stored)
    out = tmp_path / "out" / name
    out.parent.mkdir()
    restore(stored, out)
    assert masked(out.read_bytes()) == masked(path.read_bytes())


def message(path: Path, stored: Any, **options: Any) -> tuple[int, str]:
    with pytest.raises(BackupError) as caught:
        engine_for(str(path), options=options).dump(stored)
    assert not stored.streams
    return caught.value.exit_code, caught.value.message


def test_each_refusal_has_its_own_words(tmp_path: Path, stored: Any) -> None:
    empty, text = tmp_path / "empty.db", tmp_path / "text.db"
    empty.touch()
    text.write_bytes(b"this is no database at all. " * 100)
    assert message(tmp_path / "absent.db", stored)[0] == 20
    assert "0 bytes" in message(empty, stored)[1]
    assert "not an SQLite database" in message(text, stored)[1]
    assert message(tmp_path, stored)[0] == 20


def test_locked(tmp_path: Path, stored: Any) -> None:
    path = make(tmp_path / "a.db")
    with closing(sqlite3.connect(path)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        code, text = message(path, stored, lock_timeout=0.2)
    assert (code, "is locked by another process" in text) == (21, True)


def without_rights(path: Path) -> tuple[int, str]:
    """Dumps as someone without write permission."""
    script = (
        "import sys\nfrom backendhub.systems.backup.engines.base import engine_for\n"
        "from backendhub.systems.backup.models import BackupError\n"
        "try:\n engine_for(sys.argv[1]).dump(None)\n"
        "except BackupError as p:\n sys.stdout.write(f'{p.exit_code} {p.message}')"
    )
    # Root without capabilities: bound by the permission bits, but still able to reach the interpreter.
    bare = ["setpriv", "--bounding-set=-all"] if os.getuid() == 0 else []
    done = subprocess.run([*bare, sys.executable, "-c", script, str(path)], capture_output=True, timeout=30)
    code, _, text = done.stdout.decode().partition(" ")
    assert code, done.stderr.decode()
    return int(code), text


root_only = pytest.mark.skipif(
    not hasattr(os, "getuid") or os.getuid() != 0, reason="needs to change accounts"
)


@root_only
def test_hot_journal_and_wal_without_write_permission(folder_for_servers: Path) -> None:
    hot = make(folder_for_servers / "hot.db", rows=3000)
    script = (
        "import sqlite3, os, sys\ndb = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "db.execute('PRAGMA cache_size = 2')\ndb.execute('BEGIN')\n"
        "db.execute('UPDATE account SET balance = 1')\ndb.execute('DELETE FROM words')\nos._exit(1)"
    )
    subprocess.run([sys.executable, "-c", script, str(hot)], timeout=30)
    assert hot.with_name("hot.db-journal").stat().st_size > 0
    hot.with_name("hot.db-journal").chmod(0o644)
    wal = make(folder_for_servers / "wal.db", journal="WAL")
    for path in (hot, wal):
        path.chmod(0o444)
    folder_for_servers.chmod(0o555)
    try:
        assert "hot journal" in without_rights(hot)[1]
        code, text = without_rights(wal)
    finally:
        folder_for_servers.chmod(0o755)
    assert (code, "WAL mode" in text) == (20, True)


def test_malformed_is_kept_in_quarantine(tmp_path: Path, stored: Any) -> None:
    path = make(tmp_path / "a.db", rows=3000)
    with path.open("r+b") as file:
        for page in range(20, 60):
            file.seek(page * 4096)
            file.write(os.urandom(200))
    done = dump(path, stored)
    assert done.meta["quarantined"] and done.warnings
    assert (
        "malformed" in engine_for(str(path)).test()[1].text
        or engine_for(str(path)).test()[1].severity == "error"
    )
    back = restore(stored, tmp_path / "b.db")
    assert "quarantine" in back.warnings[0]
    stored.meta = dict(stored.meta) | {"quarantined": False}
    with pytest.raises(BackupError, match="malformed") as caught:
        restore(stored, tmp_path / "c.db")
    assert caught.value.exit_code == 40
    assert not (tmp_path / "c.db").exists()


def test_a_damaged_stream_never_reaches_the_target(tmp_path: Path, stored: Any) -> None:
    path = make(tmp_path / "a.db")
    before = path.read_bytes()
    dump(path, stored)
    stored.streams["pages"] = stored.streams["pages"][:-4096]
    with pytest.raises(BackupError) as caught:
        restore(stored, path, replace=True)
    assert caught.value.exit_code == 40
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.db"]


def test_replace_needs_the_word_and_leaves_no_stale_log(tmp_path: Path, stored: Any) -> None:
    path = make(tmp_path / "a.db", journal="WAL")
    dump(path, stored)
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE account SET balance = 0")
        db.commit()
        with pytest.raises(BackupError, match="exists") as caught:
            restore(stored, path)
        assert caught.value.exit_code == 2
        with pytest.raises(BackupError, match="in use"):
            engine_for(str(path), options={"lock_timeout": 0.2}).restore(
                stored, parse_dsn(str(path)), replace=True
            )
    path.with_name("a.db-journal").write_bytes(b"stale")
    path.chmod(0o640)
    restore(stored, path, replace=True)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.db"]
    assert path.stat().st_mode & 0o777 == 0o640
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT sum(balance) FROM account").fetchone() == (30_000,)


def test_a_symbolic_link_as_target_is_refused(tmp_path: Path, stored: Any) -> None:
    path = make(tmp_path / "a.db")
    dump(path, stored)
    (tmp_path / "link.db").symlink_to(path)
    with pytest.raises(BackupError, match="symbolic link"):
        restore(stored, tmp_path / "link.db", replace=True)


def test_tables_are_copied_with_indexes_triggers_and_shadows(tmp_path: Path, stored: Any) -> None:
    path = make(tmp_path / "a.db")
    dump(path, stored)
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as db:
        db.executescript(
            "CREATE TABLE mine(x); INSERT INTO mine VALUES (1); CREATE TABLE journal(note TEXT);"
        )
    names = ["account", "words", "boxes", 'a "quoted" 🐘\n-x ../name', "rich"]
    restore(stored, other, tables=names)
    with closing(sqlite3.connect(other)) as db, closing(sqlite3.connect(path)) as was:
        for query in (
            "SELECT * FROM account",
            "SELECT rowid, * FROM words WHERE words MATCH 'word7'",
            "SELECT * FROM boxes WHERE x0 > 290",
            "SELECT type, name, sql FROM sqlite_schema WHERE tbl_name = 'account' ORDER BY name",
            "SELECT * FROM sqlite_sequence WHERE name = 'account'",
        ):
            assert db.execute(query).fetchall() == was.execute(query).fetchall()
        assert db.execute("SELECT count(*) FROM mine").fetchone() == (1,)
        assert db.execute("SELECT count(*) FROM journal").fetchone() == (0,)
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    with pytest.raises(Conflict):
        restore(stored, other, tables=["account"])
    with pytest.raises(NotFound):
        restore(stored, other, tables=["nothing"])
    restore(stored, other, tables=names, replace=True)
    with closing(sqlite3.connect(other)) as db:
        assert db.execute("SELECT count(*) FROM account").fetchone() == (300,)


def test_export_is_a_database_file(tmp_path: Path, stored: Any) -> None:
    path = make(tmp_path / "a.db")
    dump(path, stored)
    assert engine_for(str(path)).export(stored, tmp_path / "x.db") == [tmp_path / "x.db"]
    assert masked((tmp_path / "x.db").read_bytes()) == masked(path.read_bytes())


def test_drill_compares_every_byte_and_runs_checks(tmp_path: Path, stored: Any) -> None:
    path = make(tmp_path / "a.db")
    dump(path, stored)
    engine = engine_for(str(path))
    good = engine.drill(stored, sql=["SELECT count(*) = 300 FROM account"])
    assert good.ok and good.compared_bytes == len(stored.streams["pages"])
    bad = engine.drill(stored, sql=["SELECT count(*) = 1 FROM account", "SELECT * FROM absent"])
    assert not bad.ok and [check.severity for check in bad.checks] == ["error", "error"]


def test_inventory_and_emptiness(tmp_path: Path) -> None:
    path = make(tmp_path / "a.db")
    engine = engine_for(str(path))
    assert engine.inventory()["account"] == {"kind": "table", "rows": 300}
    assert not engine.is_empty(parse_dsn(str(path)))
    assert engine.is_empty(parse_dsn(str(tmp_path / "new.db")))
    assert {check.severity for check in engine.test()} == {"ok", "warning"}


def test_there_is_no_log_and_no_other_kind_of_target(tmp_path: Path, stored: Any) -> None:
    path = make(tmp_path / "a.db")
    dump(path, stored)
    with pytest.raises(Invalid):
        engine_for(str(path)).logs({})
    with pytest.raises(Invalid, match="always backed up whole"):
        engine_for(str(path), options={"tables": "t"})
    with pytest.raises(HubError):
        engine_for(str(path)).restore(stored, parse_dsn("postgresql://h/x"))


def test_a_writer_that_holds_on_runs_into_the_deadline(tmp_path: Path, stored: Any) -> None:
    path = make(tmp_path / "a.db")
    with closing(sqlite3.connect(path)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(BackupError) as caught:
            engine_for(str(path), options={"lock_timeout": 60}).dump(
                stored, deadline=Deadline.after(None, stall=0.5)
            )
    assert caught.value.exit_code == 22
    assert not stored.streams
