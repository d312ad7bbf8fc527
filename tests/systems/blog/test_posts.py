"""`/posts` and what both wires share, in process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from backendhub import registry
from backendhub.kit import accounts, web
from backendhub.kit.db.sqlite import SqliteDb
from backendhub.systems.blog import demo

pytestmark = pytest.mark.usefixtures("frozen")

POST = {
    "title": "My First Blog Post",
    "content": "This is the content of my first blog post.",
    "category": "Technology",
    "tags": ["Tech", "Programming"],
}
SIGN_UP = {"username": "amira", "email": "amira@mail.example", "password": "correct horse"}


@pytest.fixture
def http(client: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of the blog; passwords are hashed as cheaply as is allowed."""
    monkeypatch.setenv("BACKENDHUB_ACCOUNTS_HASH_MEMORY", "7168")
    return client("blog")


def token(http: Any, **values: str) -> dict[str, str]:
    """A new account's header."""
    answer = http.post("/api/users", json={"user": SIGN_UP | values})
    assert answer.status_code == 201, answer.text
    return {"Authorization": f"Bearer {answer.json()['user']['token']}"}


def promote(hub: Any, name: str, *roles: str) -> None:
    """Gives an account other roles."""
    hub.unit(lambda db: accounts.edit(db, accounts.by_username(db, name).id, roles=roles))  # type: ignore[union-attr]


# -- the brief ---------------------------------------------------------------------------------------------


def test_the_brief(http: Any, frozen: Any) -> None:
    made = http.post("/posts", json=POST)
    assert made.status_code == 201 and made.headers["location"] == "/posts/1"
    first = made.json()
    assert {k: first[k] for k in POST} == POST and first["id"] == 1
    assert first["createdAt"] == first["updatedAt"] == "2026-01-05T09:00:00Z"
    frozen("2026-01-05T09:30:00Z")
    change = {"title": "My Updated Blog Post", "content": "Updated.", "category": "Health", "tags": ["Tech"]}
    put = http.put("/posts/1", json=change)
    assert put.status_code == 200 and {k: put.json()[k] for k in change} == change
    assert put.json()["createdAt"] == first["createdAt"] and put.json()["updatedAt"] == "2026-01-05T09:30:00Z"
    assert http.get("/posts/1").json() == put.json() and http.get("/posts").json() == [put.json()]
    for term, found in (("heal", 1), ("UPDATED", 1), ("programming", 0), ("", 1)):
        assert len(http.get("/posts", params={"term": term}).json()) == found, term
    gone = http.delete("/posts/1")
    assert (gone.status_code, gone.content) == (204, b"")
    for method in ("GET", "PUT", "DELETE"):
        answer = http.request(method, "/posts/1", json=change if method == "PUT" else None)
        assert answer.status_code == 404 and answer.json()["code"] == "not_found"
    assert http.get("/posts").json() == []


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, ["/title", "/content"]),
        ({"title": " ", "content": ""}, ["/title", "/content"]),
        ({"title": None, "content": 7}, ["/title", "/content"]),
        (POST | {"tags": None}, ["/tags"]),
        (POST | {"tags": ["a", ""]}, ["/tags/1"]),
        (POST | {"category": "x" * 101}, ["/category"]),
        (POST | {"status": "lost"}, ["/status"]),
        (POST | {"status": "scheduled"}, ["/publishAt"]),
        (POST | {"publishAt": "soon"}, ["/publishAt"]),
    ],
)
def test_what_breaks_a_rule_is_400_and_named(http: Any, body: Any, pointers: list[str]) -> None:
    answer = http.post("/posts", json=body)
    assert answer.status_code == 400 and answer.headers["content-type"] == "application/problem+json"
    assert [e["pointer"] for e in answer.json()["errors"]] == pointers
    assert http.get("/posts").json() == []


def test_what_cannot_be_read(http: Any) -> None:
    for path in ("/posts", "/api/users"):
        assert http.post(path, content=b"{", headers={"Content-Type": "application/json"}).status_code == 400
        assert http.post(path, content=b"title=x").status_code == 415
    lone = b'{"title": "\\ud800", "content": "c"}'
    assert http.post("/posts", content=lone, headers={"Content-Type": "application/json"}).status_code == 400
    assert http.post("/posts", json=POST | {"title": "a\x00b"}).status_code == 400
    assert http.post("/posts", json=POST | {"content": "x" * (4 << 20)}).status_code == 413
    assert http.get("/posts?limit=0").status_code == 400 and http.get("/posts?cursor=x").status_code == 404
    assert http.put("/posts").status_code == 405


