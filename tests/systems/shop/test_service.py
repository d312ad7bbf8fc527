"""The rules of the shop, on both engines."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from backendhub.kit import clock, reservation
from backendhub.kit.db import Db
from backendhub.kit.errors import Conflict, Invalid, NotFound
from backendhub.kit.money import Money
from backendhub.kit.states import IllegalMove
from backendhub.systems.shop import demo
from backendhub.systems.shop.models import (
    FULFILLMENT,
    ORDER,
    RETURN,
    CartChanged,
    CartOver,
    InsufficientStock,
    NoPrice,
    NotReady,
    PaymentFailed,
    PromotionRefused,
    TooMuch,
)
from backendhub.systems.shop.service import (
    carts,
    catalogue,
    categories,
    changes,
    checkout,
    customers,
    fulfilment,
    orders,
    payments,
    prices,
    promotions,
    regions,
    stock,
)

SYSTEM = "shop"


def placed(db: Db, house: Any, quantity: int = 1, **about: Any) -> Any:
    order = checkout.complete(db, house.cart(db, quantity, **about).id).order
    assert order is not None
    return order


def sold(db: Db, house: Any) -> tuple[int, int]:
    level = reservation.stock(db, house.variant.id, house.place.id)
    return level.free, level.sold


# -- catalogue -----------------------------------------------------------------------------------------------


def test_an_order_from_outside_is_no_sql(db: Db, house: Any) -> None:
    for order in ("(SELECT 1)", "nonsense)", "p.id; DROP TABLE shop_product", "status"):
        for q in (None, "mug"):
            found = catalogue.find(db, order=order, q=q)
            assert found.products == catalogue.find(db, order="", q=q).products


def test_products_are_found_by_words_categories_and_state(db: Db, house: Any, tools: Any) -> None:
    kitchen = categories.add(db, name="Kitchen")
    cups = categories.add(db, name="Cups", parent_id=kitchen.id)
    made = catalogue.add(db, title="Espresso pair", status="published", category_ids=[cups.id], tags=["gift"])
    catalogue.add_variant(db, made.id, title="White", sku="ESP-W")
    catalogue.add(db, title="Espresso draft")

    def found(**about: Any) -> list[str]:
        return [p.title for p in catalogue.find(db, **about).products]

    assert found(q="espresso") == found(q="ESP-W") == found(q="cups") == ["Espresso pair"]
    assert found(q="nothing like it") == []
    assert found(conditions={"category_id": [kitchen.id]}) == ["Espresso pair"]
    assert found(conditions={"tag": ["gift"]}) == ["Espresso pair"]
    assert found(order="title") == ["Espresso pair", "Mug"]
    assert found(public=False, q="draft") == ["Espresso draft"]
    with pytest.raises(NotFound):
        catalogue.by_handle(db, "espresso-draft")
    with pytest.raises(Conflict):
        catalogue.add(db, title="Mug")
    with pytest.raises(Conflict):
        categories.remove(db, kitchen.id)


def test_variants_have_a_value_for_each_option(db: Db, house: Any) -> None:
    robe = catalogue.add(db, title="Robe", status="published", options={"Size": ["S", "M"]})
    with pytest.raises(Invalid):
        catalogue.add_variant(db, robe.id, title="L", options={"Size": "L"})
    with pytest.raises(Invalid):
        catalogue.add_variant(db, robe.id, title="none")
    catalogue.add_variant(db, robe.id, title="S", sku="R-S", options={"Size": "S"})
    with pytest.raises(Conflict):
        catalogue.add_variant(db, robe.id, title="S again", sku="R-S", options={"Size": "S"})


def test_the_price_that_counts(db: Db, house: Any) -> None:
    def cost(quantity: int = 1, region_id: str | None = house.region.id) -> tuple[int, int]:
        found = prices.price(db, house.variant, currency="USD", region_id=region_id, quantity=quantity)
        return found.amount, found.original

    prices.put(db, house.variant.id, currency_code="USD", amount=1800, min_quantity=5)
    assert (cost(4), cost(5)) == ((2000, 2000), (1800, 1800))
    prices.put(db, house.variant.id, currency_code="USD", amount=1900, region_id=house.region.id)
    assert cost() == (1900, 1900)
    sale = prices.add_list(db, title="Sale", ends_at=clock.now() + timedelta(days=1))
    prices.put(db, house.variant.id, currency_code="USD", amount=1500, price_list_id=sale.id)
    assert cost() == (1500, 1900)
    with clock.frozen("2026-01-06T09:00:00Z"):
        assert cost() == (1900, 1900)
    prices.edit_list(db, sale.id, {"type": "override"})
    assert cost() == (1500, 1500)
    with pytest.raises(NoPrice):
        prices.price(db, house.variant, currency="EUR", region_id=None)
    with pytest.raises(Invalid):
        prices.put(db, house.variant.id, currency_code="USD", amount=-1)


# -- carts ---------------------------------------------------------------------------------------------------


def test_a_cart_adds_up(db: Db, house: Any) -> None:
    promotions.add(db, code="TEN", kind="percentage", percent="10")
    seen = carts.view(db, house.cart(db, 3, codes=("TEN",)))
    line = next(iter(seen.totals.lines.values()))
    assert (line.subtotal, line.discount, line.tax, line.total) == (6000, 600, 540, 5940)
    assert (seen.totals.shipping.tax, seen.totals.total) == (50, 5940 + 550)


@pytest.mark.parametrize("quantity", [0, -1, 1_000_001])
def test_quantities_that_cannot_be(db: Db, house: Any, quantity: int) -> None:
    cart = carts.add(db, house.region)
    with pytest.raises(Invalid):
        carts.put(db, cart, house.variant, quantity)


def test_more_than_there_is_is_refused_by_name(db: Db, house: Any) -> None:
    cart = carts.add(db, house.region)
    carts.put(db, cart, house.variant, 6)
    with pytest.raises(InsufficientStock, match=r"Blue: 11 wanted, 10 left"):
        carts.put(db, cart, house.variant, 5)
    assert carts.items(db, cart.id)[0].quantity == 6


def test_what_is_missing_is_said(db: Db, house: Any) -> None:
    cart = carts.add(db, house.region)

    def why() -> str:
        error = checkout.complete(db, cart.id).error
        assert isinstance(error, NotReady)
        return str(error.details.get("what"))

    assert why() == "items"
    carts.put(db, cart, house.variant, 1)
    assert why() == "email"
    cart = carts.set_email(db, carts.hold(db, cart.id), "maya@mail.example")
    assert why() == "address"
    cart = carts.set_address(db, cart, "shipping_address", {"country_code": "US"})
    assert why() == "shipping"
    carts.set_shipping(db, cart, house.shipping.id)
    assert why() == "payment"
    with pytest.raises(Invalid, match="not within region"):
        carts.set_address(db, cart, "shipping_address", {"country_code": "de"})


def test_a_changed_price_is_said_and_shown_before_it_is_paid(db: Db, house: Any) -> None:
    cart = house.cart(db)
    prices.put(db, house.variant.id, currency_code="USD", amount=2500)
    assert [c.message for c in changes.find(db, carts.view(db, cart))] == [
        "The price of Mug (Blue) has changed from $20 to $25."
    ]
    outcome = checkout.complete(db, cart.id)
    assert isinstance(outcome.error, CartChanged) and "from $20 to $25" in outcome.error.message
    assert carts.items(db, cart.id)[0].unit_price == 2500  # now the buyer sees it
    again = checkout.complete(db, cart.id)
    assert isinstance(again.error, NotReady) and "total has changed" in again.error.message
    payments.start(db, payments.collect(db, cart.id).id, provider=payments.SYSTEM)
    done = checkout.complete(db, cart.id)
    assert done.order is not None and done.order.total == 2750 + 550


def test_what_is_not_sold_any_more_leaves_the_cart_with_a_word(db: Db, house: Any) -> None:
    cart = house.cart(db)
    catalogue.edit(db, house.product.id, {"status": "draft"})
    outcome = checkout.complete(db, cart.id)
    assert isinstance(outcome.error, CartChanged) and "not sold any more" in outcome.error.message
    assert carts.items(db, cart.id) == []


def test_stock_that_went_elsewhere_is_said_and_nothing_is_half_done(db: Db, house: Any) -> None:
    cart = house.cart(db, 6)
    placed(db, house, 6)
    outcome = checkout.complete(db, cart.id)
    assert isinstance(outcome.error, InsufficientStock)
    assert outcome.error.details["items"] == [
        {"variant_id": house.variant.id, "title": "Blue", "wanted": 6, "left": 4}
    ]
    assert carts.get(db, cart.id).state == "open"
    assert sold(db, house) == (4, 6)


def test_a_cart_is_one_order(db: Db, house: Any, tools: Any) -> None:
    cart = house.cart(db)
    first, second = checkout.complete(db, cart.id), checkout.complete(db, cart.id)
    assert first.order is not None and second.order is not None
    assert first.order.id == second.order.id
    assert sold(db, house) == (9, 1)
    with pytest.raises(CartOver):
        carts.hold(db, cart.id)
    with pytest.raises(NotFound):
        checkout.complete(db, "cart_unknown")
    assert tools.broken(db) == []


def test_stock_is_taken_from_several_places(db: Db, house: Any) -> None:
    other = regions.add_location(db, name="There")
    stock.set_level(db, house.variant, other.id, 5)
    order = placed(db, house, 13)
    assert stock.free(db, [house.variant.id])[house.variant.id] == 2
    orders.cancel(db, order.id)
    assert stock.free(db, [house.variant.id])[house.variant.id] == 15


def test_stock_that_is_not_counted_or_may_be_exceeded(db: Db, house: Any, tools: Any) -> None:
    more = {"allow_backorder": True}
    house.variant = catalogue.edit_variant(db, house.product.id, house.variant.id, more)
    placed(db, house, 25)
    assert sold(db, house) == (10, 0)
    house.variant = catalogue.edit_variant(
        db, house.product.id, house.variant.id, {"manage_inventory": False}
    )
    parcel = placed(db, house, 50)
    fulfilment.ship(db, parcel.id, fulfilment.pack(db, parcel.id).id)
    assert sold(db, house) == (10, 0)
    assert tools.broken(db) == []


def test_a_level_is_never_below_what_is_sold(db: Db, house: Any) -> None:
    placed(db, house, 4)
    with pytest.raises(Conflict, match="4 of them are sold"):
        stock.set_level(db, house.variant, house.place.id, 3)
    assert stock.set_level(db, house.variant, house.place.id, 4).free == 0
    with pytest.raises(Invalid):
        stock.set_level(db, house.variant, house.place.id, -1)


# -- promotions ----------------------------------------------------------------------------------------------


def test_promotions_come_off_one_after_the_other(db: Db, house: Any) -> None:
    promotions.add(db, code="TEN", kind="percentage", percent="10")
    promotions.add(db, code="FIVE", kind="fixed", amount=500, currency_code="USD")
    promotions.add(db, code="EUROS", kind="fixed", amount=500, currency_code="EUR")
    seen = carts.view(db, house.cart(db, 2, codes=("TEN", "FIVE", "EUROS")))
    assert [(a.promotion.code, a.amount) for a in seen.totals.applied] == [("TEN", 400), ("FIVE", 500)]
    promotions.add(db, code="FREE", kind="free_shipping", automatic=True, min_subtotal=6000)
    assert carts.view(db, house.cart(db, 2)).totals.shipping.total == 550
    assert carts.view(db, house.cart(db, 3)).totals.shipping.total == 0
    with pytest.raises(PromotionRefused, match="NOSUCH"):
        house.cart(db, codes=("NOSUCH",))


def test_a_code_that_is_used_up_is_said(db: Db, house: Any, tools: Any) -> None:
    once = promotions.add(db, code="ONCE", kind="percentage", percent="50", usage_limit=1)
    first, second = house.cart(db, codes=("ONCE",)), house.cart(db, codes=("ONCE",))
    order = checkout.complete(db, first.id).order
    assert order is not None and order.discount == 1000
    outcome = checkout.complete(db, second.id)
    assert isinstance(outcome.error, CartChanged) and "ONCE is used up" in outcome.error.message
    assert carts.get(db, second.id).codes == []
    orders.cancel(db, order.id)
    assert promotions.get(db, once.id).used == 0
    with pytest.raises(Invalid):
        promotions.add(db, code="TOOMUCH", kind="percentage", percent="101")
    assert tools.broken(db) == []


def test_a_code_has_its_time(db: Db, house: Any) -> None:
    promotions.add(
        db, code="SOON", kind="percentage", percent="5", starts_at=clock.now() + timedelta(hours=1)
    )
    with pytest.raises(PromotionRefused):
        house.cart(db, codes=("SOON",))
    with clock.frozen("2026-01-05T10:00:00Z"):
        house.cart(db, codes=("SOON",))


def test_a_payment_of_as_many_of_another_currency_is_not_taken(db: Db, house: Any) -> None:
    collection = payments.collect(db, house.cart(db, pay=False).id)
    about = {"provider": payments.STRIPE, "reference": "pi_1", "status": "authorized"}
    with pytest.raises(NotReady, match=r"changed to \$27.50"):
        payments.start(db, collection.id, amount=Money(2750, "EUR"), **about)
    made = payments.start(db, collection.id, amount=Money(2750, "USD"), **about)
    again = payments.start(db, collection.id, amount=Money(2750, "USD"), **about)
    assert again.id == made.id
    payments.drop(db, collection.id)
    with pytest.raises(PaymentFailed, match="given back"):
        payments.start(db, collection.id, amount=Money(2750, "USD"), **about)


# -- orders --------------------------------------------------------------------------------------------------


def test_from_parcel_to_return(db: Db, house: Any, tools: Any) -> None:
    order = placed(db, house, 3)
    line = orders.items(db, order.id)[0]
    parcel = fulfilment.pack(db, order.id, {line.id: 2})
    with pytest.raises(TooMuch):
        fulfilment.pack(db, order.id, {line.id: 2})
    with pytest.raises(TooMuch):
        orders.cancel(db, order.id)
    fulfilment.ship(db, order.id, parcel.id, [{"tracking_number": "T1"}])
    with pytest.raises(IllegalMove):
        fulfilment.ship(db, order.id, parcel.id)
    with pytest.raises(IllegalMove):
        fulfilment.cancel(db, order.id, parcel.id)
    assert sold(db, house) == (7, 1)
    payment = payments.of_order(db, order.id)[0]
    payments.capture(db, payment.id)
    with pytest.raises(TooMuch):
        payments.capture(db, payment.id, 1)
    fulfilment.deliver(db, order.id, parcel.id)
    back = fulfilment.ask_back(db, order.id, [{"item": line.id, "quantity": 1}])
    assert back.refund == 2200
    with pytest.raises(TooMuch):
        fulfilment.ask_back(db, order.id, [{"item": line.id, "quantity": 2}])
    fulfilment.receive(db, back.id)
    with pytest.raises(IllegalMove):
        fulfilment.receive(db, back.id)
    assert sold(db, house) == (8, 1)
    full = orders.full(db, orders.get(db, order.id))
    assert full.refunded == 2200
    assert orders.payment_status(full.payments) == "partially_refunded"
    assert orders.fulfillment_status(full.items, full.order.state) == "partially_delivered"
    with pytest.raises(TooMuch):
        payments.refund(db, payment.id, payment.amount)
    assert tools.broken(db) == []


def test_many_lines_cost_as_many_statements_as_one(
    db: Db, house: Any, tools: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another region, prices that have changed, a parcel and what comes back of it."""
    cheap = regions.add(db, name="Europe", currency_code="EUR", countries=["de"], tax_inclusive=True)
    variants = [
        catalogue.add_variant(
            db, house.product.id, title=f"No. {n}", amounts=[("USD", 700 + n), ("EUR", 600 + n)]
        )
        for n in range(4)
    ]
    for each in variants:
        stock.set_level(db, each, house.place.id, 5)
    asked: list[str] = []
    for name in ("fetch", "run"):
        known = getattr(type(db), name)

        def counted(self: Any, sql: str, *a: Any, known: Any = known, **b: Any) -> Any:
            asked.append(sql)
            return known(self, sql, *a, **b)

        monkeypatch.setattr(type(db), name, counted)

    def ask(what: Any, *args: Any) -> tuple[int, Any]:
        asked.clear()
        done = what(db, *args)
        return len(asked), done

    def purchase(some: list[Any]) -> list[int]:
        cart = carts.add(db, cheap)
        for each in some:
            carts.put(db, cart, each, 2)
        prices_now = [i.unit_price for i in carts.items(db, cart.id)]
        moved, cart = ask(carts.set_region, cart, house.region)
        assert [i.unit_price for i in carts.items(db, cart.id)] == [p + 100 for p in prices_now]
        for each in some:
            prices.put(db, each.id, currency_code="USD", amount=900)
        seen = carts.view(db, cart)
        accepted, cart = ask(changes.accept, seen, changes.find(db, seen))
        assert {i.unit_price for i in carts.items(db, cart.id)} == {900}
        cart = carts.set_email(db, cart, "maya@mail.example")
        cart = carts.set_address(db, cart, "shipping_address", tools.address)
        carts.set_shipping(db, cart, house.shipping.id)
        payments.start(db, payments.collect(db, cart.id).id, provider=payments.SYSTEM)
        order = checkout.complete(db, cart.id).order
        assert order is not None
        packed, parcel = ask(fulfilment.pack, order.id)
        fulfilment.ship(db, order.id, parcel.id)
        wanted = [{"item": i.id, "quantity": n} for i in orders.items(db, order.id) for n in (1, 1)]
        asked_back, back = ask(fulfilment.ask_back, order.id, wanted)
        assert back.refund == sum(i.total for i in orders.items(db, order.id))
        with pytest.raises(TooMuch):
            fulfilment.ask_back(db, order.id, wanted[:1])
        kept, _ = ask(fulfilment.cancel_return, back.id)
        assert {i.return_requested for i in orders.items(db, order.id)} == {0}
        return [moved, accepted, packed, asked_back, kept]

    for each in variants:
        prices.put(db, each.id, currency_code="USD", amount=prices.of(db, [each.id])[each.id][1].amount + 100)
    assert purchase(variants[:1]) == purchase(variants[1:])
    assert tools.broken(db) == []


