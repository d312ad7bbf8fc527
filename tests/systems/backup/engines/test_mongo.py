"""MongoDB over the wire protocol, against a small server of our own; against mongod if MONGODB_URI is set."""

from __future__ import annotations

import os
import socketserver
import struct
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backendhub.kit.errors import Conflict, Invalid, NotFound
from backendhub.systems.backup.engines.base import Deadline, engine_for, parse_dsn
from backendhub.systems.backup.engines.mongo import file_name
from backendhub.systems.backup.models import BackupError

bson = pytest.importorskip("bson")
pytest.importorskip("pymongo")


class Store:
    """The state of the stub: databases of collections of raw documents."""

    def __init__(self) -> None:
        self.data: dict[str, dict[str, list[bytes]]] = {}
        self.about: dict[tuple[str, str], dict[str, Any]] = {}
        self.indexes: dict[tuple[str, str], list[Any]] = {}
        self.cursors: dict[int, tuple[str, list[bytes]]] = {}
        self.fault: str | None = None
        self.release = threading.Event()
        self.lock = threading.Lock()

    def command(self, body: dict[str, Any], documents: list[bytes]) -> dict[str, Any] | None:
        name, db = next(iter(body)), body.get("$db", "admin")
        handler = getattr(self, f"do_{name}", None)
        if handler is None:
            return {"ok": 0, "errmsg": f"no such command {name}", "code": 59}
        with self.lock:
            return handler(db, body, documents)

    def do_hello(self, *_: Any) -> dict[str, Any]:
        return {
            "helloOk": True,
            "isWritablePrimary": True,
            "ismaster": True,
            "maxWireVersion": 17,
            "minWireVersion": 0,
            "maxBsonObjectSize": 16777216,
            "maxMessageSizeBytes": 48000000,
            "maxWriteBatchSize": 100000,
            "ok": 1,
        }

    do_ismaster = do_isMaster = do_hello

    def do_ping(self, *_: Any) -> dict[str, Any]:
        return {"ok": 1}

    do_endSessions = do_ping

    def do_buildInfo(self, *_: Any) -> dict[str, Any]:
        return {"ok": 1, "version": "6.0.0-stub"}

    def do_listCollections(self, db: str, *_: Any) -> dict[str, Any]:
        rows = [
            {
                "name": name,
                "type": self.about[db, name].get("_type", "collection"),
                "options": {k: v for k, v in self.about[db, name].items() if k != "_type"},
                "info": {},
            }
            for name in self.data.get(db, {})
        ]
        return self.cursor(f"{db}.$cmd.listCollections", [bson.encode(row) for row in rows], 1000)

    def do_listIndexes(self, db: str, body: dict[str, Any], _: Any) -> dict[str, Any]:
        first = {"v": 2, "key": {"_id": 1}, "name": "_id_"}
        rows = [first, *self.indexes.get((db, body["listIndexes"]), [])]
        return self.cursor(f"{db}.x", [bson.encode(row) for row in rows], 1000)

    def do_find(self, db: str, body: dict[str, Any], _: Any) -> dict[str, Any] | None:
        rows = list(self.data[db][body["find"]])
        if "sort" in body:
            rows.sort(key=lambda raw: repr(bson.decode(raw)["_id"]))
        return self.cursor(f"{db}.{body['find']}", rows, body.get("batchSize") or 101)

    def do_getMore(self, db: str, body: dict[str, Any], _: Any) -> dict[str, Any] | None:
        if self.fault == "drop":
            return None
        if self.fault == "hang":
            self.release.wait(30)
            return None
        name, rows = self.cursors.pop(int(body["getMore"]))
        return self.cursor(name, rows, 5000, "nextBatch")

    def cursor(self, name: str, rows: list[bytes], size: int, key: str = "firstBatch") -> dict[str, Any]:
        number = 0
        if len(rows) > size:
            number = len(self.cursors) + 77
            self.cursors[number] = (name, rows[size:])
        batch = [bson.raw_bson.RawBSONDocument(row) for row in rows[:size]]
        return {"ok": 1, "cursor": {"id": bson.Int64(number), "ns": name, key: batch}}

    def do_insert(self, db: str, body: dict[str, Any], documents: list[bytes]) -> dict[str, Any]:
        self.data.setdefault(db, {}).setdefault(body["insert"], []).extend(documents)
        self.about.setdefault((db, body["insert"]), {})
        return {"ok": 1, "n": len(documents)}

    def do_create(self, db: str, body: dict[str, Any], _: Any) -> dict[str, Any]:
        options = {k: v for k, v in body.items() if k not in ("create", "$db", "lsid")}
        self.data.setdefault(db, {})[body["create"]] = []
        self.about[db, body["create"]] = options | ({"_type": "view"} if "viewOn" in options else {})
        return {"ok": 1}

    def do_createIndexes(self, db: str, body: dict[str, Any], _: Any) -> dict[str, Any]:
        self.indexes.setdefault((db, body["createIndexes"]), []).extend(body["indexes"])
        return {"ok": 1}

    def do_count(self, db: str, body: dict[str, Any], _: Any) -> dict[str, Any]:
        return {"ok": 1, "n": len(self.data.get(db, {}).get(body["count"], []))}

    def do_renameCollection(self, _: str, body: dict[str, Any], __: Any) -> dict[str, Any]:
        db, old = body["renameCollection"].split(".", 1)
        new = body["to"].split(".", 1)[1]
        assert body.get("dropTarget")
        self.data[db][new] = self.data[db].pop(old)
        self.about[db, new] = self.about.pop((db, old))
        self.indexes[db, new] = self.indexes.pop((db, old), [])
        return {"ok": 1}

    def do_drop(self, db: str, body: dict[str, Any], _: Any) -> dict[str, Any]:
        if self.data.get(db, {}).pop(body["drop"], None) is None:
            return {"ok": 0, "code": 26, "errmsg": "ns not found", "codeName": "NamespaceNotFound"}
        return {"ok": 1}

    def do_dropDatabase(self, db: str, *_: Any) -> dict[str, Any]:
        self.data.pop(db, None)
        return {"ok": 1}


