"""The dialect of json-server 1, from its documentation and its behaviour."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

SYSTEM = "rest"
DATA: dict[str, Any] = {
    "posts": [
        {"id": "1", "title": "Alpha", "views": 10, "published": True, "author": {"name": "ada"}},
        {"id": "2", "title": "beta", "views": 200, "published": False, "author": {"name": "bob"}},
        {"id": "3", "title": "Gamma ray", "views": 30, "note": None},
    ],
    "comments": [{"id": "1", "postId": "1"}, {"id": "2", "postId": "2"}],
    "likes": [{"id": "1", "postId": 1}],
    "profile": {"name": "p"},
}


@pytest.fixture
def http(rest: Callable[..., Any]) -> Any:
    return rest(DATA, dialect="v1")


def ids(response: Any) -> list[Any]:
    assert response.status_code == 200, response.text
    return [row["id"] for row in response.json()]


QUERIES = {
    "title=beta": "2", "title:eq=beta": "2", "id=1": "1", "id:in=1, 3": "13", "views=10": "1", "published=true": "1",
    "note=null": "3", "views:gt=10": "23", "views:gte=10": "123", "views:lt=30": "1", "views:lte=30": "13",
    "title:gt=B": "23", "views:ne=10": "23", "author.name:ne=ada": "2", "views_gt=10&views:lt=100": "3",
    "title:contains=A": "123", "title:startsWith=g": "3", "title:endsWith=RAY": "3", "views:contains=1": "",
    "nothing=1": "", "title:nonsense=1": "123", "title=Alpha&title=beta": "2", "_sort=views": "132", "_sort=-views": "231",
    "_sort=-author.name": "321", "_sort=published,-views": "213", "_start=1&_end=2": "2", "_limit=2": "12",
}  # fmt: skip
WHERE: dict[str, Any] = {
    '{"views":{"gt":10,"lt":100}}': "3", '{"or":[{"views":{"gt":100}},{"title":{"eq":"Alpha"}}]}': "12",
    '{"or":[{"views":{"gt":100}},{"author":{"name":{"eq":"ada"}}}]}': "123",  # what is within no object is not asked
    '{"author":{"name":{"in":["bob","x"]}}}': "23", '{"id":{"eq":1}}': "", '{"id":{"eq":"1"}}': "1", '{"or":[]}': "",
    '{"views":{"nonsense":1}}': "123", '{"title":"beta"}': "2", '{"note":{"eq":null}}': "3", '{"views":{"eq":{}}}': "",
    "{": "123", "[]": "123", '{"title":{"contains":"RAY"}}': "3",
}  # fmt: skip


@pytest.mark.parametrize("query", QUERIES)
def test_a_list(http: Any, query: str) -> None:
    assert ids(http.get(f"/posts?{query}")) == list(QUERIES[query])


@pytest.mark.parametrize("where", WHERE)
def test_a_condition_as_json(http: Any, where: str) -> None:
    assert ids(http.get(f"/posts?_where={quote(where)}")) == list(WHERE[where])


def test_a_json_condition_takes_the_place_of_others(http: Any) -> None:
    where = quote(json.dumps({"title": {"eq": "beta"}}))
    assert ids(http.get(f"/posts?title:eq=Alpha&_where={where}")) == ["2"]


@pytest.mark.parametrize(
    ("query", "number", "size", "expected"),
    [("_page=1&_per_page=2", 1, 2, "12"), ("_page=9&_per_page=2", 2, 2, "3"), ("_page=0&_per_page=2", 1, 2, "12"),
     ("_page=1", 1, 10, "123"), ("_page=2&_per_page=0", 2, 1, "2"), ("_page=1&_per_page=x", 1, 10, "123")],
)  # fmt: skip
def test_pages(http: Any, query: str, number: int, size: int, expected: str) -> None:
    pages = -(-3 // size)
    body = http.get(f"/posts?{query}").json()
    assert [row["id"] for row in body.pop("data")] == list(expected)
    neighbours = {"prev": number - 1 or None, "next": number + 1 if number < pages else None}
    assert body == {"first": 1, "last": pages, "pages": pages, "items": 3, **neighbours}


def test_embedding_goes_both_ways(http: Any) -> None:
    assert [len(p["comments"]) for p in http.get("/posts?_embed=comments&_embed=nothing").json()] == [1, 1, 0]
    assert http.get("/comments/2?_embed=post").json()["post"]["title"] == "beta"


def test_ids_are_text_and_not_the_clients(http: Any) -> None:
    made = http.post("/posts", json={"id": "mine", "title": "new"})
    assert made.status_code == 201 and made.json()["id"] != "mine" and len(made.json()["id"]) == 11
    assert http.put(f"/posts/{made.json()['id']}", json={"id": "x"}).json() == {"id": made.json()["id"]}


def test_numbers_that_were_ids_are_text_here(rest: Callable[..., Any]) -> None:
    http = rest({"posts": [{"id": 1}]}, dialect="v1")
    assert http.get("/posts").json() == [{"id": "1"}] and http.get("/posts/1").json() == {"id": "1"}


def test_deleting_clears_references_or_takes_dependents(http: Any) -> None:
    assert http.delete("/posts/1?_dependent=comments").json()["title"] == "Alpha"
    assert ids(http.get("/comments")) == ["2"] and http.get("/likes").json() == [{"id": "1", "postId": None}]
    http.delete("/posts/2")
    assert http.get("/comments").json() == [{"id": "2", "postId": None}]


def test_failures_say_what_json_server_says(http: Any) -> None:
    for method, path in (
        ("GET", "/x"),
        ("GET", "/posts/9"),
        ("POST", "/profile"),
        ("DELETE", "/posts"),
        ("PUT", "/posts"),
    ):
        response = http.request(method, path, json=None if method == "GET" else {})
        assert (response.status_code, response.json()) == (404, {"error": "Not Found"}), path
    for content in ("[]", "null", '"x"'):
        response = http.post("/posts", content=content, headers={"content-type": "application/json"})
        assert (response.status_code, response.json()) == (400, {"error": "Body must be a JSON object"})


VERBS = {
    "GET": "200 200 404 404 200 404 404", "POST": "201 404 404 404 404 404 404", "PUT": "404 200 404 404 200 404 404",
    "PATCH": "404 200 404 404 200 404 404", "DELETE": "404 200 404 404 404 404 404",
}  # fmt: skip
"""What each kind of address answers: a list, a row, no such row, no such list, an object, something below either."""


@pytest.mark.parametrize("method", VERBS)
def test_every_verb_on_every_kind_of_address(http: Any, method: str) -> None:
    paths = ("/posts", "/posts/1", "/posts/-1", "/nothing", "/profile", "/profile/1", "/nothing/1")
    answers = [http.request(method, path) for path in paths]  # without a body, as json-server takes it
    assert " ".join(str(a.status_code) for a in answers) == VERBS[method]
    assert all(a.json() == {"error": "Not Found"} for a in answers if a.status_code == 404)


def test_rows_without_ids_get_some_and_a_schema_is_no_data(rest: Callable[..., Any]) -> None:
    http = rest({"$schema": "./x.json", "posts": [{"id": 1}, {"title": "a"}], "profile": {}}, dialect="v1")
    first, second = http.get("/posts").json()
    assert first == {"id": "1"} and isinstance(second["id"], str) and second["id"]
    assert set(http.get("/db").json()) == {"posts", "profile"}


@pytest.mark.parametrize(
    "query",
    ["nothing=1", "title:nonsense=1", "_sort=nothing", "_page=x", "_per_page=x", "_embed=x", "_where={", "_where=[]",
     '_where={"views":{"gt":1,"x":1}}', '_where={"views":{}}', '_where={"views":{"in":3}}', '_where={"x":{"eq":1}}'],
)  # fmt: skip
def test_strict_refuses_what_else_is_ignored(rest: Callable[..., Any], query: str) -> None:
    response = rest(DATA, dialect="v1", strict=True).get(f"/posts?{query}")
    assert response.status_code == 400 and response.json()["error"]


def test_a_condition_that_asks_too_much_is_refused(http: Any) -> None:
    deep = '{"a":' * 20 + '{"eq":1}' + "}" * 20
    wide = json.dumps({"or": [{"a": {"eq": i}} for i in range(400)]})
    many = json.dumps({"a": {"in": list(range(30))}})
    for where in (deep, wide, many, '{"a":{"eq":"' + "x" * 11_000 + '"}}'):
        assert http.get(f"/posts?_where={quote(where)}").status_code == 400
