"""The cinema's own routes for administrators: roles, bookings, revenue, occupancy."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from fastapi import Query

from backendhub.kit import accounts, web
from backendhub.kit.accounts import users
from backendhub.kit.db import Db
from backendhub.kit.paging import Page
from backendhub.kit.web.fields import Cursor, Limit, Search

from .plain import Day, period
from .plain_bookings import with_tickets
from .plain_shapes import (
    After,
    BookingOut,
    OccupancyOut,
    PersonOut,
    RoleIn,
    RotatedOut,
    RotateIn,
    WorkspaceOut,
    occupancy_out,
    person_out,
)
from .service import bookings, takings, tickets, workspaces
from .service.takings import Revenue
from .wire import admin_routes
from .zone import zone_of

Days = Annotated[int, Query(ge=1, le=366, description="How many days")]


@admin_routes.get("/users", statuses=(401, 403))
def list_users(db: Db, q: Search = None, cursor: Cursor = None, limit: Limit = 20) -> Page[PersonOut]:
    """List accounts, the latest first."""
    page = users.listed(db, text=q, cursor=cursor, limit=limit)
    return Page([person_out(u) for u in page.items], page.next)


@admin_routes.post("/users/{id}/promote", statuses=(401, 403, 404, 409))
def promote(db: Db, id: str, body: RoleIn) -> PersonOut:
    """Give an account a role: `admin` may do everything, `staff` scans tickets."""
    user = accounts.get(db, id)
    return person_out(accounts.edit(db, id, roles={*user.roles, body.role}, if_revision=user.revision))


@admin_routes.post("/users/{id}/demote", statuses=(401, 403, 404, 409))
def demote(db: Db, id: str, body: RoleIn) -> PersonOut:
    """Take a role from an account. The last administrator stays one."""
    user = accounts.get(db, id)
    return person_out(accounts.edit(db, id, roles=set(user.roles) - {body.role}, if_revision=user.revision))


@admin_routes.get("/workspace", statuses=(401, 403, 404))
def get_workspace_of_cinema(db: Db) -> WorkspaceOut:
    """The secret key by which seats.io's clients reach the cinema's own halls and shows."""
    own = workspaces.existing(db)
    return WorkspaceOut(own.key, own.secret_key)


@admin_routes.post("/ticket-key/rotate", statuses=(401, 403))
def rotate_ticket_key(db: Db, body: RotateIn) -> RotatedOut:
    """Sign tickets with a new key. Codes of the one before are good for `keepHours` more: none, where it was stolen; whoever
    looks at a ticket again sees its new code."""
    return RotatedOut(tickets.rotate(db, timedelta(hours=body.keepHours)))


@admin_routes.get("/shows/{id}/bookings", statuses=(401, 403, 404))
def list_bookings_of_show(db: Db, id: str, after: After = "", limit: Limit = 20) -> list[BookingOut]:
    """List the bookings of a show, the earliest first; `after` is the last id of the page before."""
    return with_tickets(db, bookings.of_show(db, id, after=after, limit=limit))


@admin_routes.get("/revenue", statuses=(401, 403))
def get_revenue(
    db: Db,
    request: web.Request,
    since: Day,
    days: Days = 7,
    by: Literal["show", "movie", "hall", "day"] = "movie",
) -> list[Revenue]:
    """What tickets have brought in, by show, movie, hall or day of the show; in minor units, the largest first."""
    zone = zone_of(request.hub.settings)
    first, last = period(since, days, zone)
    return takings.revenue(takings.takings(db, since=first, until=last), by, zone)


@admin_routes.get("/occupancy", statuses=(401, 403))
def get_occupancy(db: Db, request: web.Request, since: Day, days: Days = 7) -> list[OccupancyOut]:
    """How full the shows of a period are, by time: capacity, sold, held, free, scanned."""
    first, last = period(since, days, zone_of(request.hub.settings))
    return [occupancy_out(t) for t in takings.takings(db, since=first, until=last)]
