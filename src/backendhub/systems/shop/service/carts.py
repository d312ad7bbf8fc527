"""Carts: what somebody may buy, at the prices they have seen.

A cart keeps the price of each line from the moment it was put in; `changes` is about what has changed since.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from backendhub.kit import clock
from backendhub.kit.accounts import users
from backendhub.kit.db import Db
from backendhub.kit.errors import Invalid, NotFound
from backendhub.kit.money import Money
from backendhub.systems.shop import store
from backendhub.systems.shop.models import Cart, CartItem, CartOver, Product, Region, Variant

from . import catalogue, customers, prices, promotions, regions, stock
from .naming import metadata, new, stamps
from .totals import FREE_LEVEL, Line, Totals, ships_free, work_out

MAX_LINES = 200
MAX_QUANTITY = 1_000_000


class View(NamedTuple):
    """A cart with everything that it takes to show it."""

    cart: Cart
    region: Region
    items: list[CartItem]
    variants: dict[str, Variant]
    products: dict[str, Product]
    shipping: regions.Offer | None
    tax_name: str
    totals: Totals

    @property
    def total(self) -> Money:
        """What is to be paid."""
        return Money(self.totals.total, self.cart.currency)


# -- one cart ----------------------------------------------------------------------------------------------


def add(
    db: Db,
    region: Region,
    *,
    kind: str = "store",
    email: str | None = None,
    customer_id: str | None = None,
    metadata_: dict[str, Any] | None = None,
    extra: dict[str, Any] | None = None,
) -> Cart:
    """Makes an empty cart."""
    return db.insert(
        Cart,
        "shop_cart",
        id=new("cart"),
        kind=kind,
        state="open",
        region_id=region.id,
        currency=region.currency,
        customer_id=customer_id,
        email=users.email(email) if email else None,
        shipping_address=None,
        billing_address=None,
        shipping_option_id=None,
        shipping_seen=None,
        codes=[],
        metadata=metadata(metadata_),
        extra=extra or {},
        version=1,
        order_id=None,
        completed_at=None,
        **stamps(),
    )


def get(db: Db, id: str, *, kind: str = "store") -> Cart:
    """A cart of a wire. Raises NotFound, for those of another wire too."""
    found = db.one(Cart, store.CART, id=id)
    if found is None or found.kind != kind:
        raise NotFound(f"Cart id not found: {id[:80]}")
    return found


def peek(db: Db, id: str) -> Cart | None:
    """A cart, if there is one."""
    return db.one(Cart, store.CART, id=id)


def current(db: Db, customer_id: str) -> Cart | None:
    """The newest open cart of a customer."""
    return db.one(Cart, store.OPEN_CART_OF, customer_id=customer_id)


def hold(db: Db, id: str, *, kind: str = "store") -> Cart:
    """The cart for a change: nobody else changes it until this transaction is over. Raises NotFound, CartOver."""
    found = db.one(Cart, store.TOUCH_CART, id=id, now=clock.precise())
    if found is not None and found.kind == kind:
        return found
    over = get(db, id, kind=kind)
    raise CartOver(f"The cart is already {over.state}.", state=over.state, order_id=over.order_id)


def change(db: Db, cart: Cart, **values: Any) -> Cart:
    """Changes columns of a cart that is held."""
    made = db.update(Cart, "shop_cart", cart.id, **values)
    assert made is not None
    return made


def set_address(db: Db, cart: Cart, which: str, given: Mapping[str, Any] | None) -> Cart:
    """Says where to ship or whom to bill. A country outside of the region is refused; another country asks for shipping
    to be chosen again. Raises Invalid."""
    kept = None if given is None else customers.address(given)
    where = (kept or {}).get("country_code")
    if where and which == "shipping_address":
        within = regions.countries_of(db, cart.region_id)
        if within and where not in within:
            raise Invalid(
                f"Country with code {where} is not within region {regions.get(db, cart.region_id).name}",
                field="country_code",
            )
        if cart.shipping_option_id and where != (cart.shipping_address or {}).get("country_code"):
            offered = {o.option.id for o in regions.offers(db, currency=cart.currency, country_code=where)}
            if cart.shipping_option_id not in offered:
                cart = change(db, cart, shipping_option_id=None, shipping_seen=None)
    return change(db, cart, **{which: kept})


def set_region(db: Db, cart: Cart, region: Region) -> Cart:
    """Moves a cart to another region: lines get that region's prices, shipping is to be chosen again. Raises NoPrice."""
    if region.id == cart.region_id:
        return cart
    within = regions.countries_of(db, region.id)
    address = cart.shipping_address
    if address and within and address.get("country_code") not in within:
        address = None
    moved = change(
        db,
        cart,
        region_id=region.id,
        currency=region.currency,
        shipping_option_id=None,
        shipping_seen=None,
        shipping_address=address,
    )
    lines = items(db, cart.id)
    reprice_all(db, moved, lines, catalogue.variants(db, (i.variant_id for i in lines)))
    return moved


