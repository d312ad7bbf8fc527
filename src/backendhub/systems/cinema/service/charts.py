"""Seat plans: drawings with a published version and a draft."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import product
from typing import Any
from uuid import uuid4

from backendhub.kit import clock, reservation
from backendhub.kit.db import Db
from backendhub.kit.reservation import Units
from backendhub.systems.cinema import plan, store
from backendhub.systems.cinema.models import Chart, Event, Gone, Refused, Workspace
from backendhub.systems.cinema.plan import Spot

from . import workspaces
from .workspaces import Part, Span

COPY = " (copy)"
NOT_USED, PUBLISHED, WITH_DRAFT = "NOT_USED", "PUBLISHED", "PUBLISHED_WITH_DRAFT"


def add(
    db: Db,
    own: Workspace,
    drawing: Mapping[str, Any],
    *,
    key: str | None = None,
    name: str | None = None,
) -> Chart:
    """A new chart of a drawing. Raises Refused for one that cannot be read, and for a key that is taken."""
    if key is not None and db.one(Chart, store.ONE_CHART, key=key, workspace_id=own.id) is not None:
        raise Refused("DUPLICATE_CHART_KEY", f"Chart key {key} is already in use.")
    title = (name or str(drawing.get("name") or "Untitled chart"))[:500]
    spots, categories = _read(drawing)
    chart = db.insert(
        Chart,
        "cinema_chart",
        key=key or str(uuid4()),
        workspace_id=own.id,
        status=NOT_USED,
        name=title,
        name_key=title.casefold(),
        archived=False,
        tags=[],
        categories=categories,
        published=dict(drawing),
        created_at=clock.now(),
    )
    _index(db, chart.id, spots)
    workspaces.note(db, own, "chart.created", chart.key)
    return chart


def create(
    db: Db, own: Workspace, *, name: str | None, venue: str | None, listed: Sequence[Mapping[str, Any]]
) -> Chart:
    """A new chart with nothing on it."""
    title = name or "Untitled chart"
    return add(db, own, plan.empty(title, venue or "SIMPLE", listed), name=title)


def get(db: Db, own: Workspace, key: str, *, lock: bool = False) -> Chart:
    """A chart of a workspace; `lock`ed where it will be changed by what is read of it: nothing is sold of its events
    meanwhile. Raises Gone."""
    if lock:
        db.fetch(store.LOCK_CHART[db.dialect], {"key": key})
    found = db.one(Chart, store.ONE_CHART, key=key, workspace_id=own.id)
    if found is None:
        raise Gone("CHART_NOT_FOUND", f"Chart not found: {key} was not found in workspace {own.key}")
    return found


def of(db: Db, event: Event) -> Chart:
    """The chart of an event."""
    return by_id(db, event.chart_id)


def by_id(db: Db, id: int) -> Chart:
    """A chart by its number."""
    found = db.one(Chart, store.CHART_BY_ID, id=id)
    assert found is not None
    return found


def find(
    db: Db,
    own: Workspace,
    span: Span,
    *,
    archived: bool = False,
    text: str | None = None,
    tag: str | None = None,
) -> Part[Chart]:
    """The charts of a workspace, the latest first: those whose name holds a text, those with a tag."""
    params: dict[str, Any] = {
        "workspace_id": own.id,
        "archived": archived,
        "text": workspaces.pattern(text),
    }
    if tag is None:
        return workspaces.listed(db, Chart, store.CHARTS, span, **params)
    return workspaces.listed(db, Chart, store.CHARTS_OF_TAG, span, **params, tag=tag)


def drawing(db: Db, found: Chart, version: str = "published") -> dict[str, Any]:
    """A version of a chart's drawing. Raises Gone where there is no draft."""
    if version not in ("published", "draft"):
        raise Gone("VERSION_NOT_FOUND", f"There is no version {version}.")
    text = db.value(store.DRAFT if version == "draft" else store.PUBLISHED, id=found.id)
    if text is None:
        raise Gone("DRAFT_VERSION_NOT_FOUND", f"Chart {found.key} has no draft version.")
    made: dict[str, Any] = json.loads(text)
    return made


def drawings(db: Db, found: Sequence[Chart]) -> dict[int, dict[str, Any]]:
    """The published drawings of charts by its number."""
    rows = db.fetch(store.ALL_PUBLISHED[db.dialect], {"ids": [chart.id for chart in found]})
    return {row[0]: json.loads(row[1]) for row in rows}


def latest(db: Db, found: Chart) -> dict[str, Any]:
    """The draft, or what is published where there is none."""
    return drawing(db, found, "draft" if found.status == WITH_DRAFT else "published")


def update(
    db: Db,
    own: Workspace,
    found: Chart,
    *,
    name: str | None = None,
    listed: Sequence[Mapping[str, Any]] | None = None,
) -> Chart:
    """Changes name and categories: at once where no event uses the chart, in a draft where one does."""
    changed = latest(db, found)
    if name:
        changed["name"] = name
    if listed is not None:
        kept = [dict(c) | {"accessible": bool(c.get("accessible"))} for c in listed]
        changed["categories"] = {"list": kept}
    if found.status != NOT_USED:
        return _set(
            db, found, draft=changed, status=WITH_DRAFT, name=str(changed.get("name") or found.name)[:500]
        )
    return _publish(db, own, found, changed)


def publish(db: Db, own: Workspace, found: Chart) -> Chart:
    """The draft takes the place of what is published. Raises Gone where there is none, Refused where somebody has a
    seat that it lacks."""
    return _publish(db, own, found, drawing(db, found, "draft"), draft=None, status=PUBLISHED)


