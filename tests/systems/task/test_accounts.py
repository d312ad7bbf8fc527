"""Tasks of accounts: `serve task --auth token`, and the plain form of the developer roadmap."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from backendhub.kit import accounts
from backendhub.kit.accounts import api_keys
from backendhub.kit.db import Db
from backendhub.kit.errors import NotFound
from backendhub.kit.hub import Hub
from backendhub.systems.task import service

PASSWORD = "correct horse battery"


def test_the_brief(http: Any, registered: Any) -> None:
    ada = registered("ada")
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


def test_who_is_not_known_and_who_may_not(http: Any, registered: Any) -> None:
    ada, eve = registered("ada"), registered("eve")
    http.post("/todos", json={"title": "Mine"}, headers=ada)
    for method, path in (("GET", "/todos"), ("POST", "/todos"), ("PUT", "/todos/1"), ("DELETE", "/todos/1")):
        nobody = http.request(method, path, json={"title": "x"})
        assert (nobody.status_code, nobody.json()["message"]) == (401, "Unauthorized")
    for method in ("GET", "PUT", "DELETE"):
        other = http.request(method, "/todos/1", json={"title": "x"}, headers=eve)
        assert (other.status_code, other.json()["message"]) == (403, "Forbidden")
    assert http.get("/todos", headers=eve).json()["data"] == []
    assert http.get("/todos/1", headers=ada).json()["title"] == "Mine"


def test_the_whole_api_keeps_owners_apart(http: Any, frozen: Callable[[str], None], registered: Any) -> None:
    ada, eve = registered("ada"), registered("eve")
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


def test_the_terminal_and_accounts_see_their_own(
    owned: Hub, served: Callable[..., Any], registered: Any
) -> None:
    http = served()
    ada = registered("ada")
    http.post("/todos", json={"title": "Of an account"}, headers=ada)
    owned.unit(service.add, description="Of this machine")
    assert [t.description for t in owned.read(service.find_all)] == ["Of this machine"]
    assert [t["title"] for t in http.get("/todos", headers=ada).json()["data"]] == ["Of an account"]
    assert http.get("/todos/2", headers=ada).status_code == 403
    with pytest.raises(NotFound):
        owned.unit(service.complete, 1)
    assert owned.read(service.stats).total == 1
    open_ = served("none")
    assert [t["description"] for t in open_.get("/tasks").json()] == ["Of this machine"]
    assert open_.get("/tasks/1").status_code == 404
    assert open_.get("/todos").json()["total"] == 1
    assert open_.post("/login", json={"email": "ada@example.com", "password": PASSWORD}).status_code == 409


def test_an_account_goes_with_its_tasks(owned: Hub, http: Any, registered: Any) -> None:
    http.post("/todos", json={"title": "x"}, headers=registered("ada"))
    user = owned.read(accounts.by_email, "ada@example.com")
    assert user is not None
    owned.unit(accounts.remove, user.id)
    assert owned.read(lambda db: db.value("SELECT count(*) FROM task")) == 0


def test_a_write_that_the_removal_overtakes_is_refused(race_removal: Any) -> None:
    def add(db: Db, who: str) -> object:
        return service.add(db, description="x", owner=who)

    assert race_removal(add, "SELECT count(*) FROM task WHERE owner = :id") == 0


def test_numbers_of_pages_are_taken_as_the_nearest(http: Any, registered: Any) -> None:
    ada = registered("ada")
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


def test_scopes_of_keys(owned: Hub, http: Any, registered: Any) -> None:
    registered("ada")
    user = owned.read(accounts.by_email, "ada@example.com")
    assert user is not None
    for scope, codes in (("tasks:read", (200, 403)), ("tasks:*", (200, 201)), ("posts:read", (403, 403))):
        _, key = owned.unit(api_keys.make, user.id, name=scope, scopes=[scope])
        headers = {"x-api-key": key}
        read, write = (
            http.get("/todos", headers=headers),
            http.post("/todos", json={"title": "x"}, headers=headers),
        )
        assert (read.status_code, write.status_code) == codes, scope
