"""`/api`: the shop in a plain form, for whoever writes a client of their own; and `/_check`."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Query

from backendhub.kit import accounts, checks, reservation, web
from backendhub.kit.db import Db
from backendhub.kit.errors import HubError, NotFound, Unauthenticated
from backendhub.kit.hub import Hub
from backendhub.kit.identity import Principal
from backendhub.kit.money import Money, minor
from backendhub.kit.web.fields import Search

from . import gateway
from . import store as sql
from .models import Cart, Customer, PaymentFailed
from .plain_shapes import (
    CartOut,
    CartPatch,
    LevelOut,
    LineIn,
    LinePatch,
    LoginIn,
    OrderOut,
    PayIn,
    PriceIn,
    ProductIn,
    ProductOut,
    ProductPatch,
    SignUpIn,
    StockIn,
    TokenOut,
    cart_out,
    order_out,
    products_out,
)
from .service import carts, catalogue, changes, checkout, customers, orders, payments, prices, regions, stock
from .service.naming import new
from .wire import STAFF, plain, router

Staff = Annotated[Principal, web.require(*STAFF)]
Limit = Annotated[int, Query(ge=1, le=100)]
Offset = Annotated[int, Query(ge=0, le=10**9)]
Ref = Annotated[str | None, Query(max_length=100, pattern=r"^[^\x00]*$")]


@router.get("/_check")
def check(db: Db) -> checks.Report:
    """Look at every invariant of the shop and its stock, live."""
    return checks.run(db, [*reservation.CHECKS, *sql.CHECKS])


# -- who ---------------------------------------------------------------------------------------------------


@plain.post("/sign-up", status=201, statuses=(403, 409, 429), public=True)
async def sign_up(request: web.Request, body: SignUpIn) -> TokenOut:
    """Make an account and its customer."""
    await accounts.registering(request)
    request.hub.passwords.check(body.password, body.email)
    hash = await request.hub.passwords.ahash(body.password)
    return await request.call(_sign_up, request.hub, body, hash)


def _sign_up(db: Db, hub: Hub, body: SignUpIn, hash: str) -> TokenOut:
    name = " ".join(n for n in (body.first_name, body.last_name) if n)
    user = accounts.add(db, email=body.email, name=name or None, password_hash=hash)
    made = customers.add(
        db, email=body.email, user_id=user.id, first_name=body.first_name, last_name=body.last_name
    )
    return TokenOut(token=_token(db, hub, user), customer_id=made.id)


def _token(db: Db, hub: Hub, user: accounts.User) -> str:
    return accounts.sign_in(db, hub, user, lifetime_s=accounts.of(hub).sessions.lifetime_s).access_token


@plain.post("/login", statuses=(401, 429), public=True)
async def login(request: web.Request, body: LoginIn) -> TokenOut:
    """Sign in."""
    user = await accounts.verified(request, body.email, body.password, find=accounts.by_email)
    return await request.call(_login, request.hub, user)


def _login(db: Db, hub: Hub, user: accounts.User) -> TokenOut:
    found = customers.of_user(db, user.id)
    return TokenOut(token=_token(db, hub, user), customer_id=found.id if found else None)


def _me(db: Db, user: Principal) -> Customer:
    """The customer of an account, made at its first purchase. Raises Unauthenticated for one without an address."""
    found = customers.of_user(db, user.id)
    if found is not None:
        return found
    email = accounts.get(db, user.id).email
    if email is None:
        raise Unauthenticated("This account has no e-mail address to be a customer with.")
    return customers.add(db, email=email, user_id=user.id)


# -- what --------------------------------------------------------------------------------------------------


@plain.get("/products", public=True)
def list_products(
    db: Db,
    q: Search = None,
    category: Ref = None,
    collection: Ref = None,
    tag: Ref = None,
    country: Ref = None,
    sort: Literal["newest", "oldest", "title"] = "newest",
    limit: Limit = 20,
    offset: Offset = 0,
) -> list[ProductOut]:
    """Search and filter products; prices are those of `country`, or of the first region."""
    region = regions.resolve(db, country_code=country)
    given = {"category_id": category, "collection_id": collection, "tag": tag}
    conditions = {n: [v] for n, v in given.items() if v}
    order = {"newest": "", "oldest": "created_at", "title": "title"}[sort]
    found = catalogue.find(db, q=q, conditions=conditions, order=order, limit=limit, offset=offset)
    rows = products_out(db, found.products, region.currency, region.id)
    return web.reply(rows, headers={"X-Total-Count": str(found.total)})


@plain.get("/products/{id}", public=True)
def get_product(db: Db, id: str, country: Ref = None) -> ProductOut:
    """Read a product, by its id or handle."""
    region = regions.resolve(db, country_code=country)
    found = catalogue.get(db, id, public=True) if id.startswith("prod_") else catalogue.by_handle(db, id)
    return products_out(db, [found], region.currency, region.id)[0]


# -- cart --------------------------------------------------------------------------------------------------


def _cart(db: Db, user: Principal, country: str | None = None) -> Cart:
    """The cart of somebody who is signed in, made where there is none, and held for a change."""
    me = _me(db, user)
    found = carts.current(db, me.id)
    if found is None:
        region = regions.resolve(db, country_code=country)
        found = carts.add(db, region, email=me.email, customer_id=me.id)
    return carts.hold(db, found.id)


@plain.get("/cart", statuses=(404,))
def get_cart(db: Db, user: web.CurrentUser) -> CartOut:
    """Read one's cart."""
    found = customers.of_user(db, user.id)
    cart = carts.current(db, found.id) if found else None
    if cart is None:
        raise NotFound("There is no cart yet.", hint="POST /api/cart/lines makes one")
    return cart_out(db, carts.view(db, cart))