# -- who may -----------------------------------------------------------------------------------------------


def test_guests_write_and_change_what_is_theirs_alone(http: Any, hub: Any) -> None:
    amira = token(http)
    guests, hers = http.post("/posts", json=POST).json(), http.post("/posts", json=POST, headers=amira).json()
    assert (guests["author"], hers["author"]) == ("guest", "amira")
    assert http.patch(f"/posts/{guests['id']}", json={"title": "New"}).status_code == 200
    for method in ("PATCH", "DELETE"):
        answer = http.request(
            method, f"/posts/{hers['id']}", json={"title": "x"} if method == "PATCH" else None
        )
        assert answer.status_code == 401 and "www-authenticate" in answer.headers
    assert http.patch(f"/posts/{guests['id']}", json={"title": "x"}, headers=amira).status_code == 403
    assert http.post("/posts", json=POST, headers={"Authorization": "Token wrong"}).status_code == 401
    elsewhere = {"Origin": "https://elsewhere.example"}
    assert http.post("/posts", json=POST, headers=elsewhere).status_code == 401
    assert http.post("/posts", json=POST, headers=elsewhere | amira).status_code == 201
    hub.settings.flags["blog.guests"] = "false"
    assert http.post("/posts", json=POST).status_code == 401
    assert http.get("/posts").status_code == 200


def test_no_guest_writes_where_everybody_is_asked_who_they_are(http: Any, hub: Any) -> None:
    theirs = http.post(
        "/posts", json=POST
    ).json()  # from before: `serve blog`, and now `serve blog --auth token`
    hub.settings.flags |= {"auth": "token", "blog.guests": "true"}
    known = web.Authenticator(accounts.authenticate, accounts.SCHEMES)
    application: Any = web.build_app([registry.find("blog")], hub, single=True, log_format="none", auth=known)
    with type(http)(application, raise_server_exceptions=False) as asking:
        for method, path, body in (
            ("POST", "/posts", POST),
            ("PUT", f"/posts/{theirs['id']}", POST),
            ("PATCH", f"/posts/{theirs['id']}", {"title": "x"}),
            ("DELETE", f"/posts/{theirs['id']}", None),
        ):
            answer = asking.request(method, path, json=body)
            assert answer.status_code == 401 and "www-authenticate" in answer.headers, method
        assert asking.get("/posts").json() == [theirs]
        assert asking.post("/posts", json=POST, headers=token(asking)).json()["author"] == "amira"


def test_nobody_is_taken_for_the_guest(http: Any) -> None:
    squatter = token(http, username="guest")
    made = http.post("/posts", json=POST).json()
    assert made["author"] == "guest-of-the-blog"
    assert http.delete(f"/posts/{made['id']}", headers=squatter).status_code == 403


def test_roles(http: Any, hub: Any) -> None:
    amira, ben = token(http), token(http, username="ben", email="ben@mail.example")
    hers = http.post("/posts", json=POST, headers=amira).json()
    article = {"article": {"title": "t", "description": "d", "body": "b"}}
    promote(hub, "ben", "reader")
    refused = http.post("/api/articles", json=article, headers=ben)
    assert (refused.status_code, refused.json()) == (403, {"errors": {"article": ["forbidden"]}})
    assert http.post("/posts", json=POST, headers=ben).status_code == 403
    remark = {"comment": {"body": "x"}}
    comment = http.post(f"/api/articles/{hers['slug']}/comments", json=remark, headers=amira).json()[
        "comment"
    ]
    path = f"/api/articles/{hers['slug']}/comments/{comment['id']}"
    assert http.delete(path, headers=ben).status_code == 403
    promote(hub, "ben", "admin")
    assert http.delete(path, headers=ben).status_code == 204
    assert http.delete(f"/posts/{hers['id']}", headers=ben).status_code == 204