def test_shares_of_a_line_add_up_to_it(db: Db, house: Any) -> None:
    promotions.add(db, code="ODD", kind="fixed", amount=301, currency_code="USD")
    order = placed(db, house, 7, codes=("ODD",))
    line = orders.items(db, order.id)[0]
    assert sum(fulfilment.worth(line, n, 1) for n in range(7)) == line.total


def test_cancelling_gives_everything_back(db: Db, house: Any, tools: Any) -> None:
    order = placed(db, house, 3)
    payments.capture(db, payments.of_order(db, order.id)[0].id)
    assert orders.cancel(db, order.id).state == "canceled"
    assert orders.cancel(db, order.id).state == "canceled"
    assert sold(db, house) == (10, 0)
    assert orders.full(db, order).refunded == order.total
    with pytest.raises(IllegalMove):
        fulfilment.pack(db, order.id)
    assert tools.broken(db) == []


@pytest.mark.parametrize("machine", [ORDER, FULFILLMENT, RETURN], ids=lambda m: m.name)
def test_every_move_of_the_tables_and_no_other(db: Db, house: Any, machine: Any) -> None:
    order = placed(db, house, 2)
    line = orders.items(db, order.id)[0]
    parcel = fulfilment.pack(db, order.id, {line.id: 1})
    fulfilment.ship(db, order.id, parcel.id)
    back = fulfilment.ask_back(db, order.id, [{"item": line.id, "quantity": 1}])
    id = {"order": order.id, "fulfilment": parcel.id, "return": back.id}[machine.name]
    for state, verb, target in machine.pairs():
        db.run(f"UPDATE {machine.table} SET state = :state WHERE id = :id", state=state, id=id)
        if target is None:
            with pytest.raises(IllegalMove):
                machine.move(db, id, verb)
        else:
            assert machine.move(db, id, verb) == target


def test_addresses_and_guests(db: Db, house: Any) -> None:
    maya = customers.guest(db, "Maya@mail.example")
    assert customers.guest(db, "maya@MAIL.example").id == maya.id
    first = customers.add_address(db, maya.id, {"address_1": "1 A St"}, default_shipping=True)
    second = customers.add_address(db, maya.id, {"address_1": "2 B St"}, default_shipping=True)
    assert [a.default_shipping for a in customers.addresses(db, maya.id)] == [False, True]
    with pytest.raises(NotFound):
        customers.get_address(db, "cus_other", first.id)
    customers.remove_address(db, maya.id, second.id)


def test_the_sample_shop_is_sound(db: Db, tools: Any) -> None:
    assert demo.load(db) == 13
    assert tools.broken(db) == []
