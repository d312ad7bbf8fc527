"""Films, series, people, and what a user thinks of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What TMDB tells apart."""

    MOVIE = "movie"
    TV = "tv"


class State(StrEnum):
    """Where an item of the watch list stands."""

    WANT = "want"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Item:
    """A film or series."""

    kind: Kind
    id: int
    title: str
    release_date: str | None
    vote_average: float
    vote_count: int
    genres: tuple[str, ...]
    poster_url: str | None
    overview: str
    features: dict[str, str] = field(default_factory=dict)
    detailed: bool = False

    def as_json(self) -> dict[str, Any]:
        """The shape that programs read; what nobody voted on has no average."""
        return {
            "id": self.id,
            "title": self.title,
            "releaseDate": self.release_date,
            "voteAverage": self.vote_average if self.vote_count else None,
            "voteCount": self.vote_count,
            "genres": self.genres,
            "posterUrl": self.poster_url,
            "kind": self.kind,
            "overview": self.overview,
        }


@dataclass(frozen=True, slots=True)
class Detail:
    """A film or series with everything that is shown of it alone."""

    item: Item
    facts: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """One flat object."""
        return self.item.as_json() | self.facts


@dataclass(frozen=True, slots=True)
class Person:
    """Someone in film."""

    id: int
    name: str
    known_for: str | None
    birthday: str | None
    deathday: str | None
    place_of_birth: str | None
    biography: str
    credits: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Watch:
    """A row of the watch list."""

    kind: Kind
    item_id: int
    title: str
    release_date: str | None
    state: State
    rating: float | None
    added_at: datetime
    done_at: datetime | None

    def as_json(self) -> dict[str, Any]:
        """With the id first, as everywhere."""
        return {
            "id": self.item_id,
            "title": self.title,
            "releaseDate": self.release_date,
            "kind": self.kind,
            "state": self.state,
            "rating": self.rating,
            "addedAt": self.added_at,
            "doneAt": self.done_at,
        }


@dataclass(frozen=True, slots=True)
class Recommendation:
    """An item, how well it fits, and why."""

    item: Item
    score: float
    reason: str

    def as_json(self) -> dict[str, Any]:
        """The item with score and reason beside."""
        return self.item.as_json() | {"score": round(self.score, 3), "reason": self.reason}
