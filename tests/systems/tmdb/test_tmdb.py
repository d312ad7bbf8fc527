"""Edge cases of tmdb: values, status codes, language, the watch list and its undo, the ranking itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx

from backendhub.app import main
from backendhub.kit import hub
from backendhub.kit.db import Db
from backendhub.systems.tmdb import credential, recommend, service, store
from backendhub.systems.tmdb.models import Item, Kind, State, Watch

API = "https://api.themoviedb.org/3"
KEY = "0123456789abcdef0123456789ABCDEF"
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJhdWQiOiJ4In0.c2lnbmF0dXJl-_"
AT = datetime(2026, 1, 5, 9, tzinfo=UTC)


def film(id: int, title: str, **more: Any) -> dict[str, Any]:
    return {
        "id": id,
        "title": title,
        "overview": f"About {title}.",
        "vote_average": 7.0,
        "vote_count": 10,
    } | more


@pytest.fixture
def api() -> Any:
    with respx.mock(assert_all_called=False) as router:
        router.get(API + "/configuration").respond(json={"images": {"secure_base_url": "https://i/"}})
        router.get(url__regex=r".*/genre/(movie|tv)/list").respond(
            json={"genres": [{"id": 1, "name": "Drama"}]}
        )
        yield router


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--type", "worst"], "choose from playing, popular, top, upcoming"),
        (["--tv", "--type", "upcoming"], "choose from playing, popular, top, airing"),
        (["--page", "0"], "--page takes 1 to 500"),
        (["--page", "501"], "--page takes 1 to 500"),
        (["--limit", "0"], "--limit takes 1 to 100"),
        (["--language", "german"], "not a language"),
        (["--region", "Germany"], "not a country"),
        (["search", " "], "nothing to search"),
        (["search", "x", "--year", "12"], "not a year"),
        (["watch", "done", "1", "--rating", "11"], "not a rating"),
        (["watch", "done", "1", "--rating", "0"], "not a rating"),
        (["watch", "done", "1", "--rating", "7.3"], "not a rating"),
        (["watch", "list", "maybe"], "no state"),
        (["recommend", "--limit", "0"], "--limit takes 1 to 100"),
        (["show", "9" * 30], "not an id"),
    ],
)
def test_bad_values_end_in_2_before_any_request(
    run: Callable[..., Any], api: Any, args: list[str], said: str
) -> None:
    done = run(*args)
    assert (done.code, done.out) == (2, "") and said in done.err and not api.calls


@pytest.mark.parametrize(
    ("status_code", "status", "code"),
    [
        (7, 401, 4),
        (3, 401, 4),
        (10, 401, 4),
        (14, 401, 4),
        (34, 404, 3),
        (6, 404, 3),
        (25, 429, 6),
        (22, 400, 2),
        (9, 503, 5),
        (11, 500, 5),
        (24, 504, 5),
        (43, 502, 5),
        (46, 503, 5),
        (None, 500, 5),
        (None, 404, 3),
    ],
)
def test_tmdbs_own_codes(
    run: Callable[..., Any],
    api: Any,
    monkeypatch: pytest.MonkeyPatch,
    status_code: int | None,
    status: int,
    code: int,
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    api.get(API + "/movie/popular").respond(
        status, json={"status_code": status_code, "status_message": "said so."}
    )
    done = run("--type", "popular")
    assert (done.code, done.out) == (code, "") and done.err.count("Error:") == 1


@pytest.mark.parametrize("body", [[], {}, {"results": 3}, "x"])
def test_an_answer_of_another_shape_ends_in_5(run: Callable[..., Any], api: Any, body: Any) -> None:
    api.get(API + "/movie/popular").respond(json=body)
    assert run().code == 5


def test_an_empty_text_falls_back_to_english(run: Callable[..., Any], api: Any) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        german = request.url.params["language"] == "de-DE"
        rows = [film(1, "Eins"), film(2, "", overview="")] if german else [film(1, "One"), film(2, "Two")]
        return httpx.Response(200, json={"results": rows})

    route = api.get(API + "/movie/popular").mock(side_effect=answer)
    rows = run("--language", "de_de", "--region", "de", "--json").json()
    assert [(r["title"], r["overview"]) for r in rows] == [("Eins", "About Eins."), ("Two", "About Two.")]
    assert [c.request.url.params["region"] for c in route.calls] == ["DE", "DE"]


def test_what_tmdb_does_not_know_is_a_dash_and_null(run: Callable[..., Any], api: Any) -> None:
    unknown = film(1, "X", vote_average=0, vote_count=0, release_date="", poster_path=None, genre_ids=[])
    api.get(API + "/movie/popular").respond(json={"results": [unknown]})
    assert run().out == "1\tX\t–\t–\t0\t–\n"
    row = run("--json").json()[0]
    assert (row["voteAverage"], row["releaseDate"], row["posterUrl"], row["genres"]) == (None, None, None, [])


def test_a_limit_beyond_a_page_fetches_more_and_shows_nothing_twice(
    run: Callable[..., Any], api: Any
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        page = int(request.url.params["page"])
        rows = [film(n, f"F{n}") for n in range(page * 19 - 18, page * 19 + 2)]  # the list shifted by one
        return httpx.Response(200, json={"results": rows if page < 3 else []})

    api.get(API + "/tv/top_rated").mock(side_effect=answer)
    rows = run("--tv", "--type", "top", "--limit", "45", "--json").json()
    assert len(rows) == len({r["id"] for r in rows}) == 39 and rows[0]["kind"] == "tv"


def test_show_by_id_and_by_title_and_a_person(run: Callable[..., Any], api: Any) -> None:
    cast = [{"id": 2, "name": "Ann Lee", "character": "Eve\x1b[31m"}]
    crew = [{"id": 3, "name": "Bo Ek", "job": "Director"}, {"id": 4, "name": "No", "job": "Editor"}]
    full = film(
        1917,
        "Film",
        runtime=90,
        release_date="2001-02-03",
        genres=[{"id": 1, "name": "Drama"}],
        status="Released",
    )
    api.get(API + "/movie/1917").respond(json=full | {"credits": {"cast": cast, "crew": crew}})
    api.get(API + "/search/movie").respond(json={"results": [film(5, "Film 2"), film(1917, "1917")]})
    shown = run("show", "1917")
    assert shown.code == 0 and "\x1b" not in shown.out
    for line in (
        "Film",
        "Directed by  Bo Ek",
        "Cast         Ann Lee (Eve)",
        "Runtime      90 min",
        "About Film.",
    ):
        assert line in shown.out.split("\n")
    titled = run("show", "1917", "--title", "--json").json()
    assert titled["id"] == 1917 and titled["directors"] == ["Bo Ek"] and titled["runtime"] == 90
    api.get(API + "/movie/404").respond(404, json={"status_code": 34})
    assert run("show", "404").code == 3
    api.get(API + "/search/movie").respond(json={"results": []})
    assert run("show", "nothing", "like", "it").code == 3

    api.get(API + "/search/person").respond(json={"results": [{"id": 2, "name": "Ann Lee"}]})
    credits = {
        "cast": [{"id": 9, "media_type": "movie", "title": "Big", "character": "Eve", "vote_count": 5}]
    }
    api.get(API + "/person/2").respond(json={"id": 2, "name": "Ann Lee", "combined_credits": credits})
    assert run("person", "ann", "lee").out.endswith("\n\n  –     Big (Eve)\n")
    assert run("person", "2", "--json").json()["credits"][0]["role"] == "Eve"
    api.get(API + "/search/person").respond(json={"results": []})
    assert run("person", "nobody").code == 3


def test_the_watch_list_is_undoable_and_needs_no_network(
    run: Callable[..., Any], api: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    api.get(API + "/movie/7").respond(json=film(7, "Seven", release_date="1995-09-22"))
    assert run("watch", "add", "7").out == "Seven (1995) is on the watch list\n"
    assert run("watch", "add", "7").err == "It was there already.\n"
    before = len(api.calls)
    assert run("watch", "done", "seven", "-r", "8.5").out == "Seven (1995) watched, rated 8.5/10\n"
    assert run("watch", "done", "seven").out == "Seven (1995) watched, rated 8.5/10\n"
    assert run("watch", "rm", "7").code == 0 and run("watch", "list", "--json").out == "[]\n"
    for _ in range(3):
        assert main.main(["undo"]) == 0
        hub.current().close()
        hub.install(None)
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("Undone: tmdb watch rm") and said[1].startswith("Undone: tmdb watch done")
    rows = run("watch", "list", "--json").json()
    assert len(api.calls) == before and rows[0]["title"] == "Seven"
    assert rows[0]["state"] in ("want", "done")


def test_without_any_credential_the_watch_list_still_works(
    run: Callable[..., Any], api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TMDB_TOKEN")
    assert run("watch", "list").code == 0
    assert run("watch", "add", "7").code == 4 and run("auth", "status").code == 4 and not api.calls


# -- credentials ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        (KEY, "tmdb.key"),
        (TOKEN, "tmdb.token"),
        (KEY[:-1], None),
        (KEY + "0", None),
        ("eyJ.x", None),
        ("", None),
    ],
)
def test_credentials_are_told_apart_by_shape(text: str, setting: str | None) -> None:
    found = credential.shape(text)
    assert (found[0] if found else None) == setting


def test_either_may_be_in_either_variable_and_nonsense_is_not_printed(
    run: Callable[..., Any], api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    route = api.get(API + "/movie/popular").respond(json={"results": []})
    monkeypatch.setenv("TMDB_TOKEN", KEY)
    run()
    assert route.calls[0].request.url.params["api_key"] == KEY
    monkeypatch.setenv("TMDB_API_KEY", "Bearer " + TOKEN)
    run()
    assert route.calls[1].request.headers["authorization"] == f"Bearer {TOKEN}"
    monkeypatch.setenv("TMDB_API_KEY", "hunter2-hunter2")
    done = run()
    assert done.code == 2 and "hunter2" not in done.err and "TMDB_API_KEY" in done.err


def test_a_refused_credential_is_not_stored(
    run: Callable[..., Any], api: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import io

    monkeypatch.delenv("TMDB_TOKEN")
    check = api.get(API + "/authentication").respond(
        401, json={"status_code": 7, "status_message": "Invalid API key."}
    )
    monkeypatch.setattr("sys.stdin", io.StringIO(KEY + "\n"))
    assert run("auth", "set").code == 4 and not (tmp_path / "config.toml").exists()
    monkeypatch.setattr("sys.stdin", io.StringIO(KEY + "\n"))
    assert run("auth", "set", "--no-verify").code == 0 and check.call_count == 1
    status = run("auth", "status", "--json")
    assert status.code == 4 and status.json()["accepted"] is False and KEY not in status.out + status.err


# -- the ranking ------------------------------------------------------------------------------------------------


def item(id: int, *features: str, votes: int = 1000, average: float = 7.0) -> Item:
    named = {f: f.split(":")[1] for f in features}
    return Item(Kind.MOVIE, id, f"F{id}", "2000-01-01", average, votes, (), None, "", named, True)


def watch(id: int, rating: float | None, state: State = State.DONE) -> Watch:
    return Watch(Kind.MOVIE, id, f"F{id}", None, state, rating, AT, None)


def ranked(tastes: list[tuple[Item, float | None]], pool: list[Item]) -> list[tuple[int, str]]:
    rows = recommend.rank([recommend.taste(watch(i.id, r), i) for i, r in tastes], pool, limit=10)
    return [(r.item.id, r.reason) for r in rows]


def test_what_is_liked_counts_for_and_what_is_disliked_against() -> None:
    liked, hated = item(1, "genre:scifi", "cast:ann"), item(2, "genre:romance", "cast:bob")
    pool = [
        liked,
        hated,
        item(3, "genre:scifi"),
        item(4, "genre:romance"),
        item(5, "genre:scifi", "cast:ann"),
    ]
    assert ranked([(liked, 9), (hated, 1)], pool) == [
        (5, "like F1 (9/10): ann, scifi"),
        (3, "like F1 (9/10): scifi"),
    ]


def test_rare_features_say_more_than_common_ones() -> None:
    liked = item(1, "genre:drama", "keyword:chess")
    pool = [item(n, "genre:drama") for n in range(10, 20)] + [item(3, "keyword:chess")]
    assert ranked([(liked, 8)], pool)[0] == (3, "like F1 (8/10): chess")


def test_votes_decide_among_equals() -> None:
    liked = item(1, "genre:drama")
    assert [
        id
        for id, _ in ranked(
            [(liked, 8)], [item(2, "genre:drama", average=6), item(3, "genre:drama", average=9)]
        )
    ] == [3, 2]
    unvoted = item(4, "genre:drama", votes=1, average=10)
    assert [id for id, _ in ranked([(liked, 8)], [unvoted, item(3, "genre:drama", average=9)])] == [3, 4]


def test_only_dislikes_recommend_nothing() -> None:
    assert ranked([(item(1, "genre:drama"), 1)], [item(2, "genre:drama"), item(3, "genre:scifi")]) == []


# -- the store on both engines ------------------------------------------------------------------------------------


def test_a_list_does_not_overwrite_what_details_have_told(db: Db) -> None:
    detailed = item(1, "genre:drama", "cast:ann")
    brief = Item(
        Kind.MOVIE, 1, "New title", None, 6.0, 2, ("Drama",), None, "", {"genre:drama": "Drama"}, False
    )
    store.keep(db, [detailed])
    store.keep(db, [brief, item(2, "genre:x")])
    kept = store.item(db, Kind.MOVIE, 1)
    assert kept is not None and (kept.title, kept.features, kept.detailed) == (
        "New title",
        detailed.features,
        True,
    )
    assert (
        store.titled(db, Kind.MOVIE, "new TITLE") == kept and store.titled(db, Kind.TV, "New title") is None
    )
    assert {i.id for i in store.pool(db, Kind.MOVIE)} == {1, 2}


def test_the_watch_list_on_both_engines(db: Db) -> None:
    row, known = service.add(db, item(1, "genre:x"))
    assert not known and service.add(db, item(1, "genre:x")) == (row, True)
    done = service.done(db, row, 7.5)
    assert (done.state, done.rating) == (State.DONE, 7.5) and service.done(db, done, None).rating == 7.5
    service.add(db, item(2, "genre:y"))
    assert [w.item_id for w in service.watches(db, "all")] == [2, 1]
    assert [w.item_id for w in service.watches(db, "done")] == [1]
    assert service.remove(db, Kind.MOVIE, "f2").item_id == 2 and service.listed(db, Kind.MOVIE, "2") is None
