"""A blog of two processes on each engine: the whole wire, and everybody at once."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.xdist_group("blog")  # two servers for all of them
OURS = sorted((Path(__file__).parent / "contract").glob("*.hurl"))
SUITE = os.environ.get("BACKENDHUB_TEST_REALWORLD", "")


def run(hurl: Any, blog: Any, files: list[Path]) -> Any:
    report = hurl.Report()
    with httpx.Client(timeout=30) as http:
        for file in files:
            run = str(time.time_ns())
            variables = {"host": blog.url, "run": run, "uid": run}
            report += hurl.Run(http.request, variables).run(file.read_text(encoding="utf-8"), file.name)
    return report


def test_the_contract_of_conduit(hurl: Any, blog: Any) -> None:
    report = run(hurl, blog, OURS)
    assert report.failures == []
    assert report.requests >= 105 and report.assertions >= 287


@pytest.mark.skipif(
    not SUITE, reason="BACKENDHUB_TEST_REALWORLD names no folder with RealWorld's .hurl files"
)
def test_the_suite_of_realworld(hurl: Any, blog: Any) -> None:
    files = sorted(Path(SUITE).glob("*.hurl"))
    assert files, f"there are no .hurl files in {SUITE}"
    report = run(hurl, blog, files)
    assert report.failures == []


# -- everybody at once -------------------------------------------------------------------------------------


def at_once(calls: list[Callable[[], Any]]) -> list[Any]:
    """What calls give that begin at the same moment, each in a thread of its own."""
    barrier = Barrier(len(calls))
    results: list[Any] = [None] * len(calls)

    def work(n: int, call: Callable[[], Any]) -> None:
        barrier.wait()
        results[n] = call()

    threads = [Thread(target=work, args=each) for each in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def ask(blog: Any, token: str | None, method: str, path: str, **options: Any) -> Callable[[], httpx.Response]:
    """A request with a connection of its own, made when called."""

    def call() -> httpx.Response:
        with blog.client(token) as http:
            return http.request(method, path, **options)

    return call


def statuses(answers: list[httpx.Response]) -> Counter[int]:
    return Counter(a.status_code for a in answers)


def write(blog: Any, token: str, title: str) -> dict[str, Any]:
    article = {"title": title, "description": "About", "body": "Text", "tagList": ["a", "b"]}
    answer = ask(blog, token, "POST", "/api/articles", json={"article": article})()
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()["article"]
    return made


@pytest.mark.parametrize("same", ["username", "email"])
def test_a_name_is_registered_once(blog: Any, same: str) -> None:
    stamp = time.time_ns()
    calls = []
    for n in range(12):
        user = {
            "username": f"u{stamp}-{n}",
            "email": f"{stamp}-{n}@mail.example",
            "password": "correct horse",
        }
        user[same] = f"TAKEN{stamp}@mail.example" if same == "email" else f"taken{stamp}"
        if n % 2:
            user[same] = user[same].swapcase()
        calls.append(ask(blog, None, "POST", "/api/users", json={"user": user}))
    answers = at_once(calls)
    assert statuses(answers) == {201: 1, 409: 11}
    refused = [a.json()["errors"] for a in answers if a.status_code == 409]
    assert refused == [{same: ["has already been taken"]}] * 11


def test_a_name_is_taken_over_once(blog: Any) -> None:
    stamp = time.time_ns()
    tokens = [blog.register() for _ in range(8)]
    change = {"user": {"username": f"wanted{stamp}"}}
    assert statuses(at_once([ask(blog, t, "PUT", "/api/user", json=change) for t in tokens])) == {
        200: 1,
        409: 7,
    }


def test_equal_titles_get_different_slugs(blog: Any) -> None:
    token, title = blog.register(), f"The same title {time.time_ns()}"
    body = {"article": {"title": title, "description": "d", "body": "b"}}
    answers = at_once([ask(blog, token, "POST", "/api/articles", json=body) for _ in range(16)])
    assert statuses(answers) == {201: 16}
    base = title.lower().replace(" ", "-")
    assert {a.json()["article"]["slug"] for a in answers} == {base, *(f"{base}-{n}" for n in range(2, 17))}


def test_a_favourite_counts_once_a_person(blog: Any) -> None:
    author = blog.register()
    slug = write(blog, author, f"Liked {time.time_ns()}")["slug"]
    path, readers = f"/api/articles/{slug}/favorite", [blog.register() for _ in range(6)]
    answers = at_once([ask(blog, t, "POST", path) for t in readers for _ in range(3)])
    assert statuses(answers) == {200: 18}
    rows = (
        "SELECT count(*) FROM blog_favorite f JOIN blog_article a ON a.id = f.article_id WHERE a.slug = :slug"
    )
    count = "SELECT favorites FROM blog_article WHERE slug = :slug"
    assert blog.value(rows, slug=slug) == blog.value(count, slug=slug) == 6
    mixed = [
        ask(blog, t, "DELETE" if n % 2 else "POST", path) for n, t in enumerate(readers) for _ in range(3)
    ]
    assert statuses(at_once(mixed)) == {200: 18}
    assert blog.value(rows, slug=slug) == blog.value(count, slug=slug) == 3
    assert statuses(at_once([ask(blog, t, "DELETE", path) for t in readers for _ in range(3)])) == {200: 18}
    assert blog.value(rows, slug=slug) == blog.value(count, slug=slug) == 0


def test_following_is_done_once(blog: Any) -> None:
    name = f"star{time.time_ns()}"
    blog.register(name)
    fan, path = blog.register(), f"/api/profiles/{name}/follow"
    answers = at_once([ask(blog, fan, "POST", path) for _ in range(12)])
    assert [a.json()["profile"]["following"] for a in answers] == [True] * 12
    rows = "SELECT count(*) FROM blog_follow WHERE author_id = (SELECT id FROM accounts_user WHERE username = :name)"
    assert blog.value(rows, name=name) == 1
    assert statuses(at_once([ask(blog, fan, "DELETE", path) for _ in range(12)])) == {200: 12}
    assert blog.value(rows, name=name) == 0


def test_of_changes_bound_to_one_revision_one_wins(blog: Any) -> None:
    token = blog.register()
    made = ask(blog, token, "POST", "/posts", json={"title": "t", "content": "c"})()
    path, tag = f"/posts/{made.json()['id']}", {"If-Match": made.headers["etag"]}
    answers = at_once(
        [ask(blog, token, "PATCH", path, json={"content": f"c{n}"}, headers=tag) for n in range(12)]
    )
    assert statuses(answers) == {200: 1, 412: 11}
    won = next(a.json()["content"] for a in answers if a.status_code == 200)
    assert ask(blog, None, "GET", path)().json()["content"] == won


def test_an_article_is_deleted_once_with_all_that_hangs_on_it(blog: Any) -> None:
    token = blog.register()
    slug = write(blog, token, f"Going {time.time_ns()}")["slug"]
    path = f"/api/articles/{slug}"
    id = blog.value("SELECT id FROM blog_article WHERE slug = :slug", slug=slug)
    readers = [blog.register() for _ in range(3)]
    remark = {"comment": {"body": "x"}}
    calls = [ask(blog, token, "DELETE", path) for _ in range(4)]
    calls += [ask(blog, t, "POST", f"{path}/comments", json=remark) for t in readers]
    calls += [ask(blog, t, "POST", f"{path}/favorite") for t in readers]
    answers = at_once(calls)
    assert statuses(answers[:4]) == {204: 1, 404: 3}
    assert {a.status_code for a in answers[4:]} <= {200, 201, 404}
    for table in ("blog_comment", "blog_favorite", "blog_tag"):
        assert blog.value(f"SELECT count(*) FROM {table} WHERE article_id = :id", id=id) == 0, table


def test_the_first_guests_share_one_account(blog: Any) -> None:
    answers = at_once(
        [ask(blog, None, "POST", "/posts", json={"title": "t", "content": "c"}) for _ in range(8)]
    )
    assert statuses(answers) == {201: 8}
    assert {a.json()["author"] for a in answers} == {"guest"}


@pytest.mark.parametrize("path", ["/posts", "/api/articles"])
def test_a_request_that_is_sent_again_writes_once(blog: Any, path: str) -> None:
    token, stamp = blog.register(), time.time_ns()
    plain = {"title": f"Once {stamp}", "content": "c"}
    wrapped = {"article": {"title": f"Once {stamp}", "description": "d", "body": "b"}}
    body, key = plain if path == "/posts" else wrapped, {"Idempotency-Key": f'"{stamp}"'}
    calls = [ask(blog, token, "POST", path, json=body, headers=key) for _ in range(12)]
    answers = at_once(calls)
    assert {a.status_code for a in answers} <= {201, 409}  # 409: the first is still at it
    made = [a for a in answers if a.status_code == 201]
    assert len({a.content for a in made}) == 1
    assert sum("idempotent-replayed" not in a.headers for a in made) == 1
    rows = "SELECT count(*) FROM blog_article WHERE title = :title"
    assert blog.value(rows, title=f"Once {stamp}") == 1
    again = calls[0]()
    assert (again.status_code, again.content) == (201, made[0].content)
    other = ask(blog, token, "POST", path, json=body | {"more": 1}, headers=key)()
    assert other.status_code == 422 if path != "/posts" else other.status_code in (400, 422)
