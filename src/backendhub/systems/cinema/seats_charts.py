"""The wire of seats.io's clients: charts and their categories."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import Body, Query

from backendhub.kit import web
from backendhub.kit.db import Db

from . import plan
from .models import Chart, Gone
from .seats_out import Some, chart_shape, chart_shapes, paged_with
from .seats_shapes import ANY_TYPE, CategoryIn, CategoryPatch, ChartIn, checked
from .service import charts, workspaces
from .thumbnail import png
from .wire import After, Limit, Text, Word, chart_routes, company, public_routes, span, workspace

MAX_DRAWING = 16 * 1024 * 1024
Expand = Annotated[tuple[str, ...], Query()]


# -- charts ------------------------------------------------------------------------------------------------


def _one(db: Db, user: web.CurrentUser, key: str, *, lock: bool = False) -> Chart:
    return charts.get(db, workspace(db, user), key, lock=lock)


@chart_routes.post("", status=201, consumes=ANY_TYPE, statuses=(400,))
def create_chart(db: Db, user: web.CurrentUser, body: ChartIn) -> Some:
    """Make an empty chart."""
    made = charts.create(
        db,
        workspace(db, user),
        name=body.name,
        venue=body.venueType,
        listed=checked(body.categories or []),
    )
    return chart_shape(db, made)


@public_routes.post(
    "/charts/{key}", status=201, consumes=ANY_TYPE, statuses=(400,), max_body=MAX_DRAWING, heavy=True
)
def import_chart(db: Db, user: web.CurrentUser, key: Word, body: Annotated[Some, Body()]) -> Some:
    """Make a chart of a whole drawing."""
    return chart_shape(db, charts.add(db, workspace(db, user), body, key=key))


@chart_routes.get("")
def list_charts(
    db: Db,
    user: web.CurrentUser,
    filter: Text = None,
    tag: Text = None,
    expand: Expand = (),
    start_after_id: After = None,
    end_before_id: After = None,
    limit: Limit = 20,
) -> Some:
    """List charts, the latest first."""
    wanted = span(start_after_id, end_before_id, limit)
    page = charts.find(db, workspace(db, user), wanted, text=filter, tag=tag)
    return paged_with(page, chart_shapes(db, page.items, expand))


@chart_routes.get("/archive")
def list_archive(
    db: Db,
    user: web.CurrentUser,
    start_after_id: After = None,
    end_before_id: After = None,
    limit: Limit = 20,
) -> Some:
    """List charts that were put aside."""
    wanted = span(start_after_id, end_before_id, limit)
    page = charts.find(db, workspace(db, user), wanted, archived=True)
    return paged_with(page, chart_shapes(db, page.items))


@chart_routes.get("/tags")
def list_tags(db: Db, user: web.CurrentUser) -> Some:
    """List every tag."""
    return {"tags": charts.tags(db, workspace(db, user))}


@chart_routes.get("/{key}", statuses=(404,))
def get_chart(db: Db, user: web.CurrentUser, key: Word, expand: Expand = ()) -> Some:
    """Read a chart."""
    return chart_shape(db, _one(db, user, key), [*expand, "zones"])


@chart_routes.post("/{key}", status=204, consumes=ANY_TYPE, statuses=(400, 404))
def update_chart(db: Db, user: web.CurrentUser, key: Word, body: ChartIn) -> None:
    """Change name or categories: in a draft where events use the chart."""
    listed = None if body.categories is None else checked(body.categories)
    own = workspace(db, user)
    charts.update(db, own, charts.get(db, own, key, lock=True), name=body.name, listed=listed)


@chart_routes.get("/{key}/version/{version}", statuses=(404,))
def get_drawing(db: Db, user: web.CurrentUser, key: Word, version: Word) -> Some:
    """Read the drawing of the published or draft version."""
    return charts.drawing(db, _one(db, user, key), version)


@chart_routes.get("/{key}/version/{version}/thumbnail", media_type="image/png", statuses=(404,))
def get_thumbnail(db: Db, user: web.CurrentUser, key: Word, version: Word) -> web.Reply:
    """A small picture of a version."""
    drawing = charts.drawing(db, _one(db, user, key), version)
    return web.Reply(png(plan.spots(drawing)), media_type="image/png")


@chart_routes.post("/{key}/version/{version}/actions/{action}", status=200, statuses=(404,))
def act_on_version(db: Db, user: web.CurrentUser, key: Word, version: Word, action: Word) -> Some:
    """`copy` or `validate` a version; `publish` or `discard` a draft."""
    own = workspace(db, user)
    found = charts.get(db, own, key, lock=action in ("publish", "discard"))
    if action == "copy":
        return chart_shape(db, charts.copy(db, found, own, version=version))
    if action == "validate":
        return plan.validation(charts.drawing(db, found, version))
    if version == "draft" and action == "publish":
        return chart_shape(db, charts.publish(db, own, found))
    if version == "draft" and action == "discard":
        return chart_shape(db, charts.discard(db, found))
    raise Gone("ACTION_NOT_FOUND", f"There is no action {action}.")


@chart_routes.post("/{key}/version/published/actions/copy-to-workspace/{to}", statuses=(403, 404))
def copy_to_workspace(db: Db, user: web.CurrentUser, key: Word, to: Word) -> Some:
    """Copy a chart to another workspace of the company."""
    own = workspace(db, user)
    target = workspaces.get(db, to, company(db, user))
    return chart_shape(db, charts.copy(db, charts.get(db, own, key), target, suffix=""))


@chart_routes.post("/{key}/version/published/actions/copy/from/{source}/to/{to}", statuses=(403, 404))
def copy_between(db: Db, user: web.CurrentUser, key: Word, source: Word, to: Word) -> Some:
    """Copy a chart from one workspace of the company to another."""
    mine = company(db, user)
    found = charts.get(db, workspaces.get(db, source, mine), key)
    return chart_shape(db, charts.copy(db, found, workspaces.get(db, to, mine), suffix=""))


@chart_routes.post("/{key}/actions/{action}", status=204, statuses=(404,))
def act_on_chart(db: Db, user: web.CurrentUser, key: Word, action: Word) -> None:
    """`move-to-archive`, `move-out-of-archive`."""
    moves = {"move-to-archive": True, "move-out-of-archive": False}
    if action not in moves:
        raise Gone("ACTION_NOT_FOUND", f"There is no action {action}.")
    charts.archive(db, _one(db, user, key), moves[action])


@chart_routes.post("/{key}/tags/{tag:path}", status=204, statuses=(404,))
def add_tag(db: Db, user: web.CurrentUser, key: Word, tag: Word) -> None:
    """Tag a chart."""
    charts.tag(db, _one(db, user, key, lock=True), tag, there=True)


@chart_routes.delete("/{key}/tags/{tag:path}", statuses=(404,))
def remove_tag(db: Db, user: web.CurrentUser, key: Word, tag: Word) -> None:
    """Remove a tag."""
    charts.tag(db, _one(db, user, key, lock=True), tag, there=False)


# -- categories --------------------------------------------------------------------------------------------


@chart_routes.get("/{key}/categories", statuses=(404,))
def list_categories(db: Db, user: web.CurrentUser, key: Word) -> Some:
    """List a chart's categories."""
    return {"categories": plan.categories(charts.latest(db, _one(db, user, key)))}


