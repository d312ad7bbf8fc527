"""MariaDB dumps against a real server."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from backendhub.kit.errors import Conflict, Invalid, NotFound
from backendhub.systems.backup.engines.base import Deadline, engine_for, parse_dsn
from backendhub.systems.backup.engines.mariadb_index import Indexer
from backendhub.systems.backup.models import BackupError

# MariaDB's identifiers end at U+FFFF: an elephant is not possible, a snowman is.
HOSTILE = "a `quoted` 'x' ☃\n-x ../name\\"
QUOTED = "`" + HOSTILE.replace("`", "``") + "`"
SCHEMA = Path(__file__).with_name("every_type.mariadb.sql").read_text("utf-8")
CONTENT = (
    f"CHECKSUM TABLE every_type, {QUOTED}, `--help`, parts EXTENDED; SELECT * FROM versioned FOR SYSTEM_TIME ALL"
    " ORDER BY row_start; SELECT * FROM richer; SELECT plus_one(1);"
)


def dump(maria: Any, name: str, stored: Any, **options: Any) -> Any:
    done = engine_for(maria.dsn(name), options=options).dump(stored)
    stored.meta = done.meta
    return done


def body(data: bytes, name: str) -> list[bytes]:
    """A dump without its preamble's comments, its GTID (a server with a binlog tells it) and its database's name."""
    for spelled in (name.replace("`", "``"), name):
        data = data.replace(spelled.encode(), b"DB")
    lines = data.split(b"\n")
    start = next(n for n, line in enumerate(lines) if line.startswith((b"-- Seq", b"-- Table")))
    kept = [line for line in lines[:start] if not line.startswith(b"--")] + lines[start:]
    return [line for line in kept if not line.startswith(b"-- SET GLOBAL gtid_slave_pos=")]


def content(maria: Any, name: str) -> str:
    return str(maria.sql(CONTENT, name)).replace(name.replace("\\", "\\\\"), "db")


@pytest.mark.parametrize(
    ("suffix", "also"),
    [
        (" `b` --help ☃", ""),
        # mariadb-dump itself cannot dump events of a database with a quote or backslash in its name (error 1049).
        (" 'q \\ \"d", "DROP EVENT nightly"),
    ],
)
def test_dump_restore_dump_is_equal(maria: Any, stored: Any, new_stored: Any, suffix: str, also: str) -> None:
    name = maria.database(suffix)
    maria.sql(SCHEMA + also, name)
    maria.sql(f"ALTER DATABASE {maria.quoted(name)} CHARACTER SET latin1 COLLATE latin1_german1_ci")
    done = dump(maria, name, stored)
    assert done.warnings == []
    assert set(done.tables) == {
        "every_type",
        HOSTILE,
        "--help",
        "parts",
        "versioned",
        "numbers",
        "audit",
        "rich",
        "richer",
    }
    assert done.tables[HOSTILE]["kind"] == "table" and done.tables[HOSTILE]["length"] > 1000
    target = maria.name(" restored")
    engine = engine_for(maria.dsn(name))
    assert engine.is_empty(maria.dsn(target))
    maria.sql(f"ALTER DATABASE {maria.quoted(name)} COLLATE latin1_bin")
    engine.restore(stored, maria.dsn(target))
    where = "SELECT default_collation_name FROM information_schema.schemata WHERE schema_name = database()"
    assert maria.sql(where, name) == "latin1_bin", "the dump's ALTER DATABASE reached the live database"
    again = new_stored()
    dump(maria, target, again)
    assert body(again.streams["dump.sql"], target) == body(stored.streams["dump.sql"], name)
    assert content(maria, target) == content(maria, name)
    assert again.meta["database"]["collation"] == "latin1_german1_ci"


def test_a_target_limited_to_some_tables(maria: Any, stored: Any) -> None:
    name = maria.database()
    maria.sql(
        "CREATE TABLE one(a int); CREATE TABLE two(a int); INSERT INTO one VALUES (5);"
        "CREATE FUNCTION f() RETURNS int RETURN 1; CREATE TRIGGER t BEFORE INSERT ON one FOR EACH ROW SET NEW.a = 1",
        name,
    )
    done = dump(maria, name, stored, tables=["one"])
    assert set(done.tables) == {"one"}
    target = maria.name()
    engine_for(maria.dsn(name)).restore(stored, maria.dsn(target))
    assert maria.sql("SELECT a FROM one; SHOW TRIGGERS", target).startswith("5\nt\t")


def test_a_database_called_help(maria: Any, stored: Any) -> None:
    maria.made.append("--help")
    maria.sql("CREATE DATABASE IF NOT EXISTS `--help`")
    maria.sql("CREATE TABLE t(a int); INSERT INTO t VALUES (1)", "--help")
    dump(maria, "--help", stored)
    assert b"INSERT INTO `t` VALUES\n(1);" in stored.streams["dump.sql"]


def test_drill_proves_it_and_finds_what_is_wrong(maria: Any, stored: Any) -> None:
    name = maria.database()
    maria.sql(SCHEMA, name)
    dump(maria, name, stored)
    engine = engine_for(maria.dsn(name))
    good = engine.drill(
        stored, sql=["SELECT count(*) = 200 FROM " + QUOTED, "SELECT 0", "SELECT * FROM absent"]
    )
    assert good.findings == []
    assert good.compared_bytes > 500_000
    assert [check.severity for check in good.checks] == ["ok", "error", "error"]


def test_drill_finds_what_the_dumper_itself_loses(maria: Any, stored: Any) -> None:
    """SHOW CREATE TABLE answers in utf8mb3, so that a 4-byte character in an ENUM arrives as a question mark."""
    name = maria.database()
    maria.sql("CREATE TABLE t(a enum('x', '🐘') CHARACTER SET utf8mb4); INSERT INTO t VALUES ('🐘')", name)
    dump(maria, name, stored)
    found = engine_for(maria.dsn(name)).drill(stored)
    assert not found.ok and len(found.findings) == 1


def test_replace_swaps_everything(maria: Any, stored: Any, marks: list[str]) -> None:
    name = maria.database()
    maria.sql(SCHEMA, name)
    dump(maria, name, stored)
    before = content(maria, name)
    maria.sql(
        "DELETE FROM parts; DROP TABLE audit; DROP VIEW richer; CREATE TABLE later(a int); CREATE VIEW mine AS"
        " SELECT 1; CREATE TRIGGER other BEFORE INSERT ON later FOR EACH ROW SET NEW.a = 1;"
        " DELETE FROM `--help`; DROP FUNCTION plus_one; CREATE PROCEDURE old_one() SELECT 1",
        name,
    )
    engine = engine_for(maria.dsn(name))
    with pytest.raises(BackupError, match="not empty") as caught:
        engine.restore(stored, maria.dsn(name))
    assert caught.value.exit_code == 2
    engine.restore(stored, maria.dsn(name), replace=True)
    assert content(maria, name) == before
    left = maria.sql(
        f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{name}'"
        " AND table_name IN ('later', 'mine')"
    )
    everything = maria.sql("SHOW DATABASES")
    assert marks and not [mark for mark in marks if f"_{mark}" in everything.replace(f"hubtest_{mark}", "")]
    assert left == ""
    references = maria.sql(
        "SELECT unique_constraint_schema FROM information_schema.referential_constraints"
        f" WHERE constraint_schema = '{name}'"
    )
    assert references == name
    assert (
        maria.sql(
            "INSERT INTO `--help` VALUES (1, 'fires'); SELECT b FROM `--help` WHERE b LIKE 'fires%'", name
        )
        == "fires;"
    )


def test_a_restore_that_fails_leaves_the_target_alone(maria: Any, stored: Any, marks: list[str]) -> None:
    name = maria.database()
    maria.sql(SCHEMA, name)
    dump(maria, name, stored)
    before = content(maria, name)
    whole = stored.streams["dump.sql"]
    stored.streams["dump.sql"] = whole.replace(b"CREATE TABLE `parts`", b"CREATE TABEL `parts`")
    engine = engine_for(maria.dsn(name))
    for kind in ({}, {"tables": ["parts"]}):
        with pytest.raises(BackupError):
            engine.restore(stored, maria.dsn(name), replace=True, **kind)
        assert content(maria, name) == before
    fresh = maria.name()
    with pytest.raises(BackupError):
        engine.restore(stored, maria.dsn(fresh))
    assert engine.is_empty(maria.dsn(fresh))
    everything = maria.sql("SHOW DATABASES")
    assert marks and not [
        mark for mark in marks if f"hub_restore_{mark}" in everything or f"hub_old_{mark}" in everything
    ]


def test_tables_are_read_from_their_own_ranges(maria: Any, stored: Any) -> None:
    name = maria.database()
    maria.sql(SCHEMA, name)
    dump(maria, name, stored)
    target = maria.database()
    maria.sql("CREATE TABLE keep(a int)", target)
    engine = engine_for(maria.dsn(name))
    stored.reads.clear()
    engine.restore(stored, maria.dsn(target), tables=[HOSTILE, "--help", "numbers"])
    assert sum(length for _, _, length in stored.reads) < len(stored.streams["dump.sql"]) / 10
    check = (
        f"CHECKSUM TABLE {QUOTED}, `--help`; SHOW CREATE TABLE `--help`; SELECT trigger_name FROM"
        " information_schema.triggers WHERE trigger_schema = database(); SHOW CREATE TABLE numbers"
    )
    assert maria.sql(check, target).replace(target, "db") == maria.sql(check, name).replace(name, "db")
    assert "keep" in maria.sql("SHOW TABLES", target)
    with pytest.raises(Conflict):
        engine.restore(stored, maria.dsn(target), tables=[HOSTILE])
    with pytest.raises(NotFound):
        engine.restore(stored, maria.dsn(target), tables=["absent"])
    maria.sql("DELETE FROM `--help`", target)
    engine.restore(stored, maria.dsn(target), tables=["--help"], replace=True)
    assert maria.sql(check, target).replace(target, "db") == maria.sql(check, name).replace(name, "db")


def test_the_sum_holds_in_every_dump_under_a_transferring_writer(maria: Any, new_stored: Any) -> None:
    name = maria.database()
    maria.sql(
        "CREATE TABLE account(id int primary key, balance int);"
        "INSERT INTO account SELECT seq, 100 FROM seq_1_to_500",
        name,
    )
    stop = threading.Event()

    def transfer() -> None:
        while not stop.is_set():
            maria.sql(
                "".join(
                    f"BEGIN; UPDATE account SET balance = balance - {n} WHERE id = {n % 500 + 1};"
                    f"UPDATE account SET balance = balance + {n} WHERE id = {n * 7 % 500 + 1}; COMMIT;"
                    for n in range(100)
                ),
                name,
            )

    writer = threading.Thread(target=transfer)
    writer.start()
    try:
        dumps = [new_stored() for _ in range(3)]
        for stored in dumps:
            dump(maria, name, stored)
    finally:
        stop.set()
        writer.join()
    for stored in dumps:
        target = maria.name()
        engine_for(maria.dsn(name)).restore(stored, maria.dsn(target))
        assert maria.sql("SELECT sum(balance) FROM account", target) == "50000"
    assert len({stored.streams["dump.sql"] for stored in dumps}) == 3


def failing(maria: Any, name: str, stored: Any) -> BackupError:
    with pytest.raises(BackupError) as caught:
        engine_for(maria.dsn(name)).dump(stored)
    assert not stored.streams
    return caught.value


def test_preflight_refuses_with_20(maria: Any, stored: Any) -> None:
    name = maria.database()
    maria.sql("CREATE TABLE t(a int)", name)
    assert failing(maria, "hubtest_absent", stored).exit_code == 20
    with pytest.raises(BackupError) as caught:
        engine_for("mariadb://root@127.0.0.1:1/x").dump(stored)
    assert caught.value.exit_code == 20
    maria.sql(f"CREATE USER {name}@'127.0.0.1'; GRANT SELECT ON {name}.* TO {name}@'127.0.0.1'")
    try:
        poor = parse_dsn(f"mariadb://{name}@127.0.0.1:{maria.port}/{name}")
        with pytest.raises(BackupError, match="SHOW VIEW, TRIGGER, EVENT") as caught:
            engine_for(poor).dump(stored)
        assert caught.value.exit_code == 20
        maria.sql(f"GRANT SHOW VIEW, TRIGGER, EVENT ON {name}.* TO {name}@'127.0.0.1'")
        engine_for(poor).dump(stored)
    finally:
        maria.sql(f"DROP USER {name}@'127.0.0.1'")


def test_not_transactional_is_a_warning(maria: Any, stored: Any) -> None:
    name = maria.database()
    maria.sql("CREATE TABLE m(a int) ENGINE=MyISAM; CREATE TABLE i(a int)", name)
    done = dump(maria, name, stored)
    assert done.warnings == ["m (MyISAM) is not transactional: its rows may not belong together"]


def test_connection_killed_mid_dump_is_21(maria: Any, stored: Any) -> None:
    name = maria.database()
    maria.sql("CREATE TABLE t(a text); INSERT INTO t SELECT repeat('x', 1000) FROM seq_1_to_40000", name)
    plain = stored.stream

    @contextmanager
    def cutting(stream: str, **kw: Any) -> Iterator[Any]:
        with plain(stream, **kw) as writer:

            class Cutting:
                offset = 0

                def write(self, data: bytes) -> None:
                    if not self.offset:
                        rows = maria.sql(f"SELECT id FROM information_schema.processlist WHERE db = '{name}'")
                        maria.sql("".join(f"KILL {row};" for row in rows.split()))
                    self.offset += len(data)
                    writer.write(data)

            yield Cutting()

    stored.stream = cutting
    problem = failing(maria, name, stored)
    assert problem.exit_code == 21, problem.message


def test_hung_source_is_22(maria: Any, stored: Any) -> None:
    name = maria.database()
    maria.sql("CREATE TABLE t(a int)", name)
    held = subprocess.Popen(
        ["mariadb", "-h127.0.0.1", f"-P{maria.port}", "-uroot", name], stdin=subprocess.PIPE
    )
    assert held.stdin is not None
    held.stdin.write(b"LOCK TABLES t WRITE; SELECT SLEEP(30);\n")
    held.stdin.flush()
    try:
        while "SLEEP" not in maria.sql(
            f"SELECT info FROM information_schema.processlist WHERE db = '{name}'"
        ):
            assert held.poll() is None
            time.sleep(0.05)
        with pytest.raises(BackupError) as caught:
            engine_for(maria.dsn(name)).dump(stored, deadline=Deadline.after(None, stall=1.0))
        assert caught.value.exit_code == 22
        assert not stored.streams
    finally:
        held.kill()
        held.wait()
        held.stdin.close()
        rows = maria.sql(f"SELECT id FROM information_schema.processlist WHERE db = '{name}'").split()
        # --force: a connection may end by itself before its turn comes.
        subprocess.run(
            ["mariadb", "--force", "-h127.0.0.1", f"-P{maria.port}", "-uroot"],
            input="".join(f"KILL {row};\n" for row in rows).encode(),
            capture_output=True,
            check=False,
        )


def test_the_index_is_the_same_however_the_dump_is_cut(maria: Any, stored: Any) -> None:
    name = maria.database()
    maria.sql(SCHEMA, name)
    done = dump(maria, name, stored)
    data = stored.streams["dump.sql"]
    for size in (1000, 4097, 65536):
        indexer = Indexer()
        for at in range(0, len(data), size):
            indexer.feed(data[at : at + size])
        assert [[s.kind, s.name, s.start, s.length] for s in indexer.finish()] == done.meta["index"]
        assert indexer.complete
    assert sum(row[3] for row in done.meta["index"]) == len(data)


def test_export_and_test(maria: Any, stored: Any, tmp_path: Path) -> None:
    name = maria.database()
    maria.sql("CREATE TABLE t(a int)", name)
    dump(maria, name, stored)
    engine = engine_for(maria.dsn(name))
    assert engine.export(stored, tmp_path / "x.sql")[0].read_bytes() == stored.streams["dump.sql"]
    assert [check.name for check in engine.test()] == ["connect", "versions", "rights", "binlog"]
    assert engine.inventory()["t"]["kind"] == "table"
    with pytest.raises(Invalid, match="no binlog position"):
        list(engine.logs(stored.meta | {"position": None}))


def test_an_error_is_the_servers_words_not_the_statement(maria: Any) -> None:
    with pytest.raises(BackupError) as caught:
        engine_for(maria.dsn("x")).client.sql("SELECT 'a long statement' FROM absent.absent")  # type: ignore[attr-defined]
    assert "ERROR 1146" in caught.value.message and "long statement" not in caught.value.message
