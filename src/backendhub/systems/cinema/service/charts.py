"""Workspaces and seat plans."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import uuid4

from backendhub.kit import clock
from backendhub.kit.db import Db
from backendhub.kit.errors import Unauthenticated
from backendhub.systems.cinema import plan, store
from backendhub.systems.cinema.models import Chart, Event, Gone, Refused, Workspace
from backendhub.systems.cinema.plan import Spot

COPY = " (copy)"
OWN = "cinema"
"""The company of the cinema itself."""


# -- workspaces --------------------------------------------------------------------------------------------


def add_workspace(
    db: Db, *, company: str, name: str, is_test: bool = False, is_default: bool = False
) -> Workspace:
    """A new workspace with a secret key of its own."""
    return db.insert(
        Workspace,
        "cinema_workspace",
        key=str(uuid4()),
        company=company,
        name=name,
        secret_key=str(uuid4()),
        is_test=is_test,
        is_active=True,
        is_default=is_default,
        created_at=clock.now(),
    )


def own_workspace(db: Db) -> Workspace:
    """The workspace of the cinema's halls and shows; made when first asked for."""
    found = next(iter(workspaces(db, OWN)), None)
    return found or add_workspace(db, company=OWN, name="Cinema", is_default=True)


def workspaces(db: Db, company: str) -> list[Workspace]:
    """The workspaces of a company, the latest first."""
    return db.all(Workspace, store.WORKSPACES, company=company)


def workspace(db: Db, key: str, company: str) -> Workspace:
    """A workspace of a company. Raises Gone."""
    found = db.one(Workspace, store.BY_KEY, key=key)
    if found is None or found.company != company:
        raise Gone("WORKSPACE_NOT_FOUND", f"Workspace not found: {key}")
    return found


def of_secret(db: Db, secret: str, key: str | None = None) -> Workspace:
    """The workspace that a secret key opens, or another of the same company by its key. Raises Unauthenticated."""
    found = db.one(Workspace, store.BY_SECRET, secret=secret)
    if found is None or not found.is_active:
        raise Unauthenticated("The secret key is not valid.")
    return found if key is None or key == found.key else workspace(db, key, found.company)


def change_workspace(db: Db, found: Workspace, **changes: Any) -> Workspace:
    """Changes a workspace; of a company's workspaces one is the default."""
    if changes.get("is_default"):
        db.run(store.NO_DEFAULT, company=found.company)
    if changes.pop("new_secret", False):
        changes["secret_key"] = secrets.token_hex(20)
    changed = db.update(Workspace, "cinema_workspace", found.id, **changes)
    assert changed is not None
    return changed


# -- charts ------------------------------------------------------------------------------------------------


def add_chart(
    db: Db,
    own: Workspace,
    drawing: Mapping[str, Any],
    *,
    key: str | None = None,
    name: str | None = None,
) -> Chart:
    """A new chart of a drawing. Raises Refused for one that cannot be read, or has a label twice."""
    chart = db.insert(
        Chart,
        "cinema_chart",
        key=key or str(uuid4()),
        workspace_id=own.id,
        status="NOT_USED",
        name=(name or str(drawing.get("name") or "Untitled chart"))[:500],
        archived=False,
        tags=[],
        published=dict(drawing),
        created_at=clock.now(),
    )
    _index(db, chart.id, drawing)
    return chart


def create_chart(
    db: Db, own: Workspace, *, name: str | None, venue: str | None, listed: Sequence[Mapping[str, Any]]
) -> Chart:
    """A new chart with nothing on it."""
    title = name or "Untitled chart"
    return add_chart(db, own, plan.empty(title, venue or "SIMPLE", listed), name=title)


def chart(db: Db, own: Workspace, key: str) -> Chart:
    """A chart of a workspace. Raises Gone."""
    found = db.one(Chart, store.ONE_CHART, key=key, workspace_id=own.id)
    if found is None:
        raise Gone("CHART_NOT_FOUND", f"Chart not found: {key} was not found in workspace {own.key}")
    return found


def chart_of(db: Db, event: Event) -> Chart:
    """The chart of an event."""
    found = db.one(Chart, store.CHART_BY_ID, id=event.chart_id)
    assert found is not None
    return found


def charts(
    db: Db, own: Workspace, *, archived: bool = False, text: str | None = None, tag: str | None = None
) -> list[Chart]:
    """The charts of a workspace, the latest first: those whose name holds a text, those with a tag."""
    found = db.all(Chart, store.CHARTS, workspace_id=own.id, archived=archived, before=2**62, after=0)
    if text:
        found = [c for c in found if text.casefold() in c.name.casefold()]
    return [c for c in found if tag in c.tags] if tag else found


