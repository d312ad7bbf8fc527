"""The wire of seats.io's clients: what a chart holds, and how an event stands."""

from __future__ import annotations

import csv
import io
import json
from typing import Annotated, Any

from fastapi import Query

from backendhub.kit import web
from backendhub.kit.db import Db

from . import plan
from .models import Event, Gone
from .seats_out import Some
from .service import charts, events, reports
from .service.views import view
from .wire import Word, report_routes, workspace

Whole = Annotated[str, Query(alias="bookWholeTables", max_length=10)]
Version = Annotated[str, Query(max_length=10)]


def _chart_items(db: Db, user: web.CurrentUser, key: str, side: str, whole: str, version: str) -> list[Some]:
    if side not in reports.OF_CHART:
        raise Gone("REPORT_NOT_FOUND", f"There is no report {side}.")
    found = charts.get(db, workspace(db, user), key)
    drawing = charts.drawing(db, found, version)
    labels = {str(c["key"]): str(c["label"]) for c in plan.categories(drawing)}
    spots = [s for s in plan.spots(drawing) if _counted(s, whole)]
    return reports.items_of_chart(spots, labels)


def _counted(spot: plan.Spot, whole: str) -> bool:
    """Tables, their seats, or for each table what the chart says (`chart`); both where nothing is said."""
    if not whole or (spot.kind != plan.TABLE and spot.parent_kind != "table"):
        return True
    as_whole = {"true": True, "false": False}.get(whole, bool(spot.whole))
    return as_whole == (spot.kind == plan.TABLE)


@report_routes.get("/charts/{key}/{side}", statuses=(404,))
def chart_report(
    db: Db, user: web.CurrentUser, key: Word, side: Word, whole: Whole = "", version: Version = "published"
) -> Some:
    """What a chart holds, `byLabel`, `byObjectType`, `byCategoryKey`, `byCategoryLabel`, `bySection`, `byZone`."""
    return reports.grouped(_chart_items(db, user, key, side, whole, version), side)


@report_routes.get("/charts/{key}/{side}/summary", statuses=(404,))
def chart_summary(
    db: Db, user: web.CurrentUser, key: Word, side: Word, whole: Whole = "", version: Version = "published"
) -> Some:
    """How many that is."""
    found = reports.weighed_chart(_chart_items(db, user, key, side, whole, version))
    return reports.summary(found, side, [s for s in reports.OF_CHART if s != "byLabel"])


def _one(db: Db, user: web.CurrentUser, key: str) -> Event:
    return events.get(db, workspace(db, user), key)


@report_routes.get("/events/{key}", statuses=(404,))
def event_list(db: Db, user: web.CurrentUser, key: Word) -> Any:
    """Every object of an event by label; as CSV for a name that ends in `.csv`."""
    if key.endswith(".csv"):
        return _csv(_items(db, user, key.removesuffix(".csv")))
    return _items(db, user, key)


@report_routes.get("/events/{key}/{side}", statuses=(404,))
def event_report(db: Db, user: web.CurrentUser, key: Word, side: Word) -> Some:
    """How an event stands, by any side: `byStatus`, `byObjectType`, `byCategoryKey`, `byLabel`, `byOrderId`, …"""
    _known(side)
    return reports.grouped(_items(db, user, key), side)


@report_routes.get("/events/{key}/{side}/summary", statuses=(404,))
def event_summary(db: Db, user: web.CurrentUser, key: Word, side: Word) -> Some:
    """How many that is."""
    _known(side)
    seen = view(db, _one(db, user, key))
    found = reports.weighed(seen, reports.items_of_event(seen))
    return reports.summary(found, side, reports.SUMMED)


@report_routes.get("/events/{key}/{side}/summary/deep", statuses=(404,))
def event_deep_summary(db: Db, user: web.CurrentUser, key: Word, side: Word) -> Some:
    """The same a storey deeper."""
    _known(side)
    seen = view(db, _one(db, user, key))
    found = reports.weighed(seen, reports.items_of_event(seen))
    return reports.deep_summary(found, side, reports.SUMMED)


@report_routes.get("/events/{key}/{side}/{value:path}", statuses=(404,))
def event_report_of(db: Db, user: web.CurrentUser, key: Word, side: Word, value: Word) -> Some:
    """One group of a report."""
    _known(side)
    found = reports.grouped(_items(db, user, key), side)
    return {value: found[value]} if value in found else {}


def _known(side: str) -> None:
    if side not in reports.SIDES:
        raise Gone("REPORT_NOT_FOUND", f"There is no report {side}.")


def _items(db: Db, user: web.CurrentUser, key: str) -> list[Some]:
    found = reports.items_of_event(view(db, _one(db, user, key)))
    return sorted(found, key=lambda item: item["label"])


def _cell(value: Any) -> Any:
    """What stands in a cell: JSON where it is neither text nor number."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, bool | dict | list) else value


def _csv(items: list[Some]) -> web.Reply:
    names = [
        name for name in (items[0] if items else {"label": None}) if name not in ("labels", "ids", "holds")
    ]
    out = io.StringIO()
    writer = csv.DictWriter(out, names, extrasaction="ignore")
    writer.writeheader()
    writer.writerows({name: _cell(item.get(name)) for name in names} for item in items)
    return web.Reply(out.getvalue(), media_type="text/csv")
