"""What a MariaDB or MySQL database holds, who defined it, and what a user may not see of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from backendhub.systems.backup.models import CANNOT_CONNECT, BackupError, Check

from .mariadb_client import Client, literal, names
from .mariadb_index import Section

RIGHTS = ("SELECT", "SHOW VIEW", "TRIGGER", "EVENT")
KINDS = {"BASE TABLE": "table", "SYSTEM VERSIONED": "table", "VIEW": "view", "SEQUENCE": "sequence"}


def read(client: Client) -> dict[str, Any]:
    """Tables, counts of other objects, definers, and how the database itself is set up."""
    schema = literal(client.dsn.database)
    rows = client.sql(
        "SELECT table_name, table_type, coalesce(table_rows, 0), coalesce(data_length + index_length, 0)"
        f" FROM information_schema.tables WHERE table_schema = {schema} ORDER BY table_name"
    )
    tables = {
        name: {"kind": KINDS.get(kind, "table"), "rows_estimated": int(count), "bytes": int(size)}
        for name, kind, count, size in rows
    }
    about = client.sql(
        "SELECT default_character_set_name, default_collation_name FROM information_schema.schemata"
        f" WHERE schema_name = {schema}"
    )
    return {
        "database": {
            "name": client.dsn.database,
            "charset": about[0][0] if about else "",
            "collation": about[0][1] if about else "",
        },
        "tables": tables,
        "objects": objects(client),
        "definers": definers(client),
    }


def objects(client: Client, database: str | None = None) -> dict[str, list[str]]:
    """Names of tables, views, triggers, routines and events: what must be there again after a restore."""
    schema = literal(client.dsn.database if database is None else database)
    queries = {
        "tables": f"table_name FROM information_schema.tables WHERE table_schema = {schema}"
        " AND table_type NOT IN ('VIEW', 'SEQUENCE')",
        "views": f"table_name FROM information_schema.tables WHERE table_schema = {schema} AND table_type = 'VIEW'",
        "sequences": f"table_name FROM information_schema.tables WHERE table_schema = {schema}"
        " AND table_type = 'SEQUENCE'",
        "triggers": f"trigger_name FROM information_schema.triggers WHERE trigger_schema = {schema}",
        "procedures": f"routine_name FROM information_schema.routines WHERE routine_schema = {schema}"
        " AND routine_type = 'PROCEDURE'",
        "functions": f"routine_name FROM information_schema.routines WHERE routine_schema = {schema}"
        " AND routine_type = 'FUNCTION'",
        "events": f"event_name FROM information_schema.events WHERE event_schema = {schema}",
    }
    # One plain statement each: a UNION over derived tables of information_schema crashed a MariaDB 10.11 server.
    text = "".join(f"SELECT '{kind}', {query};\n" for kind, query in queries.items())
    found: dict[str, list[str]] = {kind: [] for kind in queries}
    for kind, name in client.sql(text):
        found[kind].append(name)
    return {kind: sorted(listed) for kind, listed in found.items()}


def leftovers(client: Client) -> list[Check]:
    """Databases that a killed restore left behind."""
    rows = client.sql("SHOW DATABASES LIKE 'hub\\_%'")
    found = [name for name in names(rows) if re.fullmatch(r"hub_(restore|old)_[0-9a-f]{12}", name)]
    text = f"left by an interrupted restore: {', '.join(found)}"
    return [Check("leftovers", "warning", text, "DROP DATABASE them.")] if found else []


def limited(holds: dict[str, Any], chosen: list[str]) -> dict[str, Any]:
    """Only the chosen tables and what belongs to them."""
    if not chosen:
        return holds
    if absent := [name for name in chosen if name not in holds["tables"]]:
        raise BackupError(f"There is no table {', '.join(absent)}.", CANNOT_CONNECT)
    kinds = ("tables", "views", "sequences")
    objects = {kind: [name for name in holds["objects"][kind] if name in chosen] for kind in kinds}
    return holds | {"tables": {name: holds["tables"][name] for name in chosen}, "objects": objects}


def definers(client: Client) -> list[str]:
    """`user@host` of everyone in whose name views, triggers, routines and events run."""
    schema = literal(client.dsn.database)
    parts = (("views", "table_schema"), ("triggers", "trigger_schema"), ("routines", "routine_schema"))
    text = "".join(
        f"SELECT definer FROM information_schema.{table} WHERE {column} = {schema};\n"
        for table, column in (*parts, ("events", "event_schema"))
    )
    return sorted(set(names(client.sql(text))))


def not_transactional(client: Client) -> list[str]:
    """Tables whose engine has no transactions: a consistent read does not cover them."""
    rows = client.sql("SELECT engine FROM information_schema.engines WHERE transactions = 'YES'")
    good = {row[0].lower() for row in rows} | {"sequence"}
    found = client.sql(
        "SELECT table_name, coalesce(engine, '') FROM information_schema.tables WHERE table_type <> 'VIEW'"
        f" AND table_schema = {literal(client.dsn.database)} ORDER BY table_name"
    )
    return [f"{name} ({engine})" for name, engine in found if engine and engine.lower() not in good]


def versioned(client: Client) -> bool:
    """Whether there are system-versioned tables, whose history must be asked for."""
    schema = literal(client.dsn.database)
    text = f"SELECT 1 FROM information_schema.tables WHERE table_schema = {schema}"
    return bool(client.sql(f"{text} AND table_type = 'SYSTEM VERSIONED' LIMIT 1"))


def missing_rights(client: Client) -> list[str]:
    """The rights without which a dump leaves things out and says nothing."""
    mine = "grantee = concat('''', replace(current_user(), '@', '''@'''), '''')"
    role = "SELECT current_role()" if client.is_mariadb() else "SELECT replace(current_role(), '`', '')"
    current = client.value(role)
    if current not in ("", "NULL", "NONE"):
        mine += f" OR grantee = {literal(current)} OR grantee LIKE concat('''', {literal(current)}, '''@%')"
    rows = client.sql(
        f"SELECT privilege_type FROM information_schema.user_privileges WHERE {mine};"
        f" SELECT privilege_type FROM information_schema.schema_privileges WHERE ({mine})"
        f" AND {literal(client.dsn.database)} LIKE table_schema"
    )
    held = set(names(rows))
    return [right for right in RIGHTS if right not in held]


def with_places(tables: Mapping[str, dict[str, Any]], sections: list[Section]) -> dict[str, dict[str, Any]]:
    """Each table with where its structure and rows lie in the dump."""
    found = {name: dict(row) for name, row in tables.items()}
    for section in sections:
        if section.kind in ("table", "sequence", "view") and section.name in found:
            found[section.name] |= {"start": section.start, "length": section.length}
        elif section.kind in ("data", "triggers") and section.name in found:
            found[section.name]["length"] = section.start + section.length - found[section.name]["start"]
    return found
