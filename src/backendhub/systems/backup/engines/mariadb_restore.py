"""Restoring a dump: into a fresh database, or aside and then swapped in; tables from their own ranges only."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

from backendhub.kit.errors import Conflict, NotFound
from backendhub.systems.backup.models import CORRUPT, SOURCE_FAILED, BackupError
from backendhub.systems.backup.streams import Reader, Source

from . import mariadb_inventory as inventories
from .base import Deadline, Restored
from .child import output
from .mariadb_client import Client, failed, ident, is_mariadb_program
from .mariadb_index import Section, for_tables, from_meta

STREAM = "dump.sql"
CODE = ("header", "triggers", "standin", "events", "routines", "view", "footer")
SANDBOX = b"/*M!999999\\- enable the sandbox mode */"


class Restore:
    """One restore of one dump into one server."""

    def __init__(self, source: Source, client: Client, deadline: Deadline | None) -> None:
        self.source, self.client, self.deadline = source, client, deadline
        self.sections = from_meta(source.meta["index"])

    def database(self, *, replace: bool) -> Restored:
        """The whole database."""
        name = self.client.dsn.database
        if not self.client.exists(name):
            self._fresh(name)
        elif not any(inventories.objects(self.client).values()):
            # Empty, but its rights and settings are the operator's: fill it, and empty it again on failure.
            try:
                self._load(name, self.sections)
                self._verify(name)
            except BaseException:
                self._clear(name)
                raise
        elif replace:
            return Restored(str(self.client.dsn), warnings=self._swap(name))
        else:
            raise BackupError(f"Database {name!r} is not empty.", 2, hint="--replace overwrites it.")
        return Restored(str(self.client.dsn))

    def _fresh(self, name: str) -> None:
        about = self.source.meta["database"]
        self.client.sql(
            f"CREATE DATABASE {ident(name)} CHARACTER SET {ident(about['charset'])} COLLATE {ident(about['collation'])}"
        )
        try:
            self._load(name, self.sections)
            self._verify(name)
        except BaseException:
            self.client.sql(f"DROP DATABASE IF EXISTS {ident(name)}")
            raise

    def _readers(self, stack: ExitStack, database: str, sections: Sequence[Section]) -> Iterator[Reader]:
        # Around code made under another collation, a dump alters its database *by name*: loaded elsewhere, it
        # would alter the live one.
        was, now = (
            f"\nALTER DATABASE {ident(name)} CHARACTER SET "
            for name in (self.source.meta["database"]["name"], database)
        )
        skip = not is_mariadb_program(self.client.program("client"))
        for start, length in _ranges(sections):
            reader = stack.enter_context(self.source.open(STREAM, start=start, length=length))
            if start == 0 and skip:
                # MySQL's client does not know MariaDB's sandbox comment and stops at it.
                head = _exactly(reader, min(length, len(SANDBOX)))
                yield io.BytesIO(b"" if head == SANDBOX else head)
            yield reader if was == now else Renaming(reader, was.encode(), now.encode())

    def _load(self, database: str, sections: Sequence[Section]) -> None:
        with ExitStack() as stack:
            self.client.load(database, self._readers(stack, database, sections), self.deadline)

    def _verify(self, database: str) -> None:
        stored, found = self.source.meta["objects"], inventories.objects(self.client, database)
        bad = [
            f"{kind}: {', '.join(sorted(set(stored[kind]) ^ set(found[kind]))[:3])}"
            for kind in stored
            if stored[kind] != found[kind]
        ]
        if bad:
            raise BackupError(f"The restored database differs in {'; '.join(bad)}.", CORRUPT)

    def _swap(self, name: str) -> list[str]:
        """Loads and proves the copy aside, exchanges all tables in one RENAME, then brings the code over."""
        aside, old = f"hub_restore_{uuid.uuid4().hex[:12]}", f"hub_old_{uuid.uuid4().hex[:12]}"
        self._fresh(aside)
        code = self._code_of(name)
        try:
            self.client.sql(f"CREATE DATABASE {ident(old)}")
            self._drop_code(name)
            self._drop_triggers(aside)
            ours, theirs = inventories.objects(self.client, aside), inventories.objects(self.client, name)
            moves = [_move(name, table, old) for kind in ("tables", "sequences") for table in theirs[kind]]
            moves += [_move(aside, table, name) for kind in ("tables", "sequences") for table in ours[kind]]
            if moves:
                self.client.sql(f"SET foreign_key_checks = 0; RENAME TABLE {', '.join(moves)}")
        except BaseException:
            self.client.load(name, [io.BytesIO(code)], self.deadline)
            self._drop(aside, old)
            raise
        try:
            self._load(name, [section for section in self.sections if section.kind in CODE])
            self._verify(name)
        except BaseException as problem:
            text = f"The tables of {name!r} are restored, but not all triggers, views and routines: {problem}"
            hint = f"The old tables are in database {old}."
            raise BackupError(text, SOURCE_FAILED, hint=hint) from problem
        self._drop(aside, old)
        return []

    def _code_of(self, name: str, *, triggers_only: bool = False) -> bytes:
        """Views, triggers, routines and events of a database as SQL, to put them back if the swap fails."""
        words = ["--no-data", "--skip-comments", "--default-character-set=utf8mb4", "--single-transaction"]
        with self.client.command("dump", *words, "--no-create-info", "--triggers") as (argv, fds):
            more = [] if triggers_only else ["--routines", "--events"]
            code = output([*argv, *more, "--", name], fds=fds, failed=failed, doing="Saving the old code")
        views = [] if triggers_only else inventories.objects(self.client, name)["views"]
        if views:
            with self.client.command("dump", *words, "--skip-triggers", "--", name, *views) as (argv, fds):
                code += output(argv, fds=fds, failed=failed, doing="Saving the old views")
        return code

    def _drop_triggers(self, name: str, only: set[str] | None = None) -> None:
        rows = self.client.sql(f"SHOW TRIGGERS FROM {ident(name)}")
        for row in rows:
            if only is None or row[2] in only:
                self.client.sql(f"DROP TRIGGER {ident(name)}.{ident(row[0])}")

    def _drop_code(self, name: str) -> None:
        self._drop_triggers(name)
        kinds = {"views": "VIEW", "procedures": "PROCEDURE", "functions": "FUNCTION", "events": "EVENT"}
        found = inventories.objects(self.client, name)
        text = [
            f"DROP {word} {ident(name)}.{ident(item)};"
            for kind, word in kinds.items()
            for item in found[kind]
        ]
        if text:
            self.client.sql("\n".join(text))

    def _clear(self, name: str) -> None:
        self._drop_code(name)
        found = inventories.objects(self.client, name)
        text = [f"DROP TABLE {ident(name)}.{ident(table)};" for table in found["tables"]]
        text += [f"DROP SEQUENCE {ident(name)}.{ident(table)};" for table in found["sequences"]]
        self.client.sql("SET foreign_key_checks = 0;\n" + "\n".join(text))

    def _drop(self, *databases: str) -> None:
        self.client.sql("".join(f"DROP DATABASE IF EXISTS {ident(name)};" for name in databases))

    def tables(self, names: list[str], *, replace: bool) -> Restored:
        """Chosen tables and views. Existing ones are moved aside first and moved back if anything fails."""
        stored: dict[str, Any] = self.source.meta["tables"]
        name = self.client.dsn.database
        if absent := [table for table in names if table not in stored]:
            raise NotFound(f"The backup has no table {', '.join(absent)}.")
        if not self.client.exists(name):
            raise NotFound(f"There is no database {name!r} to restore tables into.")
        here = inventories.objects(self.client)
        movable = [t for t in names if t in here["tables"] or t in here["sequences"]]
        taken = movable + [t for t in names if t in here["views"]]
        if taken and not replace:
            raise Conflict(f"Already in the target: {', '.join(taken)}.", hint="--replace overwrites them.")
        if len(movable) != len(taken):
            raise Conflict("A view in the target is in the way.", hint="Drop it first.")
        chosen = for_tables(self.sections, set(names))
        old = f"hub_old_{uuid.uuid4().hex[:12]}"
        triggers = self._code_of(name, triggers_only=True) if movable else b""
        if movable:
            self.client.sql(f"CREATE DATABASE {ident(old)}")
            self._drop_triggers(name, set(movable))
            self._rename(name, movable, old)
        try:
            self._load(name, chosen)
        except BaseException:
            self._remove(name, names)
            if movable:
                self._rename(old, movable, name)
                self._put_back(name, triggers)
                self._drop(old)
            raise
        if movable:
            self._drop(old)
        return Restored(str(self.client.dsn), names)

    def _rename(self, source: str, tables: list[str], target: str) -> None:
        moves = ", ".join(_move(source, table, target) for table in tables)
        self.client.sql(f"SET foreign_key_checks = 0; RENAME TABLE {moves}")

    def _remove(self, name: str, tables: list[str]) -> None:
        found = inventories.objects(self.client, name)
        words = {"tables": "TABLE", "sequences": "SEQUENCE", "views": "VIEW"}
        text = [
            f"DROP {word} {ident(name)}.{ident(table)};"
            for kind, word in words.items()
            for table in tables
            if table in found[kind]
        ]
        self.client.sql("SET foreign_key_checks = 0;\n" + "\n".join(text))

    def _put_back(self, name: str, triggers: bytes) -> None:
        # The other tables still have theirs, and creating one twice is an error.
        self._drop_triggers(name)
        self.client.load(name, [io.BytesIO(triggers)], self.deadline)


class Renaming:
    """A reader that replaces one text by another, wherever the pieces are cut."""

    def __init__(self, reader: Reader, was: bytes, now: bytes) -> None:
        self._reader, self._was, self._now = reader, was, now
        self._rest = b""

    def read(self, size: int = -1, /) -> bytes:
        """The next piece, replaced; its length is not exactly `size`."""
        while True:
            data = self._reader.read(size)
            whole = self._rest + data
            if not data:
                self._rest = b""
                return whole
            # The end may be the beginning of the text: it waits for the next piece.
            *parts, last = whole.split(self._was)
            keep = min(len(self._was) - 1, len(last))
            self._rest = last[len(last) - keep :]
            ready = self._now.join([*parts, last[: len(last) - keep]])
            if ready:
                return ready


def _move(source: str, table: str, target: str) -> str:
    return f"{ident(source)}.{ident(table)} TO {ident(target)}.{ident(table)}"


def _ranges(sections: Sequence[Section]) -> list[tuple[int, int]]:
    """Adjoining sections as one range, so that a whole dump is read in one go."""
    found: list[tuple[int, int]] = []
    for section in sections:
        if found and found[-1][0] + found[-1][1] == section.start:
            found[-1] = (found[-1][0], found[-1][1] + section.length)
        else:
            found.append((section.start, section.length))
    return found


def _exactly(reader: Reader, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size and (data := reader.read(size - len(parts))):
        parts += data
    return bytes(parts)
