"""Films and their genres."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from backendhub.kit import clock
from backendhub.kit.db import Db
from backendhub.kit.errors import Conflict, NotFound
from backendhub.kit.ids import uuid7
from backendhub.systems.cinema import store
from backendhub.systems.cinema.films import Genre, Movie

from . import workspaces


def add(
    db: Db,
    *,
    title: str,
    minutes: int,
    synopsis: str = "",
    poster: str | None = None,
    rating: str | None = None,
    genres: Sequence[str] = (),
) -> Movie:
    """A new film."""
    named = _named(genres)
    movie = db.insert(
        Movie,
        "cinema_movie",
        id=uuid7(),
        title=title.strip(),
        title_key=title.strip().casefold(),
        synopsis=synopsis,
        minutes=minutes,
        poster=poster,
        rating=rating,
        genres=named,
        created_at=clock.now(),
    )
    _index(db, movie)
    return movie


def get(db: Db, id: str) -> Movie:
    """A film. Raises NotFound."""
    found = db.one(Movie, store.MOVIE, id=id)
    if found is None:
        raise NotFound(f"There is no movie {id[:80]!r}.")
    return found


def by_ids(db: Db, ids: Iterable[str]) -> dict[str, Movie]:
    """Films by their ids."""
    return {m.id: m for m in db.all(Movie, store.MOVIES_BY_ID[db.dialect], ids=sorted(ids))}


def find(
    db: Db, *, genre: str | None = None, text: str | None = None, after: str = "", limit: int = 20
) -> list[Movie]:
    """Films in the order in which they were added: those of a genre, those whose title holds a text."""
    params: dict[str, Any] = {"after": after, "limit": limit, "text": workspaces.pattern(text)}
    if genre is None:
        return db.all(Movie, store.MOVIES, **params)
    return db.all(Movie, store.MOVIES_OF_GENRE, **params, genre=genre)


def edit(db: Db, id: str, **changes: Any) -> Movie:
    """Changes a film; shows that are announced keep their times. Raises NotFound."""
    get(db, id)
    if "title" in changes:
        changes["title"] = changes["title"].strip()
        changes["title_key"] = changes["title"].casefold()
    if "genres" in changes:
        changes["genres"] = _named(changes["genres"])
    movie = db.update(Movie, "cinema_movie", id, **changes)
    assert movie is not None
    if "genres" in changes:
        db.run(store.CLEAR_GENRES, movie_id=id)
        _index(db, movie)
    return movie


def remove(db: Db, id: str) -> None:
    """Removes a film that was never shown. Raises NotFound, Conflict."""
    get(db, id)
    if db.value(store.SHOWS_OF_MOVIE, id=id):
        raise Conflict("The movie has shows: they and what was sold for them stay.")
    db.run(store.DELETE_MOVIE, id=id)


def genres(db: Db) -> list[Genre]:
    """Every genre with the number of its films."""
    return db.all(Genre, store.GENRES)


def _named(genres: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(g.strip() for g in genres))


def _index(db: Db, movie: Movie) -> None:
    if movie.genres:
        db.run_many(store.ADD_GENRE, [{"movie_id": movie.id, "name": name} for name in movie.genres])
