"""`/auth` and `/store/customers`, `/store/orders`: who buys, and what they have bought."""

from __future__ import annotations

from typing import Any

from backendhub.kit import accounts, web
from backendhub.kit.db import Db
from backendhub.kit.errors import Denied, Invalid, NotFound, Unauthenticated
from backendhub.kit.hub import Hub
from backendhub.systems.shop.models import Customer, Order
from backendhub.systems.shop.service import customers, orders
from backendhub.systems.shop.service.naming import metadata
from backendhub.systems.shop.wire import STAFF, auth, store

from . import orders as shapes
from .bodies import BookIn, Credentials, CustomerIn, CustomerPatch, sent
from .common import Limit, Offset, page

ACTORS = ("customer", "user")


def _actor(name: str, method: str) -> None:
    if name not in ACTORS or method != "emailpass":
        raise NotFound(f"There is no way to sign in as {name[:40]} by {method[:40]}.")


def _token(db: Db, hub: Hub, user: accounts.User) -> dict[str, str]:
    lifetime = accounts.of(hub).sessions.lifetime_s
    return {"token": accounts.sign_in(db, hub, user, lifetime_s=lifetime).access_token}


@auth.post("/{actor}/{method}/register", statuses=(401, 403, 404, 409, 429))
async def register(request: web.Request, actor: str, method: str, body: Credentials) -> dict[str, str]:
    """Make an account. Its token makes the customer with `POST /store/customers`."""
    _actor(actor, method)
    if actor == "user":
        raise Denied(
            "Who works here is made one by an administrator.", hint="backendhub user add --role admin"
        )
    await accounts.registering(request)
    request.hub.passwords.check(body.password, body.email)
    hash = await request.hub.passwords.ahash(body.password)
    return await request.call(_register, request.hub, body, hash)


def _register(db: Db, hub: Hub, body: Credentials, hash: str) -> dict[str, str]:
    if accounts.by_email(db, body.email) is not None:
        raise Unauthenticated("Identity with email already exists")
    return _token(db, hub, accounts.add(db, email=body.email, password_hash=hash))


@auth.post("/{actor}/{method}", statuses=(401, 404, 429))
async def login(request: web.Request, actor: str, method: str, body: Credentials) -> dict[str, str]:
    """Sign in; `user` is for those who work here."""
    _actor(actor, method)
    try:
        user = await accounts.verified(request, body.email, body.password, find=accounts.by_email)
    except accounts.NotSignedIn as error:
        error.message = "Invalid email or password"
        raise
    if actor == "user" and not set(STAFF) & set(user.roles):
        raise Unauthenticated("Invalid email or password")
    return await request.call(_token, request.hub, user)


@auth.post("/token/refresh", statuses=(401,))
def refresh(db: Db, request: web.Request, user: web.CurrentUser) -> dict[str, str]:
    """A new token for a valid one."""
    return _token(db, request.hub, accounts.get(db, user.id))


@auth.post("/session", statuses=(401,))
def open_session(db: Db, request: web.Request, user: web.CurrentUser) -> dict[str, Any]:
    """A session in a cookie, for browsers."""
    opened = accounts.of(request.hub).sessions.open(db, accounts.get(db, user.id), cookie=True)
    cookie = web.cookie("__Host-session", opened.secret)
    about = {"user": {"actor_id": user.id, "actor_type": "customer", "auth_identity_id": user.id}}
    return web.reply(about, headers=[cookie])


@auth.delete("/session", status=200)
def close_session(db: Db, request: web.Request, user: web.CurrentUser) -> dict[str, Any]:
    """End it."""
    if user.session is not None:
        accounts.sessions.end(db, user.session, by="user")
    return web.reply({"success": True}, headers=[web.cookie("__Host-session", "", max_age=0)])


# -- customers ---------------------------------------------------------------------------------------------


def _shown(db: Db, found: Customer) -> dict[str, Any]:
    return {"customer": shapes.customer(found, customers.addresses(db, found.id))}


@store.post("/customers", statuses=(401, 409), open_query=True)
def create_customer(db: Db, body: CustomerIn, user: web.CurrentUser) -> dict[str, Any]:
    """Make the customer of an account. The address is the account's own."""
    account = accounts.get(db, user.id)
    if accounts.users.folded(body.email) != accounts.users.folded(account.email or ""):
        raise Invalid("The email is that of the account.", field="email")
    about = sent(body) | {"email": account.email}
    return _shown(db, customers.add(db, user_id=user.id, **about))