class Handler(socketserver.StreamRequestHandler):
    """OP_MSG, and OP_QUERY for the first greeting."""

    def handle(self) -> None:
        while len(head := self.rfile.read(16)) == 16:
            length, number, _, code = struct.unpack("<iiii", head)
            payload = self.rfile.read(length - 16)
            if code == 2004:
                at = payload.index(b"\0", 4) + 1 + 8
                reply = self.server.store.command(bson.decode(payload[at:]), [])  # type: ignore[attr-defined]
                body = struct.pack("<iqii", 8, 0, 0, 1) + bson.encode(reply)
                self.wfile.write(struct.pack("<iiii", 16 + len(body), 1, number, 1) + body)
                continue
            command, documents = self.parse(payload)
            reply = self.server.store.command(command, documents)  # type: ignore[attr-defined]
            if reply is None:
                return
            body = struct.pack("<i", 0) + b"\0" + bson.encode(reply)
            self.wfile.write(struct.pack("<iiii", 16 + len(body), 1, number, 2013) + body)

    def parse(self, payload: bytes) -> tuple[dict[str, Any], list[bytes]]:
        at, command, documents = 4, {}, []
        while at < len(payload):
            kind, size = payload[at], struct.unpack_from("<i", payload, at + 1)[0]
            part = payload[at + 1 : at + 1 + size]
            if kind == 0:
                command = bson.decode(part)
            else:
                inner = part.index(b"\0", 4) + 1
                while inner < len(part):
                    length = struct.unpack_from("<i", part, inner)[0]
                    documents.append(part[inner : inner + length])
                    inner += length
            at += 1 + size
        return command, documents


class Stub(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, store: Store) -> None:
        self.store = store
        super().__init__(("127.0.0.1", 0), Handler)


