"""`/shop/cart`: what somebody may buy."""

from __future__ import annotations

from html import escape
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from backendhub.kit import web
from backendhub.kit.db import Db
from backendhub.kit.errors import HubError
from backendhub.systems.shop.models import Cart
from backendhub.systems.shop.service import carts, catalogue, changes, customers, regions

from .page import CART, FORM, HTML, PLACE, go, link, money, note, post, same_origin, sent
from .shop import cart_of, front, region_of

Text = Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")]
KEEP_S = 60 * 24 * 3600


class LineForm(BaseModel):
    """What is put into the cart."""

    variant_id: Text
    quantity: Annotated[int, Field(ge=1, le=1_000_000)] = 1


class CartForm(BaseModel):
    """What is changed about it."""

    line: Text = ""
    quantity: Annotated[int, Field(ge=0, le=1_000_000)] = 1
    code: Text = ""
    what: Literal["line", "remove", "code", "uncode", "accept"]


class CountryForm(BaseModel):
    """Where goods go."""

    country: Annotated[str, Field(pattern=r"^[a-z]{2}$")]
    back: Annotated[str, Field(max_length=300, pattern=r"^/shop(/products/[\w-]+)?$")] = "/shop"


@front.post("/country", consumes=FORM, in_schema=False)
def set_country(db: Db, request: web.Request, body: CountryForm) -> web.Reply:
    """Say where goods go; a cart moves to that region."""
    same_origin(request)
    region = regions.resolve(db, country_code=body.country)
    cart = cart_of(db, request)
    if cart is not None:
        carts.set_region(db, carts.hold(db, cart.id), region)
    cookies = [web.cookie(PLACE, body.country, max_age=KEEP_S)]
    made: web.Reply = go(request, body.back, cookies)
    return made


@front.post("/cart/lines", consumes=FORM, in_schema=False)
def add_line(db: Db, request: web.Request, body: LineForm, user: web.MaybeUser) -> web.Reply:
    """Put something into the cart."""
    same_origin(request)
    cart = cart_of(db, request)
    if cart is None:
        region, _ = region_of(db, request, None)
        buyer = customers.of_user(db, user.id if user else None)
        about: dict[str, Any] = {"email": buyer.email, "customer_id": buyer.id} if buyer else {}
        cart = carts.add(db, region, **about)
    carts.put(db, carts.hold(db, cart.id), catalogue.variant(db, body.variant_id), body.quantity)
    made: web.Reply = go(request, "/shop/cart", [web.cookie(CART, cart.id, max_age=KEEP_S)])
    return made


@front.get("/cart", media_type=HTML, in_schema=False)
def show_cart(db: Db, request: web.Request) -> web.Reply:
    """The cart."""
    return cart_page(db, request, cart_of(db, request))


@front.post("/cart", consumes=FORM, in_schema=False)
def change_cart(db: Db, request: web.Request, body: CartForm) -> web.Reply:
    """Change it."""
    same_origin(request)
    cart = cart_of(db, request)
    if cart is None:
        return cart_page(db, request, None)
    try:
        with db.savepoint():
            _change(db, carts.hold(db, cart.id), body)
    except HubError as error:
        return cart_page(db, request, carts.get(db, cart.id), [error.message])
    made: web.Reply = go(request, "/shop/cart")
    return made


def _change(db: Db, cart: Cart, body: CartForm) -> None:
    if body.what == "accept":
        seen = carts.view(db, cart)
        changes.accept(db, seen, changes.find(db, seen))
    elif body.what == "code" and body.code.strip():
        carts.set_codes(db, cart, [*cart.codes, body.code.strip()])
    elif body.what == "uncode":
        carts.change(db, cart, codes=[c for c in cart.codes if c != body.code])
    elif body.what == "remove" or (body.what == "line" and not body.quantity):
        carts.remove(db, cart, body.line)
    elif body.what == "line":
        carts.set_quantity(db, cart, body.line, body.quantity)


