"""What a session sells: its lines, and what they come to."""

from __future__ import annotations

from backendhub.kit.db import Db
from backendhub.systems.payment import objects
from backendhub.systems.payment.errors import ApiError
from backendhub.systems.payment.models import Json
from backendhub.systems.payment.service import money

from . import catalog, discounting, lines, taxes, totals
from .pricing import bounded, exact, whole


def read(db: Db, params: Json) -> tuple[str | None, list[Json]]:
    """The currency and the lines, each with what it is made of."""
    found: list[Json] = []
    currency = params.get("currency")
    for n, each in enumerate(params.get("line_items") or ()):
        param = f"line_items[{n}]"
        if each.get("price_data"):
            price = catalog.inline(db, each["price_data"], param=f"{param}[price_data]")
        elif each.get("price"):
            price = catalog.usable(db, each["price"], param=f"{param}[price]", currency=currency)
        else:
            raise ApiError(
                f"Missing required param: {param}[price].", code="parameter_missing", param=f"{param}[price]"
            )
        _fits(price, params["mode"], param)
        metered = price["type"] == "recurring" and price["recurring"]["usage_type"] == "metered"
        if not metered and each.get("quantity") is None:
            raise ApiError(
                "Quantity is required. Add `quantity` to `" + param + "`.",
                code="parameter_missing",
                param=f"{param}[quantity]",
            )
        if found and price["currency"] != found[0]["price"]["currency"]:
            raise ApiError(
                "All prices on a Checkout Session must have the same currency.", param=f"{param}[price]"
            )
        found.append(
            {
                "id": objects.new_id("li"),
                "price": catalog.kept(price),
                "quantity": None if metered else each["quantity"],
                "rates": taxes.rates(db, each.get("tax_rates"), param=f"{param}[tax_rates]"),
                "amount": 0 if metered else bounded(whole(exact(price, each["quantity"])), param=param),
                "name": objects.get(db, "product", price["product"])["name"],
            }
        )
    if params["mode"] == "subscription":
        if not any(each["price"]["type"] == "recurring" for each in found):
            raise ApiError(
                "You must provide at least one recurring price in `subscription` mode when using prices.",
                param="line_items",
            )
        if (params.get("subscription_data") or {}).get("default_tax_rates"):
            taxes.rates(db, params["subscription_data"]["default_tax_rates"])
    return (found[0]["price"]["currency"] if found else currency), found


def _fits(price: Json, mode: str, param: str) -> None:
    if mode == "payment" and price["type"] == "recurring":
        raise ApiError(
            "You specified `payment` mode but passed a recurring price. Either switch to `subscription` mode or use only "
            "one-time prices.",
            param=f"{param}[price]",
        )
    if price["custom_unit_amount"]:
        raise ApiError(
            "Prices that buyers choose are not sold through Checkout here.", param=f"{param}[price]"
        )


def priced(db: Db, session: Json, found: list[Json]) -> tuple[Json, list[Json]]:
    """A session with what its lines come to; what is tried first costs nothing today, but is shown."""
    offs = [
        off
        for n, each in enumerate(session["discounts"] or ())
        if (off := discounting.off_of(str(n), _coupon(db, each), session["currency"] or "")) is not None
    ]
    told = [
        totals.Line(each["amount"], each["price"]["product"], rates=tuple(each["rates"])) for each in found
    ]
    results = totals.price(told, offs)
    fresh: list[Json] = []
    for each, one in zip(found, results, strict=True):
        less = sum(amount for _, amount in one.discounts)
        tax = one.added + one.included
        fresh.append(each | {"discount": less, "tax": tax, "total": one.total})
    sums = {name: sum(each[name] for each in fresh) for name in ("amount", "discount", "tax", "total")}
    if session["mode"] == "setup":
        return session | {"amount_subtotal": None, "amount_total": None, "total_details": None}, fresh
    if session["mode"] == "payment" and sums["total"]:
        money.checked(sums["total"], session["currency"], param="line_items")
    details = {"amount_discount": sums["discount"], "amount_shipping": 0, "amount_tax": sums["tax"]}
    return session | {
        "amount_subtotal": sums["amount"],
        "amount_total": sums["total"],
        "total_details": details,
    }, fresh


def _coupon(db: Db, discount: Json) -> Json:
    id = discount["coupon"]
    if id is None:
        id = objects.get(db, "promotion_code", discount["promotion_code"])["promotion"]["coupon"]
    return objects.get(db, "coupon", id, param="discounts")


def shown(found: list[Json], currency: str | None, params: Json, url: str) -> Json:
    """Lines as the wire lists them."""
    told = [
        {
            "id": each["id"],
            "object": "item",
            "adjustable_quantity": None,
            "amount_discount": each["discount"],
            "amount_subtotal": each["amount"],
            "amount_tax": each["tax"],
            "amount_total": each["total"],
            "currency": currency,
            "description": each["name"],
            "metadata": {},
            "price": each["price"],
            "quantity": each["quantity"],
        }
        for each in found
    ]
    return lines.sliced(told, params, url)


def lines_of(db: Db, params: Json) -> list[Json]:
    """What parameters for a session come to, without discounts."""
    currency, found = read(db, params)
    return priced(db, {"discounts": [], "currency": currency, "mode": params["mode"]}, found)[1]
