"""What a PostgreSQL database holds, read under the dump's own snapshot: tables, rows, kinds of objects."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from backendhub.systems.backup.models import Check

from .postgres_client import ident, literal

OURS = """
    n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (SELECT 1 FROM pg_depend e WHERE e.deptype = 'e'
                    AND e.classid = 'pg_class'::regclass AND e.objid = c.oid)
"""
_TABLES = f"""
SELECT json_build_object('name', format('%I.%I', n.nspname, c.relname), 'schema', n.nspname,
    'table', c.relname, 'kind', c.relkind, 'oid', c.oid::bigint, 'bytes', {{size}},
    'readable', has_table_privilege(c.oid, 'SELECT'),
    'partition_of', (SELECT format('%I.%I', pn.nspname, pc.relname) FROM pg_inherits i
        JOIN pg_class pc ON pc.oid = i.inhparent JOIN pg_namespace pn ON pn.oid = pc.relnamespace
        WHERE i.inhrelid = c.oid AND c.relispartition))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f', 'S') AND c.relpersistence <> 't' AND {OURS}
ORDER BY 1::text;
"""
# pg_table_size waits for whoever has the table locked, so that only the dump, with its lock_timeout, asks it.
TABLES = _TABLES.replace("{size}", "c.relpages::bigint * current_setting('block_size')::bigint")
SIZED_TABLES = _TABLES.replace("{size}", "pg_table_size(c.oid)")
COUNTS = f"""
SELECT format('SELECT json_build_array(%L, count(*)) FROM ONLY %I.%I', format('%I.%I', n.nspname, c.relname),
    n.nspname, c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND {OURS} ORDER BY c.oid
\\gexec
"""
OWNED = f"""
SELECT json_build_array(d.classid::bigint, d.objid::bigint, format('%I.%I', n.nspname, c.relname))
FROM pg_depend d JOIN pg_class c ON d.refclassid = 'pg_class'::regclass AND c.oid = d.refobjid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE d.deptype IN ('a', 'i') AND c.relkind IN ('r', 'p', 'm', 'v', 'f') AND {OURS} ORDER BY 1::text;
"""
# What an extension brings is left out: another version of it may bring more. So are kinds of constraint and type
# that a newer server makes by itself (not-null constraints, multiranges).
OBJECTS = """
WITH system AS (SELECT oid FROM pg_namespace WHERE nspname ~ '^pg_' OR nspname = 'information_schema'),
brought AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e')
SELECT json_build_object(
  'functions', (SELECT count(*) FROM pg_proc p WHERE p.pronamespace NOT IN (SELECT oid FROM system)
      AND ('pg_proc'::regclass, p.oid) NOT IN (SELECT classid, objid FROM brought)
      AND p.prorettype NOT IN (SELECT oid FROM pg_type WHERE typtype = 'm')
      AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid
                      AND d.deptype = 'i')),
  'types', (SELECT count(*) FROM pg_type t WHERE t.typnamespace NOT IN (SELECT oid FROM system)
      AND t.typtype IN ('e', 'd', 'r') AND ('pg_type'::regclass, t.oid) NOT IN (SELECT classid, objid FROM brought)),
  'triggers', (SELECT count(*) FROM pg_trigger t WHERE NOT t.tgisinternal
      AND ('pg_class'::regclass, t.tgrelid) NOT IN (SELECT classid, objid FROM brought)),
  'indexes', (SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
      WHERE c.relnamespace NOT IN (SELECT oid FROM system)
      AND ('pg_class'::regclass, c.oid) NOT IN (SELECT classid, objid FROM brought)),
  'constraints', (SELECT count(*) FROM pg_constraint k WHERE k.connamespace NOT IN (SELECT oid FROM system)
      AND k.contype IN ('p', 'u', 'f', 'c', 'x')
      AND ('pg_class'::regclass, k.conrelid) NOT IN (SELECT classid, objid FROM brought)),
  'policies', (SELECT count(*) FROM pg_policy),
  'large_objects', (SELECT count(*) FROM pg_largeobject_metadata),
  'extensions', (SELECT count(*) FROM pg_extension));
"""
DATABASE = """
SELECT json_build_object('encoding', pg_encoding_to_char(d.encoding), 'collate', d.datcollate,
    'ctype', d.datctype, 'more', to_jsonb(d), 'owner', pg_get_userbyid(d.datdba), 'limit', d.datconnlimit,
    'comment', shobj_description(d.oid, 'pg_database'), 'acl', d.datacl::text[],
    'settings', (SELECT json_agg(json_build_array(pg_get_userbyid(nullif(s.setrole, 0)), s.setconfig)
                 ORDER BY s.setrole) FROM pg_db_role_setting s WHERE s.setdatabase = d.oid))
