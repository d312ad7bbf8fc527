"""Many clients at once, through the whole application, on both engines."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Barrier
from typing import Any

import pytest

from backendhub import registry
from backendhub.kit import hub as hubs
from backendhub.kit import web
from backendhub.kit.db import Db, connect
from backendhub.kit.resources import service
from backendhub.kit.resources.models import Rules
from backendhub.kit.settings import Settings
from backendhub.systems.rest import config as configs

SYSTEM = "rest"
CLIENTS = 12
DATA: dict[str, Any] = {
    "posts": [{"id": i, "n": 0} for i in range(1, 4)],
    "comments": [],
    "texts": [{"id": "a"}],
}


@pytest.fixture
def serve(store_url: str) -> Iterator[Callable[..., Any]]:
    """`serve(dialect="v1")`: a client of an application of its own on the engine's store."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from starlette.testclient import TestClient

    with ExitStack() as stack:

        def start(**settings: str) -> Any:
            flags = {"database": store_url, **{f"rest.{name}": value for name, value in settings.items()}}
            hub = hubs.Hub(Settings(flags, declared=[o for s in registry.SYSTEMS for o in s.settings]))
            hub.use("rest")
            config = configs.of(hub)
            hub.unit(service.load, config.set_name, DATA, config.rules)
            rows = [s for s in registry.SYSTEMS if s.name == "rest"]
            application: Any = web.build_app(rows, hub, single=True, log_format="none")
            return stack.enter_context(TestClient(application, raise_server_exceptions=False))

        yield start


def at_once(calls: list[Callable[[], Any]]) -> list[Any]:
    """What each of the calls gives, when all begin together."""
    barrier = Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        barrier.wait(30)
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


@pytest.mark.parametrize("dialect", ["v0", "v1"])
@pytest.mark.parametrize("resource", ["posts", "texts"])
def test_rows_added_at_once_have_ids_of_their_own(serve: Any, dialect: str, resource: str) -> None:
    http = serve(dialect=dialect)
    made = [
        response.json()["id"]
        for _ in range(4)
        for response in at_once([lambda: http.post(f"/{resource}", json={})] * CLIENTS)
    ]
    assert len(set(made)) == 4 * CLIENTS
    if (dialect, resource) == ("v0", "posts"):
        assert sorted(made) == list(range(4, 4 + 4 * CLIENTS))


def test_one_of_many_gets_the_id_that_all_ask_for(serve: Any) -> None:
    http = serve()
    for id in (50, "text"):
        codes = [r.status_code for r in at_once([lambda: http.post("/posts", json={"id": id})] * CLIENTS)]  # noqa: B023
        assert sorted(codes) == [201] + [409] * (CLIENTS - 1)
    # ids that are chosen and ids that are given do not meet
    chosen = [lambda n=n: http.post("/posts", json={"id": 51 + n}) for n in range(6)]
    answers = at_once([*chosen, *[lambda: http.post("/posts", json={})] * 6])
    made = [r.json()["id"] for r in answers if r.status_code == 201]
    assert len(made) == len(set(made)) >= 6 and {r.status_code for r in answers} <= {201, 409}


def test_no_update_is_lost_under_if_match(serve: Any) -> None:
    http = serve()

    def count_up() -> int:
        """Reads, adds one, writes; tries again as often as somebody was faster."""
        for refused in range(200):
            row = http.get("/posts/1")
            changed = http.patch(
                "/posts/1", json={"n": row.json()["n"] + 1}, headers={"if-match": row.headers["etag"]}
            )
            if changed.status_code == 200:
                return refused
            assert changed.status_code == 412
        raise AssertionError("it never got through")

    refused = at_once([count_up] * CLIENTS)
    assert http.get("/posts/1").json()["n"] == CLIENTS
    assert sum(refused) > 0  # they did meet


def test_changes_of_different_members_all_stay(serve: Any) -> None:
    http = serve()
    at_once([lambda n=n: http.patch("/posts/1", json={f"m{n}": n}) for n in range(CLIENTS)])
    assert http.get("/posts/1").json() == {"id": 1, "n": 0, **{f"m{n}": n for n in range(CLIENTS)}}


@pytest.mark.parametrize("dialect", ["v0", "v1"])
def test_no_row_refers_to_one_that_was_deleted_meanwhile(serve: Any, dialect: str) -> None:
    """Rows are added under posts while these are deleted: each is refused, or goes with its post (v0), or is let go
    of (v1)."""
    http = serve(dialect=dialect, references="true")
    for post in (1, 2, 3):
        add = [lambda: http.post("/comments", json={"postId": post})] * (CLIENTS - 1)  # noqa: B023
        answers = at_once([*add, lambda: http.delete(f"/posts/{post}")])  # noqa: B023
        assert answers[-1].status_code == 200
        assert {r.status_code for r in answers[:-1]} <= {201, 422}
    left = http.get("/comments").json()
    assert [c for c in left if c["postId"] is not None] == []
    assert dialect == "v1" or left == []


def test_a_deletion_is_seen_whole_or_not_at_all(serve: Any, store_url: str) -> None:
    """Readers see a post with all of its comments, or neither."""
    http = serve()
    for n in range(40):
        http.post("/comments", json={"postId": 1, "n": n})
    store = connect(store_url)
    store.use("resources")

    def look() -> tuple[int, int]:
        def count(db: Db) -> tuple[int, int]:
            found = service.find_set(db, configs.DEFAULT)
            assert found is not None
            sizes = dict(service.sizes(db, found.id))
            return sizes["posts"], sizes["comments"]

        return store.read(count)

    def read_all() -> tuple[int, int]:
        whole = http.get("/db").json()
        return len(whole["posts"]), len(whole["comments"])

    answers = at_once([*[look] * 4, lambda: http.delete("/posts/1"), *[read_all] * 8])
    answers.pop(4)
    assert look() == (2, 0)
    store.close()
    assert set(answers) <= {(3, 40), (2, 0)}


def test_a_set_that_is_loaded_again_is_never_half_there(serve: Any, store_url: str) -> None:
    http = serve()
    store = connect(store_url)
    store.use("resources")
    data = {"posts": [{"id": i} for i in range(1, 201)]}

    def load() -> int:
        return store.unit(service.load, configs.DEFAULT, data, Rules()).id

    sizes = at_once([load, *[lambda: len(http.get("/posts").json())] * 8])[1:]
    store.close()
    assert set(sizes) <= {3, 200} and len(http.get("/posts").json()) == 200