def discard(db: Db, found: Chart) -> Chart:
    """The draft is thrown away. Raises Gone where there is none."""
    drawing(db, found, "draft")
    return _set(
        db, found, draft=None, status=PUBLISHED, name=str(drawing(db, found).get("name") or found.name)[:500]
    )


def copy(db: Db, found: Chart, target: Workspace, *, version: str = "published", suffix: str = COPY) -> Chart:
    """A copy of a version, in a workspace."""
    made = drawing(db, found, version)
    name = f"{made.get('name') or found.name}{suffix}"
    return add(db, target, made | {"name": name}, name=name)


def archive(db: Db, found: Chart, archived: bool) -> Chart:
    """Puts a chart aside, or takes it back."""
    return _set(db, found, archived=archived)


def tag(db: Db, found: Chart, name: str, *, there: bool) -> Chart:
    """Adds or removes a tag."""
    sql = store.ADD_TAG if there else store.REMOVE_TAG
    db.run(sql, workspace_id=found.workspace_id, name=name, chart_id=found.id)
    others = [t for t in found.tags if t != name]
    return _set(db, found, tags=[*others, name] if there else others)


def tags(db: Db, own: Workspace) -> list[str]:
    """Every tag of a workspace."""
    return [row[0] for row in db.fetch(store.TAGS, {"workspace_id": own.id})]


def used(db: Db, found: Chart) -> None:
    """An event uses the chart from now on; it is not drawn anew until the transaction ends."""
    db.fetch(store.SHARE_CHART[db.dialect], {"id": found.id})
    if found.status == NOT_USED:
        _set(db, found, status=PUBLISHED)


# -- spots -------------------------------------------------------------------------------------------------


def spots(db: Db, chart_id: int) -> list[Spot]:
    """Everything on a chart, in the order of the drawing."""
    return [_spot(row[0]) for row in db.fetch(store.SPOTS, {"chart_id": chart_id})]


def spots_of(db: Db, chart_id: int, labels: Iterable[str]) -> dict[str, Spot]:
    """Those of these labels that are on the chart."""
    rows = db.fetch(store.SPOTS_OF[db.dialect], {"chart_id": chart_id, "labels": sorted(set(labels))})
    found = [_spot(row[0]) for row in rows]
    return {spot.label: spot for spot in found}


@lru_cache(maxsize=8192)
def _spot(text: str) -> Spot:
    """A spot as it is stored; each text is read once, because seat maps are looked at all the time."""
    return Spot(**json.loads(text))


# -- inside ------------------------------------------------------------------------------------------------


def _set(db: Db, found: Chart, **changes: Any) -> Chart:
    if "name" in changes:
        changes["name_key"] = changes["name"].casefold()
    changed = db.update(Chart, "cinema_chart", found.id, **changes)
    assert changed is not None
    return changed


def _publish(db: Db, own: Workspace, found: Chart, drawing: Mapping[str, Any], **changes: Any) -> Chart:
    spots, categories = _read(drawing)
    rows = db.fetch(store.TAKEN_OF_CHART, {"chart_id": found.id, "now": clock.precise()})
    if lost := sorted({row[0] for row in rows} - {s.label for s in spots}):
        raise Refused("CHART_HAS_TAKEN_OBJECTS", f"Somebody has what the drawing lacks: {', '.join(lost)}.")
    _restock(db, found, spots)
    _index(db, found.id, spots)
    workspaces.note(db, own, "chart.published", found.key)
    return _set(
        db,
        found,
        published=drawing,
        categories=categories,
        name=str(drawing.get("name") or found.name)[:500],
        **changes,
    )


def _restock(db: Db, found: Chart, new: Sequence[Spot]) -> None:
    """Areas that have grown have more places at every event, those that have shrunk fewer. Raises Refused where somebody
    has what is to go."""
    capacities: Counter[str] = Counter({s.label: s.capacity or 0 for s in new if s.kind == plan.AREA})
    capacities.subtract({s.label: s.capacity or 0 for s in spots(db, found.id) if s.kind == plan.AREA})
    changed = {label: more for label, more in capacities.items() if more}
    ids = [row[0] for row in db.fetch(store.IDS_OF_CHART, {"chart_id": found.id})] if changed else []
    grown = [Units(f"cinema:{id}:{label}", more) for id in ids for label, more in changed.items() if more > 0]
    reservation.restock_all(db, grown)
    try:
        for id, (label, more) in product(ids, sorted(changed.items())):
            if more < 0:  # each is guarded by itself: what is held or sold stays
                reservation.restock(db, f"cinema:{id}:{label}", more)
    except reservation.Unavailable as error:
        raise Refused(
            "CHART_HAS_TAKEN_OBJECTS", f"Somebody has what the drawing lacks: {error.message}"
        ) from None


def _read(drawing: Mapping[str, Any]) -> tuple[list[Spot], list[dict[str, Any]]]:
    try:
        return plan.checked(drawing)
    except ValueError as error:
        raise Refused("INVALID_DRAWING", f"The drawing cannot be read: {error}.") from None


def _index(db: Db, chart_id: int, found: Sequence[Spot]) -> None:
    """Of two things with one label the last can be had; `plan.warnings` tells of the other."""
    rows = {
        s.label: {"chart_id": chart_id, "label": s.label, "number": n, "data": json.dumps(s.as_json())}
        for n, s in enumerate(found)
    }
    db.run(store.CLEAR_SPOTS, chart_id=chart_id)
    if rows:
        db.run_many(store.ADD_SPOT, list(rows.values()))
