"""The wire of seats.io's clients: workspaces, charts and their reports."""

from __future__ import annotations

import hmac
import struct
import zlib
from typing import Annotated
from uuid import uuid4

from fastapi import Body, Query

from backendhub.kit import web
from backendhub.kit.db import Db
from backendhub.kit.errors import NotFound, Unauthenticated

from . import plan
from .models import Chart, Gone, Refused
from .seats_shapes import (
    ANY_TYPE,
    CategoryIn,
    CategoryPatch,
    ChartIn,
    Some,
    WorkspaceIn,
    chart_shape,
    checked,
    workspace_shape,
)
from .service import charts
from .wire import (
    basic_user,
    chart_routes,
    public_routes,
    system_routes,
    workspace,
    workspace_routes,
)

MAX_DRAWING = 16 * 1024 * 1024
Expand = Annotated[tuple[str, ...], Query()]
After = Annotated[int | None, Query(ge=0, le=2**53 - 1)]
Limit = Annotated[int, Query(ge=1, le=1000)]
Text = Annotated[str | None, Query(max_length=200)]


# -- workspaces --------------------------------------------------------------------------------------------


@system_routes.post("/create-test-company", public=True, in_schema=False)
def create_test_company(db: Db, request: web.Request) -> Some:
    """A company of its own for a client's test suite; only where `cinema.system_secret` is set, for who has it."""
    secret = request.hub.settings.get("cinema.system_secret")
    if not secret:
        raise NotFound("There is nothing here.")
    if not hmac.compare_digest(basic_user(request), str(secret)):
        raise Unauthenticated("The system's secret is not right.")
    made = charts.add_workspace(db, company=str(uuid4()), name="Production workspace", is_default=True)
    return {"admin": {"secretKey": made.secret_key}, "workspace": workspace_shape(made)}


@workspace_routes.get("")
def list_workspaces(
    db: Db,
    user: web.CurrentUser,
    filter: Text = None,
    start_after_id: After = None,
    end_before_id: After = None,
    limit: Limit = 20,
) -> Some:
    """List the company's workspaces, the latest first."""
    found = charts.workspaces(db, workspace(db, user).company)
    named = [w for w in found if not filter or filter.casefold() in w.name.casefold()]
    return paged([workspace_shape(w) for w in named], start_after_id, end_before_id, limit)


@workspace_routes.get("/{state}", in_schema=False)
def list_workspaces_by_state(
    db: Db,
    user: web.CurrentUser,
    state: str,
    filter: Text = None,
    start_after_id: After = None,
    end_before_id: After = None,
    limit: Limit = 20,
) -> Some:
    """List those that are active or inactive; or read one by its key."""
    if state not in ("active", "inactive"):
        return workspace_shape(charts.workspace(db, state, workspace(db, user).company))
    found = charts.workspaces(db, workspace(db, user).company)
    named = [
        w
        for w in found
        if w.is_active == (state == "active") and (not filter or filter.casefold() in w.name.casefold())
    ]
    return paged([workspace_shape(w) for w in named], start_after_id, end_before_id, limit)


@workspace_routes.post("", status=201, consumes=ANY_TYPE)
def create_workspace(db: Db, user: web.CurrentUser, body: WorkspaceIn) -> Some:
    """Make a workspace."""
    own = workspace(db, user)
    made = charts.add_workspace(db, company=own.company, name=body.name, is_test=bool(body.isTest))
    return workspace_shape(made)


@workspace_routes.post("/{key}", consumes=ANY_TYPE)
def update_workspace(db: Db, user: web.CurrentUser, key: str, body: WorkspaceIn) -> Some:
    """Rename a workspace."""
    found = charts.workspace(db, key, workspace(db, user).company)
    return workspace_shape(charts.change_workspace(db, found, name=body.name))


@workspace_routes.post("/actions/set-default/{key}", status=204)
def set_default_workspace(db: Db, user: web.CurrentUser, key: str) -> None:
    """Make a workspace the company's default."""
    found = charts.workspace(db, key, workspace(db, user).company)
    charts.change_workspace(db, found, is_default=True)


@workspace_routes.post("/{key}/actions/{action}")
def act_on_workspace(db: Db, user: web.CurrentUser, key: str, action: str) -> Some:
    """Activate, deactivate, make the default, or give a new secret key (`regenerate-secret-key`)."""
    found = charts.workspace(db, key, workspace(db, user).company)
    actions: dict[str, Some] = {
        "activate": {"is_active": True},
        "deactivate": {"is_active": False},
        "set-default": {"is_default": True},
        "regenerate-secret-key": {"new_secret": True},
    }
    if action not in actions:
        raise Gone("ACTION_NOT_FOUND", f"There is no action {action}.")
    return workspace_shape(charts.change_workspace(db, found, **actions[action]))


