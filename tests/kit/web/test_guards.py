"""Who asks, and whether they may: in the endpoint's own unit of work, on both engines."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from openapi_spec_validator import validate
from pydantic import BaseModel

from backendhub.kit import hub as hubs
from backendhub.kit import web
from backendhub.kit.db import Db
from backendhub.kit.errors import Unauthenticated
from backendhub.kit.identity import Principal

USERS = {
    "ann": Principal("1", "ann", frozenset({"admin"})),
    "bob": Principal("2", "bob", frozenset({"reader"}), frozenset({"posts:read"})),
    "eve": Principal("3", "eve", frozenset({"writer"}), frozenset({"posts:*"})),
}


class ThingIn(BaseModel):
    name: str


def by_table(db: Db | None, request: web.Request) -> Principal | None:
    """Looks the bearer token up in the store."""
    scheme, _, token = (request.header("authorization") or "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    assert db is not None
    name = db.value("SELECT name FROM token WHERE token = :token", token=token)
    if name is None:
        raise Unauthenticated("This token is not known.")
    return USERS[name]


def make_router(auth: Any = by_table) -> web.Router:
    router = web.Router("Things", auth=auth)
    admin = router.family("/admin", guard=web.require("admin"))

    @router.get("/open")
    def open_() -> str:
        return "open"

    @router.get("/me")
    def me(user: web.CurrentUser) -> str:
        return user.name

    @router.get("/maybe")
    def maybe(db: Db, user: web.MaybeUser) -> str | None:
        return user.name if user else None

    @router.post("/things")
    def add(db: Db, body: ThingIn, user: web.CurrentUser) -> str:
        db.run("UPDATE token SET uses = uses + 1 WHERE name = :name", name=user.name)
        return f"{user.name} {body.name}"

    @router.get("/uses")
    def uses(db: Db) -> int:
        return int(db.value("SELECT sum(uses) FROM token"))

    @router.post("/purge")
    def purge(user: Annotated[Principal, web.require("admin", "root")]) -> str:
        return user.name

    @router.post("/write")
    async def write(
        request: web.Request, user: Annotated[Principal, web.require(scope="posts:write")]
    ) -> str:
        assert request.user is user
        return user.name

    @admin.get("/all")
    def everything() -> str:
        return "all"

    @admin.get("/ping", public=True)
    def ping() -> str:
        return "pong"

    return router


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@pytest.fixture
def http(mount: Callable[..., Any], engine_hub: hubs.Hub) -> Any:
    def fill(db: Db) -> None:
        db.run("CREATE TABLE token (token TEXT PRIMARY KEY, name TEXT, uses BIGINT NOT NULL DEFAULT 0)")
        for name in USERS:
            db.run("INSERT INTO token (token, name) VALUES (:token, :name)", token=f"t-{name}", name=name)

    engine_hub.store.unit(fill)
    return mount(make_router(), on=engine_hub)


def test_users(http: Any) -> None:
    assert http.get("/open").json() == "open"
    assert http.get("/me", headers=bearer("t-ann")).json() == "ann"
    assert http.get("/maybe", headers=bearer("t-ann")).json() == "ann"
    assert http.get("/maybe").json() is None
    assert http.post("/things", json={"name": "x"}, headers=bearer("t-bob")).json() == "bob x"
    assert http.get("/uses").json() == 1


def test_without_and_with_wrong_credentials(http: Any) -> None:
    """RFC 6750 §3.1: only who sent a token is told that it is wrong."""
    for method, path in (("GET", "/me"), ("POST", "/purge"), ("POST", "/write"), ("GET", "/admin/all")):
        without = http.request(method, path)
        assert without.status_code == 401
        assert without.headers["www-authenticate"] == 'Bearer realm="backendhub"'
        wrong = http.request(method, path, headers=bearer("nonsense"))
        assert wrong.status_code == 401
        assert wrong.headers["www-authenticate"] == 'Bearer realm="backendhub", error="invalid_token"'
    assert http.get("/maybe", headers=bearer("nonsense")).status_code == 401
    assert http.get("/open", headers=bearer("nonsense")).status_code == 200


def test_roles_and_scopes(http: Any) -> None:
    assert http.post("/purge", headers=bearer("t-ann")).json() == "ann"
    refused = http.post("/purge", headers=bearer("t-bob"))
    assert refused.status_code == 403 and "www-authenticate" not in refused.headers
    assert http.post("/write", headers=bearer("t-eve")).json() == "eve"
    assert http.post("/write", headers=bearer("t-ann")).json() == "ann"  # an unscoped credential
    narrow = http.post("/write", headers=bearer("t-bob"))
    assert narrow.status_code == 403
    assert 'error="insufficient_scope", scope="posts:write"' in narrow.headers["www-authenticate"]


def test_a_family_can_demand_a_role(http: Any) -> None:
    assert http.get("/admin/all", headers=bearer("t-ann")).json() == "all"
    assert http.get("/admin/all", headers=bearer("t-bob")).status_code == 403
    assert http.get("/admin/ping").json() == "pong"


def test_who_is_not_known_is_not_told_what_else_is_wrong(http: Any) -> None:
    for send in ({"json": {"name": 1}}, {"content": b"{"}, {"content": b"x", "headers": {}}):
        assert http.post("/things", **send).status_code == 401
    assert http.post("/things", json={"name": 1}, headers=bearer("t-ann")).status_code == 422


def test_one_refusal_in_a_group_of_writes_is_alone(http: Any) -> None:
    from concurrent.futures import ThreadPoolExecutor

    tokens = ["t-ann", "bad", "t-bob", ""] * 8

    def post(token: str) -> int:
        return int(http.post("/things", json={"name": "x"}, headers=bearer(token)).status_code)

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(post, tokens))
    assert statuses == [200, 401, 200, 401] * 8
    assert http.get("/uses").json() == 16


def test_an_authenticator_for_the_whole_process(mount: Callable[..., Any]) -> None:
    """`serve --auth token`: every route that has no authenticator of its own is closed, unless it is public."""
    router = web.Router("Things")

    @router.get("/things")
    def things() -> str:
        return "things"

    @router.get("/maybe")
    def maybe(user: web.MaybeUser) -> str:
        assert user is not None
        return user.name

    @router.post("/login", public=True)
    def login() -> str:
        return "t-ann"

    own = router.family("/own", auth=lambda db, request: None)

    @own.get("/things")
    def own_things(user: web.MaybeUser) -> str:
        return "own"

    def by_name(db: Db | None, request: web.Request) -> Principal | None:
        assert db is None
        return USERS.get((request.header("authorization") or "").removeprefix("Bearer t-"))

    http = mount(router, auth=web.Authenticator(by_name, stateless=True))
    assert [http.get(p).status_code for p in ("/things", "/maybe", "/own/things", "/livez")] == [
        401,
        401,
        200,
        200,
    ]
    assert http.post("/login").json() == "t-ann"
    assert http.get("/things", headers=bearer("t-ann")).json() == "things"
    assert http.get("/maybe", headers=bearer("t-ann")).json() == "ann"
    paths = http.get("/openapi.json").json()["paths"]
    assert (
        paths["/things"]["get"]["security"] == [{"bearer": []}] and "security" not in paths["/login"]["post"]
    )


def test_another_scheme(mount: Callable[..., Any]) -> None:
    def refuse(db: Db | None, request: web.Request) -> Principal | None:
        if request.header("authorization"):
            raise Unauthenticated("no")
        return None

    basic = web.Authenticator(
        refuse, {"basic": {"type": "http", "scheme": "basic"}}, 'Basic realm="things", charset="UTF-8"'
    )
    http = mount(make_router(basic))
    for headers in ({}, {"authorization": "Basic eDp5"}):
        response = http.get("/me", headers=headers)
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == 'Basic realm="things", charset="UTF-8"'


def test_a_guard_without_an_authenticator_lets_nobody_in(mount: Callable[..., Any]) -> None:
    http = mount(make_router(None))
    assert http.get("/me", headers=bearer("t-ann")).status_code == 401
    assert http.get("/maybe").json() is None


def test_the_document_names_schemes_and_refusals(application: Callable[..., Any]) -> None:
    document = json.loads(application(make_router()).root.openapi())
    validate(document)
    assert document["components"]["securitySchemes"] == {"bearer": {"type": "http", "scheme": "bearer"}}
    paths = document["paths"]
    assert "security" not in paths["/open"]["get"]
    assert paths["/me"]["get"]["security"] == [{"bearer": []}]
    assert paths["/maybe"]["get"]["security"] == [{}, {"bearer": []}]
    assert {"401", "403"} <= set(paths["/purge"]["post"]["responses"])
    assert {"401", "403"} <= set(paths["/admin/all"]["get"]["responses"])
    assert "403" not in paths["/me"]["get"]["responses"]
    assert all("user" not in json.dumps(p.get("parameters", [])) for m in paths.values() for p in m.values())
