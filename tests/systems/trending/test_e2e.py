"""The whole tool in its own process against a real server that replays GitHub's search and its page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

HTML = """\
<html><body><main><div class="Box">
<article class="Box-row">
  <div class="float-right"><a href="/login?return_to=%2Ffast%2Fone">Star</a></div>
  <h2 class="h3 lh-condensed">
    <a href="/fast/one" data-view-component="true"><svg><path d=""></path></svg>
      <span class="text-normal"> fast /</span> one</a></h2>
  <p class="col-9 color-fg-muted my-1 pr-4"> Goes <b>fast</b> &amp; far </p>
  <div class="f6"><span class="d-inline-block"><span class="repo-language-color"></span>
    <span itemprop="programmingLanguage">Rust</span></span>
    <a href="/fast/one/stargazers" class="Link"><svg></svg> 12,345</a>
    <a href="/fast/one/forks"><svg></svg> 67</a>
    <span>Built by <a href="/someone"><img src="x" alt="@someone"></a></span>
    <span class="d-inline-block float-sm-right"><svg></svg> 1,234 stars this week</span></div>
</article>
<article class="Box-row">
  <h2><a href="/plain/two">plain / two</a></h2>
  <div><a href="/plain/two/stargazers">99</a></div>
</article>
</div></main></body></html>
"""


def repo(name: str, stars: int, language: str | None = "Rust", *topics: str, **more: Any) -> dict[str, Any]:
    return {
        "full_name": name, "description": f"About  {name}", "language": language, "topics": list(topics),
        "html_url": f"https://github.com/{name}", "created_at": "2026-01-01T00:00:00Z",
        "stargazers_count": stars, "forks_count": 1, **more,
    }  # fmt: skip


def found(*repos: dict[str, Any], incomplete: bool = False) -> dict[str, Any]:
    return {"total_count": len(repos), "incomplete_results": incomplete, "items": list(repos)}


@pytest.fixture
def github(server: Any) -> Any:
    server.on(
        "/search/repositories",
        found(repo("a/big", 900), repo("b/small", 20, None, "cli")),
        X_RateLimit_Remaining="9",
    )
    return server


LIST = "1\ta/big\t900\t\tRust\tAbout a/big\n2\tb/small\t20\t\t\tAbout b/small\n"


def test_a_list_its_cache_its_304_and_offline(github: Any, spawn: Callable[..., Any]) -> None:
    first = spawn("trending")
    assert (first.code, first.out, first.err) == (0, LIST, "")
    assert github.log[0].query == {
        "q": "created:>=2025-12-29", "sort": "stars", "order": "desc", "per_page": "10", "page": "1",
    }  # fmt: skip
    github.reset()
    assert spawn("trending", now="2026-01-05T09:05:00Z").out == LIST and github.log == []
    assert spawn("trending", now="2026-01-05T09:30:00Z").out == LIST and github.statuses == [304]
    offline = spawn("trending", "--offline", now="2026-01-05T12:30:00Z")
    assert (offline.out, offline.err) == (LIST, "GitHub, offline (cached 3h ago)\n")
    shape = spawn("trending", "--json", "--duration", "month", "--language", "c++", "--topic", "cli").json()
    assert github.log[-1].query["q"] == "created:>=2025-12-06 language:c++ topic:cli"
    assert (shape["source"], shape["since"], shape["incomplete"]) == ("search", "2025-12-06", False)
    assert shape["items"][0] == {
        "rank": 1, "fullName": "a/big", "description": "About a/big", "stars": 900, "gained": None,
        "language": "Rust", "url": "https://github.com/a/big",
    }  # fmt: skip


def test_gained_is_the_difference_of_own_snapshots_and_filters_work(
    github: Any, spawn: Callable[..., Any]
) -> None:
    none = spawn("trending", "--by", "gained")
    assert none.code == 3 and "run `backendhub trending snapshot` first" in none.err
    assert spawn("trending", "snapshot").out == "Measured 2 repositories at 2026-01-05 09:00 UTC (2 known)\n"
    assert len(github.log) == 4
    once = spawn("trending", "--by", "gained")
    assert once.code == 3 and "one snapshot, just now" in once.err
    github.on(
        "/search/repositories", found(repo("a/big", 950), repo("b/small", 200, None, "cli"), repo("c/new", 5))
    )
    spawn("trending", "snapshot", now="2026-01-07T09:00:00Z")
    week = spawn("trending", "--by", "gained", now="2026-01-07T09:01:00Z")
    assert week.out == "1\tb/small\t200\t180\t\tAbout b/small\n2\ta/big\t950\t50\tRust\tAbout a/big\n"
    assert week.err == "Warning: The history begins 2d ago: stars gained since then.\n"
    rust = spawn("trending", "--by", "gained", "--language", "rust", now="2026-01-07T09:01:00Z")
    assert rust.out == "1\ta/big\t950\t50\tRust\tAbout a/big\n"
    cli = spawn(
        "trending", "--by", "gained", "--topic", "cli", "--min-stars", "150", now="2026-01-07T09:01:00Z"
    )
    assert cli.out.startswith("1\tb/small\t200\t180")
    day = spawn("trending", "--by", "gained", "--duration", "day", now="2026-01-07T09:01:00Z")
    assert day.out == week.out  # the last measurement before the window is the one to compare with


def test_new_prints_each_repository_once_for_a_question(github: Any, spawn: Callable[..., Any]) -> None:
    assert spawn("trending", "--new", "--fields", "fullName").out == "a/big\nb/small\n"
    silent = spawn("trending", "--new", "--quiet", now="2026-01-06T09:00:00Z")
    assert (silent.code, silent.out, silent.err) == (0, "", "")
    github.on("/search/repositories", found(repo("a/big", 900), repo("d/fresh", 30)))
    assert (
        spawn("trending", "--new", now="2026-01-07T09:00:00Z").out
        == "2\td/fresh\t30\t\tRust\tAbout d/fresh\n"
    )
    assert spawn("trending", "--new", "--language", "rust", now="2026-01-07T09:00:00Z").out.startswith(
        "1\ta/big"
    )


def test_the_page_is_opt_in_and_loud_when_it_changes(
    github: Any, replay: Any, spawn: Callable[..., Any]
) -> None:
    web = {"BACKENDHUB_GITHUB_WEB": github.url, "GITHUB_TOKEN": "t"}
    html = {"Content-Type": "text/html; charset=utf-8"}
    github.on("/trending", replay.Reply(HTML.encode(), 200, html))
    page = spawn("trending", "--by", "page", **web)
    assert page.out == "1\tfast/one\t12345\t1234\tRust\tGoes fast & far\n2\tplain/two\t99\t\t\t\n"
    assert github.log[-1].query == {"since": "weekly"} and "authorization" not in github.log[-1].headers
    for broken in (
        b"<html>rewritten in something new</html>",
        HTML.replace("/stargazers", "/stars").encode(),
    ):
        github.on("/trending", replay.Reply(broken, 200, html))
        done = spawn("trending", "--by", "page", "--no-cache", **web)
        assert (done.code, done.out) == (5, "") and "does not look as it did" in done.err


def test_the_search_budget_ends_in_6(server: Any, replay: Any, spawn: Callable[..., Any]) -> None:
    limits = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1767603630"}  # 09:00:30 UTC
    server.on("/search/repositories", replay.Reply({"message": "API rate limit exceeded"}, 403, limits))
    done = spawn("trending")
    assert done.code == 6 and "until 09:01 (in 30s)" in done.err