def test_a_new_password_ends_other_sign_ins_and_a_blank_one_changes_nothing(http: Any) -> None:
    first = token(http)
    login = {"user": {"email": SIGN_UP["email"], "password": SIGN_UP["password"]}}
    second = {"Authorization": f"Token {http.post('/api/users/login', json=login).json()['user']['token']}"}
    assert (
        http.put("/api/user", json={"user": {"password": "", "bio": "b"}}, headers=first).status_code == 200
    )
    assert http.get("/api/user", headers=second).status_code == 200
    short = http.put("/api/user", json={"user": {"password": "short"}}, headers=first)
    assert short.status_code == 422 and list(short.json()["errors"]) == ["password"]
    assert (
        http.put("/api/user", json={"user": {"password": "a new secret"}}, headers=first).status_code == 200
    )
    assert http.get("/api/user", headers=first).status_code == 200
    ended = http.get("/api/user", headers=second)
    assert (ended.status_code, ended.json()) == (401, {"errors": {"token": ["is invalid"]}})
    assert http.post("/api/users/login", json=login).status_code == 401


def test_under_auth_token_passwords_are_what_asvs_asks(http: Any, hub: Any) -> None:
    """Conduit's clients expect a length only; where strangers come it is more (6.2.3, 6.2.4)."""
    weak = {"user": SIGN_UP | {"password": "password123"}}
    user, new = token(http), {"password": "another one of them"}

    def change(**body: str) -> Any:
        return http.put("/api/user", json={"user": body}, headers=user)

    assert change(**new, currentPassword="wrong").json() == {"errors": {"currentPassword": ["is wrong"]}}
    hub.settings.flags["accounts.strict"] = "true"
    assert list(http.post("/api/users", json=weak).json()["errors"]) == ["password"]
    assert change(**new).json() == {"errors": {"currentPassword": ["can't be blank"]}}
    assert change(bio="b").status_code == 200
    assert change(password="password123", currentPassword=SIGN_UP["password"]).status_code == 422
    assert change(**new, currentPassword=SIGN_UP["password"]).status_code == 200
    for auth, given, strict in (("token", "", True), ("none", "", False), ("token", "false", False)):
        hub.settings.flags |= {"auth": auth, "accounts.strict": given}
        assert accounts.strict(hub.settings) is strict, (auth, given)


def test_a_disabled_account_is_told_so_once_its_password_is_right(http: Any, hub: Any) -> None:
    amira = token(http)
    hub.unit(
        lambda db: accounts.edit(db, accounts.by_username(db, "amira").id, status=accounts.Status.DISABLED)
    )
    assert http.get("/api/user", headers=amira).status_code == 401
    login = {"user": {"email": SIGN_UP["email"], "password": SIGN_UP["password"]}}
    answer = http.post("/api/users/login", json=login)
    assert (answer.status_code, answer.json()) == (401, {"errors": {"credentials": ["disabled"]}})
    login["user"]["password"] = "wrong horse"
    assert http.post("/api/users/login", json=login).json() == {"errors": {"credentials": ["invalid"]}}


# -- drafts, lists, tags -----------------------------------------------------------------------------------


def test_a_draft_becomes_a_scheduled_and_a_published_post(http: Any, frozen: Any) -> None:
    amira, ben = token(http), token(http, username="ben", email="ben@mail.example")
    draft = http.post("/posts", json=POST | {"status": "draft"}, headers=amira).json()
    assert (draft["status"], draft["publishAt"]) == ("draft", None)
    path = f"/posts/{draft['id']}"
    assert http.get(path, headers=amira).status_code == 200
    for headers in ({}, ben):
        assert http.get(path, headers=headers).status_code == 404
        assert http.delete(path, headers=headers).status_code == 404
        assert http.get(f"/api/articles/{draft['slug']}", headers=headers).status_code == 404
    assert [p["id"] for p in http.get("/posts?status=draft", headers=amira).json()] == [draft["id"]]
    assert http.get("/posts?status=draft", headers=ben).json() == []
    assert http.get("/posts?status=draft").status_code == 401
    later = http.patch(path, json={"publishAt": "2026-01-06T10:00:00+01:00"}, headers=amira).json()
    assert (later["status"], later["publishAt"]) == ("scheduled", "2026-01-06T09:00:00Z")
    assert http.put(path, json=later, headers=amira).json()["status"] == "scheduled"
    assert http.get("/feed.json").json()["items"] == []
    frozen("2026-01-06T09:00:00Z")
    assert http.get(path).json()["status"] == "published"
    article = http.get("/api/articles").json()["articles"][0]
    assert article["createdAt"] == article["updatedAt"] == "2026-01-06T09:00:00.000Z"
    assert len(http.get("/feed.json").json()["items"]) == 1
    assert http.patch(path, json={"status": "draft"}, headers=amira).json()["publishAt"] is None
    assert http.get(path).status_code == 404