@pytest.fixture
def mongo() -> Iterator[tuple[Store, str]]:
    store = Store()
    with Stub(store) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield store, f"mongodb://127.0.0.1:{server.server_address[1]}"
        finally:
            store.release.set()
            server.shutdown()
            thread.join()


# pymongo itself refuses names with two dots in a row.
HOSTILE = "/etc/./a \"quoted\" 'x' 🐘\n-x%"


def fill(store: Store, rows: int = 20_000) -> None:
    store.data["shop"] = {
        "orders": [
            bson.encode(
                {
                    "_id": n,
                    "text": "é" * (n % 7),
                    "raw": bson.Binary(os.urandom(20)),
                    "deep": {"a": [1, None, bson.Decimal128("1.5")]},
                }
            )
            for n in range(rows)
        ],
        HOSTILE: [bson.encode({"_id": bson.ObjectId(), "x": 1})],
        "capped": [bson.encode({"_id": n}) for n in (3, 1, 2)],
        "empty": [],
        "cheap": [],
    }
    for name in store.data["shop"]:
        store.about["shop", name] = {}
    store.about["shop", "capped"] = {"capped": True, "size": 4096}
    store.about["shop", "cheap"] = {
        "_type": "view",
        "viewOn": "orders",
        "pipeline": [{"$match": {"_id": {"$lt": 3}}}],
    }
    store.indexes["shop", "orders"] = [
        {"v": 2, "key": {"text": 1, "deep.a": -1}, "name": "text_1", "unique": False}
    ]


def dump(dsn: str, stored: Any) -> Any:
    done = engine_for(dsn).dump(stored)
    stored.meta = done.meta
    return done


def test_both_ways(mongo: tuple[Store, str], stored: Any, new_stored: Any) -> None:
    store, url = mongo
    fill(store)
    done = dump(f"{url}/shop", stored)
    assert done.tables["orders"] == {
        "kind": "collection",
        "rows": 20_000,
        "bytes": len(stored.streams["orders.bson"]),
    }
    assert done.warnings and done.meta["experimental"]
    assert [bson.decode(raw)["_id"] for raw in store.data["shop"]["capped"]] == [
        row["_id"] for row in bson.decode_all(stored.streams["capped.bson"])
    ]
    assert all("/" not in name for name in stored.streams)
    target = parse_dsn(f"{url}/copy")
    engine = engine_for(f"{url}/shop")
    assert engine.is_empty(target)
    engine.restore(stored, target)
    again = new_stored()
    dump(f"{url}/copy", again)
    assert again.streams == stored.streams
    assert store.about["copy", "capped"] == {"capped": True, "size": 4096}
    assert store.about["copy", "cheap"]["viewOn"] == "orders"
    assert engine.inventory()["orders"] == {"kind": "collection", "rows": 20_000}


def test_replace_and_single_collections(mongo: tuple[Store, str], stored: Any) -> None:
    store, url = mongo
    fill(store, 500)
    dump(f"{url}/shop", stored)
    engine, target = engine_for(f"{url}/shop"), parse_dsn(f"{url}/shop")
    before = list(store.data["shop"]["orders"])
    store.data["shop"]["orders"].clear()
    store.data["shop"]["later"] = []
    store.about["shop", "later"] = {}
    with pytest.raises(Conflict):
        engine.restore(stored, target)
    with pytest.raises(Conflict):
        engine.restore(stored, target, tables=["orders"])
    with pytest.raises(NotFound):
        engine.restore(stored, target, tables=["absent"])
    engine.restore(stored, target, tables=["orders"], replace=True)
    assert sorted(store.data["shop"]["orders"]) == sorted(before)
    assert "later" in store.data["shop"]
    engine.restore(stored, target, replace=True)
    assert set(store.data["shop"]) == {"orders", HOSTILE, "capped", "empty", "cheap"}


