"""Tasks of accounts: `serve task --auth token`, and the plain form of the developer roadmap."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from backendhub import registry
from backendhub.kit import accounts, web
from backendhub.kit.accounts import api_keys
from backendhub.kit.accounts.passwords import Passwords
from backendhub.kit.db import Store
from backendhub.kit.errors import NotFound
from backendhub.kit.hub import Hub
from backendhub.kit.settings import Settings
from backendhub.systems.task import service

PASSWORD = "correct horse battery"


@pytest.fixture
def hub(store: Store) -> Hub:
    """A hub on a store of each engine, with hashing that takes no time."""
    store.use("task")
    made = Hub(Settings({"auth": "token"}, environ={}), store=store)
    made.passwords = Passwords(memory_kib=8, passes=1)
    return made


@pytest.fixture
def serve(hub: Hub) -> Iterator[Callable[..., Any]]:
    """`serve()`: tasks under --auth token; `serve("none")`: without."""
    with ExitStack() as stack:

        def start(auth: str = "token") -> Any:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                from starlette.testclient import TestClient
            hub.settings.flags["auth"] = auth
            row = registry.find("task")
            known = web.Authenticator(accounts.authenticate, accounts.SCHEMES) if auth == "token" else None
            application: Any = web.build_app([row], hub, single=True, log_format="none", auth=known)
            return stack.enter_context(TestClient(application, raise_server_exceptions=False))

        yield start


@pytest.fixture
def http(serve: Callable[..., Any]) -> Any:
    return serve()


def registered(http: Any, name: str) -> dict[str, str]:
    """The headers of a new account."""
    body = {"name": name, "email": f"{name}@example.com", "password": PASSWORD}
    done = http.post("/register", json=body)
    assert done.status_code == 201, done.text
    return {"authorization": f"Bearer {done.json()['token']}"}


def test_the_brief(http: Any) -> None:
    ada = registered(http, "ada")
    first = http.post(
        "/todos", json={"title": "Buy groceries", "description": "Milk, eggs, bread"}, headers=ada
    )
    assert first.status_code == 201
    todo = {"id": 1, "title": "Buy groceries", "description": "Milk, eggs, bread", "status": "todo"}
    assert first.json() == todo
    http.post("/todos", json={"title": "Pay bills"}, headers=ada)
    listed = http.get("/todos?page=1&limit=1", headers=ada).json()
    assert listed == {"data": [todo], "page": 1, "limit": 1, "total": 2}
    changed = http.put("/todos/1", json={"title": "Buy more", "status": "done"}, headers=ada).json()
    assert changed == todo | {"title": "Buy more", "status": "done"}
    assert http.get("/todos?status=done", headers=ada).json()["total"] == 1
    assert http.delete("/todos/2", headers=ada).status_code == 204
    assert http.get("/todos/2", headers=ada).status_code == 404


def test_who_is_not_known_and_who_may_not(http: Any) -> None:
    ada, eve = registered(http, "ada"), registered(http, "eve")
    http.post("/todos", json={"title": "Mine"}, headers=ada)
    for method, path in (("GET", "/todos"), ("POST", "/todos"), ("PUT", "/todos/1"), ("DELETE", "/todos/1")):
        nobody = http.request(method, path, json={"title": "x"})
        assert (nobody.status_code, nobody.json()["message"]) == (401, "Unauthorized")
    for method in ("GET", "PUT", "DELETE"):
        other = http.request(method, "/todos/1", json={"title": "x"}, headers=eve)
        assert (other.status_code, other.json()["message"]) == (403, "Forbidden")
    assert http.get("/todos", headers=eve).json()["data"] == []
    assert http.get("/todos/1", headers=ada).json()["title"] == "Mine"


def test_the_whole_api_keeps_owners_apart(http: Any, frozen: Callable[[str], None]) -> None:
    ada, eve = registered(http, "ada"), registered(http, "eve")
    task = {"description": "Mine", "tags": ["home"], "due": "2026-01-31", "recurrence": {"every": "1m"}}
    assert http.post("/tasks", json=task, headers=ada).json()["id"] == 1
    for method, path, body in (
        ("GET", "/tasks/1", None),
        ("PATCH", "/tasks/1", {"description": "Theirs"}),
        ("DELETE", "/tasks/1", None),
        ("POST", "/tasks/1/done", None),
        ("POST", "/tasks/1/start", None),
        ("POST", "/tasks/1/stop", None),
        ("GET", "/tasks/1/notes", None),
        ("POST", "/tasks/1/notes", {"text": "x"}),
    ):
        assert http.request(method, path, json=body, headers=eve).status_code == 403, path
        assert http.request(method, path, json=body).status_code == 401, path
    assert http.get("/tasks", headers=eve).json() == []
    assert http.get("/tasks?q=mine", headers=eve).json() == []
    assert http.get("/tags", headers=eve).json() == {}
    assert http.get("/stats", headers=eve).json()["total"] == 0
    waits = http.post("/tasks", json={"description": "x", "dependsOn": [1]}, headers=eve)
    assert waits.status_code == 404
    done = http.post("/tasks/1/done", headers=ada)
    following = done.headers["location"]  # the next one is theirs too
    assert http.get(following, headers=ada).json()["due"] == "2026-02-28"
    assert http.get(following, headers=eve).status_code == 403
    assert http.get("/tags", headers=ada).json() == {"home": 2}


def test_the_terminal_and_accounts_see_their_own(hub: Hub, serve: Callable[..., Any]) -> None:
    http = serve()
    ada = registered(http, "ada")
    http.post("/todos", json={"title": "Of an account"}, headers=ada)
    hub.unit(service.add, description="Of this machine")
    assert [t.description for t in hub.read(service.find_all)] == ["Of this machine"]
    assert [t["title"] for t in http.get("/todos", headers=ada).json()["data"]] == ["Of an account"]
    assert http.get("/todos/2", headers=ada).status_code == 403
    with pytest.raises(NotFound):
        hub.unit(service.complete, 1)
    assert hub.read(service.stats).total == 1
    open_ = serve("none")
    assert [t["description"] for t in open_.get("/tasks").json()] == ["Of this machine"]
    assert open_.get("/tasks/1").status_code == 404
    assert open_.get("/todos").json()["total"] == 1
    assert open_.post("/login", json={"email": "ada@example.com", "password": PASSWORD}).status_code == 409


def test_an_account_goes_with_its_tasks(hub: Hub, http: Any) -> None:
    http.post("/todos", json={"title": "x"}, headers=registered(http, "ada"))
    user = hub.read(accounts.by_email, "ada@example.com")
    assert user is not None
    hub.unit(accounts.remove, user.id)
    assert hub.read(lambda db: db.value("SELECT count(*) FROM task")) == 0


def test_signing_in_and_on(http: Any) -> None:
    registered(http, "ada")
    login = http.post("/login", json={"email": "ADA@example.com", "password": PASSWORD}).json()
    assert http.get("/todos", headers={"authorization": f"Bearer {login['token']}"}).status_code == 200
    again = http.post("/refresh", json={"refresh_token": login["refresh_token"]}).json()
    assert http.get("/todos", headers={"authorization": f"Bearer {again['token']}"}).status_code == 200
    for path, body, status in (
        ("/login", {"email": "ada@example.com", "password": "wrong"}, 401),
        ("/login", {"email": "nobody@example.com", "password": "wrong"}, 401),
        ("/login", {"email": "ada@example.com"}, 400),
        ("/refresh", {"refresh_token": "x"}, 401),
        ("/register", {"email": "ada@example.com", "password": PASSWORD}, 409),
        ("/register", {"email": "no address", "password": PASSWORD}, 400),
        ("/register", {"email": "b@example.com", "password": "password123"}, 400),
    ):
        done = http.post(path, json=body)
        assert (done.status_code, "message" in done.json()) == (status, True), done.text
    tries = [
        http.post("/login", json={"email": "x@example.com", "password": "y"}).status_code for _ in range(31)
    ]
    assert tries[-1] == 429


def test_numbers_of_pages_are_taken_as_the_nearest(http: Any) -> None:
    ada = registered(http, "ada")
    for n in range(3):
        http.post("/todos", json={"title": str(n)}, headers=ada)
    for query, page, limit, titles in (
        ("page=0&limit=2", 1, 2, ["0", "1"]),
        ("page=2&limit=2", 2, 2, ["2"]),
        ("page=-5&limit=1000", 1, 100, ["0", "1", "2"]),
        ("page=99999999999999&limit=-1", 10**9, 1, []),
    ):
        listed = http.get(f"/todos?{query}", headers=ada).json()
        assert (listed["page"], listed["limit"], [t["title"] for t in listed["data"]]) == (
            page,
            limit,
            titles,
        )
    assert http.get("/todos?page=x", headers=ada).status_code == 400
    assert http.post("/todos", json={"title": " "}, headers=ada).status_code == 400


def test_scopes_of_keys(hub: Hub, http: Any) -> None:
    registered(http, "ada")
    user = hub.read(accounts.by_email, "ada@example.com")
    assert user is not None
    for scope, codes in (("tasks:read", (200, 403)), ("tasks:*", (200, 201)), ("posts:read", (403, 403))):
        _, key = hub.unit(api_keys.make, user.id, name=scope, scopes=[scope])
        headers = {"x-api-key": key}
        read, write = (
            http.get("/todos", headers=headers),
            http.post("/todos", json={"title": "x"}, headers=headers),
        )
        assert (read.status_code, write.status_code) == codes, scope
