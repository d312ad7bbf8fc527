"""The whole tool in its own process against a real server that replays GitHub's shapes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

A, B, C, D = ("a" * 40, "b" * 40, "c" * 40, "d" * 40)


def event(id: int, kind: str, repo: str, at: str, **payload: Any) -> dict[str, Any]:
    actor = {
        "id": 583231,
        "login": "octocat",
        "display_login": "octocat",
        "url": "https://api.github.com/users/octocat",
    }
    where = {"id": 1296269, "name": repo, "url": f"https://api.github.com/repos/{repo}"}
    return {
        "id": str(id),
        "type": kind,
        "actor": actor,
        "repo": where,
        "payload": payload,
        "public": True,
        "created_at": at,
    }


@pytest.fixture
def github(server: Any, replay: Any) -> Any:
    """What GitHub sends since October 2025: pushes without `size` and `commits`."""
    push = {"repository_id": 1296269, "push_id": 1, "ref": "refs/heads/main"}
    server.on(
        "/users/octocat/events",
        [
            event(9, "PushEvent", "o/r", "2026-01-05T08:00:00Z", **push, before=B, head=C),
            event(8, "PushEvent", "o/r", "2026-01-05T07:00:00Z", **push, before=A, head=B),
            event(
                7,
                "IssuesEvent",
                "o/r",
                "2026-01-04T12:00:00Z",
                action="opened",
                issue={"number": 12, "title": "It [breaks]"},
            ),
            event(6, "WatchEvent", "o/other", "2026-01-03T12:00:00Z", action="started"),
            event(5, "PushEvent", "o/gone", "2026-01-02T12:00:00Z", **push, before=A, head=D),
        ],
        X_RateLimit_Limit="60",
        X_RateLimit_Remaining="55",
        X_RateLimit_Reset="1767607200",
        X_Poll_Interval="60",
    )
    server.on(f"/repos/o/r/compare/{A}...{B}", {"total_commits": 2}, X_RateLimit_Remaining="54")
    server.on(f"/repos/o/r/compare/{B}...{C}", {"total_commits": 1}, X_RateLimit_Remaining="53")
    return server


LINES = """\
- Pushed 3 commits to o/r
- Opened a new issue in o/r
- Starred o/other
- Pushed to main in o/gone
"""


def test_a_feed_its_cache_its_304_and_its_archive(
    github: Any, replay: Any, spawn: Callable[..., Any]
) -> None:
    first = spawn("github-activity", "octocat")
    assert (first.code, first.out, first.err) == (0, LINES, "")
    assert len(github.log) == 4 and github.log[0].query == {"per_page": "100"}

    github.reset()  # a second identical run within the TTL makes no request
    assert spawn("github-activity", "octocat", now="2026-01-05T09:00:30Z").out == LINES
    assert github.log == []

    again = spawn(
        "github-activity", "octocat", now="2026-01-05T09:05:00Z"
    )  # and after it, a 304 prints the same
    assert (again.out, github.statuses) == (LINES, [304])

    github.on("/users/octocat/events", [event(10, "PublicEvent", "o/new", "2026-03-01T00:00:00Z")])
    later = spawn("github-activity", "octocat", "--archive", now="2026-03-01T09:00:00Z")
    assert (
        later.out == "- Made o/new public\n" + LINES
    )  # two months later GitHub has forgotten, the archive not

    rows = spawn(
        "github-activity", "octocat", "--archive", "--type", "push", "--json", now="2026-03-01T09:00:20Z"
    ).json()
    assert rows[0] | {"url": ""} == {
        "id": "9", "user": "octocat", "type": "PushEvent", "action": "pushed", "repo": "o/r", "ref": "main",
        "commits": 3, "commitsSource": "compare", "text": "Pushed 3 commits to o/r", "title": None, "url": "",
        "createdAt": "2026-01-05T08:00:00Z",
    }  # fmt: skip
    assert (rows[1]["commits"], rows[1]["commitsSource"]) == (None, "unknown")


def test_offline_and_a_dead_server_answer_with_the_age(github: Any, spawn: Callable[..., Any]) -> None:
    spawn("github-activity", "octocat")
    github.reset()
    offline = spawn("github-activity", "octocat", "--offline", now="2026-01-05T12:30:00Z")
    assert (offline.code, offline.out) == (0, LINES) and github.log == []
    assert offline.err == "GitHub, offline (cached 3h ago)\n"
    dead = {"BACKENDHUB_GITHUB_URL": "http://127.0.0.1:9"}
    nothing = spawn("github-activity", "octocat", now="2026-01-05T12:30:00Z", **dead)
    # Another address is another cache entry, but the archive is of the person: it serves.
    assert (nothing.code, nothing.out) == (0, LINES)
    assert (
        nothing.err
        == "GitHub cannot be reached: connection refused. Showing what the archive has of octocat.\n"
    )
    stranger = spawn("github-activity", "torvalds", **dead)
    assert (stranger.code, stranger.out) == (5, "")
    assert stranger.err.startswith("Error: GitHub cannot be reached: connection refused.\n")


def test_the_rate_limit_ends_in_6_with_the_local_reset_time(
    server: Any, replay: Any, spawn: Callable[..., Any]
) -> None:
    limits = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1767607200"}  # 10:00 UTC
    server.on("/users/octocat/events", replay.Reply({"message": "API rate limit exceeded"}, 403, limits))
    done = spawn("github-activity", "octocat", TZ="Europe/Berlin")
    assert (done.code, done.out) == (6, "")
    assert done.err.startswith(
        "Error: GitHub's rate limit is used up until 11:00 (in 60m).\nHint: with a token"
    )


def test_the_token_is_sent_and_never_shown(github: Any, spawn: Callable[..., Any], tmp_path: Any) -> None:
    token = "ghp_0123456789abcdefghijABCDEFGHIJ012345"
    done = spawn("github-activity", "octocat", "--debug", GITHUB_TOKEN=token)
    assert {r.headers["authorization"] for r in github.log} == {f"Bearer {token}"}
    assert token not in done.out + done.err and "/users/octocat/events" in done.err
    assert all(token.encode() not in path.read_bytes() for path in tmp_path.glob("hub.db*"))


def test_sync_and_a_heat_map(github: Any, replay: Any, spawn: Callable[..., Any]) -> None:
    assert spawn("github-activity", "sync", "octocat").out == "octocat\t5\t5\t5\t2026-01-02T12:00:00Z\t\n"
    both = spawn("github-activity", "sync", now="2026-01-05T09:10:00Z")
    assert (both.code, both.out) == (0, "octocat\t5\t0\t5\t2026-01-02T12:00:00Z\t\n")
    missing = spawn(
        "github-activity", "sync", "nobody-there", "octocat", "--json", now="2026-01-05T09:20:00Z"
    )
    assert missing.code == 3 and [row["error"] is None for row in missing.json()] == [False, True]

    day = {"date": "2026-01-01", "contributionCount": 4}
    calendar = {"totalContributions": 4, "weeks": [{"contributionDays": [day]}]}
    data = {"data": {"user": {"contributionsCollection": {"contributionCalendar": calendar}}}}
    github.on("/graphql", replay.Reply(data))
    assert spawn("github-activity", "heatmap", "octocat").code == 4
    year = spawn("github-activity", "heatmap", "octocat", "--json", GITHUB_TOKEN="t")
    assert year.json() == {"user": "octocat", "total": 4, "days": [{"date": "2026-01-01", "count": 4}]}
    drawn = spawn("github-activity", "heatmap", "octocat", GITHUB_TOKEN="t")
    assert (
        drawn.out.splitlines()[0] == "octocat: 4 contributions, 2026-01-01 to 2026-01-01" and "█" in drawn.out
    )
