"""MongoDB: raw BSON collection by collection in mongodump's layout, so that mongorestore reads an export.

Experimental: tested against a stub that speaks the wire protocol, never against mongod itself.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from backendhub.kit.errors import Invalid, MissingExtra
from backendhub.systems.backup.models import (
    CANNOT_CONNECT,
    SOURCE_FAILED,
    TIMED_OUT,
    BackupError,
    Check,
    Dump,
    Type,
)
from backendhub.systems.backup.streams import Sink, Source

from .base import Deadline, Drill, Dsn, Log, Restored, chosen_tables
from .child import BLOCK
from .secrets import password

EXPERIMENTAL = "experimental: tested against a protocol stub, never run against mongod"
PASSED = (
    "authSource",
    "replicaSet",
    "tls",
    "tlsCAFile",
    "tlsCertificateKeyFile",
    "directConnection",
    "authMechanism",
)
SNAPSHOT_READS = 13  # wire version of MongoDB 5.0
LONGEST = 238


def file_name(collection: str) -> str:
    """A collection's file name as mongodump escapes and shortens it: no name can leave its directory."""
    escaped = quote(collection, safe="-_.~$&+=:@")
    if len(escaped) <= LONGEST:
        return escaped
    digest = base64.urlsafe_b64encode(
        hashlib.sha1(collection.encode(), usedforsecurity=False).digest()
    ).decode()
    return escaped[:208] + "%24" + digest