@workspace_routes.delete("/{key}")
def delete_workspace(db: Db, user: web.CurrentUser, key: str) -> None:
    """Delete an inactive workspace (it can no longer be used)."""
    found = charts.workspace(db, key, workspace(db, user).company)
    if found.is_active or found.is_default:
        raise Refused("WORKSPACE_ACTIVE", "Only inactive workspaces are deleted.")
    charts.change_workspace(db, found, company=f"deleted:{found.company}")


# -- charts ------------------------------------------------------------------------------------------------


def paged(shapes: list[Some], after: int | None, before: int | None, limit: int) -> Some:
    """A page of what is sorted by id, the latest first."""
    ids = [s["id"] for s in shapes]
    if before is not None:
        end = next((n for n, id in enumerate(ids) if id <= before), len(ids))
        start = max(0, end - limit)
    else:
        start = 0 if after is None else next((n for n, id in enumerate(ids) if id < after), len(ids))
        end = start + limit
    items = shapes[start:end]
    page: Some = {"items": items}
    if items and end < len(shapes):
        page["next_page_starts_after"] = items[-1]["id"]
    if items and start > 0:
        page["previous_page_ends_before"] = items[0]["id"]
    return page


def _one(db: Db, user: web.CurrentUser, key: str) -> Chart:
    return charts.chart(db, workspace(db, user), key)


