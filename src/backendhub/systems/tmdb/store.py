"""Every SQL statement of films and the watch list."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from backendhub.kit import clock
from backendhub.kit.db import Db, columns

from .models import Item, Kind, Watch

# What a list tells must not overwrite what a detailed answer has told before.
KEEP = """
INSERT INTO tmdb_item (kind, id, title, release_date, vote_average, vote_count, genres, poster_url, overview,
  features, detailed, fetched_at)
VALUES (:kind, :id, :title, :release_date, :vote_average, :vote_count, :genres, :poster_url, :overview,
  :features, :detailed, :at)
ON CONFLICT (kind, id) DO UPDATE SET
  title = excluded.title, release_date = excluded.release_date, vote_average = excluded.vote_average,
  vote_count = excluded.vote_count, genres = excluded.genres, poster_url = excluded.poster_url,
  overview = CASE WHEN excluded.overview = '' THEN tmdb_item.overview ELSE excluded.overview END,
  features = CASE WHEN tmdb_item.detailed AND NOT excluded.detailed THEN tmdb_item.features
    ELSE excluded.features END,
  detailed = tmdb_item.detailed OR excluded.detailed, fetched_at = excluded.fetched_at"""
ITEM = columns(Item)
ONE = f"SELECT {ITEM} FROM tmdb_item WHERE kind = :kind AND id = :id"
TITLED = (
    f"SELECT {ITEM} FROM tmdb_item WHERE kind = :kind AND lower(title) = lower(:title) "
    "ORDER BY vote_count DESC, id LIMIT 1"
)
POOL = f"SELECT {ITEM} FROM tmdb_item WHERE kind = :kind ORDER BY fetched_at DESC, vote_count DESC, id LIMIT 5000"

WATCH = columns(Watch)
WATCHED = f"SELECT {WATCH} FROM tmdb_watch WHERE kind = :kind AND item_id = :id"
WATCHED_TITLE = f"SELECT {WATCH} FROM tmdb_watch WHERE kind = :kind AND lower(title) = lower(:title) ORDER BY item_id LIMIT 1"
LIST = (
    f"SELECT {WATCH} FROM tmdb_watch WHERE (:state = 'all' OR state = :state) "
    "ORDER BY state DESC, added_at, title, item_id"
)
ADD = f"""
INSERT INTO tmdb_watch (kind, item_id, title, release_date, state, rating, added_at, done_at)
VALUES (:kind, :id, :title, :release_date, 'want', NULL, :at, NULL) RETURNING {WATCH}"""
DONE = f"""
UPDATE tmdb_watch SET state = 'done', rating = coalesce(:rating, rating), done_at = coalesce(done_at, :at)
WHERE kind = :kind AND item_id = :id RETURNING {WATCH}"""
REMOVE = "DELETE FROM tmdb_watch WHERE kind = :kind AND item_id = :id"


def keep(db: Db, items: Iterable[Item]) -> None:
    """Files what an answer told of items."""
    for i in items:
        values = {"kind": i.kind, "id": i.id, "title": i.title, "release_date": i.release_date}
        values |= {"vote_average": i.vote_average, "vote_count": i.vote_count, "genres": i.genres}
        values |= {"poster_url": i.poster_url, "overview": i.overview, "features": i.features}
        db.run(KEEP, **values, detailed=i.detailed, at=clock.now())


def item(db: Db, kind: Kind, id: int) -> Item | None:
    """What is filed of an item."""
    return db.one(Item, ONE, kind=kind, id=id)


def titled(db: Db, kind: Kind, title: str) -> Item | None:
    """The best known item of that title."""
    return db.one(Item, TITLED, kind=kind, title=title)


def pool(db: Db, kind: Kind) -> list[Item]:
    """Everything that could be recommended."""
    return db.all(Item, POOL, kind=kind)


def watched(db: Db, kind: Kind, id: int | None, title: str) -> Watch | None:
    """A row of the watch list, by id or by title."""
    if id is not None and (found := db.one(Watch, WATCHED, kind=kind, id=id)):
        return found
    return db.one(Watch, WATCHED_TITLE, kind=kind, title=title)


def watches(db: Db, state: str = "all") -> list[Watch]:
    """The watch list: what is wanted first."""
    return db.all(Watch, LIST, state=state)


def add(db: Db, item: Item) -> Watch:
    """A new row."""
    values = {"kind": item.kind, "id": item.id, "title": item.title, "release_date": item.release_date}
    row = db.one(Watch, ADD, **values, at=clock.now())
    assert row is not None
    return row


def done(db: Db, row: Watch, rating: float | None, at: datetime) -> Watch:
    """Marks a row as seen."""
    changed = db.one(Watch, DONE, kind=row.kind, id=row.item_id, rating=rating, at=at)
    assert changed is not None
    return changed


def remove(db: Db, row: Watch) -> None:
    """Takes a row off the list."""
    db.run(REMOVE, kind=row.kind, id=row.item_id)
