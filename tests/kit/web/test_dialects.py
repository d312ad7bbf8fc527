"""Families of routes: whatever goes wrong under a prefix is told in that prefix's own words."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from openapi_spec_validator import validate
from pydantic import BaseModel

from backendhub.kit import problems, web
from backendhub.kit.errors import Conflict, HubError, Invalid, Malformed, TooMany, Unauthenticated
from backendhub.kit.identity import Principal


class Fields(web.Dialect):
    """`{"errors": {"name": ["…"]}}`, as Conduit has it."""

    name = "Errors"
    media_type = "application/json"
    schema = {"type": "object", "required": ["errors"], "properties": {"errors": {"type": "object"}}}

    def problem(self, error: HubError, request: web.Request) -> web.Reply:
        return web.Reply({"errors": problems.by_field(error) or {error.code: [error.message]}})


class Broken(web.Dialect):
    def problem(self, error: HubError, request: web.Request) -> web.Reply:
        raise ZeroDivisionError


class ThingIn(BaseModel):
    name: str
    size: int


def nobody(db: object, request: web.Request) -> Principal | None:
    return None


def make_router() -> web.Router:
    router = web.Router("Things")
    api = router.family("/api", dialect=Fields(invalid=422), auth=nobody)
    v2 = api.family("/v2", dialect=web.Dialect(invalid=400, malformed=422))
    bad = router.family("/broken", dialect=Broken())

    for group in (router, api, v2, bad):

        @group.post("/things", max_body=100)
        def add(body: ThingIn) -> str:
            return body.name

        @group.get("/fail/{kind}")
        def fail(kind: str) -> None:
            kinds = {"invalid": Invalid, "conflict": Conflict, "malformed": Malformed}
            if kind == "many":
                raise TooMany("slow down", retryAfter=7)
            raise kinds[kind]("no")

    @api.get("/me")
    def me(user: web.CurrentUser) -> str:
        return user.name

    return router


@pytest.fixture
def http(mount: Callable[..., Any]) -> Any:
    return mount(make_router())


JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("method", "path", "send", "status"),
    [
        ("GET", "/nowhere", {}, 404),
        ("GET", "", {}, 404),
        ("PUT", "/things", {}, 405),
        ("POST", "/things", {"content": b"{}", "headers": {"content-type": "text/csv"}}, 415),
        ("POST", "/things", {"content": b"x" * 101, "headers": JSON}, 413),
        ("POST", "/things", {"content": b"{", "headers": JSON}, 400),
        ("POST", "/things", {"json": {"name": 1}}, 422),
        ("GET", "/fail/invalid", {}, 422),
        ("GET", "/fail/conflict", {}, 409),
        ("GET", "/fail/nothing", {}, 500),
        ("GET", "/fail/many", {}, 429),
        ("GET", "/fail/many?x=%ff", {}, 400),
        ("GET", "/fail/many?x=1", {}, 422),
    ],
)
def test_every_failure_under_a_prefix_is_in_its_dialect(
    http: Any, method: str, path: str, send: dict[str, Any], status: int
) -> None:
    ours = http.request(method, "/api" + path, **send)
    assert ours.status_code == status and ours.headers["content-type"] == "application/json"
    assert list(ours.json()) == ["errors"] and "x-request-id" in ours.headers
    assert ours.headers["cache-control"] == "no-store"
    plain = http.request(method, (path or "/"), **send)
    assert plain.status_code == status and plain.json()["status"] == status
    assert plain.headers["content-type"] == "application/problem+json"
    broken = http.request(method, "/broken" + path, **send)
    assert broken.status_code == status and broken.json()["status"] == status
    mapped = {422: 400, 400: 422}.get(status, status)
    nested = http.request(method, "/api/v2" + path, **send)
    assert nested.status_code == mapped and nested.json()["status"] == mapped


def test_the_fields_that_http_wants_are_there_in_any_dialect(http: Any) -> None:
    assert http.put("/api/things").headers["allow"] == "OPTIONS, POST"
    assert http.get("/api/fail/many").headers["retry-after"] == "7"
    assert http.get("/api/me").headers["www-authenticate"] == 'Bearer realm="backendhub"'
    assert http.get("/api/me").json() == {"errors": {"unauthenticated": ["This needs credentials."]}}


def test_fields_are_named(http: Any) -> None:
    errors = http.post("/api/things", json={"name": 1, "size": "x"}).json()["errors"]
    assert set(errors) == {"name", "size"}


def test_a_prefix_is_a_whole_segment(http: Any) -> None:
    assert http.get("/apix").headers["content-type"] == "application/problem+json"
    assert http.get("/api").headers["content-type"] == "application/json"


def test_dialects_of_a_system_under_its_name(mount: Callable[..., Any]) -> None:
    http = mount(make_router(), single=False)
    assert http.get("/thing/api/x").headers["content-type"] == "application/json"
    assert http.get("/thing/x").json()["instance"] == "/thing/x"
    assert http.get("/api/x").json()["status"] == 404


def test_the_document_shows_each_dialect(application: Callable[..., Any]) -> None:
    app = application(make_router())
    document = json.loads(app.root.openapi())
    validate(document)
    assert {"Problem", "Errors"} <= set(document["components"]["schemas"])
    add = document["paths"]["/api/things"]["post"]["responses"]
    assert add["422"]["content"]["application/json"]["schema"]["$ref"].endswith("/Errors")
    assert set(add) == {"200", "400", "413", "415", "422", "default"}
    v2 = document["paths"]["/api/v2/things"]["post"]["responses"]
    assert set(v2) == {"200", "400", "422", "413", "415", "default"}
    me = document["paths"]["/api/me"]["get"]
    assert me["security"] == [{"bearer": []}] and "401" in me["responses"]


def test_unauthenticated_is_one_tree_with_the_rest() -> None:
    assert web.PROBLEMS.status(Unauthenticated("x")) == 401