@chart_routes.post("", status=201, consumes=ANY_TYPE, statuses=(400,))
def create_chart(db: Db, user: web.CurrentUser, body: ChartIn) -> Some:
    """Make an empty chart."""
    made = charts.create_chart(
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
def import_chart(db: Db, user: web.CurrentUser, key: str, body: Annotated[Some, Body()]) -> Some:
    """Make a chart of a whole drawing."""
    return chart_shape(db, charts.add_chart(db, workspace(db, user), body, key=key))


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
    found = charts.charts(db, workspace(db, user), text=filter, tag=tag)
    shapes = [{"id": c.id, "chart": c} for c in found]
    page = paged(shapes, start_after_id, end_before_id, limit)
    return page | {"items": [chart_shape(db, s["chart"], list(expand)) for s in page["items"]]}


@chart_routes.get("/archive")
def list_archive(
    db: Db,
    user: web.CurrentUser,
    start_after_id: After = None,
    end_before_id: After = None,
    limit: Limit = 20,
) -> Some:
    """List charts that were put aside."""
    found = [chart_shape(db, c) for c in charts.charts(db, workspace(db, user), archived=True)]
    return paged(found, start_after_id, end_before_id, limit)


@chart_routes.get("/tags")
def list_tags(db: Db, user: web.CurrentUser) -> Some:
    """List every tag."""
    return {"tags": charts.tags(db, workspace(db, user))}


@chart_routes.get("/{key}", statuses=(404,))
def get_chart(db: Db, user: web.CurrentUser, key: str, expand: Expand = ()) -> Some:
    """Read a chart."""
    return chart_shape(db, _one(db, user, key), [*expand, "zones"])


@chart_routes.post("/{key}", status=204, consumes=ANY_TYPE, statuses=(400, 404))
def update_chart(db: Db, user: web.CurrentUser, key: str, body: ChartIn) -> None:
    """Change name or categories: in a draft where events use the chart."""
    listed = None if body.categories is None else checked(body.categories)
    charts.update(db, _one(db, user, key), name=body.name, listed=listed)


@chart_routes.get("/{key}/version/{version}", statuses=(404,))
def get_drawing(db: Db, user: web.CurrentUser, key: str, version: str) -> Some:
    """Read the drawing of the published or draft version."""
    return charts.drawing(db, _one(db, user, key), version)


@chart_routes.get("/{key}/version/{version}/thumbnail", media_type="image/png", statuses=(404,))
def get_thumbnail(db: Db, user: web.CurrentUser, key: str, version: str) -> web.Reply:
    """A small picture of a version."""
    return web.Reply(
        _png(plan.spots(charts.drawing(db, _one(db, user, key), version))), media_type="image/png"
    )


@chart_routes.post("/{key}/version/{version}/actions/{action}", status=200, statuses=(404,))
def act_on_version(db: Db, user: web.CurrentUser, key: str, version: str, action: str) -> Some:
    """`copy` or `validate` a version; `publish` or `discard` a draft."""
    own, found = workspace(db, user), _one(db, user, key)
    if action == "copy":
        return chart_shape(db, charts.copy(db, found, own, version=version))
    if action == "validate":
        charts.drawing(db, found, version)
        return {"errors": [], "warnings": []}
    if version == "draft" and action == "publish":
        return chart_shape(db, charts.publish(db, found))
    if version == "draft" and action == "discard":
        return chart_shape(db, charts.discard(db, found))
    raise Gone("ACTION_NOT_FOUND", f"There is no action {action}.")


@chart_routes.post("/{key}/version/published/actions/copy-to-workspace/{to}", statuses=(404,))
def copy_to_workspace(db: Db, user: web.CurrentUser, key: str, to: str) -> Some:
    """Copy a chart to another workspace of the company."""
    own = workspace(db, user)
    target = charts.workspace(db, to, own.company)
    return chart_shape(db, charts.copy(db, charts.chart(db, own, key), target, suffix=""))


@chart_routes.post("/{key}/version/published/actions/copy/from/{source}/to/{to}", statuses=(404,))
def copy_between(db: Db, user: web.CurrentUser, key: str, source: str, to: str) -> Some:
    """Copy a chart from one workspace of the company to another."""
    own = workspace(db, user)
    found = charts.chart(db, charts.workspace(db, source, own.company), key)
    return chart_shape(db, charts.copy(db, found, charts.workspace(db, to, own.company), suffix=""))


@chart_routes.post("/{key}/actions/{action}", status=204, statuses=(404,))
def act_on_chart(db: Db, user: web.CurrentUser, key: str, action: str) -> None:
    """`move-to-archive`, `move-out-of-archive`."""
    moves = {"move-to-archive": True, "move-out-of-archive": False}
    if action not in moves:
        raise Gone("ACTION_NOT_FOUND", f"There is no action {action}.")
    charts.archive(db, _one(db, user, key), moves[action])


@chart_routes.post("/{key}/tags/{tag:path}", status=204, statuses=(404,))
def add_tag(db: Db, user: web.CurrentUser, key: str, tag: str) -> None:
    """Tag a chart."""
    charts.tag(db, _one(db, user, key), tag, there=True)


@chart_routes.delete("/{key}/tags/{tag:path}", statuses=(404,))
def remove_tag(db: Db, user: web.CurrentUser, key: str, tag: str) -> None:
    """Remove a tag."""
    charts.tag(db, _one(db, user, key), tag, there=False)


# -- categories --------------------------------------------------------------------------------------------


@chart_routes.get("/{key}/categories", statuses=(404,))
def list_categories(db: Db, user: web.CurrentUser, key: str) -> Some:
    """List a chart's categories."""
    return {"categories": plan.categories(charts.drawing(db, _one(db, user, key)))}


@chart_routes.post("/{key}/categories", status=204, consumes=ANY_TYPE, statuses=(404,))
def add_category(db: Db, user: web.CurrentUser, key: str, body: CategoryIn) -> None:
    """Add a category."""
    found = _one(db, user, key)
    listed = plan.categories(charts.drawing(db, found))
    charts.update(db, found, listed=[*listed, body.model_dump()])


@chart_routes.post("/{key}/categories/{category}", status=204, consumes=ANY_TYPE, statuses=(404,))
def update_category(db: Db, user: web.CurrentUser, key: str, category: str, body: CategoryPatch) -> None:
    """Change a category."""
    found = _one(db, user, key)
    changes = body.model_dump(exclude_unset=True)
    listed = plan.categories(charts.drawing(db, found))
    if all(str(c["key"]) != category for c in listed):
        raise Gone("CATEGORY_NOT_FOUND", f"Category not found: {category}")
    charts.update(db, found, listed=[c | changes if str(c["key"]) == category else c for c in listed])


@chart_routes.delete("/{key}/categories/{category}", statuses=(404,))
def remove_category(db: Db, user: web.CurrentUser, key: str, category: str) -> None:
    """Remove a category."""
    found = _one(db, user, key)
    listed = plan.categories(charts.drawing(db, found))
    charts.update(db, found, listed=[c for c in listed if str(c["key"]) != category])


def _png(spots: list[plan.Spot]) -> bytes:
    """A picture of 160 × 100: a dot for each spot."""
    width, height = 160, 100
    rows = [bytearray(b"\xff" * width) for _ in range(height)]
    if spots:
        left, top = min(s.x for s in spots), min(s.y for s in spots)
        scale = max(max(s.x for s in spots) - left, (max(s.y for s in spots) - top) * 1.6, 1.0)
        for s in spots:
            x = int((s.x - left) / scale * (width - 8)) + 4
            y = int((s.y - top) / scale * (width - 8)) + 4
            for dy in range(2):
                for dx in range(2):
                    if 0 <= y + dy < height and 0 <= x + dx < width:
                        rows[y + dy][x + dx] = 0x40
    data = zlib.compress(b"".join(b"\0" + bytes(row) for row in rows))

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