def test_damage_changes_nothing(mongo: tuple[Store, str], stored: Any) -> None:
    store, url = mongo
    fill(store, 500)
    dump(f"{url}/shop", stored)
    engine, target = engine_for(f"{url}/shop"), parse_dsn(f"{url}/shop")
    before = {name: list(rows) for name, rows in store.data["shop"].items()}
    whole = stored.streams["orders.bson"]
    for damaged in (
        whole[:-3],
        b"\xff\xff\xff\x7f" + whole[4:],
        whole[: len(whole) - int.from_bytes(whole[:4], "little")],
    ):
        stored.streams["orders.bson"] = damaged
        with pytest.raises(BackupError) as caught:
            engine.restore(stored, target, replace=True)
        assert caught.value.exit_code == 40
        assert store.data["shop"] == before


def test_lost_and_hung_servers(mongo: tuple[Store, str], stored: Any) -> None:
    store, url = mongo
    fill(store)
    for fault, code in (("drop", 21), ("hang", 22)):
        store.fault = fault
        with pytest.raises(BackupError) as caught:
            engine_for(f"{url}/shop").dump(stored, deadline=Deadline.after(None, stall=0.5))
        assert caught.value.exit_code == code
        assert "orders.bson" not in stored.streams
        stored.streams.clear()


def test_unreachable_is_20(stored: Any) -> None:
    engine = engine_for("mongodb://127.0.0.1:1/x", options={"connect_timeout": 0.3})
    assert engine.test()[0].severity == "error"
    with pytest.raises(BackupError) as caught:
        engine.dump(stored)
    assert caught.value.exit_code == 20


def test_drill_on_a_scratch_server(mongo: tuple[Store, str], stored: Any) -> None:
    store, url = mongo
    fill(store, 300)
    dump(f"{url}/shop", stored)
    engine = engine_for(f"{url}/shop", options={"drill_dsn": f"{url}/any"})
    assert engine.drill(stored).ok
    assert list(store.data) == ["shop"]
    stored.streams["empty.metadata.json"] = stored.streams["empty.metadata.json"].replace(b"_id_", b"_ix_")
    assert not engine.drill(stored).ok
    with pytest.raises(Invalid, match="scratch server"):
        engine_for(f"{url}/shop").drill(stored)


def test_export_is_mongodumps_layout(mongo: tuple[Store, str], stored: Any, tmp_path: Path) -> None:
    store, url = mongo
    fill(store, 10)
    dump(f"{url}/shop", stored)
    files = engine_for(f"{url}/shop").export(stored, tmp_path / "out")
    assert {path.parent for path in files} == {tmp_path / "out" / "shop"}
    assert (tmp_path / "out/shop/orders.bson").read_bytes() == stored.streams["orders.bson"]
    long = file_name("é" * 100)
    assert len(long.encode()) <= 255 and long != file_name("é" * 101)
    assert file_name("../x") == "..%2Fx"


def test_it_says_that_it_is_experimental(mongo: tuple[Store, str]) -> None:
    _, url = mongo
    assert "experimental" in engine_for(f"{url}/shop").test()[1].text
    with pytest.raises(Invalid):
        engine_for(f"{url}/shop").logs({})


@pytest.mark.mongo
def test_against_a_real_mongod(stored: Any, new_stored: Any) -> None:
    uri = os.environ.get("MONGODB_URI")
    if not uri:
        pytest.skip("MONGODB_URI is not set")
    import pymongo

    name = f"hubtest_{uuid.uuid4().hex[:10]}"
    client: Any = pymongo.MongoClient(uri)
    try:
        client[name].orders.insert_many([{"_id": n, "v": str(n)} for n in range(5000)])
        client[name].orders.create_index("v", unique=True)
        base = str(parse_dsn(uri)).rpartition("/")[0]
        dump(f"{base}/{name}", stored)
        engine_for(f"{base}/{name}").restore(stored, parse_dsn(f"{base}/{name}_copy"))
        again = new_stored()
        dump(f"{base}/{name}_copy", again)
        assert again.streams == stored.streams
    finally:
        client.drop_database(name)
        client.drop_database(f"{name}_copy")
        client.close()
