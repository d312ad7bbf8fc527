"""PostgreSQL logical dumps against a real server."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from backendhub.kit.errors import Conflict, Invalid, NotFound
from backendhub.systems.backup.engines.base import Deadline, engine_for, parse_dsn
from backendhub.systems.backup.engines.postgres_restore import statements
from backendhub.systems.backup.models import BackupError

# Roles of a server are in every dump of it, whoever made them.
pytestmark = [pytest.mark.postgres, pytest.mark.xdist_group("roles")]

SCHEMA = Path(__file__).with_name("every_type.postgres.sql").read_text("utf-8")


def counts(pg: Any, name: str) -> str:
    return str(pg.sql("SELECT md5(string_agg(x::text, ',' ORDER BY id)) FROM every_type x", name))


def dump(pg: Any, name: str, stored: Any, **options: Any) -> Any:
    done = engine_for(pg.dsn(name), options=options).dump(stored)
    stored.meta = done.meta
    return done


def as_sql(stored: Any, folder: Path) -> list[str]:
    path = folder / f"{time.monotonic_ns()}.sql"
    engine_for("postgresql://postgres@127.0.0.1/x").export(stored, path)
    return [
        line for line in path.read_text().split("\n") if not line.startswith(("\\restrict", "\\unrestrict"))
    ]


def test_dump_restore_dump_is_equal(pg: Any, stored: Any, new_stored: Any, tmp_path: Path) -> None:
    name = pg.database(" 'q\" \\ --help 🐘\n=x")
    pg.sql(SCHEMA, name)
    pg.sql(f'ALTER DATABASE {pg.quoted(name)} SET search_path TO public, "odd ""schema"" -x"')
    pg.sql(f"COMMENT ON DATABASE {pg.quoted(name)} IS 'the ''one'''")
    done = dump(pg, name, stored)
    assert list(stored.streams) == ["globals.sql", "dump"]
    assert done.tables["public.every_type"]["rows"] == 5
    assert done.meta["objects"]["large_objects"] == 2
    target = pg.name(" restored")
    engine_for(pg.dsn(name)).restore(stored, pg.dsn(target))
    again = new_stored()
    dump(pg, target, again)
    assert as_sql(stored, tmp_path) == as_sql(again, tmp_path)
    assert again.meta["database"]["settings"] == stored.meta["database"]["settings"]
    assert again.meta["database"]["comment"] == "the 'one'"
    assert counts(pg, target) == counts(pg, name)


def test_a_target_limited_to_some_tables(pg: Any, stored: Any) -> None:
    name = pg.database()
    pg.sql(
        "CREATE TABLE one(a serial PRIMARY KEY); CREATE TABLE two(a int); INSERT INTO one VALUES (5);"
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        name,
    )
    done = dump(pg, name, stored, tables="one")
    assert set(done.tables) == {"public.one", "public.one_a_seq"}
    target = pg.database()
    engine_for(pg.dsn(name)).restore(stored, pg.dsn(target))
    assert pg.sql("SELECT a FROM one", target) == "5"
    assert engine_for(pg.dsn(name)).drill(stored).findings == []
    assert failing(pg, name, type(stored)(), tables="absent").exit_code == 20


def test_a_database_with_only_a_function_is_not_empty(pg: Any, stored: Any) -> None:
    name, target = pg.database(), pg.database()
    dump(pg, name, stored)
    pg.sql("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", target)
    engine = engine_for(pg.dsn(name))
    assert engine.is_empty(pg.dsn(name)) and not engine.is_empty(pg.dsn(target))
    with pytest.raises(BackupError, match="not empty"):
        engine.restore(stored, pg.dsn(target))


def test_a_database_called_help(pg: Any, stored: Any) -> None:
    pg.made.append("--help")
    pg.sql('CREATE DATABASE "--help"')
    pg.sql("CREATE TABLE t(a int); INSERT INTO t VALUES (7)", "--help")
    dump(pg, "--help", stored)
    target = pg.name("-x=y z")
    engine_for(pg.dsn("--help")).restore(stored, pg.dsn(target))
    assert pg.sql("SELECT a FROM t", target) == "7"


def test_drill_proves_it_and_finds_what_is_wrong(pg: Any, stored: Any) -> None:
    name = pg.database()
    pg.sql(SCHEMA, name)
    dump(pg, name, stored)
    engine = engine_for(pg.dsn(name))
    good = engine.drill(stored, sql=["SELECT count(*) = 5 FROM every_type", "SELECT 1 / 0", "SELECT false"])
    assert good.findings == []
    assert good.compared_bytes > 400_000
    assert [check.severity for check in good.checks] == ["ok", "error", "error"]
    stored.meta["tables"]["public.parts_a"]["rows"] += 1
    bad = engine.drill(stored)
    assert bad.findings == ["public.parts_a: 12 rows stored, 11 restored"] and not bad.ok


def test_restore_needs_the_word_to_overwrite_and_swaps(pg: Any, stored: Any, marks: list[str]) -> None:
    name = pg.database()
    pg.sql("CREATE TABLE t(a int); INSERT INTO t VALUES (1), (2)", name)
    dump(pg, name, stored)
    pg.sql("INSERT INTO t VALUES (3); CREATE TABLE later(a int)", name)
    engine = engine_for(pg.dsn(name))
    assert not engine.is_empty(pg.dsn(name))
    with pytest.raises(BackupError, match="not empty") as caught:
        engine.restore(stored, pg.dsn(name))
    assert caught.value.exit_code == 2
    held = subprocess.Popen(
        [
            "psql",
            "-Xqc",
            "SELECT pg_sleep(60)",
            "-d",
            f"host=127.0.0.1 port={pg.port} user=postgres dbname={name}",
        ]
    )
    engine.restore(stored, pg.dsn(name), replace=True)
    assert held.wait(10) != 0
    assert pg.sql("SELECT count(*), to_regclass('later') IS NULL FROM t", name) == "2|t"
    everything = pg.sql("SELECT datname FROM pg_database")
    assert marks and not [
        m for m in marks if f"hub_restore_{m}" in everything or f"hub_old_{m}" in everything
    ]


def test_a_restore_that_fails_leaves_the_target_alone(pg: Any, stored: Any) -> None:
    name = pg.database()
    pg.sql("CREATE TABLE t(a int); INSERT INTO t SELECT generate_series(1, 10000)", name)
    dump(pg, name, stored)
    whole = stored.streams["dump"]
    stored.streams["dump"] = whole[: len(whole) // 2]
    engine = engine_for(pg.dsn(name))
    with pytest.raises(BackupError):
        engine.restore(stored, pg.dsn(name), replace=True)
    stored.streams["dump"] = whole
    stored.meta["tables"]["public.t"]["rows"] = 5
    with pytest.raises(BackupError, match="differs") as caught:
        engine.restore(stored, pg.dsn(name), replace=True)
    assert caught.value.exit_code == 40
    assert pg.sql("SELECT count(*) FROM t", name) == "10000"


def test_tables_come_with_indexes_constraints_triggers(pg: Any, stored: Any) -> None:
    name = pg.database()
    pg.sql(SCHEMA, name)
    dump(pg, name, stored)
    target = pg.database()
    pg.sql(
        "CREATE TYPE mood AS ENUM ('sad', 'it''s ok', '🐘'); CREATE DOMAIN positive AS integer CHECK (VALUE > 0);"
        "CREATE TYPE pair AS (x integer, y text); CREATE TYPE span AS RANGE (subtype = float8);"
        "CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        target,
    )
    engine = engine_for(pg.dsn(name))
    hostile = 'a "quoted" 🐘\n-x ../name\\'
    tables = ["every_type", hostile, 'odd "schema" -x.--help', "parts"]
    done = engine.restore(stored, pg.dsn(target), tables=tables)
    assert sorted(done.tables)[-3:] == ["public.parts", "public.parts_a", "public.parts_b"]
    about = """SELECT string_agg(format('%s %s', conname, pg_get_constraintdef(oid)), ',' ORDER BY conname)
        FROM pg_constraint WHERE conrelid::regclass::text ~ 'help|every|quoted|parts';
        SELECT string_agg(indexdef, ',' ORDER BY indexdef) FROM pg_indexes WHERE tablename ~ 'help|every|quoted|parts';
        SELECT string_agg(tgname, ',') FROM pg_trigger WHERE NOT tgisinternal;
        SELECT col_description('every_type'::regclass, 8); SELECT count(*) FROM pg_statistic_ext;
        SELECT last_value FROM every_type_id_seq; SELECT last_value FROM every_type_serial_too_seq;
        SELECT count(*) FROM parts_a;"""
    assert pg.sql(about, target) == pg.sql(about, name)
    assert counts(pg, target) == counts(pg, name)
    assert pg.sql("SELECT to_regclass('child') IS NULL", target) == "t"
    with pytest.raises(Conflict):
        engine.restore(stored, pg.dsn(target), tables=["every_type"])
    with pytest.raises(NotFound):
        engine.restore(stored, pg.dsn(target), tables=["absent"])
    pg.sql("DELETE FROM every_type", target)
    engine.restore(stored, pg.dsn(target), tables=["every_type"], replace=True)
    assert counts(pg, target) == counts(pg, name)


def test_the_sum_holds_in_every_dump_and_inventory_under_a_writer(pg: Any, new_stored: Any) -> None:
    name = pg.database()
    pg.sql(
        "CREATE TABLE account(id int primary key, balance int); CREATE TABLE moves(n int);"
        "INSERT INTO account SELECT n, 100 FROM generate_series(1, 500) n",
        name,
    )
    stop = threading.Event()

    def transfer() -> None:
        while not stop.is_set():
            pg.sql(
                "".join(
                    f"BEGIN; UPDATE account SET balance = balance - {n} WHERE id = {n % 500 + 1};"
                    f"UPDATE account SET balance = balance + {n} WHERE id = {n * 7 % 500 + 1};"
                    "INSERT INTO moves VALUES (1); COMMIT;"
                    for n in range(100)
                ),
                name,
            )

    writer = threading.Thread(target=transfer)
    writer.start()
    try:
        dumps = [new_stored() for _ in range(3)]
        for stored in dumps:
            dump(pg, name, stored)
    finally:
        stop.set()
        writer.join()
    for stored in dumps:
        target = pg.name()
        engine_for(pg.dsn(name)).restore(stored, pg.dsn(target))  # also compares the counted rows
        assert pg.sql("SELECT sum(balance) FROM account", target) == "50000"
    assert dumps[2].meta["tables"]["public.moves"]["rows"] > dumps[0].meta["tables"]["public.moves"]["rows"]


def failing(pg: Any, name: str, stored: Any, **options: Any) -> BackupError:
    with pytest.raises(BackupError) as caught:
        engine_for(pg.dsn(name), options=options).dump(stored)
    assert "dump" not in stored.streams
    return caught.value


def test_preflight_refuses_with_20(pg: Any, stored: Any, tmp_path: Path) -> None:
    name = pg.database()
    role = f"hub_{name[8:]}"
    pg.sql(
        f"CREATE TABLE secret(a int); CREATE ROLE {role} LOGIN; GRANT CONNECT ON DATABASE {name} TO {role}",
        name,
    )
    try:
        poor = parse_dsn(f"postgresql://{role}@127.0.0.1:{pg.port}/{name}")
        with pytest.raises(BackupError, match="no right to read public") as caught:
            engine_for(poor).dump(stored)
        assert caught.value.exit_code == 20
        pg.sql(f"GRANT SELECT ON secret TO {role}", name)
        done = engine_for(poor).dump(stored)
        assert done.meta["globals"] == "without passwords"
    finally:
        pg.sql(
            f"REVOKE ALL ON secret FROM {role}; REVOKE ALL ON DATABASE {name} FROM {role}; DROP ROLE {role}",
            name,
        )
    old = tmp_path / "bin"
    old.mkdir()
    for program in ("psql", "pg_dump"):
        (old / program).write_text(
            f'#!/bin/sh\n[ "$1" = --version ] && echo "{program} (PostgreSQL) 9.6.1" && exit\n'
            f'exec /usr/bin/{program} "$@"\n'
        )
        (old / program).chmod(0o755)
    problem = failing(pg, name, type(stored)(), bin_dir=str(old))
    assert (problem.exit_code, "pg_dump 9 cannot dump" in problem.message) == (20, True)


def test_cannot_connect_is_20(pg: Any, stored: Any) -> None:
    assert failing(pg, "hubtest_absent", stored).exit_code == 20
    with pytest.raises(BackupError) as caught:
        engine_for("postgresql://postgres@127.0.0.1:1/x").dump(stored)
    assert caught.value.exit_code == 20


def test_server_killed_mid_dump_is_21(pg: Any, stored: Any) -> None:
    name = pg.database()
    pg.sql(
        "CREATE TABLE t(a text); INSERT INTO t SELECT repeat('x', 1000) FROM generate_series(1, 20000)", name
    )

    class Killing(type(stored)):  # type: ignore[misc]
        """Cuts pg_dump's connection once its bytes start to flow."""

        def stream(self, name_: str, **kw: Any) -> Any:
            inner = super().stream(name_, **kw)
            if name_ != "dump":
                return inner
            from contextlib import contextmanager

            @contextmanager
            def cut() -> Any:
                with inner as writer:

                    class Cutting:
                        offset = 0

                        def write(self, data: bytes) -> None:
                            if not self.offset:
                                pg.sql(
                                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                                    f" WHERE datname = '{name}' AND query LIKE 'COPY%'"
                                )
                            self.offset += len(data)
                            writer.write(data)

                    yield Cutting()

            return cut()

    problem = failing(pg, name, Killing())
    assert problem.exit_code == 21
    assert "pg_dump" in problem.message


