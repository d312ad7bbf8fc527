"""The wire of seats.io's clients: seasons, and parts of them."""

from __future__ import annotations

from backendhub.kit import web
from backendhub.kit.db import Db

from .seats_out import Some, event_shape, event_shapes
from .seats_shapes import ANY_TYPE, SeasonIn
from .service import events, seasons
from .wire import Word, season_routes, workspace


@season_routes.post("", status=201, consumes=ANY_TYPE, statuses=(400, 404))
def create_season(db: Db, user: web.CurrentUser, body: SeasonIn) -> Some:
    """Make a season of a chart: what is booked for it is booked at all of its events."""
    own = workspace(db, user)
    return event_shape(db, seasons.create(db, own, body.chartKey or "", body.values()))


@season_routes.post("/{key}/actions/create-events", status=201, consumes=ANY_TYPE, statuses=(400, 404))
def create_events_of_season(db: Db, user: web.CurrentUser, key: Word, body: SeasonIn) -> Some:
    """Add events to a season, by number or by key; the latest first in the answer."""
    own = workspace(db, user)
    top = seasons.season(db, own, key)
    made = seasons.add_events(db, own, top, number=body.numberOfEvents, keys=body.eventKeys)
    return {"events": event_shapes(db, made[::-1])}


@season_routes.post("/{key}/partial-seasons", status=201, consumes=ANY_TYPE, statuses=(400, 404))
def create_partial_season(db: Db, user: web.CurrentUser, key: Word, body: SeasonIn) -> Some:
    """Make a part of a season, with some of its events."""
    own = workspace(db, user)
    top = seasons.season(db, own, key)
    return event_shape(db, seasons.add_partial(db, own, top, body.values()))


@season_routes.post(
    "/{key}/partial-seasons/{partial}/actions/add-events", consumes=ANY_TYPE, statuses=(400, 404)
)
def add_events_to_partial(db: Db, user: web.CurrentUser, key: Word, partial: Word, body: SeasonIn) -> Some:
    """Put events of the season into a part of it."""
    own = workspace(db, user)
    top = seasons.season(db, own, key)
    part = seasons.partial(db, own, top, partial)
    seasons.add_parts(db, top, part, body.eventKeys or [])
    return event_shape(db, events.by_id(db, part.id))


@season_routes.delete("/{key}/partial-seasons/{partial}/events/{event}", status=200, statuses=(400, 404))
def remove_event_from_partial(db: Db, user: web.CurrentUser, key: Word, partial: Word, event: Word) -> Some:
    """Take an event out of a part of a season."""
    own = workspace(db, user)
    part = seasons.partial(db, own, seasons.season(db, own, key), partial)
    seasons.remove_part(db, part, event)
    return event_shape(db, part)