def set_email(db: Db, cart: Cart, email: str) -> Cart:
    """Says who buys; a guest gets a customer of their own. Raises Invalid."""
    if cart.customer_id is not None and customers.get(db, cart.customer_id).user_id is not None:
        return change(db, cart, email=users.email(email))
    buyer = customers.guest(db, email)
    return change(db, cart, email=buyer.email, customer_id=buyer.id)


def set_shipping(db: Db, cart: Cart, option_id: str) -> Cart:
    """Chooses a way to be shipped. Raises NotFound, and Invalid where it is not offered there."""
    regions.shipping(db, option_id)
    offered = {o.option.id: o for o in offers(db, cart)}
    if option_id not in offered:
        raise Invalid("The shipping option is not offered for this cart.", field="option_id")
    return change(db, cart, shipping_option_id=option_id, shipping_seen=offered[option_id].amount)


def offers(db: Db, cart: Cart) -> list[regions.Offer]:
    """How a cart can be shipped; the country is that of its address, or the region's only one."""
    where = (cart.shipping_address or {}).get("country_code")
    if not where:
        known = regions.countries_of(db, cart.region_id)
        where = known[0] if len(known) == 1 else None
    return regions.offers(db, currency=cart.currency, country_code=where)


def priced_offers(db: Db, seen: View) -> list[tuple[regions.Offer, bool]]:
    """How a cart can be shipped, and whether promotions make that free."""
    lines = [
        Line(i.id, v.product_id, i.quantity, i.unit_price, seen.products[v.product_id].discountable)
        for i in seen.items
        for v in [seen.variants[i.variant_id]]
    ]
    known = promotions.for_cart(db, seen.cart.codes)
    return [(o, ships_free(known, lines, o.option.code)) for o in offers(db, seen.cart)]


def set_codes(db: Db, cart: Cart, codes: Sequence[str]) -> Cart:
    """Says which promotion codes count. Raises PromotionRefused."""
    return change(db, cart, codes=promotions.checked(db, codes))


# -- lines -------------------------------------------------------------------------------------------------


def items(db: Db, cart_id: str) -> list[CartItem]:
    """The lines of a cart, the oldest first."""
    return db.all(CartItem, store.CART_ITEMS, cart_id=cart_id)


def put(
    db: Db,
    cart: Cart,
    variant: Variant,
    quantity: int,
    *,
    metadata_: dict[str, Any] | None = None,
    merge: bool = True,
) -> CartItem:
    """Puts pieces of a variant into a cart that is held; with `merge` a line of that variant grows.

    Raises InsufficientStock, NoPrice, Invalid, NotFound (a product that is not sold).
    """
    _quantity(quantity)
    catalogue.get(db, variant.product_id, public=True)
    known = items(db, cart.id)
    same = next((i for i in known if i.variant_id == variant.id), None) if merge else None
    if same is not None:
        return set_quantity(db, cart, same.id, same.quantity + quantity)
    if len(known) >= MAX_LINES:
        raise Invalid(f"A cart has at most {MAX_LINES} lines.")
    already = sum(i.quantity for i in known if i.variant_id == variant.id)
    stock.check(db, {variant.id: (variant, already + quantity)})
    found = prices.price(db, variant, currency=cart.currency, region_id=cart.region_id, quantity=quantity)
    return db.insert(
        CartItem,
        "shop_cart_item",
        id=new("cali"),
        cart_id=cart.id,
        variant_id=variant.id,
        quantity=quantity,
        unit_price=found.amount,
        compare_at=found.original if found.original > found.amount else None,
        metadata=metadata(metadata_),
        **stamps(),
    )


