"""The whole tool in its own process against a real server that replays TMDB's shapes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

KEY = "0123456789abcdef0123456789ABCDEF"
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJhdWQiOiJ4In0.c2lnbmF0dXJl-_"
GENRES = {28: "Action", 878: "Science Fiction", 18: "Drama", 10749: "Romance", 35: "Comedy"}


def row(
    id: int, title: str, date: str | None, average: float, votes: int, *genres: int, **more: Any
) -> dict[str, Any]:
    """A film as TMDB lists it."""
    return {
        "adult": False, "id": id, "title": title, "original_title": title, "release_date": date,
        "vote_average": average, "vote_count": votes, "genre_ids": list(genres), "original_language": "en",
        "overview": f"About {title}.", "poster_path": f"/{id}.jpg", "popularity": 1.0, **more,
    }  # fmt: skip


MATRIX = row(603, "The Matrix", "1999-03-31", 8.2, 26000, 28, 878)
WICK = row(245891, "John Wick", "2014-10-22", 7.4, 19000, 28)
SPEED = row(1637, "Speed", "1994-06-09", 7.1, 6000, 28)
RUNNER = row(78, "Blade Runner", "1982-06-25", 7.9, 14000, 878, 18)
NOTEBOOK = row(11036, "The Notebook", "2004-06-25", 7.9, 11000, 10749, 18)
UNKNOWN = row(9, "Untitled", "", 0, 0, poster_path=None)
PEOPLE = {603: ("Keanu Reeves", 6384), 245891: ("Keanu Reeves", 6384), 1637: ("Keanu Reeves", 6384)}


def page(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"page": 1, "results": list(rows), "total_pages": 1, "total_results": len(rows)}


def detail(film: dict[str, Any]) -> dict[str, Any]:
    name, id = PEOPLE.get(film["id"], (f"Star of {film['title']}", film["id"]))
    full = {k: v for k, v in film.items() if k != "genre_ids"}
    return full | {
        "genres": [{"id": g, "name": GENRES[g]} for g in film["genre_ids"]],
        "runtime": 136, "status": "Released", "tagline": "",
        "credits": {"cast": [{"id": id, "name": name, "character": "Lead"}],
                    "crew": [{"id": 9339, "name": "Lana Wachowski", "job": "Director"}]},
        "keywords": {"keywords": [{"id": 4563, "name": "dystopia"}] if 878 in film["genre_ids"] else []},
    }  # fmt: skip


@pytest.fixture
def tmdb(server: Any, replay: Any) -> Any:
    server.on("/configuration", {"images": {"secure_base_url": "https://image.tmdb.org/t/p/"}})
    server.on("/genre/movie/list", {"genres": [{"id": k, "name": v} for k, v in GENRES.items()]})
    server.on("/movie/popular", page(MATRIX, UNKNOWN))
    server.on("/movie/top_rated", page(RUNNER, NOTEBOOK, SPEED))
    server.on("/movie/603/recommendations", page(WICK))
    for film in (MATRIX, WICK, SPEED, RUNNER, NOTEBOOK):
        server.on(f"/movie/{film['id']}", detail(film))
    server.on(
        "/search/movie",
        lambda r: replay.Reply(
            page(*(f for f in (RUNNER, MATRIX) if r.query["query"].lower() in f["title"].lower()))
        ),
    )
    server.on("/authentication", {"success": True, "status_code": 1, "status_message": "Success."})
    return server


POPULAR = """\
603\tThe Matrix\t1999-03-31\t8.2\t26000\tAction,Science Fiction
9\tUntitled\t–\t–\t0\t–
"""


def test_a_list_its_cache_its_304_and_offline(tmdb: Any, spawn: Callable[..., Any]) -> None:
    first = spawn("tmdb", "--type", "popular")
    assert (first.code, first.out, first.err) == (0, POPULAR, "")
    assert sorted(tmdb.paths()) == ["/configuration", "/genre/movie/list", "/movie/popular"]
    assert all(r.query["api_key"] == KEY and "authorization" not in r.headers for r in tmdb.log)
    tmdb.reset()
    assert spawn("tmdb", now="2026-01-05T09:59:00Z").out == POPULAR and tmdb.log == []
    later = spawn("tmdb", now="2026-01-05T11:00:00Z")  # lists live an hour, the configuration a week
    assert (later.out, tmdb.paths(), tmdb.statuses) == (POPULAR, ["/movie/popular"], [304])
    tmdb.reset()
    offline = spawn("tmdb", "--offline", now="2026-01-05T14:00:00Z")
    assert (offline.code, offline.out, offline.err) == (0, POPULAR, "TMDB, offline (cached 3h ago)\n")
    assert tmdb.log == []
    found = spawn("tmdb", "--json", "--limit", "1", now="2026-01-05T11:00:00Z").json()
    assert found[0] == {
        "id": 603, "title": "The Matrix", "releaseDate": "1999-03-31", "voteAverage": 8.2, "voteCount": 26000,
        "genres": ["Action", "Science Fiction"], "posterUrl": "https://image.tmdb.org/t/p/w500/603.jpg",
        "kind": "movie", "overview": "About The Matrix.",
    }  # fmt: skip


def test_the_watch_list_and_recommendations_with_reasons(tmdb: Any, spawn: Callable[..., Any]) -> None:
    assert spawn("tmdb", "recommend").code == 3
    assert (
        spawn("tmdb", "watch", "done", "the matrix", "--rating", "9").out
        == "The Matrix (1999) watched, rated 9/10\n"
    )
    assert spawn("tmdb", "watch", "add", "78").out == "Blade Runner (1982) is on the watch list\n"
    assert spawn("tmdb", "watch", "list").out == (
        "78\tmovie\tBlade Runner\t1982-06-25\twant\t\n603\tmovie\tThe Matrix\t1999-03-31\tdone\t9.0\n"
    )
    rows = spawn("tmdb", "recommend", "--json").json()
    assert [r["title"] for r in rows][:2] in (["John Wick", "Speed"], ["Speed", "John Wick"])
    assert rows[0]["reason"].startswith("like The Matrix (9/10): ") and "Keanu Reeves" in rows[0]["reason"]
    assert not {"The Matrix", "Blade Runner"} & {r["title"] for r in rows}
    tmdb.reset()
    offline = spawn("tmdb", "recommend", "--offline", "--json", now="2026-02-01T09:00:00Z")
    assert [r["title"] for r in offline.json()] == [r["title"] for r in rows] and tmdb.log == []

    assert spawn("tmdb", "watch", "rm", "Blade Runner").out == "Blade Runner (1982) is off the watch list\n"
    assert spawn("tmdb", "watch", "rm", "Blade Runner").code == 3


def test_the_credential_is_told_by_shape_stored_0600_and_never_shown(
    tmdb: Any, spawn: Callable[..., Any], tmp_path: Path
) -> None:
    nobody = spawn("tmdb", key="")
    assert nobody.code == 4 and "https://www.themoviedb.org/settings/api" in nobody.err
    assert spawn("tmdb", "auth", "set", stdin="hunter2\n", key="").code == 2
    done = spawn("tmdb", "auth", "set", stdin=TOKEN + "\n", key="")
    config = tmp_path / "backendhub" / "config.toml"
    assert (done.code, done.out) == (0, f"The v4 token is in {config}\n")
    assert config.stat().st_mode & 0o777 == 0o600 and TOKEN in config.read_text()
    status = spawn("tmdb", "auth", "status", key="")
    assert status.out.startswith("v4 token from file: accepted by TMDB\nThis product uses the TMDB API")
    both = spawn("tmdb", "--debug")  # the v4 token wins over the v3 key of the environment
    assert tmdb.log[-1].headers["authorization"] == f"Bearer {TOKEN}" and "api_key" not in tmdb.log[-1].query
    for seen in (nobody, done, status, both):
        assert not any(secret in seen.out + seen.err for secret in (KEY, TOKEN, KEY[-4:], TOKEN[-4:]))
    assert not any(s.encode() in f.read_bytes() for f in tmp_path.glob("hub.db*") for s in (KEY, TOKEN))


def test_failures_are_one_line_and_never_the_key(tmdb: Any, replay: Any, spawn: Callable[..., Any]) -> None:
    bad = {
        "status_code": 7,
        "status_message": "Invalid API key: You must be granted a valid key.",
        "success": False,
    }
    tmdb.on("/movie/upcoming", replay.Reply(bad, 401))
    refused = spawn("tmdb", "--type", "upcoming", "--json")
    assert refused.code == 4 and json.loads(refused.err)["error"]["code"] == "unauthenticated"
    slow = {"status_code": 25, "status_message": "Your request count is over the allowed limit."}
    tmdb.on("/movie/now_playing", replay.Reply(slow, 429, {"Retry-After": "60"}))
    assert spawn("tmdb", "--type", "playing").code == 6
    dead = spawn("tmdb", "--type", "top", "--debug", BACKENDHUB_TMDB_URL="http://127.0.0.1:9")
    assert (dead.code, dead.out) == (5, "") and KEY not in dead.err
    assert "TMDB cannot be reached: connection refused" in dead.err