@plain.post("/cart/lines", status=201, statuses=(404, 409))
def add_line(db: Db, body: LineIn, user: web.CurrentUser, country: Ref = None) -> CartOut:
    """Put pieces of a variant into one's cart."""
    cart = _cart(db, user, country)
    carts.put(db, cart, catalogue.variant(db, body.variant_id), body.quantity)
    return cart_out(db, carts.view(db, cart))


@plain.patch("/cart/lines/{id}", statuses=(404, 409))
def update_line(db: Db, id: str, body: LinePatch, user: web.CurrentUser) -> CartOut:
    """Change how many there are of a line."""
    cart = _cart(db, user)
    carts.set_quantity(db, cart, id, body.quantity)
    return cart_out(db, carts.view(db, cart))


@plain.delete("/cart/lines/{id}", status=200, statuses=(404,))
def remove_line(db: Db, id: str, user: web.CurrentUser) -> CartOut:
    """Take a line out."""
    cart = _cart(db, user)
    carts.remove(db, cart, id)
    return cart_out(db, carts.view(db, cart))


@plain.post("/cart/accept", statuses=(404, 409))
def accept_changes(db: Db, user: web.CurrentUser) -> CartOut:
    """Take what `warnings` says into the cart: the prices of now, and what is not sold any more out."""
    cart = _cart(db, user)
    seen = carts.view(db, cart)
    cart = changes.accept(db, seen, changes.find(db, seen))
    return cart_out(db, carts.view(db, cart))


@plain.patch("/cart", statuses=(404, 409))
def update_cart(db: Db, body: CartPatch, user: web.CurrentUser) -> CartOut:
    """Say where to ship, how, and with which promotion codes."""
    cart = _cart(db, user, body.address.country_code if body.address else None)
    if body.address is not None:
        cart = carts.set_region(db, cart, regions.resolve(db, country_code=body.address.country_code))
        cart = carts.set_address(db, cart, "shipping_address", body.address.model_dump())
    if body.shipping_option_id is not None:
        cart = carts.set_shipping(db, cart, body.shipping_option_id)
    if body.codes is not None:
        cart = carts.set_codes(db, cart, body.codes)
    return cart_out(db, carts.view(db, cart))


# -- checkout ----------------------------------------------------------------------------------------------


@plain.post("/payment", statuses=(402, 404, 409, 502))
async def pay(request: web.Request, body: PayIn, user: web.CurrentUser) -> CartOut:
    """Authorize the cart's total at the gateway. The money is taken once there is an order."""
    collection_id, total = await request.call(_owed, user)
    session = new("payses")
    intent = await gateway.create(request.hub, total, key=session, about={"session": session})
    intent = await gateway.confirm(request.hub, intent.id, body.payment_method, key=f"{session}-confirm")
    if intent.status not in ("authorized", "captured"):
        raise PaymentFailed("The payment needs another step, which this API cannot take.")
    try:
        return await request.call(_paid, user, collection_id, session, intent)
    except HubError:  # the cart has changed, or is an order by now
        await request.call(payments.let_go, intent.id, intent.status, intent.amount)
        raise


def _owed(db: Db, user: Principal) -> tuple[str, Money]:
    cart = _cart(db, user)
    seen = carts.view(db, cart)
    checkout.ready(db, seen)
    return payments.collect(db, cart.id).id, seen.total


