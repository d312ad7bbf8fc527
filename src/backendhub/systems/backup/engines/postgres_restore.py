"""Restoring a PostgreSQL archive: a whole database aside and swapped in, or chosen tables in one transaction."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable, Iterator
from tempfile import TemporaryFile
from typing import IO, Any, cast

from backendhub.kit.errors import Conflict, NotFound
from backendhub.systems.backup.models import CORRUPT, STORAGE, BackupError
from backendhub.systems.backup.streams import Source

from . import postgres_inventory as inventories
from .base import Deadline, Restored
from .child import Child, last_lines, source_failed
from .postgres_client import Client, conninfo, ident, literal
from .secrets import secret_file

ATTACHED = (
    "COMMENT",
    "ACL",
    "SEQUENCE OWNED BY",
    "SECURITY LABEL",
    "SEQUENCE SET",
    "TABLE ATTACH",
    "INDEX ATTACH",
)
ENTRY = re.compile(r"^(\d+); (\d+) (\d+) (.*)$")


class Restore:
    """One restore of one archive into one server."""

    def __init__(self, source: Source, client: Client, deadline: Deadline | None) -> None:
        self.source, self.client, self.deadline = source, client, deadline

    def database(self, *, replace: bool) -> Restored:
        """The whole database."""
        name = self.client.dsn.database
        if (
            (taken := self.client.exists(name))
            and not replace
            and inventories.holds_anything(self.client.psql)
        ):
            raise BackupError(f"Database {name!r} is not empty.", 2, hint="--replace overwrites it.")
        warnings = self.roles()
        aside = f"hub_restore_{uuid.uuid4().hex[:12]}"
        self._server(inventories.create_database(aside, self.source.meta["database"]))
        try:
            self.load(aside)
            self._verify(aside)
            self._properties(aside)
            self._swap(aside, name, taken)
        except BaseException:
            self._server(f"DROP DATABASE IF EXISTS {ident(aside)};")
            raise
        return Restored(str(self.client.dsn), warnings=warnings)

    def load(self, database: str, *, only: str = "", extra: Iterable[str] = ()) -> None:
        """pg_restore from the stored stream; the first error ends it."""
        argv = [self.client.program("pg_restore"), "--exit-on-error", "--no-password", *extra]
        argv += ["-d", conninfo(self.client.dsn, database)]
        with self.client.access() as access, secret_file(only) as listed:
            if only:
                argv += ["-L", listed.path]
            with Child(
                argv,
                doing="pg_restore",
                stdin=True,
                stdout=False,
                env=access.env,
                fds=(*access.fds, *listed.fds),
                deadline=self.deadline,
                failed=_failed,
            ) as child:
                with self.source.open("dump") as reader:
                    child.feed(reader)
                child.finish()

    def _server(self, sql: str) -> str:
        return self.client.psql(sql, database=self.client.maintenance())

    def _verify(self, database: str) -> None:
        counted = bool(self.source.meta.get("counted"))

        def ask(sql: str) -> list[str]:
            return self.client.psql(sql, database=database).splitlines()

        found = inventories.read(ask, count=counted)
        if bad := inventories.differences(self.source.meta, found):
            raise BackupError(f"The restored database differs: {'; '.join(bad[:5])}.", CORRUPT)

    def _known_roles(self) -> set[str]:
        found: list[str] = self.client.json(
            "SELECT json_agg(rolname) FROM pg_roles", database=self.client.maintenance()
        )
        return set(found)

    def _properties(self, database: str) -> None:
        about = self.source.meta["database"]
        self._server("\n".join(inventories.properties(database, about, self._known_roles())))

    def _swap(self, aside: str, name: str, taken: bool) -> None:
        rename = f"ALTER DATABASE {ident(aside)} RENAME TO {ident(name)};"
        if not taken:
            self._server(rename)
            return
        old = f"hub_old_{uuid.uuid4().hex[:12]}"
        self._server(f"ALTER DATABASE {ident(name)} ALLOW_CONNECTIONS false;")
        try:
            self._server(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                f" WHERE datname = {literal(name)} AND pid <> pg_backend_pid();"
            )
            self._server(f"BEGIN; ALTER DATABASE {ident(name)} RENAME TO {ident(old)}; {rename} COMMIT;")
        except BackupError as problem:
            self._server(f"ALTER DATABASE {ident(name)} ALLOW_CONNECTIONS true;")
            raise BackupError(
                f"Database {name!r} could not be swapped: {problem.message}",
                STORAGE,
                hint="Nothing was changed.",
            ) from problem
        self._server(f"DROP DATABASE {ident(old)};")

    def roles(self) -> list[str]:
        """Creates the roles that the source has and the target lacks, from the stored globals."""
        known = self._known_roles()
        with self.source.open("globals.sql") as reader:
            wanted = [text for text in statements(reader.read().decode()) if not text.startswith("\\")]
        missing = {role for text in wanted if (role := _role_of("CREATE ROLE", text)) and role not in known}
        chosen = [text for text in wanted if _concerns(text, missing)]
        if not chosen:
            return []
        try:
            self._server("BEGIN;\n" + "\n".join(chosen) + "\nCOMMIT;")
        except BackupError as problem:
            raise BackupError(
                f"Roles {', '.join(sorted(missing))} are missing and could not be created: {problem.message}",
                problem.exit_code,
                hint="Create them, or restore as a superuser.",
            ) from problem
        return [f"created role {role}" for role in sorted(missing)]

    def tables(self, names: list[str], *, replace: bool) -> Restored:
        """Chosen tables with indexes, constraints, triggers and sequences, in one transaction."""
        stored = self.source.meta["tables"]
        chosen = self._resolve(names, stored)
        here = {json.loads(line)["name"] for line in self.client.psql(inventories.TABLES).splitlines()}
        if not replace and (taken := sorted(here & set(chosen))):
            raise Conflict(f"Already in the target: {', '.join(taken)}.", hint="--replace overwrites them.")
        schemas: list[str] = self.client.json("SELECT json_agg(nspname) FROM pg_namespace")
        missing = sorted({stored[name]["schema"] for name in chosen} - set(schemas))
        self.client.psql("\n".join(f"CREATE SCHEMA {ident(schema)};" for schema in missing))
        listed = "".join(f"{number};\n" for number in self._entries(chosen))
        extra = ["--single-transaction", *(["--clean", "--if-exists"] if replace else [])]
        try:
            self.load(self.client.dsn.database, only=listed, extra=extra)
        except BaseException:
            self.client.psql("\n".join(f"DROP SCHEMA {ident(schema)};" for schema in missing))
            raise
        self._count(chosen, stored)
        return Restored(str(self.client.dsn), chosen)

    def _count(self, chosen: list[str], stored: dict[str, Any]) -> None:
        for name in chosen:
            if "rows" in stored[name]:
                where = f"{ident(stored[name]['schema'])}.{ident(stored[name]['table'])}"
                rows = int(self.client.psql(f"SELECT count(*) FROM ONLY {where};"))
                if rows != stored[name]["rows"]:
                    raise BackupError(
                        f"{name}: {stored[name]['rows']} rows stored, {rows} restored.", CORRUPT
                    )

    def _resolve(self, names: list[str], stored: dict[str, Any]) -> list[str]:
        chosen: list[str] = []
        for name in names:
            found = [
                key
                for key, row in stored.items()
                if name in (key, row["table"], f"{row['schema']}.{row['table']}") and row["kind"] != "S"
            ]
            if not found:
                raise NotFound(f"The backup has no table {name!r}.")
            if len(found) > 1:
                raise Conflict(f"{name!r} could be {' or '.join(found)}.", hint="Name the schema.")
            chosen += [key for key in found if key not in chosen]
        for name in chosen:  # grows while it is read: partitions of partitions come too
            chosen += [k for k, row in stored.items() if row["partition_of"] == name and k not in chosen]
        return chosen

    def _entries(self, chosen: list[str]) -> list[int]:
        """The archive's entries of these tables and of whatever belongs to them, in archive order."""
        meta = self.source.meta
        oids = {meta["tables"][name]["oid"] for name in chosen}
        owned = {(int(kind), int(oid)) for kind, oid, name in meta["owned"] if name in set(chosen)}
        entries = list(_toc(self._list()))
        numbers = {
            entry["id"]
            for entry in entries
            if (entry["oid"] in oids and entry["catalog"] in (0, 1259))
            or (entry["catalog"], entry["oid"]) in owned
        }
        numbers |= {
            entry["id"]
            for entry in entries
            if entry["what"].startswith(ATTACHED) and entry["needs"] and set(entry["needs"]) <= numbers
        }
        return [entry["id"] for entry in entries if entry["id"] in numbers]

    def _list(self) -> str:
        argv = [self.client.program("pg_restore"), "-l", "-v"]
        # Into a file: with both pipes open, a long list and a long archive would wait for each other.
        with TemporaryFile() as listed:
            with Child(
                argv,
                doing="pg_restore -l",
                stdin=True,
                stdout=cast(IO[bytes], listed),
                deadline=self.deadline,
            ) as child:
                with self.source.open("dump") as reader:
                    child.feed(reader, may_leave=True)
                child.finish()
            listed.seek(0)
            text = listed.read()
        return text.decode("utf-8", "replace")


