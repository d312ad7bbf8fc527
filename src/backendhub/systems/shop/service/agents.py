"""Checkouts of agents: a cart whose wire is UCP. Buyer, destinations and the agent's profile are in its `extra`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from backendhub.kit import clock, jobs
from backendhub.kit.db import Db
from backendhub.kit.errors import Invalid
from backendhub.systems.shop import store
from backendhub.systems.shop.models import Cart, NotReady, Order, Report, Variant

from . import carts, customers, promotions
from .naming import new

KIND = "ucp"
TELL = "shop.tell_agent"
_NAMES = {
    "street_address": "address_1",
    "extended_address": "address_2",
    "address_locality": "city",
    "address_region": "province",
    "postal_code": "postal_code",
    "address_country": "country_code",
    "first_name": "first_name",
    "last_name": "last_name",
    "phone_number": "phone",
}


def inward(destination: Mapping[str, Any]) -> dict[str, Any]:
    """An address of UCP as the shop keeps it."""
    made: dict[str, Any] = {
        ours: destination[theirs] for theirs, ours in _NAMES.items() if destination.get(theirs)
    }
    if destination.get("full_name") and "first_name" not in made:
        first, _, last = str(destination["full_name"]).partition(" ")
        made |= {"first_name": first, "last_name": last or None}
    return made


def outward(address: Mapping[str, Any]) -> dict[str, Any]:
    """An address of the shop as UCP writes it."""
    made = {theirs: address[ours] for theirs, ours in _NAMES.items() if address.get(ours)}
    if "address_country" in made:
        made["address_country"] = str(made["address_country"]).upper()
    return made


def set_lines(db: Db, cart: Cart, lines: Sequence[tuple[str | None, str, Variant, int]]) -> None:
    """Replaces the lines: pairs of id, what the agent calls the item, variant and quantity. Lines that stay keep their
    id. Raises InsufficientStock, NoPrice, Invalid."""
    known = {i.id: i for i in carts.items(db, cart.id)}
    for gone in known.keys() - {id for id, *_ in lines}:
        carts.remove(db, cart, gone)
    for id, name, variant, quantity in lines:
        before = known.get(id or "")
        if before is not None and before.variant_id == variant.id:
            carts.set_quantity(db, cart, before.id, quantity)
            continue
        if before is not None:
            carts.remove(db, cart, before.id)
        carts.put(db, cart, variant, quantity, metadata_={"item": name}, merge=False)


def set_codes(db: Db, cart: Cart, codes: Sequence[str]) -> Cart:
    """Takes the codes that can be used; those that cannot are kept to be told of."""
    usable = promotions.by_code(db, codes)
    good = [code for code in dict.fromkeys(codes) if code in usable]
    bad = [code for code in dict.fromkeys(codes) if code not in usable]
    return carts.change(db, cart, codes=good, extra={**cart.extra, "refused": bad})


def set_buyer(db: Db, cart: Cart, buyer: dict[str, Any]) -> Cart:
    """Says who buys. Raises Invalid for what is no e-mail address."""
    if buyer.get("email"):
        cart = carts.set_email(db, cart, str(buyer["email"]))
    return carts.change(db, cart, extra={**cart.extra, "buyer": buyer})


def set_destinations(
    db: Db, cart: Cart, given: Sequence[dict[str, Any]] | None, selected: str | None, *, book: bool
) -> Cart:
    """Says where it may be shipped, and which of these it is. Without a say destinations stay; where there were none and
    `book` is true they are those of the buyer's address book. Raises Invalid."""
    state: dict[str, Any] = dict(cart.extra.get("fulfillment") or {})
    if given:
        state["destinations"] = [_named(db, cart, each, book=book) for each in given]
    elif not state.get("destinations") and book and cart.customer_id:
        state["destinations"] = [
            {"id": a.id, **outward(a.address)} for a in customers.addresses(db, cart.customer_id)
        ]
    known = {d["id"]: d for d in state.get("destinations") or []}
    chosen = selected or state.get("selected")
    if selected and selected not in known:
        raise Invalid(
            "The selected destination is not one of the destinations.", field="selected_destination_id"
        )
    state["selected"] = chosen if chosen in known else None
    cart = carts.change(db, cart, extra={**cart.extra, "fulfillment": state})
    where = inward(known[state["selected"]]) if state["selected"] else None
    return carts.set_address(db, cart, "shipping_address", where)


def _named(db: Db, cart: Cart, destination: dict[str, Any], *, book: bool) -> dict[str, Any]:
    """A destination with an id: its own, or that of the same place in the buyer's address book, which grows."""
    if destination.get("id"):
        return destination
    if not (book and cart.customer_id):
        return {**destination, "id": new("dest")}
    place = customers.address(inward(destination))
    for known in customers.addresses(db, cart.customer_id):
        if customers.same_place(known.address, place):
            return {**destination, "id": known.id}
    return {**destination, "id": customers.add_address(db, cart.customer_id, place).id}


def set_option(db: Db, cart: Cart, option_id: str) -> Cart:
    """Chooses a way to be shipped, once there is an address; what is not offered there is not chosen."""
    if cart.shipping_address is None or option_id == cart.shipping_option_id:
        return cart
    if option_id not in {o.option.id for o in carts.offers(db, cart)}:
        return cart
    return carts.set_shipping(db, cart, option_id)


def ready(seen: carts.View) -> None:
    """Raises NotReady where an agent has not said enough."""
    if seen.shipping is None or seen.cart.shipping_address is None:
        raise NotReady("Fulfillment address and option must be selected.", what="fulfillment")


# -- orders ------------------------------------------------------------------------------------------------


def reports(db: Db, order_id: str) -> list[Report]:
    """What an agent has told of an order."""
    return db.all(Report, store.REPORTS, order_id=order_id)


def report(db: Db, order: Order, kind: str, told: Sequence[dict[str, Any]]) -> None:
    """Notes what an agent tells of an order: events or adjustments. They move neither goods nor money."""
    about = {"order_id": order.id, "kind": kind, "now": clock.precise()}
    db.run_many(store.PUT_REPORT, [{**about, "id": each["id"], "data": each} for each in told])


def tell(db: Db, order: Order, event: dict[str, Any]) -> None:
    """Has the agent that made an order told of it, where it has a profile to find its address in."""
    profile = order.extra.get("agent")
    if profile:
        jobs.enqueue(db, TELL, profile=profile, event=event)