@chart_routes.post("/{key}/categories", status=204, consumes=ANY_TYPE, statuses=(404,))
def add_category(db: Db, user: web.CurrentUser, key: Word, body: CategoryIn) -> None:
    """Add a category."""
    _recategorise(db, user, key, lambda listed: [*listed, body.model_dump()])


@chart_routes.post("/{key}/categories/{category}", status=204, consumes=ANY_TYPE, statuses=(404,))
def update_category(db: Db, user: web.CurrentUser, key: Word, category: Word, body: CategoryPatch) -> None:
    """Change a category."""
    changes = body.model_dump(exclude_unset=True)

    def change(listed: list[Some]) -> list[Some]:
        if all(str(c["key"]) != category for c in listed):
            raise Gone("CATEGORY_NOT_FOUND", f"Category not found: {category}")
        return [c | changes if str(c["key"]) == category else c for c in listed]

    _recategorise(db, user, key, change)


@chart_routes.delete("/{key}/categories/{category}", statuses=(404,))
def remove_category(db: Db, user: web.CurrentUser, key: Word, category: Word) -> None:
    """Remove a category."""
    _recategorise(db, user, key, lambda listed: [c for c in listed if str(c["key"]) != category])


def _recategorise(
    db: Db, user: web.CurrentUser, key: str, change: Callable[[list[Some]], list[Some]]
) -> None:
    own = workspace(db, user)
    found = charts.get(db, own, key, lock=True)
    charts.update(db, own, found, listed=change(plan.categories(charts.latest(db, found))))
