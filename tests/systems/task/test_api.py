"""Tasks over HTTP: the same rules as in the terminal, paging, ETags, patches."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from backendhub.kit import hub as hubs
from backendhub.systems.task import service


@pytest.fixture
def http(client: Callable[..., Any]) -> Any:
    return client("task")


def add(http: Any, description: str = "x", **more: Any) -> Any:
    response = http.post("/tasks", json={"description": description, **more})
    assert response.status_code == 201, response.text
    return response.json()


def test_add_and_read(http: Any) -> None:
    response = http.post(
        "/tasks", json={"description": "Buy groceries", "due": "2026-02-28", "tags": ["home"]}
    )
    assert response.headers["location"] == "/tasks/1" and response.headers["etag"] == '"1"'
    body = response.json()
    assert body["description"] == "Buy groceries" and body["due"] == "2026-02-28" and body["tags"] == ["home"]
    again = http.get("/tasks/1")
    assert again.json() == body and again.headers["etag"] == '"1"'


def test_the_terminal_sees_what_http_wrote_and_the_other_way_round(hub: hubs.Hub, http: Any) -> None:
    add(http, "over HTTP")
    assert [t.description for t in hub.read(service.find_all)] == ["over HTTP"]
    hub.unit(service.add, description="in the terminal")
    assert [t["description"] for t in http.get("/tasks").json()] == ["over HTTP", "in the terminal"]


def test_pages_follow_each_other_without_gaps(http: Any) -> None:
    for n in range(25):
        add(http, f"n{n}", due=f"2026-01-{n % 5 + 1:02d}")
    seen: list[int] = []
    url = "/tasks?limit=7&sort=-due"
    while url:
        response = http.get(url)
        seen += [t["id"] for t in response.json()]
        link = response.headers.get("link", "")
        url = link[1 : link.index(">")] if link else ""
    assert len(seen) == 25 == len(set(seen))
    dues = [http.get(f"/tasks/{i}").json()["due"] for i in seen]
    assert dues == sorted(dues, reverse=True)


def test_filters(http: Any) -> None:
    add(http, "call Zoë", tags=["phone"], priority="H", project="home", due="2026-01-02")
    add(http, "write report", status="in-progress", due="2026-03-01")
    add(http, "done already", status="done")

    def ids(query: str) -> list[int]:
        response = http.get("/tasks?" + query)
        assert response.status_code == 200, response.text
        return [t["id"] for t in response.json()]

    assert ids("status=done") == [3] and ids("status=todo&status=in-progress") == [1, 2]
    assert ids("tag=phone") == [1] and ids("project=home") == [1] and ids("priority=H") == [1]
    assert ids("q=zoe") == [1] and ids("q=repo") == [2] and ids("q=%22OR%20NEAR(") == []
    assert ids("dueBefore=2026-02-01") == [1] and ids("dueAfter=2026-02-01") == [2]
    assert ids("sort=priority") == [1, 2, 3]


def test_merge_patch(http: Any) -> None:
    add(http, "x", due="2026-01-01", tags=["a"])
    patched = http.patch(
        "/tasks/1",
        json={"due": None, "priority": "L"},
        headers={"content-type": "application/merge-patch+json"},
    )
    assert (
        patched.json()["due"] is None
        and patched.json()["priority"] == "L"
        and patched.json()["tags"] == ["a"]
    )
    assert http.patch("/tasks/1", json={"description": None}).status_code == 422
    assert http.patch("/tasks/1", json={"nonsense": 1}).status_code == 422


def test_if_match_stops_a_lost_update(http: Any) -> None:
    etag = http.post("/tasks", json={"description": "x"}).headers["etag"]
    first = http.patch("/tasks/1", json={"description": "one"}, headers={"if-match": etag})
    second = http.patch("/tasks/1", json={"description": "two"}, headers={"if-match": etag})
    assert (first.status_code, second.status_code) == (200, 412)
    assert http.delete("/tasks/1", headers={"if-match": etag}).status_code == 412
    assert http.delete("/tasks/1", headers={"if-match": first.headers["etag"]}).status_code == 204
    assert http.patch("/tasks/1", json={}, headers={"if-match": "*"}).status_code == 404


def test_of_parallel_guarded_changes_one_wins(http: Any) -> None:
    etag = http.post("/tasks", json={"description": "x"}).headers["etag"]
    with ThreadPoolExecutor(8) as pool:
        codes = list(
            pool.map(
                lambda n: (
                    http.patch(
                        "/tasks/1", json={"description": f"n{n}"}, headers={"if-match": etag}
                    ).status_code
                ),
                range(8),
            )
        )
    assert sorted(codes) == [200] + [412] * 7


def test_done_follows_the_recurrence_once(http: Any) -> None:
    add(http, "rent", due="2026-01-31", recurrence={"every": "1m"})
    done = http.post("/tasks/1/done")
    assert done.json()["status"] == "done" and done.headers["location"] == "/tasks/2"
    again = http.patch("/tasks/1", json={"status": "done"})
    assert again.status_code == 200 and len(http.get("/tasks").json()) == 2
    http.patch("/tasks/1", json={"status": "todo"})
    http.patch("/tasks/1", json={"status": "done"})
    assert len(http.get("/tasks").json()) == 2


def test_start_stop_notes_tags_stats(http: Any) -> None:
    add(http, "x", tags=["a", "b"])
    assert http.post("/tasks/1/start").json()["status"] == "in-progress"
    assert http.post("/tasks/1/stop").json()["status"] == "todo"
    assert http.post("/tasks/1/notes", json={"text": "remember"}).status_code == 201
    assert [n["text"] for n in http.get("/tasks/1/notes").json()] == ["remember"]
    assert http.get("/tasks?q=remember").json()[0]["id"] == 1
    assert http.get("/tags").json() == {"a": 1, "b": 1} and http.get("/stats").json()["total"] == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"description": ""}, 422),
        ({"description": " \t"}, 422),
        ({"description": "a\x00b"}, 422),
        ({"description": "x", "due": "2025-02-30"}, 422),
        ({"description": "x", "due": "notadate"}, 422),
        ({"description": "x", "priority": "urgent"}, 422),
        ({"description": "x", "tags": ["two words"]}, 422),
        ({"description": "x", "dependsOn": [99]}, 404),
        ({"description": "x", "recurrence": {"every": "0d"}}, 422),
        ({"description": "x" * 10_001}, 422),
    ],
)
def test_bad_input(http: Any, body: dict[str, Any], status: int) -> None:
    response = http.post("/tasks", json=body)
    assert response.status_code == status and http.get("/tasks").json() == []


def test_a_circle_of_dependencies_is_refused(http: Any) -> None:
    add(http, "a")
    add(http, "b", dependsOn=[1])
    assert http.patch("/tasks/1", json={"dependsOn": [2]}).status_code == 422
    assert http.get("/tasks/1").json()["dependsOn"] == []


def test_a_cursor_of_another_listing_is_no_page(http: Any) -> None:
    for _ in range(3):
        add(http)
    link = http.get("/tasks?limit=1&sort=due").headers["link"]
    cursor = link.split("cursor=")[1].split("&")[0].split(">")[0]
    assert http.get(f"/tasks?limit=1&sort=-id&cursor={cursor}").status_code == 404
    assert http.get("/tasks?cursor=nonsense").status_code == 404
