"""Edge cases of trending: values, incomplete answers, odd shapes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import respx

from backendhub.kit.db import Db
from backendhub.systems.trending import store
from backendhub.systems.trending.models import Repo

SEARCH = "https://api.github.com/search/repositories"
REPO = {
    "full_name": "o/r",
    "description": None,
    "language": None,
    "html_url": "https://github.com/o/r",
    "created_at": "2026-01-01T00:00:00Z",
    "stargazers_count": 3,
}


@respx.mock
@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--duration", "fortnight"], "choose from day, week, month, year"),
        (["--limit", "0"], "--limit takes 1 to 100"),
        (["--limit", "101"], "--limit takes 1 to 100"),
        (["--by", "luck"], "created, gained, page"),
        (["--language", 'x" stars:>1'], "not a programming language"),
        (["--topic", "Not A Topic"], "not a topic"),
        (["--min-stars", "-1"], "0 or more"),
        (["--by", "page", "--duration", "year"], "no list for a year"),
        (["--by", "page", "--topic", "cli"], "cannot be filtered by topic"),
        (["snapshot", "--pages", "11"], "--pages takes 1 to 10"),
        (["--timeout", "x"], "not a number"),
    ],
)
def test_bad_values_end_in_2_before_any_request(run: Callable[..., Any], args: list[str], said: str) -> None:
    done = run(*args)
    assert (done.code, done.out) == (2, "") and said in done.err and not respx.calls


@respx.mock
def test_an_incomplete_search_is_a_warning(run: Callable[..., Any]) -> None:
    respx.get(SEARCH).respond(json={"incomplete_results": True, "items": [REPO]})
    done = run("--json")
    assert done.code == 0 and done.json()["incomplete"] is True
    assert done.err == "Warning: GitHub's search ran out of time: the list may be incomplete.\n"


@respx.mock
@pytest.mark.parametrize(
    "body",
    [{}, [], {"items": 3}, {"items": [{}]}, {"items": ["x"]}, {"items": [REPO | {"stargazers_count": "?"}]}],
)
def test_an_answer_of_another_shape_ends_in_5(run: Callable[..., Any], body: Any) -> None:
    respx.get(SEARCH).respond(json=body)
    done = run()
    assert (done.code, done.out) == (5, "") and "unexpected shape" in done.err


@respx.mock
def test_hostile_text_cannot_steer_the_terminal(run: Callable[..., Any]) -> None:
    respx.get(SEARCH).respond(json={"items": [REPO | {"description": "a\x1b[2J\u202eb\nc"}]})
    assert run("--fields", "description").out == "ab c\n"
    assert "\\u202e" in run("--json", "--no-cache").out


@respx.mock
def test_a_limit_in_the_middle_of_a_snapshot_keeps_what_was_measured(run: Callable[..., Any]) -> None:
    respx.get(SEARCH).mock(
        side_effect=[
            httpx.Response(200, json={"items": [REPO]}),
            httpx.Response(429, headers={"Retry-After": "60"}),
        ]
    )
    done = run("snapshot")
    assert done.code == 6 and "1 repositories were measured before that" in done.err


@respx.mock
def test_nothing_found_is_no_failure(run: Callable[..., Any]) -> None:
    respx.get(SEARCH).respond(json={"items": []})
    done = run()
    assert (done.code, done.out, done.err) == (0, "", "Nothing matches.\n")
    assert run("--json").json()["items"] == []


def test_the_star_history_on_both_engines(db: Db) -> None:
    def at(day: int) -> datetime:
        return datetime(2026, 1, day, 9, tzinfo=UTC)

    def repo(name: str, stars: int) -> Repo:
        return Repo(name, None, "Rust", ("cli",), f"https://github.com/{name}", at(1), stars, 0)

    assert store.times(db) == (None, None, 0)
    store.measure(db, [repo("a/old", 100), repo("a/once", 5)], at(1))
    store.measure(db, [repo("a/old", 110)], at(4))
    store.measure(db, [repo("a/old", 150), repo("a/young", 7)], at(6))
    store.measure(db, [repo("a/young", 9)], at(7))
    assert store.times(db) == (at(1), at(7), 4)
    gains = {(g.repo, g.before, g.stars, g.since, g.topics) for g in store.gains(db, at(5))}
    assert gains == {("a/old", 110, 150, at(4), ("cli",)), ("a/young", 7, 9, at(6), ("cli",))}
    assert [g.repo for g in store.gains(db, at(2))] == ["a/old", "a/young"]
    assert store.gains(db, at(8)) == []
    store.see(db, "q", ["a/old"]), store.see(db, "q", ["a/old", "b/c"])
    assert store.seen(db, "q") == {"a/old", "b/c"} and store.seen(db, "other") == set()
