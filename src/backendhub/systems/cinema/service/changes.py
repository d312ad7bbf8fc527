"""The log of an event: which object got which status, when and how."""

from __future__ import annotations

from backendhub.kit.db import Db
from backendhub.systems.cinema import store
from backendhub.systems.cinema.models import Change, Event, Refused

from . import charts, events, workspaces
from .workspaces import Part, Span


def of_event(
    db: Db, event: Event, span: Span, *, text: str | None = None, sort: str | None = None
) -> Part[Change]:
    """The log of an event, the latest first unless sorted (`objectLabel`, `status`, `date`; `:asc`, `:desc`).
    Raises Refused for another sort."""
    name, _, way = (sort or "date:desc").partition(":")
    if name not in store.SORTS or way not in ("", "asc", "desc"):
        raise Refused("INVALID_SORT", f"There is no sort {sort}.")
    edge = span.before if span.backwards else span.after
    sql = store.changes_by(
        store.SORTS[name], descending=way == "desc", backwards=span.backwards, edge=edge is not None
    )
    params = {"event_id": event.id, "text": workspaces.raw_pattern(text), "limit": span.limit + 1}
    rows = db.all(Change, sql, **params, **({} if edge is None else {"edge": edge}))
    return workspaces.part(span, rows, lambda row: row.id)


def of_object(db: Db, event: Event, label: str, span: Span) -> Part[Change]:
    """The log of one object, the latest first."""
    return workspaces.listed(db, Change, store.CHANGES_OF, span, event_id=event.id, label=label)


def absent(db: Db, event: Event, found: Part[Change]) -> dict[str, str]:
    """Of the objects in a log those that are had at the event no longer, and why."""
    spots = charts.spots_of(db, event.chart_id, {c.label for c in found.items})
    reasons: dict[str, str] = {}
    for label in {c.label for c in found.items}:
        if label not in spots:
            reasons[label] = "REMOVED"
        elif not events.counts(event, spots[label]):
            by_table = spots[label].parent_kind == "table"
            reasons[label] = "SWITCHED_TO_BOOK_BY_TABLE" if by_table else "SWITCHED_TO_BOOK_BY_SEAT"
    return reasons
