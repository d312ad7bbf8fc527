"""Edge cases of the feed: names, filters, counting, merging, words, rendering."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import respx

from backendhub.kit import clock
from backendhub.kit.db import Db
from backendhub.systems.github_activity import describe, render, service, store
from backendhub.systems.github_activity.models import Activity, Day, Event, Heatmap

API = "https://api.github.com"
EVENTS = f"{API}/users/octocat/events"
SHA = {name: name * 40 for name in "abcdef"}


def row(
    id: int, kind: str, repo: str = "o/r", at: str = "2026-01-05T08:00:00Z", **payload: Any
) -> dict[str, Any]:
    return {"id": str(id), "type": kind, "repo": {"name": repo}, "payload": payload, "created_at": at}


def push(id: int, before: str, head: str, repo: str = "o/r", **more: Any) -> dict[str, Any]:
    shas = {"before": SHA.get(before, before), "head": SHA.get(head, head)}
    return row(id, "PushEvent", repo, **({"ref": "refs/heads/main"} | shas | more))


def compare(before: str, head: str, repo: str = "o/r") -> respx.Route:
    return respx.get(f"{API}/repos/{repo}/compare/{SHA[before]}...{SHA[head]}")


# -- names and values ---------------------------------------------------------------------------------------


@respx.mock
@pytest.mark.parametrize(
    "login",
    ["a" * 40, "_x", "a/b", "a b", "", "a?x", "../x", "ä", "a[bot]x", "[bot]", "octocat\n/x", "a%2fb"],
)
def test_a_name_that_cannot_be_ends_in_2_before_any_request(run: Callable[..., Any], login: str) -> None:
    done = run("octocat", login)
    assert done.code == 2 and "is not a GitHub user name" in done.err and not respx.calls


@respx.mock
def test_a_leading_hyphen_ends_in_2(run: Callable[..., Any]) -> None:
    assert run("--", "-octocat").code == 2 and run("-octocat").code == 2 and not respx.calls


@respx.mock
@pytest.mark.parametrize("login", ["a" * 39, "mona_corp", "dependabot[bot]", "a--b", "@octocat", "x-"])
def test_names_that_exist(run: Callable[..., Any], login: str) -> None:
    route = respx.get(url__regex=r".*/users/[^/]+/events\?per_page=100").respond(json=[])
    done = run(login)
    assert (done.code, done.out, done.err) == (0, "", "No public activity in the last 30 days\n")
    assert route.call_count == 1


@respx.mock
@pytest.mark.parametrize(
    "args",
    [
        ["--type", "banana"],
        ["--commits", "maybe"],
        ["--since", "notadate"],
        ["--since", "2025-02-30"],
        ["--repo", "a/b/c"],
        ["--limit", "0"],
        ["--format", "xml"],
    ],
)
def test_bad_values_end_in_2_before_any_request(run: Callable[..., Any], args: list[str]) -> None:
    done = run("octocat", *args)
    assert (done.code, done.out) == (2, "") and not respx.calls


@respx.mock
@pytest.mark.parametrize(("status", "code"), [(404, 3), (401, 4), (500, 5), (403, 4), (429, 6)])
def test_failures_have_their_exit_codes(run: Callable[..., Any], status: int, code: int) -> None:
    respx.get(EVENTS).respond(status, json={"message": "no"})
    done = run("octocat")
    assert done.code == code and done.out == "" and done.err.count("Error:") == 1
    if status == 404:
        assert "There is no GitHub user 'octocat'." in done.err


@respx.mock
def test_a_secondary_rate_limit_is_a_rate_limit(run: Callable[..., Any]) -> None:
    respx.get(EVENTS).respond(403, json={"message": "You have exceeded a secondary rate limit"})
    assert run("octocat").code == 6


@respx.mock
@pytest.mark.parametrize("body", [{}, "x", 3, None])
def test_an_answer_of_another_shape_ends_in_5(run: Callable[..., Any], body: Any) -> None:
    respx.get(EVENTS).respond(json=body)
    assert run("octocat").code == 5


@respx.mock
def test_events_without_what_an_event_needs_are_passed_over(run: Callable[..., Any]) -> None:
    broken = [
        {},
        {"id": 1},
        row(2, "WatchEvent") | {"repo": None},
        row(3, "WatchEvent") | {"created_at": "x"},
    ]
    respx.get(EVENTS).respond(json=[*broken, row(4, "WatchEvent") | {"payload": None}])
    assert run("octocat").out == "- Starred o/r\n"


# -- counting -----------------------------------------------------------------------------------------------


@respx.mock
def test_pushes_in_a_row_are_one_line_and_compared_once_forever(run: Callable[..., Any]) -> None:
    respx.get(EVENTS).respond(
        json=[push(3, "b", "c"), push(2, "a", "b"), row(1, "WatchEvent"), push(0, "d", "e")]
    )
    one, two, three = compare("b", "c"), compare("a", "b"), compare("d", "e")
    (
        one.respond(json={"total_commits": 2}),
        two.respond(json={"total_commits": 5}),
        three.respond(json={"total_commits": 1}),
    )
    lines = "- Pushed 7 commits to o/r\n- Starred o/r\n- Pushed 1 commit to o/r\n"
    assert run("octocat").out == lines
    assert run("octocat", "--no-cache", now="2027-01-05T09:00:00Z").out == lines
    assert [one.call_count, two.call_count, three.call_count] == [1, 1, 1]


@respx.mock
def test_a_payload_that_still_counts_is_believed(run: Callable[..., Any]) -> None:
    respx.get(EVENTS).respond(json=[push(1, "a", "b", size=3, commits=[])])
    assert run("octocat", "--json").json()[0] | {"url": ""} == {
        "id": "1", "user": "octocat", "type": "PushEvent", "action": "pushed", "repo": "o/r", "ref": "main",
        "commits": 3, "commitsSource": "payload", "text": "Pushed 3 commits to o/r", "title": None, "url": "",
        "createdAt": "2026-01-05T08:00:00Z",
    }  # fmt: skip


@respx.mock
@pytest.mark.parametrize("zeros", [("0" * 40, "a"), ("a", "0" * 40)])
def test_a_new_branch_cannot_be_compared(run: Callable[..., Any], zeros: tuple[str, str]) -> None:
    respx.get(EVENTS).respond(json=[push(1, *zeros)])
    assert run("octocat", "--commits", "always").out == "- Pushed to main in o/r\n"
    assert len(respx.calls) == 1


@respx.mock
def test_what_github_cannot_compare_is_asked_again_only_tomorrow(run: Callable[..., Any]) -> None:
    respx.get(EVENTS).respond(json=[push(1, "a", "b")])
    route = compare("a", "b").respond(404)
    for now, calls in (("05T09:00", 1), ("05T20:00", 1), ("06T10:00", 2)):
        assert run("octocat", now=f"2026-01-{now}:00Z").out == "- Pushed to main in o/r\n"
        assert route.call_count == calls


@respx.mock
def test_a_known_number_is_never_lost_in_an_unknown_one(run: Callable[..., Any]) -> None:
    respx.get(EVENTS).respond(json=[push(2, "b", "c"), push(1, "a", "b")])
    compare("b", "c").respond(json={"total_commits": 4})
    compare("a", "b").respond(404)
    assert run("octocat").out == "- Pushed 4 commits to o/r\n- Pushed to main in o/r\n"


@respx.mock
def test_no_commits_is_not_a_number_to_print(run: Callable[..., Any]) -> None:
    respx.get(EVENTS).respond(json=[push(1, "a", "b")])
    compare("a", "b").respond(json={"total_commits": 0})
    assert run("octocat").out == "- Pushed to main in o/r\n"


@respx.mock
def test_auto_leaves_twenty_requests_always_does_not_never_asks_nothing(run: Callable[..., Any]) -> None:
    left = {"X-RateLimit-Remaining": "21"}
    respx.get(EVENTS).respond(
        json=[push(3, "c", "d", "o/x"), push(2, "b", "c"), push(1, "a", "b", "o/y")], headers=left
    )
    compare("c", "d", "o/x").respond(json={"total_commits": 1}, headers={"X-RateLimit-Remaining": "19"})
    compare("b", "c").respond(json={"total_commits": 2})
    compare("a", "b", "o/y").respond(json={"total_commits": 3})
    never = run("octocat", "--commits", "never")
    assert never.out == "- Pushed to main in o/x\n- Pushed to main in o/r\n- Pushed to main in o/y\n"
    auto = run("octocat", "--no-cache")
    assert auto.out == "- Pushed 1 commit to o/x\n- Pushed to main in o/r\n- Pushed to main in o/y\n"
    assert auto.err == "Some pushes are shown without their number of commits: only 19 requests are left.\n"
    always = run("octocat", "--commits", "always", "--no-cache")
    assert always.out == "- Pushed 1 commit to o/x\n- Pushed 2 commits to o/r\n- Pushed 3 commits to o/y\n"


@respx.mock
def test_a_limit_while_comparing_ends_auto_softly_and_always_in_6(run: Callable[..., Any]) -> None:
    respx.get(EVENTS).respond(json=[push(1, "a", "b")])
    compare("a", "b").respond(403, headers={"X-RateLimit-Remaining": "0"})
    auto = run("octocat")
    assert (auto.code, auto.out) == (0, "- Pushed to main in o/r\n") and "rate limit" in auto.err
    assert run("octocat", "--commits", "always").code == 6


# -- which and how many ---------------------------------------------------------------------------------------


@respx.mock
def test_pages_are_fetched_only_as_far_as_needed(run: Callable[..., Any]) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        page = int(request.url.params.get("page", "1"))
        days = [
            row(100 - page * 10 - n, "WatchEvent", f"o/p{page}n{n}", f"2026-01-0{6 - page}T0{9 - n}:00:00Z")
            for n in range(3)
        ]
        following = (
            {"Link": f'<{EVENTS}?per_page=100&page={page + 1}>; rel="next", <x>; rel="last"'}
            if page < 3
            else {}
        )
        return httpx.Response(200, json=days, headers=following)

    respx.get(url__startswith=EVENTS).mock(side_effect=answer)
    assert (
        run("octocat", "--limit", "2").out == "- Starred o/p1n0\n- Starred o/p1n1\n" and len(respx.calls) == 1
    )
    assert (
        run("octocat", "--limit", "4", "--no-cache").out.endswith("- Starred o/p2n0\n")
        and len(respx.calls) == 3
    )
    respx.calls.clear()
    since = run("octocat", "--since", "2026-01-04T08:30", "--no-cache")
    assert since.out.count("\n") == 4 and len(respx.calls) == 2
    everything = run("octocat", "--repo", "*n2", "--no-cache")
    assert everything.out == "- Starred o/p1n2\n- Starred o/p2n2\n- Starred o/p3n2\n"


@respx.mock
def test_several_users_are_one_feed_with_names(run: Callable[..., Any]) -> None:
    respx.get(EVENTS).respond(
        json=[row(5, "WatchEvent", at="2026-01-05T08:00:00Z"), row(3, "ForkEvent", at="2026-01-03T08:00:00Z")]
    )
    respx.get(f"{API}/users/Mona/events").respond(json=[row(4, "PublicEvent", "m/x", "2026-01-04T08:00:00Z")])
    done = run("octocat", "Mona", "octocat")
    assert done.out == "- octocat: Starred o/r\n- Mona: Made m/x public\n- octocat: Forked o/r\n"


@respx.mock
def test_types_and_a_filter_that_matches_nothing(run: Callable[..., Any]) -> None:
    kinds = ["WatchEvent", "IssuesEvent", "PullRequestEvent", "NovelEvent"]
    respx.get(EVENTS).respond(json=[row(n, kind) for n, kind in enumerate(kinds)])
    types = [r["type"] for r in run("octocat", "--type", "star,PULL", "-t", "novelevent", "--json").json()]
    assert sorted(types) == ["PullRequestEvent", "WatchEvent"]
    assert [r["type"] for r in run("octocat", "-t", "NovelEvent", "--json").json()] == ["NovelEvent"]
    none = run("octocat", "--type", "wiki")
    assert (none.code, none.out, none.err) == (0, "", "Nothing matches.\n")
    assert run("octocat", "--type", "wiki", "--json").out == "[]\n"


@respx.mock
def test_a_summary_a_digest_and_markdown(run: Callable[..., Any]) -> None:
    hostile = {"number": 7, "title": "[click](http://evil) <b>\nnow"}
    respx.get(EVENTS).respond(
        json=[
            push(4, "b", "c", size=2),
            row(3, "IssuesEvent", action="opened", issue=hostile),
            push(2, "a", "b", size=1),
            row(1, "WatchEvent", "o/x", "2026-01-04T08:00:00Z"),
        ]
    )
    assert run("octocat", "--summary").out == "push\t2\t3\t1\nissue\t1\t\t1\nstar\t1\t\t1\n"
    assert run("digest", "octocat").out == (
        "2026-01-05 (Monday)\n- Pushed 3 commits to o/r\n- Opened a new issue in o/r\n\n"
        "2026-01-04 (Sunday)\n- Starred o/x\n"
    )
    by_repo = run("digest", "octocat", "--by", "repo", "--json").json()
    assert [(g["key"], len(g["items"])) for g in by_repo] == [("o/r", 2), ("o/x", 1)]
    markdown = run("octocat", "--format", "md", "--type", "issue").out
    assert markdown == (
        "- [Opened a new issue in o/r](https://github.com/o/r/issues/7): "
        "\\[click\\](http://evil) \\<b\\> now\n"
    )
    standup = run("digest", "octocat", "--format", "md", "--since", "1d").out
    assert standup.startswith(
        "### 2026-01-05 (Monday)\n\n- [Pushed 3 commits to o/r](https://github.com/o/r/compare/"
    )
    assert run("digest", "octocat", "--by", "mood").code == 2


@respx.mock
def test_the_archive_is_kept_whatever_is_shown(run: Callable[..., Any]) -> None:
    respx.get(EVENTS).respond(json=[row(1, "WatchEvent"), row(2, "PublicEvent")])
    run("octocat", "--type", "star", "--limit", "1")
    respx.get(EVENTS).respond(json=[])
    later = run("octocat", "--archive", now="2026-06-01T09:00:00Z")
    assert later.out == "- Made o/r public\n- Starred o/r\n"
    since = run("octocat", "--archive", "--since", "30d", now="2026-06-01T09:00:00Z")
    assert since.out == ""


@respx.mock
def test_sync_needs_someone_and_can_forget(run: Callable[..., Any]) -> None:
    assert run("sync").code == 2
    respx.get(EVENTS).respond(json=[row(1, "WatchEvent")])
    assert run("sync", "octocat").out == "octocat\t1\t1\t1\t2026-01-05T08:00:00Z\t\n"
    assert run("sync", "--forget", "octocat").code == 0 and run("sync").code == 2
    assert run("sync", "--forget", "octocat").code == 3


@respx.mock
@pytest.mark.parametrize(
    ("errors", "code"),
    [
        ([{"type": "NOT_FOUND", "message": "no"}], 3),
        ([{"type": "RATE_LIMITED", "message": "no"}], 6),
        ([{"type": "INSUFFICIENT_SCOPES", "message": "no"}], 4),
        ([{"message": "boom"}], 5),
        ("?", 5),
    ],
)
def test_graphql_fails_with_200(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, errors: Any, code: int
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "t")
    respx.post(f"{API}/graphql").respond(json={"data": {"user": None}, "errors": errors})
    assert run("heatmap", "octocat").code == code
    assert run("heatmap", "octocat", "--year", "1999").code == 2


def test_gh_is_asked_for_the_token_of_this_very_server(
    run: Callable[..., Any], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    gh = tmp_path / "gh"
    gh.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\necho gho_token\n')
    gh.chmod(0o755)
    with respx.mock:
        route = respx.get(EVENTS).respond(json=[])
        run("octocat")
        assert route.calls[0].request.headers["authorization"] == "Bearer gho_token"
        assert (tmp_path / "asked").read_text() == "auth token --hostname github.com\n"
        gh.write_text("#!/bin/sh\nexit 4\n")
        run("octocat", "--no-cache")
        assert "authorization" not in route.calls[1].request.headers


# -- words ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "payload", "text"),
    [
        ("CommitCommentEvent", {"comment": {"commit_id": "abcdef1234"}}, "Commented on commit abcdef1 in o/r"),
        ("CreateEvent", {"ref_type": "repository", "ref": None}, "Created repository o/r"),
        ("CreateEvent", {"ref_type": "branch", "ref": "x"}, "Created branch x in o/r"),
        ("CreateEvent", {"ref_type": "tag", "ref": "v1"}, "Created tag v1 in o/r"),
        ("DeleteEvent", {"ref_type": "branch", "ref": "x"}, "Deleted branch x in o/r"),
        ("DiscussionEvent", {"action": "created", "discussion": {"number": 3}}, "Started a discussion in o/r"),
        ("DiscussionEvent", {"action": "answered", "discussion": {"number": 3}}, "Answered discussion #3 in o/r"),
        ("DiscussionCommentEvent", {"discussion": {"number": 3}}, "Commented on discussion #3 in o/r"),
        ("ForkEvent", {"forkee": {"full_name": "me/r"}}, "Forked o/r to me/r"),
        ("GollumEvent", {"pages": [{"action": "created"}]}, "Created a wiki page of o/r"),
        ("GollumEvent", {"pages": [{}, {}]}, "Edited 2 wiki pages of o/r"),
        ("IssueCommentEvent", {"issue": {"number": 3}}, "Commented on issue #3 in o/r"),
        ("IssueCommentEvent", {"issue": {"number": 3, "pull_request": {}}}, "Commented on pull request #3 in o/r"),
        ("IssuesEvent", {"action": "opened", "issue": {"number": 3}}, "Opened a new issue in o/r"),
        ("IssuesEvent", {"action": "closed", "issue": {"number": 3}}, "Closed issue #3 in o/r"),
        ("MemberEvent", {"action": "added", "member": {"login": "x"}}, "Added x as a collaborator to o/r"),
        ("PublicEvent", {}, "Made o/r public"),
        ("PullRequestEvent", {"action": "opened", "number": 3}, "Opened pull request #3 in o/r"),
        ("PullRequestEvent", {"action": "closed", "number": 3}, "Closed pull request #3 in o/r"),
        ("PullRequestEvent", {"action": "closed", "number": 3, "pull_request": {"merged": True}}, "Merged pull request #3 in o/r"),
        ("PullRequestEvent", {"action": "merged", "pull_request": {"number": 3}}, "Merged pull request #3 in o/r"),
        ("PullRequestReviewEvent", {"review": {"state": "approved"}, "pull_request": {"number": 3}}, "Approved pull request #3 in o/r"),
        ("PullRequestReviewEvent", {"review": {"state": "CHANGES_REQUESTED"}, "number": 3}, "Requested changes on pull request #3 in o/r"),
        ("PullRequestReviewEvent", {"action": "dismissed", "number": 3}, "Dismissed a review of pull request #3 in o/r"),
        ("PullRequestReviewEvent", {"review": {"state": "commented"}, "number": 3}, "Reviewed pull request #3 in o/r"),
        ("PullRequestReviewCommentEvent", {"number": 3}, "Commented on the code of pull request #3 in o/r"),
        ("PullRequestReviewThreadEvent", {"action": "resolved", "number": 3}, "Resolved a review thread of pull request #3 in o/r"),
        ("PushEvent", {"ref": "refs/tags/v1"}, "Pushed to v1 in o/r"),
        ("ReleaseEvent", {"action": "published", "release": {"tag_name": "v1"}}, "Published release v1 of o/r"),
        ("SponsorshipEvent", {"sponsorship": {"sponsorable": {"login": "x"}}}, "Started sponsoring x"),
        ("WatchEvent", {"action": "started"}, "Starred o/r"),
        ("DeploymentStatusEvent", {"action": "created"}, "Deployment status created in o/r"),
    ],
)  # fmt: skip
def test_every_kind_of_event_in_words(kind: str, payload: dict[str, Any], text: str) -> None:
    at = datetime(2026, 1, 5, tzinfo=UTC)
    assert describe.words(Event("1", "octocat", kind, "o/r", payload, at)).text == text
    for odd in ({}, dict.fromkeys(payload, None), {key: [] for key in payload}, dict.fromkeys(payload, "x")):
        assert describe.words(Event("1", "octocat", kind, "o/r", odd, at)).text


def test_a_heat_map_is_a_column_a_week() -> None:
    days = [Day(f"2026-01-{n:02}", n % 5) for n in range(1, 32)]
    lines = render.heatmap(Heatmap("octocat", 60, days), color=False).split("\n")
    assert lines[0] == "octocat: 60 contributions, 2026-01-01 to 2026-01-31"
    assert lines[1].strip() == "Jan" and len(lines) == 10
    assert "\x1b[38;5;46m█\x1b[0m" in render.heatmap(Heatmap("octocat", 60, days), color=True)
    assert render.heatmap(Heatmap("octocat", 0, []), color=False) == "octocat: no contributions"


def test_a_hostile_text_stays_on_its_line() -> None:
    at = datetime(2026, 1, 5, tzinfo=UTC)
    line = Activity("1", "o", "PushEvent", "pushed", "o/r", None, None, None, "a\nb", None, "", at)
    assert render.lines([line], several=False) == "- a b"


# -- the archive on both engines --------------------------------------------------------------------------------


def test_the_archive_files_once_and_remembers_comparisons(db: Db) -> None:
    with clock.frozen("2026-01-05T09:00:00Z"):
        events = [Event(str(n), "octocat", "WatchEvent", "o/r", {"n": n}, clock.now()) for n in range(3)]
        assert store.insert(db, events) == 3 and store.insert(db, events) == 0
        assert [e.id for e in store.of_user(db, "octocat", service.EPOCH)] == ["2", "1", "0"]
        assert store.of_user(db, "octocat", service.EPOCH)[0] == events[2]
        assert store.extent(db, "octocat") == (3, clock.now()) and store.extent(db, "mona") == (0, None)
        store.compare(db, "o/r", "a", "b", None)
        store.compare(db, "o/r", "a", "b", 4)
        known = store.compared(db, "o/r", "a", "b")
        assert known is not None and known.total == 4 and store.compared(db, "o/r", "b", "a") is None
        store.synced(db, "octocat"), store.synced(db, "octocat")
        assert store.users(db) == ["octocat"] and store.forget(db, "octocat") == 1