def item(db: Db, cart: Cart, id: str) -> CartItem:
    """A line of this cart. Raises NotFound."""
    found = db.one(CartItem, store.CART_ITEM, id=id, cart_id=cart.id)
    if found is None:
        raise NotFound(f"Line item with id: {id[:80]} was not found in the cart")
    return found


def set_quantity(db: Db, cart: Cart, id: str, quantity: int) -> CartItem:
    """Changes how many there are of a line; its price is then the current one for so many.

    Raises InsufficientStock, Invalid, NotFound.
    """
    _quantity(quantity)
    found = item(db, cart, id)
    variant = catalogue.variant(db, found.variant_id)
    others = sum(i.quantity for i in items(db, cart.id) if i.variant_id == variant.id and i.id != id)
    stock.check(db, {variant.id: (variant, others + quantity)})
    return reprice(db, cart, found, variant, quantity)


def remove(db: Db, cart: Cart, id: str) -> None:
    """Takes a line out. Raises NotFound."""
    if not db.run(store.DELETE_CART_ITEM, id=id, cart_id=cart.id):
        item(db, cart, id)


def cancel(db: Db, id: str, *, kind: str = "store") -> Cart:
    """Gives a cart up. Raises NotFound, CartOver."""
    get(db, id, kind=kind)
    if not db.run(store.CANCEL_CART, id=id, now=clock.precise()):
        hold(db, id, kind=kind)
    return get(db, id, kind=kind)


def _quantity(quantity: int) -> None:
    if not 1 <= quantity <= MAX_QUANTITY:
        raise Invalid(f"A quantity is between 1 and {MAX_QUANTITY}, not {quantity}.", field="quantity")


def reprice(db: Db, cart: Cart, found: CartItem, variant: Variant, quantity: int | None = None) -> CartItem:
    """Gives a line the price of now. Raises NoPrice."""
    n = quantity or found.quantity
    now = prices.price(db, variant, currency=cart.currency, region_id=cart.region_id, quantity=n)
    made = db.update(
        CartItem,
        "shop_cart_item",
        found.id,
        quantity=n,
        unit_price=now.amount,
        compare_at=now.original if now.original > now.amount else None,
        updated_at=clock.precise(),
    )
    assert made is not None
    return made


def reprice_all(db: Db, cart: Cart, lines: Sequence[CartItem], variants: Mapping[str, Variant]) -> None:
    """Gives lines the prices of now, in one statement. Raises NoPrice."""
    known, lists = prices.of(db, variants), prices.lists(db)
    rows = []
    for each in lines:
        variant = variants[each.variant_id]
        now = prices.fitting(
            known[variant.id], lists, variant, cart.currency, cart.region_id, quantity=each.quantity
        )
        rows.append((each.id, now.amount, now.original if now.original > now.amount else None))
    if rows:
        db.run(store.REPRICE[db.dialect], cart_id=cart.id, prices=rows, now=clock.precise())


# -- a cart as a whole -------------------------------------------------------------------------------------


def view(db: Db, cart: Cart) -> View:
    """A cart worked out: at the prices the buyer has seen, with the promotions and taxes of now."""
    region = regions.get(db, cart.region_id)
    lines = items(db, cart.id)
    variants = catalogue.variants(db, (i.variant_id for i in lines))
    products = catalogue.products(db, (v.product_id for v in variants.values()))
    rate = regions.tax(db, region, cart.shipping_address)
    chosen = None
    if cart.shipping_option_id is not None:
        option = regions.shipping(db, cart.shipping_option_id)
        chosen = regions.Offer(option, cart.shipping_seen or 0)
    asked = [
        Line(i.id, v.product_id, i.quantity, i.unit_price, products[v.product_id].discountable)
        for i in lines
        for v in [variants[i.variant_id]]
    ]
    totals = work_out(
        cart.currency,
        asked,
        chosen.amount if chosen else 0,
        promotions.for_cart(db, cart.codes),
        rate=rate.rate if rate else "0",
        inclusive=region.tax_inclusive,
        level=chosen.option.code if chosen else FREE_LEVEL,
    )
    return View(cart, region, lines, variants, products, chosen, rate.name if rate else "", totals)