def test_locked_table_and_hung_source(pg: Any, stored: Any) -> None:
    name = pg.database()
    pg.sql("CREATE TABLE t(a int)", name)
    hold = f"host=127.0.0.1 port={pg.port} user=postgres dbname={name}"
    held = subprocess.Popen(["psql", "-Xqc", "BEGIN; LOCK TABLE t; SELECT pg_sleep(60)", "-d", hold])
    try:
        while (
            pg.sql(
                f"SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_database d"
                f" ON d.oid = l.database WHERE d.datname = '{name}' AND relname = 't'",
                name,
            )
            == "0"
        ):
            assert held.poll() is None
            time.sleep(0.05)
        assert failing(pg, name, stored, lock_timeout=1, counts="off").exit_code == 21
        with pytest.raises(BackupError) as caught:
            engine_for(pg.dsn(name), options={"counts": "off"}).dump(
                type(stored)(), deadline=Deadline.after(None, stall=1.0)
            )
        assert caught.value.exit_code == 22
    finally:
        held.send_signal(signal.SIGINT)
        held.wait(10)


def test_roles_come_back_from_the_globals(pg: Any, stored: Any) -> None:
    name = pg.database()
    role = f'hub "r"; {name[8:]}'
    quoted = pg.quoted(role)
    pg.sql(
        f"CREATE ROLE {quoted} LOGIN PASSWORD 'p'; CREATE TABLE t(a int); ALTER TABLE t OWNER TO {quoted}",
        name,
    )
    dump(pg, name, stored)
    pg.sql(f"REASSIGN OWNED BY {quoted} TO postgres; DROP OWNED BY {quoted}; DROP ROLE {quoted}", name)
    target = pg.name()
    try:
        done = engine_for(pg.dsn(name)).restore(stored, pg.dsn(target))
        assert done.warnings == [f"created role {role}"]
        assert pg.sql("SELECT tableowner FROM pg_tables WHERE tablename = 't'", target) == role
    finally:
        pg.sql(f"REASSIGN OWNED BY {quoted} TO postgres; DROP OWNED BY {quoted}; DROP ROLE {quoted}", target)


