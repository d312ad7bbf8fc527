"""Changes of accounts in the audit log: who, what, and nothing that an account must be able to forget."""

from __future__ import annotations

import json
import warnings
from typing import Any

import pytest

from backendhub.kit import audit, web
from backendhub.kit.accounts import Status, api_keys, users
from backendhub.kit.db import Db
from backendhub.kit.identity import Principal
from backendhub.kit.web.endpoint import Endpoint

SYSTEM = "accounts"


def test_what_happens_to_an_account_is_noted_without_what_it_must_forget(db: Db) -> None:
    admin = users.add(db, email="root@example.org", roles=["admin"], password_hash="$argon2id$secret")
    ann = users.add(db, email="ann@example.org", username="ann", name="Ann Private")
    users.edit(db, ann.id, email="new@example.org", status=Status.DISABLED)
    key, text = api_keys.make(db, ann.id, name="ci key", scopes=["posts:read"])
    api_keys.revoke(db, key.id)
    api_keys.revoke(db, key.id)
    users.set_hash(db, ann.id, None)
    users.remove(db, ann.id)
    log = audit.find(db)[::-1]
    assert [(e.action.removeprefix("accounts."), e.subject) for e in log] == [
        ("added", f"user:{admin.id}"),
        ("password_changed", f"user:{admin.id}"),
        ("added", f"user:{ann.id}"),
        ("edited", f"user:{ann.id}"),
        ("key_made", f"user:{ann.id}"),
        ("key_revoked", f"user:{ann.id}"),
        ("password_removed", f"user:{ann.id}"),
        ("removed", f"user:{ann.id}"),
    ]
    assert {e.actor for e in log} == {"system"}
    edited = log[3]
    assert json.loads(edited.before or "") == {"roles": [], "status": "active"}
    assert json.loads(edited.after or "") == {
        "roles": [],
        "status": "disabled",
        "changed": ["email", "status"],
    }
    whole = repr(log)
    for secret in ("example.org", "Private", "argon2", "ci key", text):
        assert secret not in whole
    assert audit.verify(db).entries == len(log)


def test_each_request_of_a_group_has_its_own_actor(hub: Any) -> None:
    """Units of one group share a transaction; nobody answers for what another did."""

    def who(db: Db | None, request: web.Request) -> Principal | None:
        name = request.header("x-user")
        return Principal(name, name) if name else None

    router = web.Router("Test", auth=who)

    @router.post("/known")
    def known(db: Db, user: web.CurrentUser) -> str:
        return audit.note(db, audit.actor(db), "t.known", "x").actor

    @router.post("/maybe")
    def maybe(db: Db, user: web.MaybeUser) -> str:
        return audit.note(db, audit.actor(db), "t.maybe", "x").actor

    @router.post("/open")
    def open_(db: Db) -> str:
        return audit.note(db, audit.actor(db), "t.open", "x").actor

    hub.use("audit")
    endpoints = {r.path: Endpoint(r, "t") for r in router.routes}

    def unit(path: str, user: str | None) -> Any:
        headers = {b"x-user": user.encode()} if user else {}
        scope = {"type": "http", "method": "POST", "path": path, "query_string": b""}
        request = web.Request(scope, headers, hub, "id")
        return lambda db: endpoints[path].call(db, request, {})

    asked = [("/known", "ann"), ("/open", None), ("/maybe", None), ("/maybe", "bob"), ("/open", "ann")]
    actors = hub.store.group([unit(path, user) for path, user in asked])
    assert actors == ["user:ann", "system", "system", "user:bob", "system"]
    assert hub.unit(audit.actor) == "system"


@pytest.mark.parametrize("path", ["/async", "/known"])
def test_over_http(hub: Any, path: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from starlette.testclient import TestClient
    router = web.Router("Test", auth=lambda db, request: Principal("ann", "Ann"))

    @router.post("/known")
    def known(db: Db, user: web.CurrentUser) -> str:
        return audit.actor(db)

    @router.post("/async", consumes=("*/*",))
    async def later(request: web.Request, user: web.CurrentUser) -> str:
        return await request.call(audit.actor)

    app: Any = web.build_app([], hub, log_format="none")
    app.attach("/_t", router=router)
    with TestClient(app) as http:
        assert http.post(f"/_t{path}").json() == "user:ann"