def _paid(db: Db, user: Principal, collection_id: str, session: str, intent: gateway.Intent) -> CartOut:
    payments.start(
        db,
        collection_id,
        provider=payments.STRIPE,
        id=session,
        reference=intent.id,
        amount=intent.amount,
        status=intent.status,
    )
    return cart_out(db, carts.view(db, _cart(db, user)))


@plain.post("/checkout", status=201, statuses=(402, 404, 409), idempotent=True)
def check_out(db: Db, user: web.CurrentUser) -> OrderOut:
    """Make the order of one's cart: paid through `POST /api/payment` before, or else on delivery. `Idempotency-Key` makes
    it safe to repeat."""
    cart = _cart(db, user)
    collection = payments.collect(db, cart.id)
    live = payments.live(db, collection.id)
    if live is None or live.provider == payments.SYSTEM:
        payments.start(db, collection.id, provider=payments.SYSTEM)
    outcome = checkout.complete(db, cart.id)
    if outcome.error is not None:
        raise outcome.error
    assert outcome.order is not None
    return order_out(orders.full(db, outcome.order))


@plain.get("/orders")
def list_orders(db: Db, user: web.CurrentUser, limit: Limit = 20, offset: Offset = 0) -> list[OrderOut]:
    """One's orders, the newest first, with their parcels."""
    found = customers.of_user(db, user.id)
    rows, count = orders.of_customer(db, found.id, limit=limit, offset=offset) if found else ([], 0)
    made = [order_out(each) for each in orders.fulls(db, rows)]
    return web.reply(made, headers={"X-Total-Count": str(count)})


@plain.get("/orders/{id}")
def get_order(db: Db, id: str, user: web.CurrentUser) -> OrderOut:
    """Read one of one's orders and follow its parcels."""
    found = orders.get(db, id)
    me = customers.of_user(db, user.id)
    if not user.is_(*STAFF) and (me is None or found.customer_id != me.id):
        raise NotFound(f"Order with id: {id[:80]} was not found")
    return order_out(orders.full(db, found))


@plain.post("/orders/{id}/cancel", statuses=(404, 409))
def cancel_order(db: Db, id: str, user: web.CurrentUser) -> OrderOut:
    """Call one of one's orders off, while nothing of it is packed."""
    get_order(db, id, user)
    return order_out(orders.full(db, orders.cancel(db, id)))


# -- who works here ----------------------------------------------------------------------------------------


@plain.post("/products", status=201, statuses=(403, 409))
def add_product(db: Db, body: ProductIn, user: Staff) -> ProductOut:
    """Add a product with one variant, its price and stock."""
    made = catalogue.add(
        db,
        title=body.title,
        description=body.description,
        status="published" if body.published else "draft",
        tags=body.tags,
    )
    code = body.currency.upper()
    variant = catalogue.add_variant(
        db, made.id, title="Default", sku=body.sku, amounts=[(code, minor(body.price, code))]
    )
    if body.stock:
        stock.set_level(db, variant, _place(db, None), body.stock)
    return products_out(db, [made], code, None)[0]


def _place(db: Db, id: str | None) -> str:
    if id is not None:
        return id
    known = regions.locations(db)
    return known[0].id if known else regions.add_location(db, name="Stock room").id


@plain.patch("/products/{id}", statuses=(403, 404))
def update_product(db: Db, id: str, body: ProductPatch, user: Staff) -> ProductOut:
    """Change a product's title and text, publish it or take it out of the shop."""
    changes = body.model_dump(exclude_unset=True)
    published = changes.pop("published", None)
    if published is not None:
        changes["status"] = "published" if published else "draft"
    if changes.get("title", "") is None:
        del changes["title"]
    made = catalogue.edit(db, id, changes)
    return products_out(db, [made], regions.resolve(db).currency, None)[0]


@plain.put("/variants/{id}/price", statuses=(403, 404))
def set_price(db: Db, id: str, body: PriceIn, user: Staff) -> ProductOut:
    """Say what a variant costs in a currency."""
    variant, code = catalogue.variant(db, id), body.currency.upper()
    prices.put(db, variant.id, currency_code=code, amount=minor(body.price, code))
    return products_out(db, [catalogue.get(db, variant.product_id)], code, None)[0]


@plain.put("/variants/{id}/stock", statuses=(403, 404, 409))
def set_stock(db: Db, id: str, body: StockIn, user: Staff) -> list[LevelOut]:
    """Say how many of a variant are at a place."""
    variant = catalogue.variant(db, id)
    stock.set_level(db, variant, _place(db, body.location_id), body.quantity)
    return [
        LevelOut(location_id=s.location, free=s.free, reserved=s.held, sold=s.sold)
        for s in stock.levels(db, [id])[id]
    ]