def test_splitting_globals() -> None:
    text = "-- a; comment\nCREATE ROLE \"a;\"\"b\";\nALTER ROLE x WITH PASSWORD E'q\\';' ;\n\\restrict abc\nSET a = 'x;''y';"
    assert list(statements(text)) == [
        'CREATE ROLE "a;""b";',
        "ALTER ROLE x WITH PASSWORD E'q\\';' ;",
        "SET a = 'x;''y';",
    ]


def test_test_says_how_it_stands(pg: Any) -> None:
    name = pg.database()
    pg.sql("CREATE TABLE t(a int)", name)
    engine = engine_for(pg.dsn(name))
    # Databases that other tests are restoring at this moment are told of as well.
    names = [check.name for check in engine.test() if check.name != "leftovers"]
    assert names == ["connect", "versions", "rights", "globals"]
    assert engine.inventory()["public.t"]["readable"]
    with pytest.raises(Invalid):
        engine.logs({})
    assert [c.severity for c in engine_for("postgresql://postgres@127.0.0.1:1/x").test()] == ["error"]


def test_export_without_sql_is_the_archive(pg: Any, stored: Any, tmp_path: Path) -> None:
    name = pg.database()
    dump(pg, name, stored)
    files = engine_for(pg.dsn(name)).export(stored, tmp_path / "x.dump")
    assert files[0].read_bytes().startswith(b"PGDMP")
    assert b"CREATE ROLE postgres" in files[1].read_bytes()
    assert os.listdir(tmp_path) and len(files) == 2
