"""The dialect of json-server 0.17, from its documentation and its behaviour."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from .conftest import DATA

SYSTEM = "rest"


@pytest.fixture
def http(rest: Callable[..., Any]) -> Any:
    return rest()


def ids(response: Any) -> list[Any]:
    assert response.status_code == 200, response.text
    return [row["id"] for row in response.json()]


QUERIES = {
    "title=beta": [2], "title=BETA": [], "id=1&id=3": [1, 3], "author.name=ada": [1], "nothing=1": [1, 2, 3],
    "views_gte=30": [2, 3], "views_lte=30": [1, 3], "views_gte=10&views_lte=30": [1, 3], "title_gte=b": [2],
    "id_ne=1": [2, 3], "id_ne=1&id_ne=2": [3], "author.name_ne=ada": [2], "nothing_gte=1": [],
    "title_like=^[ag].*a": [1, 3], "title_like=RAY": [3], "tags_like=x": [1], "tags=x,y": [1], "tags[0]=x": [1],
    "q=ga": [3], "q=BOB": [2], "q=y&q=bob": [1, 3], "q=30": [3], "q=zzz": [],
    "_sort=views": [1, 3, 2], "_sort=views&_order=DESC": [2, 3, 1], "_sort=author.name": [1, 2, 3],
    "_sort=author.name&_order=desc": [3, 2, 1], "_sort=tags,views&_order=asc,desc": [1, 2, 3],
    "_sort=author&_sort=views&_order=desc&_order=desc": [3, 2, 1],
    "_start=1&_end=2": [2], "_end=-1": [1, 2], "_start=-2": [2, 3], "_start=1&_limit=1": [2], "_limit=0": [],
    "_page=2&_limit=2": [3], "_page=9&_limit=2": [], "_page=0&_limit=2": [1, 2], "_limit=abc": [1, 2, 3], "_": [1, 2, 3],
}  # fmt: skip


@pytest.mark.parametrize("query", QUERIES)
def test_a_list(http: Any, query: str) -> None:
    assert ids(http.get(f"/posts?{query}")) == QUERIES[query]


def test_pages_have_links_and_a_total(http: Any) -> None:
    response = http.get("/posts?_limit=1&_page=2&_sort=id")
    assert response.headers["x-total-count"] == "3"
    assert response.headers["access-control-expose-headers"] == "X-Total-Count, Link"
    base = "http://testserver/posts?_limit=1&_page={}&_sort=id"
    rels = {rel: link["url"] for rel, link in response.links.items()}
    assert rels == {rel: base.format(n) for rel, n in (("first", 1), ("prev", 1), ("next", 3), ("last", 3))}
    assert (
        "link" not in http.get("/posts?_page=1").headers and "link" not in http.get("/posts?_page=9").headers
    )


def test_pages_by_cursor_are_not_moved_by_inserts(http: Any) -> None:
    first = http.get("/posts?_cursor=&_limit=2&_sort=views&_order=desc")
    assert ids(first) == [2, 3]
    http.post("/posts", json={"views": 999})
    http.post("/posts", json={"views": 20})
    assert ids(http.get(first.links["next"]["url"])) == [5, 1]
    assert http.get("/posts?_cursor=&_limit=0").status_code == 400
    assert http.get("/posts?_cursor=x&_limit=2").status_code == 404


def test_relations(http: Any) -> None:
    assert [len(p["comments"]) for p in http.get("/posts?_embed=comments").json()] == [2, 1, 0]
    assert ids(http.get("/posts/1/comments")) == [1, 2]
    assert ids(http.get("/posts/1/comments?body=two")) == [2]
    comment = http.get("/comments/3?_expand=post&_expand=nothing").json()
    assert comment["post"]["title"] == "beta" and "nothing" not in comment
    made = http.post("/posts/2/comments", json={"body": "new"})
    assert made.json() == {"id": 4, "body": "new", "postId": "2"} and made.headers["location"].endswith(
        "/comments/4"
    )
    assert len(http.get("/posts/2?_embed=comments").json()["comments"]) == 2


def test_rows_are_added_changed_and_deleted(http: Any) -> None:
    made = http.post("/posts", json={"title": "new", "views": 1.0})
    assert (made.status_code, made.json()) == (201, {"id": 4, "title": "new", "views": 1})
    assert (
        made.headers["location"] == "http://testserver/posts/4" and http.get("/posts/4").json() == made.json()
    )
    assert http.put("/posts/4", json={"id": 9, "a": 1}).json() == {"id": 4, "a": 1}
    assert http.patch("/posts/4", json={"b": 2}).json() == {"id": 4, "a": 1, "b": 2}
    assert http.post("/posts", json={"id": 4}).status_code == 409
    assert http.delete("/posts/4").json() == {} and http.get("/posts/4").status_code == 404
    assert http.delete("/posts/1").status_code == 200 and ids(http.get("/comments")) == [3]


def test_an_object(http: Any) -> None:
    assert http.get("/profile").json() == {"name": "p"}
    assert http.patch("/profile", json={"a": 1}).json() == {"name": "p", "a": 1}
    assert http.put("/profile", json={"b": 1}).json() == {"b": 1}
    assert http.post("/profile", json={"c": 1}).status_code == 201
    assert http.get("/db").json()["profile"] == {"c": 1}
    assert http.get("/profile/1").status_code == 404


@pytest.mark.parametrize("path", ["/nothing", "/posts/9", "/posts/1/2/3", "/posts/1/nothing/", "/profile/1"])
def test_what_is_not_there_is_an_empty_object(http: Any, path: str) -> None:
    response = http.get(path)
    assert (response.status_code, response.text) == (404, "{}")


def test_methods_that_do_not_exist_are_not_found(http: Any) -> None:
    answers = [
        http.delete("/posts"),
        http.put("/posts", json={}),
        http.post("/posts/1", json={}),
        http.delete("/profile"),
    ]
    assert [r.status_code for r in answers] == [404] * 4


def test_bodies_come_in_several_ways(http: Any) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert http.post("/posts", content="a=1&b=x&b=y", headers=form).json() == {
        "id": 4,
        "a": "1",
        "b": ["x", "y"],
    }
    assert http.post("/posts", content='{"a": 1}', headers=form).json() == {"id": 5, "a": 1}
    assert http.post("/posts").json() == {"id": 6}
    for content, status in (
        ("[]", 400),
        ("3", 415),
        ('{"a":', 400),
        ('{"a": NaN}', 400),
        ('{"a": "\\u0000"}', 422),
    ):
        assert http.post("/posts", content=content).status_code == status, content
    text = {"content-type": "text/csv"}
    assert http.post("/posts", content="x", headers=text).status_code == 415
    patch = {"content-type": "application/merge-patch+json"}
    assert http.patch("/posts/1", content='{"author": {"x": 1}, "tags": null}', headers=patch).json() == {
        "id": 1, "title": "Alpha", "views": 10, "author": {"name": "ada", "x": 1},
    }  # fmt: skip


def test_tags_guard_changes_and_save_transfers(http: Any) -> None:
    tag = http.get("/posts/1").headers["etag"]
    assert http.get("/posts/1", headers={"if-none-match": tag}).status_code == 304
    listing = http.get("/posts").headers["etag"]
    assert http.get("/posts", headers={"if-none-match": listing}).status_code == 304
    assert http.patch("/posts/1", json={"a": 1}, headers={"if-match": tag}).status_code == 200
    for method in ("PATCH", "PUT", "DELETE"):
        response = http.request(method, "/posts/1", json={"a": 2}, headers={"if-match": tag})
        assert response.status_code == 412 and response.json()["code"] == "precondition_failed"
    assert http.get("/posts", headers={"if-none-match": listing}).status_code == 200


def test_any_page_may_call_it_and_nothing_is_cached(http: Any) -> None:
    response = http.get("/posts", headers={"origin": "http://app.example"})
    assert response.headers["access-control-allow-origin"] == "http://app.example"
    assert response.headers["access-control-allow-credentials"] == "true"
    assert "X-Total-Count" in response.headers["access-control-expose-headers"]
    assert response.headers["cache-control"] == "no-cache"
    asks = {"origin": "http://app.example", "access-control-request-method": "PUT"}
    assert "PUT" in http.options("/posts/1", headers=asks).headers["access-control-allow-methods"]


def test_jsonp(http: Any) -> None:
    response = http.get("/posts/1?callback=app.got")
    assert response.text.startswith("/**/ typeof app.got === 'function' && app.got({")
    assert response.headers["content-type"].startswith("text/javascript")
    assert response.headers["x-content-type-options"] == "nosniff"
    assert http.get("/posts/1?callback=alert(1)").headers["content-type"] == "application/json"


def test_the_whole_set_and_the_page(http: Any) -> None:
    assert http.get("/db").json() == DATA
    page = http.get("/").text
    assert 'href="/posts"' in page and "json-server 0.17" in page


def test_delays(rest: Callable[..., Any]) -> None:
    http = rest(delay=60)
    for path, least in (("/posts", 0.06), ("/posts?_delay=150", 0.15)):
        start = time.perf_counter()
        assert ids(http.get(path)) == [1, 2, 3]
        assert time.perf_counter() - start >= least


def test_routes_of_ones_own(rest: Callable[..., Any]) -> None:
    rules = {
        "/api/*": "/$1", "/blog/posts/:id/show": "/posts/:id", "/by/:name-:views": "/posts?author.name=:name&views=:views",
        "/first": "/posts/1?_embed=comments", "/articles\\?_id=:id": "/posts/:id",
    }  # fmt: skip
    http = rest(routes=rules)
    assert http.get("/__rules").json() == rules
    assert ids(http.get("/api/posts?views_gte=30")) == [2, 3]
    assert http.get("/blog/posts/2/show/").json()["id"] == 2 and http.get("/articles?_id=3").json()["id"] == 3
    assert ids(http.get("/by/ada-10")) == [1] and len(http.get("/api/first").json()["comments"]) == 2


def test_other_names_for_ids_and_references(rest: Callable[..., Any]) -> None:
    http = rest(
        {"posts": [{"_id": 1}], "notes": [{"_id": 1, "post_id": 1}]}, id="_id", foreign_key_suffix="_id"
    )
    assert http.post("/posts", json={"a": 1}).json() == {"_id": 2, "a": 1}
    assert http.get("/posts/1/notes").json() == [{"_id": 1, "post_id": 1}]
    http.delete("/posts/1")
    assert http.get("/notes").json() == []


def test_reading_only_and_pretending(rest: Callable[..., Any]) -> None:
    http = rest(read_only=True)
    assert http.post("/posts", json={}).status_code == 403 and ids(http.get("/posts")) == [1, 2, 3]


def test_pretended_changes_are_answered_and_not_kept(rest: Callable[..., Any]) -> None:
    http = rest(pretend=True)
    assert http.post("/posts", json={"a": 1}).json() == {"id": 4, "a": 1}
    assert http.patch("/posts/1", json={"title": "z"}).json()["title"] == "z"
    assert http.delete("/posts/1").status_code == 200
    assert http.get("/db").json() == DATA


STRICT = (
    "nothing=1",
    "nothing_gte=1",
    "_limit=abc",
    "_page=",
    "_order=up&_sort=id",
    "_sort=nothing",
    "_embed=nothing",
    "_expand=x",
)


@pytest.mark.parametrize("query", STRICT)
def test_strict_refuses_what_else_is_ignored(rest: Callable[..., Any], query: str) -> None:
    http = rest(strict=True)
    response = http.get(f"/posts?{query}")
    assert (response.status_code, response.headers["content-type"]) == (400, "application/problem+json")


def test_strict_is_strict_about_http_too(rest: Callable[..., Any]) -> None:
    http = rest(strict=True)
    assert http.delete("/posts").status_code == 405 and http.put("/posts", json={}).headers["allow"].endswith(
        "POST"
    )
    assert http.options("/posts").headers["allow"] == "GET, HEAD, OPTIONS, POST"
    assert http.post("/posts").status_code in (400, 415) and http.get("/posts/9/comments").status_code == 404


@pytest.mark.parametrize(
    "query",
    [
        "&".join(f"a{i}_gte=1" for i in range(170)), "_sort=" + ",".join("abcdef"), "title_like=(", "title_like=^" + "a" * 201, "q=" + "a" * 1001,
        "&".join(f"_embed=r{i}" for i in range(11)), "a=%00", "&".join(f"a{i}=1" for i in range(300)),
    ],
)  # fmt: skip
def test_a_request_that_asks_too_much_is_refused(http: Any, query: str) -> None:
    assert http.get(f"/posts?{query}").status_code == 400


def test_bombs(http: Any) -> None:
    deep = '{"a":' * 40 + "1" + "}" * 40
    for content, status in ((deep, 422), ("[" * 50_000, 400), ('{"a":[' + "1," * 20_000 + "1]}", 422)):
        headers = {"content-type": "application/json"}
        assert http.post("/posts", content=content, headers=headers).status_code == status
