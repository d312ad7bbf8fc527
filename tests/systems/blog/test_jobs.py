"""Scheduled articles: announced once, when they are out, however often their time is changed and whoever runs the job."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import datetime
from threading import Thread
from typing import Any

import pytest

from backendhub.app.jobs import worker
from backendhub.kit import accounts, jobs
from backendhub.kit import hub as hubs
from backendhub.kit.db import Db, Store
from backendhub.kit.identity import Principal
from backendhub.kit.settings import Settings
from backendhub.systems.blog.models import Article, State
from backendhub.systems.blog.service import articles

pytestmark = pytest.mark.usefixtures("frozen")
AHEAD = datetime.fromisoformat("2026-02-01T00:00:00Z")
LATER = datetime.fromisoformat("2026-03-01T00:00:00Z")


@pytest.fixture
def amira(store: Store) -> Principal:
    store.use("blog")
    user = store.unit(lambda db: accounts.add(db, username="amira"))
    return Principal(user.id, "amira")


def write(store: Store, who: Principal, **values: Any) -> Article:
    return store.unit(articles.add, who, title="Title", body="Text", **values)


def announced(store: Store) -> str | None:
    found: str | None = store.read(lambda db: db.value("SELECT announced_at FROM blog_article"))
    return found


def waiting(store: Store) -> list[str]:
    sql = "SELECT due_at FROM jobs_job WHERE name = 'blog.announce' AND state IN ('scheduled', 'ready')"
    return [row[0] for row in store.read(lambda db: db.fetch(sql, {}))]


def events(store: Store) -> list[dict[str, Any]]:
    """What `blog.published` said."""
    rows = store.read(lambda db: db.fetch("SELECT data FROM outbox_event WHERE topic = 'blog.published'", {}))
    return [json.loads(row[0]) for row in rows]


def drain(store: Store) -> None:
    """Runs what is due, as `backendhub jobs run --once` does."""
    hub = hubs.Hub(Settings({}), store=store)
    asyncio.run(asyncio.wait_for(worker(hub, once=True).run(), 30))


def test_an_article_that_is_out_is_announced_with_it(store: Store, amira: Principal) -> None:
    made = write(store, amira)
    assert announced(store) == "2026-01-05T09:00:00.000Z" and waiting(store) == []
    (event,) = events(store)
    about = {"id": made.id, "uuid": made.uuid, "slug": "title", "title": "Title", "author": amira.id}
    assert event == about | {"publishAt": "2026-01-05T09:00:00.000Z"}


def test_one_that_is_scheduled_is_announced_when_it_is_due(
    store: Store, amira: Principal, frozen: Any
) -> None:
    write(store, amira, publish_at=AHEAD)
    assert waiting(store) == ["2026-02-01T00:00:00.000Z"]
    drain(store)
    assert announced(store) is None
    frozen("2026-02-01T00:05:00Z")
    drain(store)
    assert announced(store) == "2026-02-01T00:05:00.000Z" and waiting(store) == []


def test_putting_off_and_bringing_forward(store: Store, amira: Principal, frozen: Any) -> None:
    id = write(store, amira, publish_at=AHEAD).id
    store.unit(articles.edit, amira, id, {"publish_at": LATER})
    frozen("2026-02-01T00:00:00Z")
    drain(store)
    assert announced(store) is None and waiting(store) == ["2026-03-01T00:00:00.000Z"]
    store.unit(articles.edit, amira, id, {"publish_at": datetime.fromisoformat("2026-02-02T00:00:00Z")})
    frozen("2026-02-02T00:00:00Z")
    drain(store)
    assert announced(store) == "2026-02-02T00:00:00.000Z"


def test_drafts_and_deleted_articles_are_not_announced(store: Store, amira: Principal, frozen: Any) -> None:
    id = write(store, amira, publish_at=AHEAD).id
    store.unit(articles.edit, amira, id, {"state": State.DRAFT})
    frozen("2026-02-01T00:00:00Z")
    drain(store)
    assert announced(store) is None and waiting(store) == []
    store.unit(articles.edit, amira, id, {"publish_at": LATER})
    store.unit(articles.remove, amira, id)
    frozen("2026-03-01T00:00:00Z")
    drain(store)
    assert not [j for j in store.read(jobs.find) if j.state in ("dead", "scheduled")]


def test_ten_who_announce_at_once_do_it_once(store: Store, amira: Principal, frozen: Any) -> None:
    id = write(store, amira, publish_at=AHEAD).id
    frozen("2026-02-01T00:00:00Z")
    done: list[bool] = []

    def announce(db: Db) -> bool:
        return articles.announce(db, id)

    threads: list[Thread] = [Thread(target=lambda: done.append(store.unit(announce))) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == [False] * 9 + [True]
    assert len(events(store)) == 1


def test_publishing_twice_is_announced_once(
    store: Store, amira: Principal, frozen: Callable[[str], None]
) -> None:
    id = write(store, amira).id
    first = announced(store)
    frozen("2026-01-06T00:00:00Z")
    store.unit(articles.edit, amira, id, {"state": State.DRAFT})
    store.unit(articles.edit, amira, id, {"state": State.PUBLISHED})
    assert announced(store) == first and len(events(store)) == 1
