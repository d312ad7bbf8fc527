"""The wire of seats.io's clients: workspaces, their logs, people who may buy."""

from __future__ import annotations

import hmac
from uuid import uuid4

from backendhub.kit import web
from backendhub.kit.db import Db
from backendhub.kit.errors import NotFound, Unauthenticated

from .models import Gone
from .seats_out import Some, entry_shape, paged, workspace_shape
from .seats_shapes import ANY_TYPE, BuyersIn, WorkspaceIn
from .service import workspaces
from .wire import (
    After,
    Limit,
    Text,
    Word,
    basic_user,
    buyer_routes,
    company,
    log_routes,
    span,
    system_routes,
    workspace,
    workspace_routes,
)


@system_routes.post("/create-test-company", public=True, in_schema=False)
def create_test_company(db: Db, request: web.Request) -> Some:
    """A company of its own for a client's test suite; only where `cinema.system_secret` is set, for who has it."""
    secret = request.hub.settings.get("cinema.system_secret")
    if not secret:
        raise NotFound("There is nothing here.")
    if not hmac.compare_digest(basic_user(request).encode(), str(secret).encode()):
        raise Unauthenticated("The system's secret is not right.")
    made = workspaces.add(db, company=str(uuid4()), name="Production workspace", is_first=True)
    return {"admin": {"secretKey": made.secret_key}, "workspace": workspace_shape(made)}


# -- workspaces --------------------------------------------------------------------------------------------


@workspace_routes.get("", statuses=(403,))
def list_workspaces(
    db: Db,
    user: web.CurrentUser,
    filter: Text = None,
    start_after_id: After = None,
    end_before_id: After = None,
    limit: Limit = 20,
) -> Some:
    """List the company's workspaces, the latest first."""
    wanted = span(start_after_id, end_before_id, limit)
    page = workspaces.find(db, company(db, user), wanted, text=filter)
    return paged(page, workspace_shape)


@workspace_routes.get("/active", statuses=(403,))
def list_active(
    db: Db,
    user: web.CurrentUser,
    filter: Text = None,
    start_after_id: After = None,
    end_before_id: After = None,
    limit: Limit = 20,
) -> Some:
    """List those that are active."""
    wanted = span(start_after_id, end_before_id, limit)
    page = workspaces.find(db, company(db, user), wanted, text=filter, active=True)
    return paged(page, workspace_shape)


@workspace_routes.get("/inactive", statuses=(403,))
def list_inactive(
    db: Db,
    user: web.CurrentUser,
    filter: Text = None,
    start_after_id: After = None,
    end_before_id: After = None,
    limit: Limit = 20,
) -> Some:
    """List those that are not."""
    wanted = span(start_after_id, end_before_id, limit)
    page = workspaces.find(db, company(db, user), wanted, text=filter, active=False)
    return paged(page, workspace_shape)


@workspace_routes.get("/{key}", statuses=(403, 404))
def get_workspace(db: Db, user: web.CurrentUser, key: Word) -> Some:
    """Read a workspace."""
    own = workspace(db, user)
    return workspace_shape(own if key == own.key else workspaces.get(db, key, company(db, user)))


@workspace_routes.post("", status=201, consumes=ANY_TYPE, statuses=(403,))
def create_workspace(db: Db, user: web.CurrentUser, body: WorkspaceIn) -> Some:
    """Make a workspace."""
    made = workspaces.add(db, company=company(db, user), name=body.name, is_test=bool(body.isTest))
    return workspace_shape(made)


@workspace_routes.post("/{key}", consumes=ANY_TYPE, statuses=(403, 404))
def update_workspace(db: Db, user: web.CurrentUser, key: Word, body: WorkspaceIn) -> Some:
    """Rename a workspace."""
    found = workspaces.get(db, key, company(db, user))
    return workspace_shape(workspaces.change(db, found, name=body.name))


@workspace_routes.post("/actions/set-default/{key}", status=204, statuses=(403, 404))
def set_default_workspace(db: Db, user: web.CurrentUser, key: Word) -> None:
    """Make a workspace the company's default."""
    found = workspaces.get(db, key, company(db, user))
    workspaces.change(db, found, is_default=True)


@workspace_routes.post("/{key}/actions/{action}", statuses=(403, 404))
def act_on_workspace(db: Db, user: web.CurrentUser, key: Word, action: Word) -> Some:
    """Activate, deactivate, or give a new secret key (`regenerate-secret-key`)."""
    found = workspaces.get(db, key, company(db, user))
    actions: dict[str, Some] = {
        "activate": {"is_active": True},
        "deactivate": {"is_active": False},
        "regenerate-secret-key": {"new_secret": True},
    }
    if action not in actions:
        raise Gone("ACTION_NOT_FOUND", f"There is no action {action}.")
    return workspace_shape(workspaces.change(db, found, **actions[action]))


@workspace_routes.delete("/{key}", statuses=(400, 403, 404))
def delete_workspace(db: Db, user: web.CurrentUser, key: Word) -> None:
    """Delete an inactive workspace (it can no longer be used)."""
    workspaces.delete(db, workspaces.get(db, key, company(db, user)))


# -- logs and buyers ---------------------------------------------------------------------------------------


@log_routes.get("")
def list_log(
    db: Db,
    user: web.CurrentUser,
    start_after_id: After = None,
    end_before_id: After = None,
    limit: Limit = 20,
) -> Some:
    """What was done in the workspace, in the order in which it happened."""
    page = workspaces.entries(db, workspace(db, user), span(start_after_id, end_before_id, limit))
    return paged(page, entry_shape)


@buyer_routes.get("")
def list_buyers(
    db: Db,
    user: web.CurrentUser,
    start_after_id: After = None,
    end_before_id: After = None,
    limit: Limit = 20,
) -> Some:
    """List the ids of people who may buy."""
    page = workspaces.buyers(db, workspace(db, user), span(start_after_id, end_before_id, limit))
    return paged(page, lambda found: found.buyer)


@buyer_routes.post("", consumes=ANY_TYPE, statuses=(400,))
def add_buyers(db: Db, user: web.CurrentUser, body: BuyersIn) -> Some:
    """Note ids; the answer says which were known."""
    new, known = workspaces.add_buyers(db, workspace(db, user), [i for i in body.ids if i])
    return {"added": new, "alreadyPresent": known}


@buyer_routes.delete("", status=200, consumes=ANY_TYPE, statuses=(400,))
def remove_buyers(db: Db, user: web.CurrentUser, body: BuyersIn) -> Some:
    """Forget ids; the answer says which were not known."""
    gone, unknown = workspaces.remove_buyers(db, workspace(db, user), [i for i in body.ids if i])
    return {"removed": gone, "notPresent": unknown}
