"""`/shop/account` and `/shop/orders`: who somebody is, and what they have bought."""

from __future__ import annotations

from html import escape
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from backendhub.kit import accounts, web
from backendhub.kit.db import Db
from backendhub.kit.errors import Denied, HubError
from backendhub.kit.limits import TooManyHits
from backendhub.systems.shop.medusa.store_account import visible
from backendhub.systems.shop.models import Order
from backendhub.systems.shop.service import customers, orders
from backendhub.systems.shop.wire import STAFF

from .cart import Text
from .page import FORM, HTML, field, go, link, money, note, post, same_origin, sent
from .shop import front

SESSION = "__Host-session"


class SignForm(BaseModel):
    """Who signs in or up."""

    email: Text
    password: Annotated[str, Field(min_length=1, max_length=1000)]
    what: Literal["in", "up"] = "in"
    next: Text = "/shop/account"


@front.get("/sign-in", media_type=HTML, in_schema=False)
def show_sign_in(db: Db, request: web.Request, user: web.MaybeUser) -> web.Reply:
    """The form to sign in or up with."""
    return sign_page(request)


def sign_page(request: web.Request, said: list[str] | None = None, email: str = "") -> web.Reply:
    """The page with that form."""
    inner = (
        field("email", "E-mail", email, type="email", more='required autocomplete="email"')
        + field("password", "Password", type="password", more='required autocomplete="current-password"')
        + '<div class="actions"><button name="what" value="in">Sign in</button>'
        '<button name="what" value="up">Make an account</button></div>'
    )
    body = f"<h1>Sign in</h1>{note(said or [])}{post(request, '/shop/sign-in', inner, css='stack')}"
    made: web.Reply = sent(request, "Sign in", body)
    return made


@front.post("/sign-in", consumes=FORM, in_schema=False)
async def sign_in(request: web.Request, body: SignForm) -> web.Reply:
    """Sign in or up; a session in a cookie."""
    same_origin(request)
    try:
        if body.what == "up":
            await accounts.registering(request)
            request.hub.passwords.check(body.password, body.email)
            hash = await request.hub.passwords.ahash(body.password)
            made: web.Reply = await request.call(_sign_up, request, body, hash)
            return made
        user = await accounts.verified(request, body.email, body.password, find=accounts.by_email)
        opened: web.Reply = await request.call(_open, request, user)
        return opened
    except (Denied, TooManyHits):  # a closed door is no matter of this form
        raise
    except HubError as error:
        return sign_page(request, [error.message], body.email)


def _sign_up(db: Db, request: web.Request, body: SignForm, hash: str) -> web.Reply:
    user = accounts.add(db, email=body.email, password_hash=hash)
    customers.add(db, email=body.email, user_id=user.id)
    return _open(db, request, user)


def _open(db: Db, request: web.Request, user: accounts.User) -> web.Reply:
    opened = accounts.of(request.hub).sessions.open(db, user, cookie=True)
    where = "/shop/admin" if set(STAFF) & set(user.roles) else "/shop/account"
    made: web.Reply = go(request, where, [web.cookie(SESSION, opened.secret)])
    return made


@front.post("/sign-out", consumes=FORM, in_schema=False)
def sign_out(db: Db, request: web.Request, user: web.MaybeUser) -> web.Reply:
    """End the session."""
    same_origin(request)
    if user is not None and user.session is not None:
        accounts.sessions.end(db, user.session, by="user")
    made: web.Reply = go(request, "/shop", [web.cookie(SESSION, "", max_age=0)])
    return made


@front.get("/account", media_type=HTML, in_schema=False)
def account(db: Db, request: web.Request, user: web.MaybeUser) -> web.Reply:
    """One's orders."""
    if user is None:
        return sign_page(request)
    me = customers.of_user(db, user.id)
    found, _ = orders.of_customer(db, me.id, limit=50) if me else ([], 0)
    rows = "".join(
        f'<tr><td><a href="{link(request, f"/shop/orders/{o.id}")}">Order {o.no}</a></td>'
        f'<td>{o.created_at:%Y-%m-%d}</td><td><span class="tag">{escape(o.state)}</span></td>'
        f'<td class="n">{money(o.total, o.currency)}</td></tr>'
        for o in found
    )
    table = (
        '<table><thead><tr><th scope="col">Order</th><th scope="col">Placed</th><th scope="col">State</th>'
        f'<th scope="col" class="n">Total</th></tr></thead><tbody>{rows}</tbody></table>'
        if rows
        else "<p>No orders yet.</p>"
    )
    out = post(request, "/shop/sign-out", '<button class="quiet">Sign out</button>')
    body = f'<h1>Your orders</h1><div class="line">{escape(user.name)} {out}</div>{table}'
    made: web.Reply = sent(request, "Account", body)
    return made


# -- orders ------------------------------------------------------------------------------------------------


@front.get("/orders/{id}", media_type=HTML, in_schema=False)
def show_order(db: Db, request: web.Request, id: str, user: web.MaybeUser) -> web.Reply:
    """An order and its parcels."""
    found = visible(db, id, user)
    made: web.Reply = sent(request, f"Order {found.no}", order_body(db, found, "Thank you."))
    return made


def order_body(db: Db, found: Order, thanks: str = "") -> str:
    """What is shown of an order to whoever bought it."""
    full, code = orders.full(db, found), found.currency
    rows = "".join(
        f'<tr><td>{escape(i.title)}<br><span class="dim small">{escape(i.variant_title)}</span></td>'
        f'<td class="n">{i.quantity}</td><td class="n">{money(i.total, code)}</td></tr>'
        for i in full.items
    )
    parcels = "".join(
        f'<li><span class="tag">{escape(f.state)}</span> {_labels(f.labels)}</li>' for f in full.fulfillments
    )
    status = orders.fulfillment_status(full.items, found.state).replace("_", " ")
    paid = orders.payment_status(full.payments).replace("_", " ")
    return (
        f"<h1>Order {found.no}</h1>{note([thanks], good=True) if thanks and found.state == 'pending' else ''}"
        f'<p><span class="tag">{escape(found.state)}</span> <span class="tag">{escape(status)}</span> '
        f'<span class="tag">payment {escape(paid)}</span></p><div class="scroll"><table><thead><tr>'
        '<th scope="col">Product</th><th scope="col" class="n">Quantity</th><th scope="col" class="n">Total</th>'
        f'</tr></thead><tbody>{rows}</tbody></table></div><dl class="sum"><div><dt>Shipping</dt><dd>'
        f"{money(found.shipping_total, code)}</dd></div><div><dt>Tax within</dt><dd>{money(found.tax, code)}</dd></div>"
        f'<div class="all"><dt>Total</dt><dd>{money(found.total, code)}</dd></div></dl>'
        + (f"<h2>Parcels</h2><ul>{parcels}</ul>" if parcels else "")
    )


def _labels(labels: list[dict[str, Any]]) -> str:
    parts = []
    for each in labels:
        number, url = str(each.get("tracking_number") or ""), str(each.get("tracking_url") or "")
        text = escape(number or url)
        safe = url.startswith(("https://", "http://"))
        parts.append(f'<a href="{escape(url)}" rel="noreferrer">{text}</a>' if safe else text)
    return ", ".join(parts)