FROM pg_database d WHERE d.datname = current_database();
"""
LISTS = (
    "search_path",
    "temp_tablespaces",
    "local_preload_libraries",
    "session_preload_libraries",
    "shared_preload_libraries",
    "unix_socket_directories",
)
Ask = Callable[[str], list[str]]


def read(ask: Ask, *, count: bool = True) -> dict[str, Any]:
    """Everything a dump records of its source."""
    tables = {row.pop("name"): row for row in map(json.loads, ask(SIZED_TABLES))}
    if count:
        for name, rows in map(json.loads, ask(COUNTS)):
            if name in tables:
                tables[name]["rows"] = rows
    return {
        "tables": tables,
        "owned": [json.loads(line) for line in ask(OWNED)],
        "objects": json.loads(ask(OBJECTS)[0]),
        "database": json.loads(ask(DATABASE)[0]),
    }


def holds_anything(ask: Callable[[str], str]) -> bool:
    """Whether a restore would overwrite something: functions and types count, not only tables."""
    counted = json.loads(ask(OBJECTS))
    return bool(ask(TABLES)) or any(counted[kind] for kind in ("functions", "types", "large_objects"))


def leftovers(ask: Callable[[str], str]) -> list[Check]:
    """Databases that a killed restore left behind."""
    found = ask(
        "SELECT datname FROM pg_database WHERE datname ~ '^hub_(restore|old)_[0-9a-f]{12}$' ORDER BY 1"
    )
    if not found:
        return []
    names = ", ".join(found.splitlines())
    return [Check("leftovers", "warning", f"left by an interrupted restore: {names}", "DROP DATABASE them.")]


def differences(stored: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Where a restored database does not hold what the source held."""
    bad = []
    for name, was in stored["tables"].items():
        now = found["tables"].get(name)
        if now is None:
            bad.append(f"{name}: missing")
        elif (was["kind"], was.get("rows")) != (now["kind"], now.get("rows") if "rows" in was else None):
            bad.append(f"{name}: {was.get('rows')} rows stored, {now.get('rows')} restored")
    bad += [f"{name}: not in the backup" for name in found["tables"] if name not in stored["tables"]]
    for kind, number in stored["objects"].items():
        if found["objects"].get(kind) != number:
            bad.append(f"{kind}: {number} stored, {found['objects'].get(kind)} restored")
    return bad


def create_database(name: str, about: Mapping[str, Any]) -> str:
    """CREATE DATABASE with the encoding and locale of the source."""
    words = ["TEMPLATE template0", f"ENCODING {literal(about['encoding'])}"]
    words += [f"LC_COLLATE {literal(about['collate'])}", f"LC_CTYPE {literal(about['ctype'])}"]
    more = about.get("more", {})
    provider = more.get("datlocprovider")
    locale = more.get("daticulocale") or more.get("datlocale")
    if provider == "i":
        words += ["LOCALE_PROVIDER icu", f"ICU_LOCALE {literal(locale)}"]
        if rules := more.get("daticurules"):
            words.append(f"ICU_RULES {literal(rules)}")
    elif provider == "b":
        words += ["LOCALE_PROVIDER builtin", f"BUILTIN_LOCALE {literal(locale)}"]
    return f"CREATE DATABASE {ident(name)} {' '.join(words)};"


def properties(name: str, about: Mapping[str, Any], roles: Iterable[str]) -> list[str]:
    """The statements that give a database its settings, comment, limit and rights back."""
    known, quoted = set(roles), ident(name)
    found = []
    if about["owner"] in known:
        found.append(f"ALTER DATABASE {quoted} OWNER TO {ident(about['owner'])};")
    if about["limit"] not in (-1, None):
        found.append(f"ALTER DATABASE {quoted} CONNECTION LIMIT {int(about['limit'])};")
    if about["comment"] is not None:
        found.append(f"COMMENT ON DATABASE {quoted} IS {literal(about['comment'])};")
    for role, settings in about["settings"] or []:
        if role is None or role in known:
            whose = f"DATABASE {quoted}" if role is None else f"ROLE {ident(role)} IN DATABASE {quoted}"
            found += [f"ALTER {whose} SET {_setting(text)};" for text in settings]
    return found + _grants(quoted, about["acl"], known)


def _setting(text: str) -> str:
    key, _, value = text.partition("=")
    # List settings are stored already quoted word by word; quoting the whole again would make one word of it.
    shown = value if key.lower() in LISTS and value else literal(value)
    return f"{'.'.join(map(ident, key.split('.')))} TO {shown}"


def _grants(quoted: str, acl: list[str] | None, known: set[str]) -> list[str]:
    if acl is None:
        return []
    words = {"C": "CREATE", "T": "TEMPORARY", "c": "CONNECT"}
    found = [f"REVOKE ALL ON DATABASE {quoted} FROM PUBLIC;"]
    for item in acl:
        grantee, _, rest = item.rpartition("=")
        rights = rest.partition("/")[0]
        role = grantee[1:-1].replace('""', '"') if grantee.startswith('"') else grantee
        if role and role not in known:
            continue
        who = ident(role) if role else "PUBLIC"
        for at, letter in enumerate(rights):
            if letter in words:
                option = " WITH GRANT OPTION" if rights[at + 1 : at + 2] == "*" else ""
                found.append(f"GRANT {words[letter]} ON DATABASE {quoted} TO {who}{option};")
    return found
