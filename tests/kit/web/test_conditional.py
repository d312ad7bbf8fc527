"""Conditional requests (RFC 9110 §13), ranges (§14), preferences (RFC 7240), merge patches (RFC 7396), paging."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from backendhub.kit import web
from backendhub.kit.errors import PreconditionFailed
from backendhub.kit.web import conditional

WHEN = datetime(2026, 1, 5, 9, 0, 0, 123456, tzinfo=UTC)
DATE = "Mon, 05 Jan 2026 09:00:00 GMT"
BEFORE, AFTER = "Mon, 05 Jan 2026 08:59:59 GMT", "Mon, 05 Jan 2026 09:00:01 GMT"
DATA = bytes(range(200)) * 3


class ThingIn(BaseModel):
    name: str


def make_router(path: Path) -> web.Router:
    router = web.Router("Things")
    kept: dict[str, str] = {"one": '"1"', "weak": 'W/"1"'}

    @router.get("/things/{name}")
    def get(name: str) -> str:
        return web.reply(name, etag=kept[name], last_modified=WHEN)

    @router.get("/dated")
    def dated() -> str:
        return web.reply("x", last_modified=WHEN)

    @router.put("/things/{name}", prefer=True)
    def put(request: web.Request, name: str, body: ThingIn) -> str:
        web.precondition(request, kept.get(name), WHEN if name in kept else None)
        return body.name

    @router.post("/things", status=201, prefer=True)
    def add(body: ThingIn) -> str:
        return web.reply(body.name, headers={"Location": "/things/x"})

    @router.get("/file")
    def file(request: web.Request) -> web.Reply:
        return web.file(request, path, filename='a "b" é.bin')

    async def read(start: int, length: int) -> AsyncIterator[bytes]:
        for at in range(start, start + length, 64):
            yield DATA[at : min(at + 64, start + length)]

    @router.get("/blob")
    def blob(request: web.Request) -> web.Reply:
        return web.ranged(
            request, read, len(DATA), media_type="image/png", etag='"b"', last_modified=WHEN, inline=True
        )

    @router.get("/pages")
    def pages(request: web.Request, page: int = 1, q: str = "") -> Any:
        return web.numbered(request, [page], page=page, size=10, total=35)

    @router.get("/counted")
    def counted() -> Any:
        return web.counted([1, 2], 57)

    @router.get("/envelope")
    def envelope() -> Any:
        return web.enveloped([1], page=1, total=57)

    @router.get("/cursor")
    def cursor(request: web.Request, cursor: str | None = None) -> Any:
        return web.cursored(request, [1], None if cursor else "a b")

    return router


@pytest.fixture
def http(mount: Callable[..., Any], tmp_path: Path) -> Any:
    path = tmp_path / "data.bin"
    path.write_bytes(DATA)
    return mount(make_router(path))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"if-none-match": '"1"'}, 304),
        ({"if-none-match": 'W/"1"'}, 304),
        ({"if-none-match": '"0", W/"1"'}, 304),
        ({"if-none-match": "*"}, 304),
        ({"if-none-match": '"2"'}, 200),
        ({"if-none-match": "1"}, 200),
        ({"if-none-match": '"1'}, 200),
        ({"if-none-match": '"2"', "if-modified-since": AFTER}, 200),
        ({"if-modified-since": DATE}, 304),
        ({"if-modified-since": AFTER}, 304),
        ({"if-modified-since": BEFORE}, 200),
        ({"if-modified-since": "yesterday"}, 200),
        ({"if-match": '"1"'}, 200),
        ({"if-match": '"0", "1"'}, 200),
        ({"if-match": "*"}, 200),
        ({"if-match": '"2"'}, 412),
        ({"if-match": 'W/"1"'}, 412),
        ({"if-match": '"1"', "if-none-match": '"1"'}, 304),
        ({"if-unmodified-since": DATE}, 200),
        ({"if-unmodified-since": BEFORE}, 412),
        ({"if-unmodified-since": "nonsense"}, 200),
        ({"if-match": '"1"', "if-unmodified-since": BEFORE}, 200),
    ],
)
def test_reading_under_conditions(http: Any, headers: dict[str, str], status: int) -> None:
    for method in ("GET", "HEAD"):
        response = http.request(method, "/things/one", headers=headers)
        assert response.status_code == status
        if status != 412:
            assert response.headers["etag"] == '"1"' and response.headers["last-modified"] == DATE


def test_a_weak_tag_and_a_date_alone(http: Any) -> None:
    assert http.get("/things/weak", headers={"if-none-match": '"1"'}).status_code == 304
    assert http.get("/things/weak", headers={"if-match": 'W/"1"'}).status_code == 412
    assert http.get("/dated", headers={"if-modified-since": DATE}).status_code == 304
    assert http.get("/dated", headers={"if-match": "*"}).status_code == 200
    assert http.get("/dated", headers={"if-match": '"1"'}).status_code == 412


@pytest.mark.parametrize(
    ("name", "headers", "status"),
    [
        ("one", {"if-match": '"1"'}, 200),
        ("one", {"if-match": '"7", "1"'}, 200),
        ("one", {"if-match": '"7"'}, 412),
        ("one", {"if-none-match": "*"}, 412),
        ("one", {"if-none-match": '"1"'}, 412),
        ("one", {"if-none-match": '"2"'}, 200),
        ("one", {"if-unmodified-since": BEFORE}, 412),
        ("one", {"if-modified-since": AFTER}, 200),
        ("new", {"if-none-match": "*"}, 200),
        ("new", {"if-match": "*"}, 412),
        ("new", {"if-match": '"1"'}, 412),
    ],
)
def test_writing_under_conditions(http: Any, name: str, headers: dict[str, str], status: int) -> None:
    assert http.put(f"/things/{name}", json={"name": "x"}, headers=headers).status_code == status


def test_revisions() -> None:
    assert web.revision(None) is None and web.revision("*") is None
    assert web.revision('"7"') == 7
    assert web.revision('"6", "7"', known=[7]) == 7
    for bad in ('W/"7"', '"x"', "7", '"6", "7"', '"' + "9" * 19 + '"', ""):
        with pytest.raises(PreconditionFailed):
            web.revision(bad)
    assert conditional.tags('"a,b" , W/"c"') == ['"a,b"', 'W/"c"']


# -- ranges -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=10-19", 10, 19),
        ("bytes=590-", 590, 599),
        ("bytes=590-9999", 590, 599),
        ("bytes=-5", 595, 599),
        ("bytes=-9999", 0, 599),
        ("Bytes=3-4", 3, 4),
        ("bytes=700-800, 1-2", 1, 2),
    ],
)
@pytest.mark.parametrize("path", ["/file", "/blob"])
def test_a_part(http: Any, path: str, asked: str, start: int, end: int) -> None:
    response = http.get(path, headers={"range": asked})
    assert response.status_code == 206
    assert response.content == DATA[start : end + 1]
    assert response.headers["content-range"] == f"bytes {start}-{end}/600"
    assert response.headers["content-length"] == str(end - start + 1)


@pytest.mark.parametrize(
    "asked",
    [
        "bytes=",
        "bytes=-",
        "bytes=5-2",
        "items=0-1",
        "bytes=a-b",
        "bytes=0-1;2-3",
        "bytes=0-599, 0-599",
        "bytes=" + ",".join(["0-0"] * 17),
    ],
)
def test_what_is_no_range_gets_the_whole(http: Any, asked: str) -> None:
    response = http.get("/file", headers={"range": asked})
    assert response.status_code == 200 and response.content == DATA
    assert response.headers["accept-ranges"] == "bytes"


def test_a_range_beyond_the_end_is_416(http: Any) -> None:
    for asked in ("bytes=600-", "bytes=-0", "bytes=900-1000"):
        response = http.get("/file", headers={"range": asked})
        assert response.status_code == 416 and response.headers["content-range"] == "bytes */600"


def test_several_parts(http: Any) -> None:
    response = http.get("/blob", headers={"range": "bytes=0-1, 100-101, -1"})
    assert response.status_code == 206
    kind, _, boundary = response.headers["content-type"].partition("; boundary=")
    assert kind == "multipart/byteranges" and len(response.content) == int(response.headers["content-length"])
    parts = response.content.split(f"--{boundary}".encode())
    assert parts[-1] == b"--\r\n" and len(parts) == 5
    bodies = [part.split(b"\r\n\r\n", 1)[1][:-2] for part in parts[1:-1]]
    assert bodies == [DATA[0:2], DATA[100:102], DATA[-1:]]
    assert b"Content-Range: bytes 100-101/600" in parts[2] and b"Content-Type: image/png" in parts[2]


def test_if_range(http: Any) -> None:
    for field, status in (('"b"', 206), ('W/"b"', 200), ('"c"', 200), (DATE, 206), (AFTER, 200), ("x", 200)):
        response = http.get("/blob", headers={"range": "bytes=0-1", "if-range": field})
        assert response.status_code == status, field


def test_heads_and_conditions_of_ranges(http: Any) -> None:
    head = http.head("/file", headers={"range": "bytes=0-1"})
    assert head.status_code == 200 and head.headers["content-length"] == "600"
    tag = http.get("/file").headers["etag"]
    assert http.get("/file", headers={"if-none-match": tag, "range": "bytes=0-1"}).status_code == 304
    assert http.get("/file", headers={"if-match": '"x"', "range": "bytes=0-1"}).status_code == 412
    assert http.get("/file").headers["content-disposition"] == (
        "attachment; filename=\"a _b_ _.bin\"; filename*=UTF-8''a%20%22b%22%20%C3%A9.bin"
    )
    assert web.disposition("a.txt", inline=True) == 'inline; filename="a.txt"'


# -- preferences, patches, pages --------------------------------------------------------------------------


def test_prefer(http: Any) -> None:
    minimal = {"prefer": 'respond-async, return="minimal"; x=y, wait=10'}
    put = http.put("/things/one", json={"name": "x"}, headers=minimal)
    assert (put.status_code, put.content, put.headers["preference-applied"]) == (204, b"", "return=minimal")
    add = http.post("/things", json={"name": "x"}, headers=minimal)
    assert (add.status_code, add.content, add.headers["location"]) == (201, b"", "/things/x")
    assert http.put("/things/one", json={"name": "x"}, headers={"prefer": "return=representation"}).json()
    assert http.put("/things/one", json={"name": "x"}).json() == "x"


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [  # the test cases of RFC 7396, appendix A
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patches(target: Any, patch: Any, result: Any) -> None:
    assert web.merge_patch(target, patch) == result


def test_paging_adapters(http: Any) -> None:
    first = http.get("/pages?q=%C3%A9")
    assert first.headers["x-total-count"] == "35"
    assert first.headers["link"] == (
        '</pages?q=%C3%A9&page=1>; rel="first", </pages?q=%C3%A9&page=2>; rel="next", '
        '</pages?q=%C3%A9&page=4>; rel="last"'
    )
    last = http.get("/pages?page=4").headers["link"]
    assert 'page=3>; rel="prev"' in last and 'rel="next"' not in last
    assert http.get("/counted").headers["x-total-count"] == "57"
    assert http.get("/envelope").json() == {"data": [1], "page": 1, "total": 57}
    assert http.get("/cursor").headers["link"] == '</cursor?cursor=a%20b>; rel="next"'
    assert "link" not in http.get("/cursor?cursor=x").headers