def cart_page(db: Db, request: web.Request, cart: Cart | None, said: list[str] | None = None) -> web.Reply:
    """The page of a cart."""
    title = "Cart"
    if cart is None or not carts.items(db, cart.id):
        empty = f'<h1>Cart</h1>{note(said or [])}<p>There is nothing in it yet. <a href="{link(request, "/shop")}">Look around</a></p>'
        nothing: web.Reply = sent(request, title, empty)
        return nothing
    seen = carts.view(db, cart)
    found = changes.find(db, seen)
    accept = (
        post(
            request,
            "/shop/cart",
            '<input type="hidden" name="what" value="accept"><button>Use the new ones</button>',
        )
        if found
        else ""
    )
    rows = "".join(_row(request, seen, i) for i in seen.items)
    codes = "".join(
        post(
            request,
            "/shop/cart",
            f'<input type="hidden" name="what" value="uncode"><input type="hidden" name="code" value="{escape(c)}">'
            f'<span class="tag">{escape(c)}</span><button class="quiet">Remove code {escape(c)}</button>',
        )
        for c in cart.codes
    )
    code = post(
        request,
        "/shop/cart",
        '<input type="hidden" name="what" value="code"><label class="inline">Promotion code '
        '<input name="code" maxlength="100" autocomplete="off"></label><button>Apply</button>',
    )
    body = (
        f"<h1>Cart</h1>{note(said or [])}{note([c.message for c in found])}{accept}"
        '<div class="scroll"><table><thead><tr><th scope="col">Product</th><th scope="col" class="n">Price</th>'
        '<th scope="col">Quantity</th><th scope="col" class="n">Total</th></tr></thead>'
        f'<tbody>{rows}</tbody></table></div><div class="line">{codes}</div>{code}{sums(seen)}'
        f'<p class="actions"><a class="button" href="{link(request, "/shop/checkout")}">Checkout</a></p>'
    )
    made: web.Reply = sent(request, title, body)
    return made


def _row(request: web.Request, seen: carts.View, item: Any) -> str:
    variant = seen.variants[item.variant_id]
    product, code = seen.products[variant.product_id], seen.cart.currency
    line = f'<input type="hidden" name="line" value="{escape(item.id)}">'
    count = post(
        request,
        "/shop/cart",
        f'{line}<input type="hidden" name="what" value="line"><input class="count" name="quantity" type="number" '
        f'min="0" max="1000000" value="{item.quantity}" aria-label="Quantity of {escape(product.title)}" data-submits>'
        '<noscript><button class="quiet">Update</button></noscript>',
    )
    away = post(
        request,
        "/shop/cart",
        f'{line}<input type="hidden" name="what" value="remove">'
        f'<button class="quiet">Remove {escape(product.title)}</button>',
    )
    where = link(request, f"/shop/products/{product.handle}")
    return (
        f'<tr><td><a href="{where}">{escape(product.title)}</a><br><span class="dim small">{escape(variant.title)}'
        f'</span></td><td class="n">{money(item.unit_price, code)}</td><td>{count} {away}</td>'
        f'<td class="n">{money(item.unit_price * item.quantity, code)}</td></tr>'
    )


def sums(seen: carts.View) -> str:
    """What a cart comes to."""
    t, code = seen.totals, seen.cart.currency
    rows = [("Items", t.items_subtotal)]
    if t.discount:
        rows.append(("Promotions", -t.discount))
    if seen.shipping:
        rows.append((seen.shipping.option.name, t.shipping.subtotal))
    if t.tax:
        rows.append((f"{seen.tax_name or 'Tax'} {t.rate}%", t.tax))
    inner = "".join(f"<div><dt>{escape(n)}</dt><dd>{money(a, code)}</dd></div>" for n, a in rows)
    return f'<dl class="sum">{inner}<div class="all"><dt>Total</dt><dd>{money(t.total, code)}</dd></div></dl>'
