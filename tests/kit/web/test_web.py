"""The web layer by itself: parameters, bodies, problems, conditional requests, CORS, limits, probes."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
from fastapi import Header, Query
from pydantic import BaseModel

from backendhub.kit import hub as hubs
from backendhub.kit import telemetry, web
from backendhub.kit.db import Db
from backendhub.kit.errors import Conflict, Invalid
from backendhub.kit.output import dumps
from backendhub.kit.web import mounts
from backendhub.kit.web.fields import IdRef, Integer, When
from backendhub.kit.web.routing import Tree

SYSTEM = "task"


@dataclass(frozen=True, slots=True)
class Thing:
    id: int
    long_name: str


class ThingIn(BaseModel):
    name: str
    size: Integer = 1
    owner: IdRef | None = None


def make_router() -> web.Router:
    router = web.Router("Things")

    @router.get("/things/{id}")
    def get_thing(id: int) -> Thing:
        return web.reply(Thing(id, "x"), etag=web.etag("v1"))

    @router.post("/things", status=201)
    def add_thing(body: ThingIn) -> Thing:
        return Thing(body.size, body.name)

    @router.get("/search")
    def search(
        tag: Annotated[tuple[str, ...], Query()] = (),
        limit: Annotated[int, Query(ge=1, le=10)] = 5,
        since: Annotated[When | None, Query(alias="createdSince")] = None,
        x_mode: Annotated[str, Header()] = "none",
    ) -> dict[str, Any]:
        return {"tag": list(tag), "limit": limit, "since": since, "mode": x_mode}

    @router.get("/boom")
    def boom() -> None:
        raise RuntimeError("secret detail")

    @router.get("/conflict")
    def conflict() -> None:
        raise Conflict("no", hint="try later")

    @router.put("/value/{n}")
    def put_value(db: Db, n: int) -> int:
        if n < 0:
            raise Invalid("negative")
        db.run("INSERT INTO task_tag (task_id, tag) VALUES (1, :tag)", tag=f"t{n}")
        return n

    @router.get("/values")
    def values(db: Db) -> int:
        return int(db.value("SELECT count(*) FROM task_tag"))

    @router.get("/write-in-get")
    def write_in_get(db: Db) -> None:
        db.run("DELETE FROM task_tag")

    @router.get("/files/{name:path}")
    def file(name: str) -> str:
        return name

    @router.post("/echo", consumes=("text/plain",), media_type="text/plain")
    async def echo(request: web.Request) -> str:
        return request.body.decode()

    return router


@pytest.fixture
def things(hub: hubs.Hub, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from starlette.testclient import TestClient
    row = SimpleNamespace(name="thing", package="thing", summary="Things")
    monkeypatch.setattr(mounts, "import_module", lambda name: SimpleNamespace(router=make_router()))
    monkeypatch.setattr(hub, "use", lambda *names: None)
    app = web.build_app(
        [row], hub, single=True, log_format="none", cors=("https://ok.example",), max_body=1000
    )
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def problem(response: Any, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == status and body["requestId"] == response.headers["x-request-id"]
    assert body["title"] and body["instance"].startswith("/")
    return body


def test_records_are_sent_with_camel_case(things: Any) -> None:
    assert things.get("/things/3").json() == {"id": 3, "longName": "x"}


def test_a_body_is_validated_strictly(things: Any) -> None:
    assert things.post("/things", json={"name": "a", "size": 2}).json() == {"id": 2, "longName": "a"}
    assert things.post("/things", json={"name": "a", "size": 2.0}).status_code == 201  # JSON has one number
    for bad in (
        {"name": 1},
        {"name": "a", "size": "2"},
        {"name": "a", "size": True},
        {"name": "a", "owner": 0},
        [],
    ):
        body = problem(things.post("/things", json=bad), 422)
        assert body["errors"][0]["in"] == "body"
    assert (
        problem(things.post("/things", json={"name": "a", "size": "x"}), 422)["errors"][0]["pointer"]
        == "/size"
    )


@pytest.mark.parametrize("text", ["", "{", "[1,", '{"a":}', "\xff", '{"name":"\\ud800"}', "[" * 5000])
def test_what_is_no_json_is_400(things: Any, text: str) -> None:
    response = things.post(
        "/things", content=text.encode("latin-1")[:900], headers={"content-type": "application/json"}
    )
    assert problem(response, 400)["code"] == "malformed"


def test_another_media_type_is_415(things: Any) -> None:
    for media in ("text/plain", "application/x-www-form-urlencoded", ""):
        body = problem(things.post("/things", content=b"{}", headers={"content-type": media}), 415)
        assert "application/json" in body["hint"]


def test_a_large_body_is_413_with_and_without_a_length(things: Any) -> None:
    big = b"x" * 1001
    assert problem(things.post("/things", content=big, headers={"content-type": "application/json"}), 413)

    def stream() -> Iterator[bytes]:
        for _ in range(20):
            yield b"y" * 100

    problem(things.post("/things", content=stream(), headers={"content-type": "application/json"}), 413)


def test_parameters(things: Any) -> None:
    found = things.get(
        "/search?tag=a&tag=b&limit=3&createdSince=2026-02-28", headers={"x-mode": "fast"}
    ).json()
    assert found == {"tag": ["a", "b"], "limit": 3, "since": "2026-02-28", "mode": "fast"}
    assert things.get("/search").json()["limit"] == 5


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=11",
        "limit=x",
        "limit=1&limit=2",
        "bogus=1",
        "createdSince=2026-02-30",
        "createdSince=TODAY",
    ],
)
def test_bad_parameters_are_422(things: Any, query: str) -> None:
    problem(things.get("/search?" + query), 422)


def test_a_query_that_is_not_utf8_is_400(things: Any) -> None:
    problem(things.get("/search?tag=%ff"), 400)


def test_unknown_paths_and_methods(things: Any) -> None:
    problem(things.get("/nowhere"), 404)
    problem(things.get("/things/"), 404)
    response = things.put("/things/1")
    problem(response, 405)
    assert response.headers["allow"] == "GET, HEAD, OPTIONS"
    assert things.options("/things/1").headers["allow"] == "GET, HEAD, OPTIONS"


def test_an_unexpected_failure_says_nothing_of_itself(
    things: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    body = problem(things.get("/boom"), 500)
    assert "secret" not in dumps(body)
    assert "secret detail" in capsys.readouterr().err


def test_a_known_failure_is_explained(things: Any) -> None:
    body = problem(things.get("/conflict"), 409)
    assert (body["detail"], body["message"], body["hint"]) == ("no", "no", "try later")


def test_conditional_requests(things: Any) -> None:
    first = things.get("/things/1")
    assert first.headers["etag"] == '"v1"'
    for value in ('"v1"', 'W/"v1"', '"other", "v1"', "*"):
        again = things.get("/things/1", headers={"if-none-match": value})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", '"v1"')
    assert things.get("/things/1", headers={"if-none-match": '"v2"'}).status_code == 200


def test_head_is_get_without_a_body(things: Any) -> None:
    head, get = things.head("/things/1"), things.get("/things/1")
    assert head.content == b"" and head.headers["content-length"] == get.headers["content-length"]


def test_request_ids_are_kept_unless_they_could_forge_a_log_line(things: Any) -> None:
    assert things.get("/things/1", headers={"x-request-id": "abc-1"}).headers["x-request-id"] == "abc-1"
    assert things.get("/things/1", headers={"x-request-id": "a b"}).headers["x-request-id"] != "a b"


def test_cors(things: Any) -> None:
    ok, other = {"origin": "https://ok.example"}, {"origin": "https://evil.example"}
    assert things.get("/things/1", headers=ok).headers["access-control-allow-origin"] == "https://ok.example"
    assert "access-control-allow-origin" not in things.get("/things/1", headers=other).headers
    assert things.get("/nowhere", headers=ok).headers["access-control-allow-origin"]
    pre = things.options("/things", headers=ok | {"access-control-request-method": "POST"})
    assert pre.status_code == 204 and "POST" in pre.headers["access-control-allow-methods"]


def test_a_get_cannot_write_on_postgres(postgres_url: str) -> None:
    from backendhub.kit.db import connect
    from backendhub.kit.errors import StoreError

    store = connect(postgres_url)
    try:
        with pytest.raises(StoreError, match="read-only"):
            store.read(lambda db: db.run("CREATE TABLE t_x (id BIGINT)"))
    finally:
        store.close()


def test_paths_with_slashes(things: Any) -> None:
    assert things.get("/files/a/b%20c").json() == "a/b c"


def test_async_endpoints(things: Any) -> None:
    response = things.post("/echo", content="hé", headers={"content-type": "text/plain"})
    assert (response.text, response.headers["content-type"]) == ("hé", "text/plain")


def test_absolute_form_targets(things: Any) -> None:
    """RFC 9112 §3.2.2: a proxy's way of asking, which some clients use."""
    seen: list[Any] = []

    async def call() -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            seen.append(message)

        scope = {
            "type": "http",
            "method": "GET",
            "path": "http://h:1/things/9",
            "query_string": b"",
            "headers": [],
        }
        await things.app(scope, receive, send)

    asyncio.run(call())
    assert seen[0]["status"] == 200 and json.loads(seen[1]["body"])["id"] == 9


