"""Bodies that are no JSON: raw bytes, forms, files, streams; and limits, cookies, repeated fields."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from openapi_spec_validator import validate
from pydantic import BaseModel, ConfigDict, Field

from backendhub.kit import web
from backendhub.kit.db import Db
from backendhub.kit.web import bodies, deadlines, forms
from backendhub.kit.web.replies import encoded

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"


class Vote(BaseModel):
    poll: int
    choices: list[int] = Field(alias="choices[]", default=[])
    note: str | None = None


class Photo(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    title: str
    file: web.Upload


def make_router() -> web.Router:
    router = web.Router("Things")

    @router.put("/raw/{name}", consumes=("*/*",))
    def raw(db: Db, request: web.Request, name: str) -> list[Any]:
        return [name, request.media_type, len(request.body), request.body[:3].decode("latin-1")]

    @router.post("/images", consumes=("image/*",), max_body=5000)
    def image(request: web.Request) -> int:
        return len(request.body)

    @router.post("/votes", consumes=(FORM, MULTIPART, "application/json"))
    def vote(body: Vote) -> list[Any]:
        return [body.poll, body.choices, body.note]

    @router.post("/photos", consumes=(MULTIPART,), max_body=2_000_000)
    def photo(body: Photo) -> list[Any]:
        text = b"".join(body.file.blocks(1000))
        assert text == body.file.read()
        return [body.title, body.file.filename, body.file.media_type, body.file.size, len(text)]

    @router.post("/form", consumes=(FORM, MULTIPART))
    def form(request: web.Request) -> Any:
        assert request.form is not None
        return [[n, v if isinstance(v, str) else v.read().decode()] for n, v in request.form.items]

    @router.post("/upload", consumes=("*/*",), stream=True, max_body=10_000_000)
    async def upload(request: web.Request) -> int:
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
        return size

    @router.get("/cookies")
    def cookies(request: web.Request) -> web.Reply:
        jar = [
            web.cookie("sid", "abc", max_age=60, same_site="Strict"),
            web.cookie("theme", "dark", http_only=False),
        ]
        return web.Reply(request.cookies, headers=[*jar, ("X-Many", "1"), ("X-Many", "2")])

    @router.get("/evil")
    def evil(value: str) -> web.Reply:
        return web.Reply("x", headers={"X-Value": value})

    @router.get("/away")
    def away(to: str) -> web.Reply:
        return web.Reply("", 303, {"Location": to})

    @router.get("/{resource}/{rest:path}", open_query=True)
    def any_(request: web.Request, resource: str, rest: str) -> list[Any]:
        return [resource, rest, request.query, request.pairs()]

    return router


@pytest.fixture
def http(mount: Callable[..., Any]) -> Any:
    return mount(make_router(), max_body=1000)


def test_raw_bodies_of_any_type(http: Any) -> None:
    put = http.put("/raw/a", content=b"\xff\x00z", headers={"content-type": "image/png"})
    assert put.json() == ["a", "image/png", 3, "\xff\x00z"]
    assert http.put("/raw/a").json() == ["a", "", 0, ""]
    assert http.put("/raw/a", content=b"x" * 1001).status_code == 413


def test_a_range_of_types_and_a_limit_of_its_own(http: Any) -> None:
    assert http.post("/images", content=b"x" * 4000, headers={"content-type": "image/gif"}).json() == 4000
    assert http.post("/images", content=b"x" * 5001, headers={"content-type": "image/gif"}).status_code == 413
    assert http.post("/images", content=b"x", headers={"content-type": "text/plain"}).status_code == 415


def test_a_form_fills_a_model(http: Any) -> None:
    data = "poll=3&choices[]=1&choices[]=2&note=%C3%A9"
    assert http.post("/votes", content=data, headers={"content-type": FORM}).json() == [3, [1, 2], "é"]
    parts = {"poll": (None, "3"), "choices[]": (None, "1")}
    assert http.post("/votes", files=parts).json() == [3, [1], None]
    assert http.post("/votes", json={"poll": 3, "choices[]": [1]}).json() == [3, [1], None]
    bad = http.post("/votes", content="poll=x", headers={"content-type": FORM})
    assert bad.status_code == 422 and bad.json()["errors"][0]["pointer"] == "/poll"
    twice = http.post("/votes", content="poll=1&poll=2", headers={"content-type": FORM})
    assert twice.status_code == 422


@pytest.mark.parametrize("text", [b"a=%ff", b"a=\xff", b"&a=%c3"])
def test_a_form_that_is_no_utf8(http: Any, text: bytes) -> None:
    assert http.post("/form", content=text, headers={"content-type": FORM}).status_code == 400


def test_a_form_as_it_is(http: Any) -> None:
    form = http.post("/form", content="b=1&a=&b=2&+=x", headers={"content-type": FORM})
    assert form.json() == [["b", "1"], ["a", ""], ["b", "2"], [" ", "x"]]
    many = "&".join("a=1" for _ in range(forms.MAX_FIELDS + 1))
    assert http.post("/form", content=many, headers={"content-type": FORM}).status_code == 413


def test_files_of_any_size_come_whole(http: Any) -> None:
    for size in (0, 5, forms.IN_MEMORY + 5):
        response = http.post(
            "/photos", data={"title": "A"}, files={"file": ("a\u00e9.png", b"z" * size, "image/png")}
        )
        assert response.json() == ["A", "a\u00e9.png", "image/png", size, size]
    missing = http.post("/photos", files={"file": ("x", b"x")})
    assert missing.status_code == 422 and missing.json()["errors"][0]["pointer"] == "/title"
    assert http.post("/photos", files={"title": ("t", b"x"), "file": ("x", b"x")}).status_code == 422
    big = http.post("/photos", data={"title": "A"}, files={"file": ("x", b"z" * 2_000_001)})
    assert big.status_code == 413


def multipart(text: bytes, boundary: str = "b") -> dict[str, Any]:
    return {"content": text, "headers": {"content-type": f"{MULTIPART}; boundary={boundary}"}}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"--b",
        b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nno end',
        b"--b\r\nContent-Disposition: attachment\r\n\r\nx\r\n--b--\r\n",
        b"--b\r\n\r\nx\r\n--b--\r\n",
        b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n\xff\r\n--b--\r\n',
        b"\x00" * 200,
    ],
)
def test_a_broken_multipart_body_is_400(http: Any, text: bytes) -> None:
    assert http.post("/form", **multipart(text)).status_code == 400
    assert http.post("/form", content=text, headers={"content-type": MULTIPART}).status_code == 400


def test_too_many_parts_are_413(mount: Callable[..., Any]) -> None:
    http = mount(make_router())
    part = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n'
    assert len(http.post("/form", **multipart(part * forms.MAX_PARTS + b"--b--\r\n")).json()) == 100
    assert http.post("/form", **multipart(part * (forms.MAX_PARTS + 1) + b"--b--\r\n")).status_code == 413


def test_temporary_files_are_closed_with_the_request(mount: Callable[..., Any]) -> None:
    kept: list[web.Upload] = []
    router = web.Router("x")

    @router.post("/keep", consumes=(MULTIPART,))
    def keep(request: web.Request) -> None:
        assert request.form is not None
        kept.extend(upload for _, upload in request.form.files())

    mount(router).post("/keep", files={"file": ("x", b"x")})
    assert kept[0].file.closed


def test_a_body_in_parts(http: Any) -> None:
    def parts() -> Any:
        for _ in range(50):
            yield b"x" * 1000

    assert http.post("/upload", content=parts()).json() == 50_000


def test_cookies_and_repeated_fields(http: Any) -> None:
    response = http.get("/cookies", headers=[("cookie", 'a=1; b="2"; a=3'), ("cookie", "c=4; broken")])
    assert response.json() == {"a": "1", "b": "2", "c": "4"}
    assert response.headers.get_list("set-cookie") == [
        "sid=abc; Path=/; Max-Age=60; Secure; HttpOnly; SameSite=Strict",
        "theme=dark; Path=/; Secure; SameSite=Lax",
    ]
    assert response.headers.get_list("x-many") == ["1", "2"]


def test_cookies_that_cannot_be() -> None:
    for bad in (
        {"name": "a b", "value": "x"},
        {"name": "a", "value": "x;y"},
        {"name": "a", "value": "é"},
        {"name": "__Host-a", "value": "x", "domain": "x.example"},
        {"name": "__Host-a", "value": "x", "secure": False},
        {"name": "a", "value": "x", "path": "/;x"},
    ):
        with pytest.raises(ValueError):
            web.cookie(**bad)  # type: ignore[arg-type]


def test_a_header_cannot_be_split(http: Any, capsys: pytest.CaptureFixture[str]) -> None:
    for text in ("a%0d%0aSet-Cookie:x=1", "a%0ab", "a%00b"):
        response = http.get(f"/evil?value={text}")
        assert response.status_code == 500 and "x-value" not in response.headers
        assert "set-cookie" not in response.headers
    assert "line break" in capsys.readouterr().err
    assert encoded({"X-Name": "é"}) == [(b"x-name", b"\xe9")]
    assert encoded([("X-Name", "€")]) == [(b"x-name", "€".encode())]
    there = http.get("/away?to=/%E2%82%AC%0d%0ax", follow_redirects=False)
    assert there.headers["location"] == "/%E2%82%AC%0D%0Ax"


def test_dynamic_routes_see_the_raw_query(http: Any) -> None:
    found = http.get("/posts/1/comments?_sort=-id&a=1&a=2&x=%C3%A9")
    assert found.json() == [
        "posts",
        "1/comments",
        "_sort=-id&a=1&a=2&x=%C3%A9",
        [["_sort", "-id"], ["a", "1"], ["a", "2"], ["x", "é"]],
    ]
    assert http.get("/posts/1?x=%ff").status_code == 400


def test_a_slow_body_is_408(application: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "PATIENCE_S", 0.05)
    monkeypatch.setattr(deadlines, "LOOK_EVERY_S", 0.02)
    app = application(make_router())
    first = [{"type": "http.request", "body": b'{"poll"', "more_body": True}]

    async def ask(before: list[Any], path: str, media: str) -> list[Any]:
        sent: list[Any] = []

        async def receive() -> Any:
            return before.pop(0) if before else await asyncio.sleep(10)

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": path, "query_string": b""}
        await app({**scope, "headers": [(b"content-type", media.encode())]}, receive, send)
        return sent

    async def main() -> None:
        await app.startup()
        for before in ([], list(first)):
            for path in ("/votes", "/upload"):
                sent = await ask(list(before), path, "application/json")
                assert sent[0]["status"] == 408 and (b"connection", b"close") in sent[0]["headers"]
        await app.shutdown()

    asyncio.run(main())


def test_a_client_that_goes_away_in_the_middle(application: Callable[..., Any]) -> None:
    app = application(make_router())

    async def chunks() -> AsyncIterator[bytes]:
        messages = [{"type": "http.request", "body": b"x", "more_body": True}, {"type": "http.disconnect"}]

        async def receive() -> Any:
            return messages.pop(0)

        async for part in bodies.Reader(100).chunks(receive, 100, []):
            yield part

    async def main() -> None:
        from backendhub.kit.problems import HttpError

        with pytest.raises(HttpError, match="went away"):
            assert [c async for c in chunks()]

    asyncio.run(main())
    del app


def test_the_document_shows_forms_and_raw_bodies(application: Callable[..., Any]) -> None:
    document = json.loads(application(make_router()).root.openapi())
    validate(document)
    paths = document["paths"]
    assert list(paths["/raw/{name}"]["put"]["requestBody"]["content"]) == ["*/*"]
    assert set(paths["/votes"]["post"]["requestBody"]["content"]) == {FORM, MULTIPART, "application/json"}
    photo = document["components"]["schemas"]["Photo"]["properties"]["file"]
    assert photo["format"] == "binary"
    assert "/{resource}/{rest}" in paths
