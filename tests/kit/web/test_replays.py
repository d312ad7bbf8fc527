"""`Idempotency-Key` on routes, on both engines, alone and in groups of writes."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from openapi_spec_validator import validate
from pydantic import BaseModel

from backendhub.kit import hub as hubs
from backendhub.kit import web
from backendhub.kit.db import Db
from backendhub.kit.errors import Conflict, HubError, Unauthenticated
from backendhub.kit.idempotency import KeyReused
from backendhub.kit.identity import Principal


class ThingIn(BaseModel):
    name: str


class Payments(web.Dialect):
    """As Stripe has it: 400, and a type of its own."""

    media_type = "application/json"

    def status(self, error: HubError) -> int:
        return 400 if isinstance(error, KeyReused) else super().status(error)

    def problem(self, error: HubError, request: web.Request) -> web.Reply:
        kind = "idempotency_error" if isinstance(error, KeyReused) else "invalid_request_error"
        return web.Reply({"error": {"type": kind, "message": error.message}})


def by_name(db: Db | None, request: web.Request) -> Principal | None:
    name = request.header("x-user")
    if name == "wrong":
        raise Unauthenticated("no")
    return Principal(name, name) if name else None


def make_router() -> web.Router:
    router = web.Router("Things", auth=by_name)
    payments = router.family("/v1", dialect=Payments())

    for group in (router, payments):

        @group.post("/things", status=201, idempotent=True)
        def add(db: Db, request: web.Request, body: ThingIn) -> dict[str, Any]:
            db.run("INSERT INTO thing (name) VALUES (:name)", name=body.name)
            if body.name == "bad":
                raise Conflict("no")
            n = db.value("SELECT count(*) FROM thing")
            cookies = [web.cookie("a", "1"), web.cookie("b", "2")]
            return web.reply({"n": n}, headers=[("Location", f"/things/{n}"), *cookies], etag=web.etag(n))

    @router.post("/mine", idempotent=True)
    def mine(db: Db, user: web.CurrentUser) -> str:
        db.run("INSERT INTO thing (name) VALUES (:name)", name=user.name)
        return user.name

    @router.post("/upload", idempotent=True, consumes=("multipart/form-data",))
    def upload(db: Db, request: web.Request) -> int:
        db.run("INSERT INTO thing (name) VALUES ('file')")
        return int(db.value("SELECT count(*) FROM thing"))

    @router.get("/count")
    def count(db: Db) -> int:
        return int(db.value("SELECT count(*) FROM thing"))

    return router


@pytest.fixture
def http(mount: Callable[..., Any], engine_hub: hubs.Hub) -> Any:
    engine_hub.store.use("idempotency")
    engine_hub.store.unit(lambda db: db.run("CREATE TABLE thing (name TEXT NOT NULL)"))
    return mount(make_router(), on=engine_hub)


def key(name: str = '"8e03978e-40d5-43dd-bc93-6894a57f9324"', **more: str) -> dict[str, str]:
    return {"idempotency-key": name, **more}


def test_a_repetition_gets_the_first_answer(http: Any) -> None:
    first = http.post("/things", json={"name": "x"}, headers=key())
    again = http.post("/things", json={"name": "x"}, headers=key())
    assert (first.status_code, first.json()) == (201, {"n": 1})
    assert (again.status_code, again.json()) == (201, {"n": 1})
    assert "idempotent-replayed" not in first.headers and again.headers["idempotent-replayed"] == "true"
    for name in ("location", "etag", "content-type", "set-cookie"):
        assert again.headers.get_list(name) == first.headers.get_list(name)
    assert again.headers["x-request-id"] != first.headers["x-request-id"]
    bare = http.post("/things", json={"name": "x"}, headers=key("8e03978e-40d5-43dd-bc93-6894a57f9324"))
    assert bare.headers["idempotent-replayed"] == "true"  # the same key without its quotes
    assert http.post("/things", json={"name": "x"}).json() == {"n": 2}
    assert http.get("/count").json() == 2


def test_another_request_with_the_key(http: Any) -> None:
    http.post("/things", json={"name": "x"}, headers=key())
    reused = http.post("/things", json={"name": "y"}, headers=key())
    assert reused.status_code == 422 and reused.json()["code"] == "idempotency_key_reused"
    assert (
        http.post("/v1/things", json={"name": "x"}, headers=key()).json()["error"]["type"]
        == "idempotency_error"
    )
    assert http.post("/v1/things", json={"name": "x"}, headers=key()).status_code == 400
    assert http.get("/count").json() == 1


def test_keys_that_are_none(http: Any) -> None:
    for bad in ("", '"', '""', "x" * 256, 'a"b', '"a\\b"', "a b"):
        assert http.post("/things", json={"name": "x"}, headers=key(bad)).status_code == 400, bad


def test_a_failure_is_not_kept(http: Any) -> None:
    assert http.post("/things", json={"name": "bad"}, headers=key()).status_code == 409
    assert http.post("/things", json={"name": 1}, headers=key()).status_code == 422
    assert http.post("/things", json={"name": "x"}, headers=key()).json() == {"n": 1}


def test_keys_belong_to_users(http: Any) -> None:
    ann = http.post("/mine", headers=key(**{"x-user": "ann"}))
    ben = http.post("/mine", headers=key(**{"x-user": "ben"}))
    assert (ann.json(), ben.json()) == ("ann", "ben")
    assert http.post("/mine", headers=key(**{"x-user": "ann"})).headers["idempotent-replayed"] == "true"
    assert http.post("/mine", headers=key()).status_code == 401
    assert http.post("/mine", headers=key(**{"x-user": "wrong"})).status_code == 401


def test_files_are_part_of_the_request(http: Any) -> None:
    def post(data: bytes) -> Any:
        return http.post("/upload", files={"file": ("x", data)}, headers=key())

    assert post(b"abc").json() == 1 and post(b"abc").headers["idempotent-replayed"] == "true"
    assert post(b"abd").status_code == 422


@pytest.mark.parametrize("path", ["/things", "/v1/things"])
def test_fifty_at_once_have_one_effect(http: Any, path: str) -> None:
    """In groups of writes among other requests on SQLite, side by side on PostgreSQL."""

    def post(n: int) -> Any:
        if n % 5 == 4:
            return http.post(path, json={"name": "bad"}, headers=key(f"bad-{n}"))
        return http.post(path, json={"name": "x"}, headers=key())

    with ThreadPoolExecutor(25) as pool:
        answers = list(pool.map(post, range(62)))
    asked = [a for n, a in enumerate(answers) if n % 5 != 4]
    assert len(asked) == 50
    assert [a.status_code for a in asked] == [201] * 50 and {a.text for a in asked} == {'{"n":1}'}
    assert sum("idempotent-replayed" not in a.headers for a in asked) == 1
    assert {a.status_code for n, a in enumerate(answers) if n % 5 == 4} == {409}
    assert http.get("/count").json() == 1


def test_what_cannot_be_idempotent_is_said_at_once(application: Callable[..., Any]) -> None:
    async def later(request: web.Request) -> None: ...
    def reads() -> None: ...

    for fn in (later, reads):
        router = web.Router("x")
        router.post("/x", idempotent=True)(fn)
        with pytest.raises(TypeError, match="idempotent"):
            application(router).root.load()


def test_the_document_tells_of_the_field(application: Callable[..., Any]) -> None:
    document = json.loads(application(make_router()).root.openapi())
    validate(document)
    add = document["paths"]["/things"]["post"]
    assert "`Idempotency-Key`" in add["description"] and "409" in add["responses"]