def test_probes_and_metrics(things: Any) -> None:
    from prometheus_client.openmetrics.parser import text_string_to_metric_families

    assert things.get("/livez").text == "ok\n" and things.get("/readyz").status_code == 200
    things.get("/things/1")
    things.get("/nowhere")
    text = things.get("/metrics").text
    families = {f.name: f for f in text_string_to_metric_families(text)}
    counts = {s.labels["route"]: s.value for s in families["http_requests"].samples}
    assert counts["/things/{id}"] == 1
    assert things.post("/livez").status_code == 405
    things.app.ready = False
    assert things.get("/readyz").status_code == 503 and things.get("/livez").status_code == 200


def test_writes_wait_for_another_process_with_the_loop_free(
    hub: hubs.Hub, client: Callable[..., Any]
) -> None:
    """The lock is held elsewhere for a moment: reads go on at once, the write succeeds when it is free."""
    import sqlite3
    import time

    http = client("task")
    http.get("/tasks")
    other = sqlite3.connect(str(hub.store.path), isolation_level=None, check_same_thread=False)  # type: ignore[attr-defined]
    other.execute("BEGIN IMMEDIATE")
    result: list[Any] = []
    writer = threading.Thread(target=lambda: result.append(http.post("/tasks", json={"description": "x"})))
    writer.start()
    time.sleep(0.3)
    assert http.get("/tasks").status_code == 200 and not result
    other.execute("COMMIT")
    writer.join(10)
    other.close()
    assert result[0].status_code == 201