def _failed(doing: str, stderr: str, code: int) -> BackupError:
    problem = source_failed(doing, stderr, code)
    problem.hint = "Nothing was changed in the target."
    if "other objects depend" in stderr:
        return BackupError(f"Something else depends on a table: {last_lines(stderr)}", 2, hint=problem.hint)
    return problem


def _toc(text: str) -> Iterator[dict[str, Any]]:
    current: dict[str, Any] | None = None
    for line in text.splitlines():
        if found := ENTRY.match(line):
            if current:
                yield current
            number, catalog, oid, what = found.groups()
            current = {"id": int(number), "catalog": int(catalog), "oid": int(oid), "what": what, "needs": []}
        elif current and line.startswith(";") and "depends on:" in line:
            current["needs"] = [int(word) for word in line.partition("depends on:")[2].split()]
    if current:
        yield current


def statements(text: str) -> Iterator[str]:
    """Splits plain SQL (no dollar quotes: pg_dumpall's globals have none) at its semicolons."""
    token = re.compile(
        r"E'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|^\\[^\n]*|;|[^;'\"\-\\E]+|.",
        re.S | re.M,
    )
    current = ""
    for found in token.finditer(text):
        word = found.group()
        if word.startswith("--") or (word.startswith("\\") and len(word) > 1):
            continue
        current += word
        if word == ";":
            yield current.strip()
            current = ""


def _role_of(verb: str, text: str) -> str | None:
    found = re.match(verb + r' (?:"((?:[^"]|"")*)"|([^\s;]+))', text)
    if found is None:
        return None
    return found[1].replace('""', '"') if found[1] is not None else found[2]


def _concerns(text: str, missing: set[str]) -> bool:
    for verb in ("CREATE ROLE", "ALTER ROLE", "COMMENT ON ROLE"):
        if _role_of(verb, text) in missing:
            return not (verb == "ALTER ROLE" and " IN DATABASE " in text)
    granted = re.match(r'GRANT (?:"(?:[^"]|"")*"|\S+) TO (.*)', text, re.S)
    return granted is not None and _role_of("", " " + granted[1]) in missing