def test_a_change_is_bound_to_an_etag(http: Any) -> None:
    made = http.post("/posts", json=POST)
    tag = made.headers["etag"]
    assert http.get("/posts/1", headers={"If-None-Match": tag}).status_code == 304
    assert http.patch("/posts/1", json={"title": "2"}, headers={"If-Match": tag}).headers["etag"] == '"2"'
    for method in ("PUT", "PATCH", "DELETE"):
        body = None if method == "DELETE" else POST
        assert http.request(method, "/posts/1", json=body, headers={"If-Match": tag}).status_code == 412
    assert http.delete("/posts/1", headers={"If-Match": '"2"'}).status_code == 204


def test_pages_lists_and_counts_of_the_sample(http: Any, hub: Any) -> None:
    assert hub.unit(demo.load) == 27
    seen, url = [], "/posts?limit=10"
    while url:
        answer = http.get(url)
        assert answer.headers["x-total-count"] == "25"
        seen += [p["slug"] for p in answer.json()]
        link = answer.headers.get("link", "")
        url = link[1 : link.index(">")] if link else ""
    assert len(seen) == 25 == len(set(seen))
    conduit = http.get("/api/articles?limit=100").json()
    assert [a["slug"] for a in conduit["articles"]] == seen and conduit["articlesCount"] == 25
    assert http.get("/api/articles?limit=2&offset=24").json()["articles"][0]["slug"] == seen[24]
    assert http.get("/tags").json()["trains"] == 4 and http.get("/categories").json()["Kitchen"] == 2
    assert http.get("/api/tags").json()["tags"][0] == "balcony"
    assert [p["author"] for p in http.get("/posts?category=Kitchen&author=JONAS").json()] == [
        "jonas",
        "jonas",
    ]
    assert len(http.get("/posts", params={"q": "statistics -charts"}).json()) == 4
    since = http.get("/posts", params={"since": "2025-12-01", "until": "2026-01-01"}).json()
    assert since and all("2025-12" in p["publishAt"] for p in since)


def test_a_list_of_twenty_takes_three_statements(
    http: Any, hub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.unit(demo.load)
    amira = token(http, username="reader", email="reader@mail.example")
    asked: list[str] = []
    fetch = SqliteDb.fetch

    def counted(self: Any, sql: str, params: Any) -> Any:
        asked.append(sql)
        return fetch(self, sql, params)

    monkeypatch.setattr(SqliteDb, "fetch", counted)
    for headers, statements in (({}, 2), (amira, 3)):  # the third is who asks
        for path in ("/api/articles", "/api/articles?tag=statistics", "/posts", "/posts?q=trains"):
            http.get(path, headers=headers)
            asked.clear()
            answer = http.get(path, headers=headers)
            assert answer.status_code == 200 and len(asked) <= statements, (path, asked)
    assert len(http.get("/api/articles", headers=amira).json()["articles"]) == 20


def test_any_front_end_may_call(http: Any) -> None:
    origin = {"Origin": "http://localhost:4200"}
    asks = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization"}
    flight = http.options("/api/user", headers=origin | asks)
    assert flight.status_code == 204 and flight.headers["access-control-allow-origin"] == "*"
    assert http.get("/api/user", headers=origin).headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    ("email", "status"),
    [
        ("jörg@müller.example", 201),
        ("x@例え.jp", 201),
        ("a@b c", 422),
        ("a@b..c", 422),
        ("a,b@c", 422),
        ("a@@b", 422),
    ],
)
def test_addresses_are_those_that_accounts_take(http: Any, email: str, status: int) -> None:
    answer = http.post("/api/users", json={"user": SIGN_UP | {"email": email}})
    assert answer.status_code == status
    assert status == 201 or answer.json() == {"errors": {"email": ["is invalid"]}}
