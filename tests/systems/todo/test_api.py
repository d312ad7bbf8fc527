"""The sixteen checks of the Todo-Backend specification, and what it leaves open."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

SYSTEM = "todo"


@pytest.fixture
def http(client: Callable[..., Any]) -> Any:
    return client("todo")


def test_the_root_answers_from_any_origin(http: Any) -> None:
    response = http.get("/", headers={"origin": "http://todobackend.example"})
    assert response.status_code == 200 and response.headers["access-control-allow-origin"] == "*"


def test_a_post_is_answered_with_what_was_posted(http: Any) -> None:
    response = http.post("/", json={"title": "a todo"})
    assert response.status_code == 201 and response.json()["title"] == "a todo"


def test_delete_empties_the_list(http: Any) -> None:
    http.post("/", json={"title": "a"})
    assert http.delete("/").status_code == 204 and http.get("/").json() == []


def test_a_new_todo_is_on_the_list_and_not_completed(http: Any) -> None:
    http.post("/", json={"title": "walk the dog"})
    (todo,) = http.get("/").json()
    assert todo["title"] == "walk the dog" and todo["completed"] is False


def test_its_url_leads_to_it(http: Any) -> None:
    made = http.post("/", json={"title": "my todo"}).json()
    assert http.get(made["url"]).json() == made
    assert http.get(http.get("/").json()[0]["url"]).json()["title"] == "my todo"


def test_title_and_completedness_can_be_patched_and_stay(http: Any) -> None:
    url = http.post("/", json={"title": "initial"}).json()["url"]
    assert http.patch(url, json={"title": "bathe the cat"}).json()["title"] == "bathe the cat"
    assert http.patch(url, json={"completed": True}).json()["completed"] is True
    found = http.get(url).json()
    assert (found["title"], found["completed"]) == ("bathe the cat", True)


def test_one_can_be_deleted(http: Any) -> None:
    url = http.post("/", json={"title": "x"}).json()["url"]
    assert http.delete(url).status_code == 204
    assert http.get("/").json() == [] and http.get(url).status_code == 404


def test_order_is_kept(http: Any) -> None:
    made = http.post("/", json={"title": "blah", "order": 523}).json()
    assert made["order"] == 523
    assert http.patch(made["url"], json={"order": 95}).json()["order"] == 95
    assert http.get(made["url"]).json()["order"] == 95


def test_the_list_is_sorted_by_order_then_age(http: Any) -> None:
    for title, order in (("none", None), ("second", 2), ("first", 1)):
        http.post("/", json={"title": title, "order": order})
    assert [t["title"] for t in http.get("/").json()] == ["first", "second", "none"]


@pytest.mark.parametrize(
    "body", [{}, {"title": ""}, {"title": "   "}, {"title": "x" * 1001}, {"title": None}]
)
def test_a_bad_title_is_400(http: Any, body: dict[str, Any]) -> None:
    response = http.post("/", json=body)
    assert response.status_code == 400 and response.headers["content-type"] == "application/problem+json"


def test_unknown_fields_are_ignored(http: Any) -> None:
    assert http.post("/", json={"title": "x", "colour": "red"}).status_code == 201


def test_parallel_changes_of_different_fields_both_stay(http: Any) -> None:
    url = http.post("/", json={"title": "a"}).json()["url"]
    with ThreadPoolExecutor(8) as pool:
        changes = [{"title": "b"}, {"completed": True}, {"order": 4}] * 8
        assert all(r.status_code == 200 for r in pool.map(lambda c: http.patch(url, json=c), changes))
    found = http.get(url).json()
    assert (found["title"], found["completed"], found["order"]) == ("b", True, 4)


def test_parallel_posts_have_ids_of_their_own(http: Any) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda i: http.post("/", json={"title": str(i)}).json()["id"], range(50)))
    assert len(set(made)) == 50