def drawing(db: Db, found: Chart, version: str = "published") -> dict[str, Any]:
    """A version of a chart's drawing. Raises Gone where there is no draft."""
    text = db.value(store.DRAFT if version == "draft" else store.PUBLISHED, id=found.id)
    if text is None:
        raise Gone("DRAFT_VERSION_NOT_FOUND", f"Chart {found.key} has no draft version.")
    made: dict[str, Any] = json.loads(text)
    return made


def update(
    db: Db, found: Chart, *, name: str | None = None, listed: Sequence[Mapping[str, Any]] | None = None
) -> Chart:
    """Changes name and categories: at once where no event uses the chart, in a draft where one does."""
    used = found.status != "NOT_USED"
    changed = drawing(db, found, "draft" if found.status == "PUBLISHED_WITH_DRAFT" else "published")
    if name:
        changed["name"] = name
    if listed is not None:
        changed["categories"] = {
            "list": [dict(c) | {"accessible": bool(c.get("accessible"))} for c in listed]
        }
    if used:
        return _set(db, found, draft=changed, status="PUBLISHED_WITH_DRAFT", name=changed["name"])
    _index(db, found.id, changed)
    return _set(db, found, published=changed, name=changed["name"])


def publish(db: Db, found: Chart) -> Chart:
    """The draft takes the place of what is published. Raises Gone where there is none."""
    changed = drawing(db, found, "draft")
    _index(db, found.id, changed)
    return _set(db, found, published=changed, draft=None, status="PUBLISHED", name=changed["name"])


def discard(db: Db, found: Chart) -> Chart:
    """The draft is thrown away. Raises Gone where there is none."""
    drawing(db, found, "draft")
    name = drawing(db, found)["name"]
    return _set(db, found, draft=None, status="PUBLISHED", name=name)


def copy(db: Db, found: Chart, target: Workspace, *, version: str = "published", suffix: str = COPY) -> Chart:
    """A copy of a version, in a workspace."""
    made = drawing(db, found, version)
    name = f"{made.get('name') or found.name}{suffix}"
    return add_chart(db, target, made | {"name": name}, name=name)


def archive(db: Db, found: Chart, archived: bool) -> Chart:
    """Puts a chart aside, or takes it back."""
    return _set(db, found, archived=archived)


def tag(db: Db, found: Chart, name: str, *, there: bool) -> Chart:
    """Adds or removes a tag."""
    others = [t for t in found.tags if t != name]
    return _set(db, found, tags=[*others, name] if there else others)


def tags(db: Db, own: Workspace) -> list[str]:
    """Every tag of a workspace."""
    found = charts(db, own) + charts(db, own, archived=True)
    return sorted({name for c in found for name in c.tags})


def used(db: Db, found: Chart) -> None:
    """An event uses the chart from now on."""
    if found.status == "NOT_USED":
        _set(db, found, status="PUBLISHED")


# -- spots -------------------------------------------------------------------------------------------------


def spots(db: Db, chart_id: int) -> list[Spot]:
    """Everything on a chart, in the order of the drawing."""
    return [Spot(**json.loads(row[0])) for row in db.fetch(store.SPOTS, {"chart_id": chart_id})]


def spots_of(db: Db, chart_id: int, labels: Iterable[str]) -> dict[str, Spot]:
    """Those of these labels that are on the chart."""
    rows = db.fetch(store.SPOTS_OF[db.dialect], {"chart_id": chart_id, "labels": sorted(set(labels))})
    found = [Spot(**json.loads(row[0])) for row in rows]
    return {spot.label: spot for spot in found}


def _set(db: Db, found: Chart, **changes: Any) -> Chart:
    changed = db.update(Chart, "cinema_chart", found.id, **changes)
    assert changed is not None
    return changed


def _index(db: Db, chart_id: int, drawing: Mapping[str, Any]) -> None:
    try:
        found = plan.spots(drawing)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Refused("INVALID_DRAWING", f"The drawing cannot be read: {error!r}.") from None
    rows = {
        s.label: {"chart_id": chart_id, "label": s.label, "number": n, "data": json.dumps(s.as_json())}
        for n, s in enumerate(found)
    }
    db.run(store.CLEAR_SPOTS, chart_id=chart_id)
    if rows:
        db.run_many(store.ADD_SPOT, list(rows.values()))
