"""Shows as search engines read them: `ScreeningEvent` of schema.org, as JSON-LD."""

from __future__ import annotations

import json
from typing import Any

from backendhub.kit.clock import iso
from backendhub.kit.money import Money

from .films import Movie, Show
from .models import CANCELLED
from .plain_shapes import SeatsOut, movie_poster

SCHEMA = "https://schema.org"


def event(show: Show, movie: Movie, seats: SeatsOut, base: str) -> dict[str, Any]:
    """A show, its film and what its seats cost."""
    left: dict[str, int] = {category: 0 for category in show.prices}
    for seat in seats.seats:
        left[seat.category] += seat.status == "free"
    status = "EventCancelled" if show.state == CANCELLED else "EventScheduled"
    return {
        "@context": SCHEMA,
        "@type": "ScreeningEvent",
        "@id": f"{base}/shows/{show.id}",
        "name": movie.title,
        "startDate": iso(show.starts_at),
        "endDate": iso(show.ends_at),
        "eventStatus": f"{SCHEMA}/{status}",
        "eventAttendanceMode": f"{SCHEMA}/OfflineEventAttendanceMode",
        "location": {"@type": "MovieTheater", "name": show.hall},
        "workPresented": _movie(movie, base),
        "maximumAttendeeCapacity": show.capacity,
        "remainingAttendeeCapacity": 0 if show.state == CANCELLED else seats.free,
        "offers": [_offer(show, category, count, base) for category, count in left.items()],
    }


def _movie(movie: Movie, base: str) -> dict[str, Any]:
    made: dict[str, Any] = {
        "@type": "Movie",
        "name": movie.title,
        "duration": f"PT{movie.minutes}M",
        "image": movie_poster(movie, base),
        "genre": movie.genres,
        "description": movie.synopsis,
    }
    if movie.rating:
        made["contentRating"] = movie.rating
    return {name: value for name, value in made.items() if value not in ("", [])}


def _offer(show: Show, category: str, count: int, base: str) -> dict[str, Any]:
    there = count > 0 and show.state != CANCELLED
    return {
        "@type": "Offer",
        "name": category,
        "price": Money(show.prices[category], show.currency).decimal,
        "priceCurrency": show.currency,
        "availability": f"{SCHEMA}/{'InStock' if there else 'SoldOut'}",
        "url": f"{base}/shows/{show.id}/pick",
    }


def text(found: dict[str, Any]) -> str:
    """As it stands in a page: nothing in it ends a script element."""
    return json.dumps(found, ensure_ascii=False).replace("<", "\\u003c")