def test_log_lines_cannot_be_forged() -> None:
    import io

    log = telemetry.AccessLog("text", io.StringIO())
    log._timer = object()  # type: ignore[assignment]
    log.add("GET", "/a\nb\x1b[31m\u202e", 200, 0.001, 5, "id", "127.0.0.1", None)
    log.flush()
    line = log.stream.getvalue()
    assert line.count("\n") == 1 and "\x1b" not in line and "\u202e" not in line


def test_trace_context_is_continued_only_where_it_is_valid() -> None:
    good = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    ours = telemetry.trace(good)
    assert ours and ours[:36] == good[:36].decode() and ours[36:52] != "00f067aa0ba902b7"
    for bad in (None, b"", b"00-" + b"0" * 32 + b"-00f067aa0ba902b7-01", b"ff-x", good + b"x"):
        assert telemetry.trace(bad) is None


def test_the_tree_prefers_fixed_names_and_walks_back() -> None:
    tree = Tree()
    for path in ("/a/{x}", "/a/b", "/a/{x}/c", "/{y}/d", "/"):
        tree.add("GET", path, path)  # type: ignore[arg-type]
    assert tree.find("/a/b")[0] == {"GET": "/a/b"}
    assert tree.find("/a/z") == ({"GET": "/a/{x}"}, ["z"])
    assert tree.find("/a/b/c") == ({"GET": "/a/{x}/c"}, ["b"])
    assert tree.find("/a/d")[0] == {"GET": "/a/{x}"}
    assert tree.find("/q/d") == ({"GET": "/{y}/d"}, ["q"])
    assert tree.find("/")[0] == {"GET": "/"}
    assert tree.find("/a//c")[0] is None and tree.find("/a/")[0] is None


def test_a_slow_unit_on_a_blocking_store_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is ready at once shares a thread; when one unit is slow another thread goes on with the rest."""
    import time

    from backendhub.kit.web.units import Units

    released = threading.Event()
    hub: Any = SimpleNamespace(store=SimpleNamespace(blocking=True))
    finished: list[str] = []

    def unit(name: str) -> Any:
        def run(*_: Any) -> str:
            if name == "slow":
                released.wait(10)
            if name == "bad":
                raise Conflict("no")
            return name

        return SimpleNamespace(
            route=SimpleNamespace(heavy=False), needs_store=True, writes=False, execute=run
        )

    async def main() -> None:
        units = Units(hub)

        async def one(name: str) -> None:
            finished.append(await units.run(unit(name), Any, {}))

        slow = asyncio.create_task(one("slow"))
        others = [asyncio.create_task(one(n)) for n in ("a", "b", "c")]
        bad = asyncio.create_task(units.run(unit("bad"), Any, {}))
        await asyncio.wait_for(asyncio.gather(*others), 5)
        with pytest.raises(Conflict):
            await bad
        assert sorted(finished) == ["a", "b", "c"] and not slow.done()
        released.set()
        await slow
        units.close()

    start = time.monotonic()
    asyncio.run(main())
    assert time.monotonic() - start < 9


def test_async_writes_wait_too(hub: hubs.Hub, mount: Callable[..., Any]) -> None:
    import sqlite3
    import time

    router = web.Router()

    @router.post("/")
    async def write(request: web.Request) -> int:
        return await request.call(lambda db: int(db.value("SELECT 1")))

    @router.get("/")
    async def read() -> int:
        return 2

    http = mount(router)
    assert http.post("/").json() == 1
    other = sqlite3.connect(str(hub.store.path), isolation_level=None, check_same_thread=False)  # type: ignore[attr-defined]
    other.execute("BEGIN IMMEDIATE")
    result: list[Any] = []
    writer = threading.Thread(target=lambda: result.append(http.post("/")))
    writer.start()
    time.sleep(0.3)
    assert http.get("/").json() == 2 and not result
    other.execute("COMMIT")
    writer.join(10)
    other.close()
    assert result[0].status_code == 200
