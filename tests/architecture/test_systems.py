"""One floor for every system: migrates, speaks portable SQL, has help, sample data and a page."""

from __future__ import annotations

import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from backendhub import registry
from backendhub.app.main import APP, load
from backendhub.kit import hub as hubs
from backendhub.kit.db import Db, Store, connect
from backendhub.kit.db.base import pyformat
from backendhub.kit.db.migrate import files, needs, undoable

SYSTEMS = [pytest.param(s, id=s.name) for s in registry.SYSTEMS]
WITH_TABLES = [pytest.param(s, id=s.name) for s in registry.SYSTEMS if files(s.name, "sqlite")]
WITH_COMMANDS = [s.name for s in registry.SYSTEMS if s.has("cli")]
STORES = [
    pytest.param(s, id=s.name)
    for s in registry.SYSTEMS
    if find_spec(s.package) and find_spec(f"{s.package}.store")
]
TABLES = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'",
    "postgres": "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()",
}


def tables(db: Db) -> set[str]:
    return {row[0] for row in db.fetch(TABLES[db.dialect], {})}


# -- tables ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("system", WITH_TABLES)
def test_it_migrates_and_its_tables_have_its_prefix(store: Store, system: registry.System) -> None:
    store.use(*needs(system.name, store.dialect))  # the parts of the kit that it stands on
    before = store.read(tables)
    store.use(system.name)
    made = store.read(tables) - before
    prefix = system.name.replace("-", "_")
    creates = any("CREATE TABLE" in m.sql for m in files(system.name, store.dialect))
    assert (
        bool(made) is creates
    )  # one whose rows are those of a part of the kit names that part, and has none
    assert [t for t in made if t != prefix and not t.startswith(prefix + "_")] == []
    assert set(undoable(system.name, store.dialect)) <= made


@pytest.mark.parametrize("system", WITH_TABLES)
def test_tables_under_the_journal_have_a_primary_key_and_no_bytes(system: registry.System) -> None:
    store = connect(":memory:")
    store.use(system.name)
    with store.transaction() as db:
        for table in undoable(system.name, "sqlite"):
            info = db.fetch(f"PRAGMA table_info({table})", {})
            assert any(row[5] for row in info), table
            assert not [row[1] for row in info if row[2] == "BLOB"], table
    store.close()


@pytest.mark.parametrize("system", WITH_TABLES)
def test_numbers_of_migrations_have_no_gap(system: registry.System) -> None:
    for dialect in ("sqlite", "postgres"):
        numbers = [m.number for m in files(system.name, dialect)]
        assert numbers == list(range(1, len(numbers) + 1))


# -- statements --------------------------------------------------------------------------------------------

STATEMENT = r"(?is)\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\s"


def constants(module: ModuleType) -> dict[str, str]:
    """The SQL statements among the names of a module. Templates (`{…}`) are run by the tests of their service."""
    return {
        n: v
        for n, v in vars(module).items()
        if isinstance(v, str) and re.match(STATEMENT, v) and "{" not in v
    }


@pytest.mark.parametrize("system", STORES)
def test_every_statement_is_understood_by_both_engines(store: Store, system: registry.System) -> None:
    module = import_module(f"{system.package}.store")
    found = constants(module)
    of_engines = {
        name: value[store.dialect]
        for name, value in vars(module).items()
        if isinstance(value, dict) and set(value) == {"sqlite", "postgres"}
    }
    statements = found | {
        n: v for n, v in of_engines.items() if isinstance(v, str) and re.match(STATEMENT, v) and "{" not in v
    }
    store.use(system.name)
    with store.transaction() as db:
        for name, sql in statements.items():
            check(db, name, sql)


def check(db: Db, name: str, sql: str) -> None:
    """EXPLAIN on SQLite, PREPARE on PostgreSQL: a name or type that one of them lacks is an error."""
    names = set(re.findall(r"(?<![:\w]):([a-zA-Z_]\w*)", re.sub(r"'(?:[^']|'')*'", "''", sql)))
    if db.dialect == "sqlite":
        db.fetch("EXPLAIN " + sql, dict.fromkeys(names))
        return
    query = pyformat(sql)
    for number, parameter in enumerate(sorted(names), 1):
        query = query.replace(f"%({parameter})s", f"${number}")
    db.run(f"PREPARE probe AS {query.replace('%%', '%')}")
    db.run("DEALLOCATE probe")


# -- commands ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*WITH_COMMANDS, *APP])
def test_every_command_has_help(cli: Any, name: str) -> None:
    hubs.install(None)
    assert cli(name, "--help").code == 0
    for path, spec in load(name).walk():
        ran = cli(*path.split(), "--help")
        assert (ran.code, ran.err) == (0, ""), path
        assert f"Usage: backendhub {path}" in ran.out
        assert path == name or spec.summary in " ".join(ran.out.split()), path
        for example in spec.examples:
            assert example.startswith("backendhub ") or "backendhub" in example, path


@pytest.mark.parametrize("name", [*WITH_COMMANDS, *APP])
def test_examples_name_commands_that_exist(name: str) -> None:
    group = load(name)
    known = (
        {path for path, _ in group.walk()}
        | ({name} if group.fallback else set())
        | {f"{path.rsplit(' ', 1)[0]} {alias}" for path, spec in group.walk() for alias in spec.aliases}
    )
    examples = [*group.examples, *(e for _, spec in group.walk() for e in spec.examples)]
    for example in examples:
        if match := re.search(rf"backendhub ({re.escape(name)}(?: [a-z-]+)*)", example):
            words = match[1].split()
            assert any(" ".join(words[:n]) in known for n in range(1, len(words) + 1)), example


# -- sample data -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("system", [p for p in SYSTEMS if find_spec(f"{p.values[0].package}.demo")])
def test_sample_data_loads_once(store: Store, system: registry.System) -> None:
    demo = import_module(f"{system.package}.demo")
    store.use(system.name)
    assert store.unit(demo.load) > 0
    assert not store.unit(demo.load)


# -- pages -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("system", SYSTEMS)
def test_its_page_lists_every_command_route_and_setting(system: registry.System, root: Path) -> None:
    page = root / "docs/systems" / f"{system.name.replace('-', '_')}.md"
    assert page.exists(), f"write {page.relative_to(root)}"
    text = page.read_text(encoding="utf-8")
    missing = []
    if system.has("cli"):
        for path, spec in load(system.name).walk():
            words = path.removeprefix(system.name).strip()
            if not spec.hidden and not re.search(rf"`(backendhub )?({system.name} )?{words}[ `]", text):
                missing.append(path)
    for method, path in routes(system):
        if not re.search(rf"`{method} {re.escape(path)}[`?]", text):
            missing.append(f"{method} {path}")
    missing += [option.name for option in system.settings if option.name not in text]
    assert missing == []


def routes(system: registry.System) -> list[tuple[str, str]]:
    """What its OpenAPI document names."""
    if not system.has("api"):
        return []
    import json

    from backendhub.kit import web

    application = web.build_app([system], hubs.Hub(), single=True)
    assert application.root is not None
    document = json.loads(application.root.openapi())
    verbs = ("get", "post", "put", "patch", "delete")
    return [
        (verb.upper(), path) for path, item in document["paths"].items() for verb in item if verb in verbs
    ]
