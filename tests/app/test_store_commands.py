"""undo, db, data, doctor, list, demo."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from backendhub import registry
from backendhub.app import doctor


def rows(ran: Any) -> Any:
    assert ran.code == 0, ran
    return json.loads(ran.out)


# -- undo --------------------------------------------------------------------------------------------------


def test_undo_redo_and_list(cli: Any) -> None:
    assert cli("undo").code == 3
    assert cli("undo", "--list").out == ""
    cli("task", "add", "one")
    cli("task", "delete", "1")
    listed = rows(cli("undo", "--list", "--json"))
    assert [(u["id"], u["label"], u["undone"]) for u in listed] == [
        (2, "task delete", False),
        (1, "task add", False),
    ]
    assert cli("undo").out == "Undone: task delete (1 row)\n"
    assert cli("task", "list").out.count("\n") == 1
    assert cli("undo", "--redo").out == "Redone: task delete (1 row)\n"
    assert cli("task", "list").out == ""
    assert rows(cli("undo", "2", "--json"))["label"] == "task delete"
    assert cli("undo", "2").code == 1
    assert cli("undo", "99").code == 3
    assert cli("undo", "--list", "--redo").code == 2
    assert cli("undo", "--redo").code == 0
    assert cli("undo", "--redo").code == 3


def test_undo_does_not_lose_a_later_change_unless_forced(cli: Any) -> None:
    cli("task", "add", "one")
    cli("task", "update", "1", "two")
    cli("task", "update", "1", "three")
    ran = cli("undo", "2")
    assert ran.code == 1
    assert "--force" in ran.err
    assert cli("undo", "2", "--force").code == 0
    assert cli("task", "show", "1", "--fields", "description").out == "one\n"


# -- db ----------------------------------------------------------------------------------------------------


def test_db_status_and_migrate(cli: Any) -> None:
    before = rows(cli("db", "status", "task", "--json"))
    assert {row["state"] for row in before} == {"pending"}
    applied = rows(cli("db", "migrate", "task", "--json"))
    assert [row["migration"] for row in applied] == [row["migration"] for row in before]
    assert {row["state"] for row in rows(cli("db", "status", "task", "--json"))} == {"applied"}
    assert cli("db", "migrate", "task").out == ""
    assert rows(cli("db", "migrate", "--json")) is not None
    assert {row["state"] for row in rows(cli("db", "--json"))} == {"applied"}
    ran = cli("db", "status", "tsak")
    assert ran.code == 3
    assert "did you mean `task`" in ran.err


def test_db_works_on_postgres(cli: Any, postgres_url: str) -> None:
    assert rows(cli("db", "migrate", "task", "--json", "--db", postgres_url))
    assert cli("task", "add", "x", "--db", postgres_url).code == 0
    assert "Undone: task add" in cli("undo", "--db", postgres_url).out
    tables = {
        row["table"]: row["rows"] for row in rows(cli("data", "schema", "--json", "--db", postgres_url))
    }
    assert tables["task"] == 0
    keys = [
        r["column"]
        for r in rows(cli("data", "schema", "task_tag", "--json", "--db", postgres_url))
        if r["key"]
    ]
    assert keys == ["task_id", "tag"]
    assert cli("data", "query", "DELETE FROM task", "--db", postgres_url).code == 2
    assert cli("data", "query", "SELECT 1; SELECT 2", "--db", postgres_url).code == 2
    assert cli("data", "query", "SELECT 7 % 4 AS n", "--db", postgres_url).out == "3\n"


# -- data --------------------------------------------------------------------------------------------------


def test_query_reads_and_only_reads(cli: Any) -> None:
    cli("task", "add", "one")
    assert cli("data", "query", "SELECT id, description FROM task").out == "1\tone\n"
    assert cli("data", "query", "-", stdin="SELECT 2 AS a, 3 AS a").out == "2\t3\n"
    assert rows(cli("data", "query", "SELECT 1 AS a, 2 AS a", "--json")) == [{"a": 1, "a_2": 2}]
    for sql in ("DELETE FROM task", "DROP TABLE task", "INSERT INTO hub_rate VALUES (1,1,1,1,1,1)"):
        ran = cli("data", "query", sql)
        assert ran.code == 2
        assert "--write" in ran.err
    assert cli("data", "query", "SELECT count(*) FROM task").out == "1\n"
    for bad in ("SELEC 1", "SELECT nothing FROM nowhere", "SELECT 1; SELECT 2", " "):
        ran = cli("data", "query", bad)
        assert ran.code == 2, bad
        assert "Traceback" not in ran.err


def test_query_with_write_changes_and_can_be_undone(cli: Any) -> None:
    cli("task", "add", "one")
    assert rows(cli("data", "query", "UPDATE task SET description = 'two'", "--write", "--json")) == [
        {"changed": 1}
    ]
    assert cli("undo").out == "Undone: data query (1 row)\n"
    assert cli("task", "show", "1", "--fields", "description").out == "one\n"


def test_schema(cli: Any) -> None:
    cli("task", "add", "one")
    tables = {row["table"]: row for row in rows(cli("data", "schema", "--json"))}
    assert (tables["task"]["rows"], tables["task"]["system"]) == (1, "task")
    assert tables["hub_unit"]["system"] == "hub"
    columns = {row["column"]: row for row in rows(cli("data", "schema", "task", "--json"))}
    assert columns["id"]["key"] is True
    assert columns["description"]["required"] is True
    ran = cli("data", "schema", "tsk")
    assert (ran.code, "did you mean `task`" in ran.err) == (3, True)


FILES = {
    "people.csv": 'name,age,score\nAnn,30,1.5\n"Böb, jr",31,2\n',
    "people.tsv": "name\tage\tscore\nAnn\t30\t1.5\nBöb, jr\t31\t2\n",
    "people.json": '[{"name": "Ann", "age": 30, "score": 1.5}, {"name": "Böb, jr", "age": 31, "score": 2}]',
    "people.ndjson": '{"name": "Ann", "age": 30, "score": 1.5}\n{"name": "Böb, jr", "age": 31, "score": 2}\n',
}


@pytest.mark.parametrize("name", FILES)
def test_import_takes_every_format_and_finds_the_types(cli: Any, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(FILES[name])
    assert cli("data", "import", str(path), "--table", "people").out == "2 rows imported into people\n"
    expected = [{"name": "Ann", "age": 30, "score": 1.5}, {"name": "Böb, jr", "age": 31, "score": 2.0}]
    assert rows(cli("data", "query", "SELECT name, age, score FROM people", "--json")) == expected
    exported = cli("data", "export", "people", "--format", "json")
    assert json.loads(exported.out) == expected
    assert (
        cli("data", "import", "-", "--table", "people", stdin=FILES[name]).code == 0
    )  # found out from the text


def test_import_with_a_key_replaces(cli: Any, tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_text('[{"id": 1, "n": "a"}, {"id": 2, "n": "b"}]')
    assert cli("data", "import", str(path), "--table", "p", "--pk", "id").code == 0
    path.write_text('[{"id": 2, "n": "c"}]')
    assert cli("data", "import", str(path), "--table", "p", "--pk", "id").code == 0
    assert cli("data", "export", "p").out == "id,n\n1,a\n2,c\n"


def test_import_dry_run_changes_nothing(cli: Any, tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("a\n1\n")
    ran = cli("data", "import", str(path), "--table", "p", "--dry-run")
    assert "1 rows would be imported" in ran.err
    assert cli("data", "export", "p").code == 3


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("bad.json", "{", ()),
        ("bad.json", '"text"', ()),
        ("bad.json", "[1, 2]", ()),
        ("bad.ndjson", '{"a": 1}\n{', ()),
        ("bad.csv", "a,b\n1,2\n3\n", ()),
        ("bad.csv", "a,b\n1,2,3\n", ()),
        ("bad.csv", "a\n1\n", ("--pk", "b")),
        ("bad.csv", "a\n1\n", ("--format", "xml")),
        ("bad.csv", "a\n1\n", ("--table", "no name; DROP")),
    ],
)
def test_import_refuses_what_it_cannot_read(
    cli: Any, tmp_path: Path, name: str, text: str, words: tuple[str, ...]
) -> None:
    path = tmp_path / name
    path.write_text(text)
    ran = cli("data", "import", str(path), "--table", "t", *words)
    assert ran.code == 2, ran
    assert "Traceback" not in ran.err
    assert cli("data", "export", "t").code == 3


def test_import_keeps_out_of_the_tables_of_systems(cli: Any, tmp_path: Path) -> None:
    cli("task", "add", "one")
    path = tmp_path / "t.json"
    path.write_text('[{"task_id": 1, "tag": "forced"}]')
    for table in ("task_tag", "TASK_TAG", "hub_unit", "sqlite_x"):
        assert cli("data", "import", str(path), "--table", table).code == 4
    assert cli("data", "import", str(path), "--table", "hub_unit", "--force").code == 4
    assert cli("data", "import", str(path), "--table", "task_tag", "--force").code == 0
    assert cli("task", "list", "--fields", "tags").out == "forced\n"
    assert cli("undo").code == 0
    assert cli("task", "list", "--fields", "tags").out == "\n"
    assert cli("data", "import", str(tmp_path / "none.csv"), "--table", "x").code == 3


def test_export_escapes_formulas(cli: Any, tmp_path: Path) -> None:
    path = tmp_path / "f.json"
    path.write_text('[{"a": "=1+1", "b": -5}]')
    cli("data", "import", str(path), "--table", "f")
    assert cli("data", "export", "f").out == "a,b\n'=1+1,-5\n"
    assert cli("data", "export", "f", "--format", "ndjson").out == '{"a": "=1+1", "b": -5}\n'
    assert cli("data", "export", "f", "--format", "xml").code == 2


# -- doctor ------------------------------------------------------------------------------------------------


def checks(ran: Any) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for line in json.loads(ran.out):
        found.setdefault(line["check"], []).append(line)
    return found


def test_doctor_before_anything_was_done(cli: Any, tmp_path: Path) -> None:
    ran = cli("doctor", "--json")
    assert ran.code == 0
    found = checks(ran)
    assert {"version", "config", "store", "clock", "extra", "service", "completion"} <= set(found)
    assert not (tmp_path / "data").exists()  # looking makes nothing


def test_doctor_on_a_healthy_store(cli: Any) -> None:
    cli("task", "add", "x")
    ran = cli("doctor", "--json")
    found = checks(ran)
    assert ran.code == 0
    assert [found[c][0]["status"] for c in ("store", "permissions", "migrations", "disk")] == ["ok"] * 4


def test_doctor_finds_open_permissions(cli: Any, tmp_path: Path) -> None:
    cli("task", "add", "x")
    cli("config", "set", "color", "never")
    (tmp_path / "data/backendhub/hub.db").chmod(0o644)
    (tmp_path / "config/backendhub/config.toml").chmod(0o604)
    found = checks(cli("doctor", "--json"))
    assert found["permissions"][0]["status"] == found["config"][0]["status"] == "warn"
    assert found["permissions"][0]["hint"].startswith("chmod 600 ")


def test_doctor_fails_on_a_store_that_cannot_be_used(cli: Any, tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.write_text("not a database, but long enough to look at " * 10)
    ran = cli("doctor", "--json", "--db", str(path))
    assert ran.code == 1
    assert checks(ran)["store"][0]["status"] == "fail"


def test_doctor_fails_on_another_text_of_a_migration_and_on_broken_references(
    cli: Any, tmp_path: Path
) -> None:
    cli("task", "add", "x")
    connection = sqlite3.connect(tmp_path / "data/backendhub/hub.db")
    connection.execute("UPDATE hub_migrations SET hash = 'other' WHERE system = 'task' AND number = 1")
    connection.execute("INSERT INTO task_tag VALUES (99, 'orphan')")
    connection.commit()
    connection.close()
    ran = cli("doctor", "--json")
    found = checks(ran)
    assert ran.code == 1
    assert "0001_init.sql" in found["migrations"][0]["detail"]
    assert "rows that are gone" in found["store"][0]["detail"]


def test_doctor_knows_a_store_from_the_future(cli: Any, tmp_path: Path) -> None:
    cli("task", "add", "x")
    connection = sqlite3.connect(tmp_path / "data/backendhub/hub.db")
    connection.execute("UPDATE hub_migrations SET applied_at = '2999-01-01T00:00:00.000Z'")
    connection.commit()
    connection.close()
    assert checks(cli("doctor", "--json"))["clock"][0]["status"] == "warn"


def test_doctor_reports_a_broken_config_file_and_unknown_settings(cli: Any, tmp_path: Path) -> None:
    path = tmp_path / "config/backendhub/config.toml"
    path.parent.mkdir(parents=True)
    path.write_text("[tsk]\nsort = 1\n")
    path.chmod(0o600)
    assert [line["status"] for line in checks(cli("doctor", "--json"))["config"]] == ["ok", "warn"]


def test_doctor_asks_services_that_were_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("BACKENDHUB_TEST_REDIS", "BACKENDHUB_TEST_POSTGRES"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("BACKENDHUB_REDIS", "redis://elsewhere:7777/0")
    asked: list[tuple[str, int]] = []

    def connect(host: str, port: int) -> bool:
        asked.append((host, port))
        return False

    lines = list(doctor.services(connect))
    assert asked == [("127.0.0.1", 5432), ("elsewhere", 7777)]
    assert [line.status for line in lines] == ["ok", "warn"]


def test_doctor_names_the_command_for_a_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "extras", lambda: {"postgres": True, "jq": False})
    lines = list(doctor.extra_lines())
    assert [line.hint for line in lines] == ["", "pipx install 'backendhub[jq]' --force"]


# -- list and demo -----------------------------------------------------------------------------------------


def test_list_has_every_system(cli: Any) -> None:
    found = rows(cli("list", "--json"))
    assert [row["name"] for row in found] == [s.name for s in registry.SYSTEMS]
    assert {row["status"] for row in found if not registry.find(row["name"]).extras} <= {"ready"}
    everyday = rows(cli("list", "--group", "everyday", "--face", "cli", "--json"))
    assert "task" in [row["name"] for row in everyday]
    assert {row["group"] for row in everyday} == {"everyday"}
    assert cli("list", "--group", "nope").code == 2
    assert cli("list", "--face", "nope").code == 2


def test_list_says_which_extra_is_missing(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "extras", lambda: {"jq": False, "postgres": True})
    system = registry.System("probe", "data", "Probe", "api", extras=("jq", "postgres"))
    monkeypatch.setattr(registry, "SYSTEMS", (system,))
    assert rows(cli("list", "--json"))[0]["status"] == "needs jq"


def test_demo_fills_once_and_can_be_undone(cli: Any) -> None:
    assert rows(cli("demo", "task", "--json"))[0]["added"] == 12
    assert "left alone" in cli("demo", "task").out
    assert "done" in cli("task", "list", "done").out
    assert cli("undo").out.startswith("Undone: demo task")
    assert cli("task", "list").out == ""
    assert cli("demo").code == 2
    assert cli("demo", "task", "--all").code == 2
    assert cli("demo", "nope").code == 3
    assert cli("demo", "--all").code == 0