@store.get("/customers/me", statuses=(401,), open_query=True)
def get_me(db: Db, user: web.CurrentUser) -> dict[str, Any]:
    """Read oneself."""
    return _shown(db, customers.mine(db, user.id))


@store.post("/customers/me", statuses=(401,), open_query=True)
def update_me(db: Db, body: CustomerPatch, user: web.CurrentUser) -> dict[str, Any]:
    """Change one's name, phone, company or metadata."""
    changes = sent(body)
    if "metadata" in changes:
        changes["metadata"] = metadata(changes["metadata"])
    return _shown(db, customers.edit(db, customers.mine(db, user.id).id, changes))


@store.get("/customers/me/addresses", statuses=(401,), open_query=True)
def list_addresses(db: Db, user: web.CurrentUser, limit: Limit = 50, offset: Offset = 0) -> dict[str, Any]:
    """One's address book."""
    found = customers.addresses(db, customers.mine(db, user.id).id)
    rows = [shapes.customer_address(a) for a in found[offset : offset + limit]]
    return page("addresses", rows, len(found), limit, offset)


def _book(body: BookIn) -> dict[str, Any]:
    values = sent(
        body,
        address_name="name",
        is_default_shipping="default_shipping",
        is_default_billing="default_billing",
    )
    for name, nothing in (("name", ""), ("default_shipping", False), ("default_billing", False)):
        if values.get(name, nothing) is None:
            values[name] = nothing
    return values


@store.post("/customers/me/addresses", statuses=(401,), open_query=True)
def add_address(db: Db, body: BookIn, user: web.CurrentUser) -> dict[str, Any]:
    """Add an address to one's book."""
    me, values = customers.mine(db, user.id), _book(body)
    options = {n: values.pop(n) for n in ("name", "default_shipping", "default_billing") if n in values}
    customers.add_address(db, me.id, values, **options)
    return _shown(db, me)


@store.get("/customers/me/addresses/{address_id}", statuses=(401,), open_query=True)
def get_address(db: Db, address_id: str, user: web.CurrentUser) -> dict[str, Any]:
    """Read an address."""
    found = customers.get_address(db, customers.mine(db, user.id).id, address_id)
    return {"address": shapes.customer_address(found)}


@store.post("/customers/me/addresses/{address_id}", statuses=(401,), open_query=True)
def update_address(db: Db, address_id: str, body: BookIn, user: web.CurrentUser) -> dict[str, Any]:
    """Change an address."""
    me = customers.mine(db, user.id)
    customers.edit_address(db, me.id, address_id, _book(body))
    return _shown(db, me)


@store.delete("/customers/me/addresses/{address_id}", status=200, statuses=(401,), open_query=True)
def remove_address(db: Db, address_id: str, user: web.CurrentUser) -> dict[str, Any]:
    """Remove an address."""
    me = customers.mine(db, user.id)
    customers.remove_address(db, me.id, address_id)
    return {"id": address_id, "object": "address", "deleted": True, "parent": _shown(db, me)["customer"]}


# -- orders ------------------------------------------------------------------------------------------------


@store.get("/orders", statuses=(401,), open_query=True)
def list_orders(db: Db, user: web.CurrentUser, limit: Limit = 50, offset: Offset = 0) -> dict[str, Any]:
    """One's orders, the newest first."""
    me = customers.mine(db, user.id)
    found, count = orders.of_customer(db, me.id, limit=limit, offset=offset)
    rows = [shapes.order(each) for each in orders.fulls(db, found)]
    return page("orders", rows, count, limit, offset)


@store.get("/orders/{id}", open_query=True)
def get_order(db: Db, id: str, user: web.MaybeUser) -> dict[str, Any]:
    """Read an order: a guest's by its id, one of somebody with an account by them alone."""
    return {"order": shapes.order(orders.full(db, visible(db, id, user)))}


def visible(db: Db, id: str, user: web.MaybeUser) -> Order:
    """An order that this user may see. Raises NotFound."""
    found = orders.get(db, id)
    if not customers.theirs(db, found.customer_id, user.id if user else None):
        raise NotFound(f"Order with id: {id[:80]} was not found")
    return found