class MongoEngine:
    """One database of a MongoDB server."""

    def __init__(self, dsn: Dsn, options: Mapping[str, Any]) -> None:
        if not dsn.database:
            raise Invalid("The DSN names no database.", hint="mongodb://user@host:27017/database")
        self.dsn, self.options = dsn, options

    @contextmanager
    def _connected(self, dsn: Dsn, deadline: Deadline | None = None) -> Iterator[Any]:
        """A client whose failures are told apart: never reached (20), lost on the way (21), silent (22)."""
        try:
            import pymongo
            from pymongo import errors
        except ImportError:
            raise MissingExtra("MongoDB backup", "mongo") from None
        stall = deadline.stall if deadline is not None and deadline.stall else 600.0
        more: dict[str, Any] = {key: dsn.params[key] for key in PASSED if key in dsn.params}
        more = {key: {"true": True, "false": False}.get(str(word), word) for key, word in more.items()}
        if dsn.user:
            more |= {"username": dsn.user, "password": password(self.options)}
        client: Any = pymongo.MongoClient(
            host=dsn.host,
            port=dsn.port or 27017,
            appname="backendhub",
            serverSelectionTimeoutMS=int(1000 * float(self.options.get("connect_timeout", 10))),
            socketTimeoutMS=int(stall * 1000),
            retryReads=False,
            **more,
        )
        reached = False
        try:
            client.admin.command("ping")
            reached = True
            yield client
        except errors.NetworkTimeout as problem:
            raise BackupError(f"{dsn} gave no sign of life for {stall:g} s.", TIMED_OUT) from problem
        except errors.OperationFailure as problem:
            denied = not reached or problem.code in (13, 18)
            raise BackupError(f"{dsn}: {problem}", CANNOT_CONNECT if denied else SOURCE_FAILED) from problem
        except errors.PyMongoError as problem:
            raise BackupError(f"{dsn}: {problem}", SOURCE_FAILED if reached else CANNOT_CONNECT) from problem
        finally:
            client.close()

    def test(self) -> list[Check]:
        """Credentials, version, whether all collections can be read at one point in time."""
        try:
            with self._connected(self.dsn) as client:
                version = client.admin.command("buildInfo")["version"]
                found = list(client[self.dsn.database].list_collections())
                hello = client.admin.command("hello")
        except BackupError as problem:
            return [Check("connect", "error", problem.message, problem.hint)]
        checks = [
            Check("connect", "ok", f"MongoDB {version}, {len(found)} collections and views"),
            Check("maturity", "warning", EXPERIMENTAL, "Drill it against a scratch server: drill_dsn="),
        ]
        if not _can_snapshot(hello):
            text = "collections are read one after another, not at one point in time"
            checks.append(
                Check("consistency", "warning", text, "A replica set of MongoDB 5.0 or later can do that.")
            )
        return checks

    def dump(
        self,
        sink: Sink,
        *,
        type: Type = Type.FULL,
        since: Mapping[str, Any] | None = None,
        deadline: Deadline | None = None,
    ) -> Dump:
        """Every collection: `name.bson` in order of _id, `name.metadata.json` with options and indexes."""
        limits = deadline or Deadline()
        tables: dict[str, dict[str, Any]] = {}
        with self._connected(self.dsn, deadline) as client:
            hello = client.admin.command("hello")
            database = client[self.dsn.database]
            snapshot = _can_snapshot(hello)
            chosen = chosen_tables(self.options)
            with client.start_session(snapshot=True) if snapshot else nullcontext() as session:
                for about in sorted(database.list_collections(), key=lambda row: str(row["name"])):
                    if not about["name"].startswith("system.") and (not chosen or about["name"] in chosen):
                        tables[about["name"]] = self._collection(sink, database, about, session, limits)
            version = client.admin.command("buildInfo")["version"]
        warnings = [] if snapshot else ["collections were read one after another, not at one point in time"]
        names = {name: file_name(name) for name in tables}
        meta = {"engine": "mongo", "server": version, "database": self.dsn.database, "files": names}
        return Dump(
            meta | {"snapshot": snapshot, "tables": tables, "experimental": EXPERIMENTAL}, tables, warnings
        )

    def _collection(
        self, sink: Sink, database: Any, about: Mapping[str, Any], session: Any, limits: Deadline
    ) -> dict[str, Any]:
        name, kind = str(about["name"]), str(about.get("type", "collection"))
        rows = size = 0
        if kind != "view":
            order = (
                {}
                if about.get("options", {}).get("capped") or kind != "collection"
                else {"sort": [("_id", 1)]}
            )
            with sink.stream(f"{file_name(name)}.bson") as writer:
                for batch in database[name].find_raw_batches(session=session, **order):
                    limits.check(f"reading {name}")
                    rows += sum(1 for _ in _documents(batch))
                    writer.write(batch)
                size = writer.offset
        with sink.stream(f"{file_name(name)}.metadata.json") as writer:
            writer.write(self._metadata(database, name, kind, about))
        return {"kind": kind, "rows": rows, "bytes": size}

    def _metadata(self, database: Any, name: str, kind: str, about: Mapping[str, Any]) -> bytes:
        from bson import json_util

        indexes = (
            []
            if kind != "collection"
            else sorted(database[name].list_indexes(), key=lambda row: str(row["name"]))
        )
        for index in indexes:
            index.pop("ns", None)
        record = {
            "options": about.get("options", {}),
            "indexes": indexes,
            "collectionName": name,
            "type": kind,
        }
        return json_util.dumps(record, json_options=json_util.CANONICAL_JSON_OPTIONS).encode()

    def logs(self, since: Mapping[str, Any], *, deadline: Deadline | None = None) -> Iterator[Log]:
        """Not offered: the oplog is untested here."""
        raise Invalid("MongoDB backups have snapshots only, no points in time.")

    def restore(
        self,
        source: Source,
        target: Dsn,
        *,
        tables: Sequence[str] | None = None,
        at: datetime | None = None,
        replace: bool = False,
        logs: Source | None = None,
        deadline: Deadline | None = None,
    ) -> Restored:
        """Into collections under temporary names, counted, then renamed over the old ones one by one."""
        from .mongo_restore import restore

        if target.engine != "mongo" or not target.database:
            raise Invalid("This backup restores into a MongoDB database.", hint="--to mongodb://…/db")
        if at is not None or logs is not None:
            raise Invalid("MongoDB backups have snapshots only, no points in time.")
        with self._connected(target, deadline) as client:
            done = restore(
                source, client[target.database], tables, replace=replace, limits=deadline or Deadline()
            )
        return Restored(str(target), done)

    def export(self, source: Source, path: Path) -> list[Path]:
        """A directory as mongodump writes it: `mongorestore PATH` reads it."""
        folder = path / file_name(str(source.meta["database"]))
        folder.mkdir(parents=True)
        written = []
        for name in source.names():
            if "/" in name or name.startswith(".."):
                raise BackupError(f"{name!r} is no name of a stream.", SOURCE_FAILED)
            with source.open(name) as reader, (folder / name).open("xb") as file:
                while data := reader.read(BLOCK):
                    file.write(data)
            written.append(folder / name)
        return written

    def drill(
        self,
        source: Source,
        *,
        sql: Sequence[str] = (),
        keep: Path | None = None,
        deadline: Deadline | None = None,
    ) -> Drill:
        """Into a database of its own on the scratch server `drill_dsn=`, dumped again, compared byte by byte."""
        import uuid

        from .base import parse_dsn
        from .compare import CompareSink

        if sql:
            raise Invalid("SQL checks cannot be run on MongoDB.")
        if not (where := self.options.get("drill_dsn")):
            raise Invalid(
                "A MongoDB drill needs a scratch server.", hint="drill_dsn=mongodb://localhost:27018/x"
            )
        scratch = parse_dsn(str(where)).with_database(f"hub_drill_{uuid.uuid4().hex[:12]}")
        options = {key: value for key, value in self.options.items() if not key.startswith("password")}
        engine = MongoEngine(scratch, options)
        try:
            engine.restore(source, scratch, deadline=deadline)
            sink = CompareSink(source)
            engine.dump(sink, deadline=deadline)
        except LookupError as problem:
            return Drill([str(problem)], 0, str(where))
        finally:
            if keep is None:
                with engine._connected(scratch) as client:
                    client.drop_database(scratch.database)
        return Drill(sink.finish(), sink.compared, str(where))

    def inventory(self) -> dict[str, dict[str, Any]]:
        """Collections and views with the server's estimated counts."""
        with self._connected(self.dsn) as client:
            database = client[self.dsn.database]
            return {
                str(row["name"]): {"kind": str(row.get("type", "collection"))}
                | (
                    {}
                    if row.get("type") == "view"
                    else {"rows": database[row["name"]].estimated_document_count()}
                )
                for row in database.list_collections()
            }

    def is_empty(self, target: Dsn) -> bool:
        """No collections and no views."""
        with self._connected(target) as client:
            return not list(client[target.database].list_collections())


def _can_snapshot(hello: Mapping[str, Any]) -> bool:
    return bool(hello.get("setName")) and int(hello.get("maxWireVersion", 0)) >= SNAPSHOT_READS


def _documents(data: bytes) -> Iterator[bytes]:
    """The documents of a batch, by their length prefixes."""
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "little")
        if size < 5 or at + size > len(data) or data[at + size - 1] != 0:
            raise BackupError("A BSON document is damaged.", SOURCE_FAILED)
        yield data[at : at + size]
        at += size
