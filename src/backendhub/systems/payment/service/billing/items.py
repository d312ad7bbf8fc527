"""Invoice items: what waits for a customer's next invoice, or stands on a draft."""

from __future__ import annotations

from fractions import Fraction

from backendhub.kit.db import Db
from backendhub.systems.payment import events, objects, resources
from backendhub.systems.payment.errors import ApiError
from backendhub.systems.payment.models import Json
from backendhub.systems.payment.service import money

from . import catalog, discounting, pricing, taxes
from .codes import Worth
from .pricing import bounded
from .times import living

ITEM = resources.declare(
    resources.Resource(
        "invoiceitem",
        "ii",
        "/v1/invoiceitems",
        index=("customer", "invoice", "pending", "parent.subscription_details.subscription"),
        expand={
            "customer": "customer",
            "invoice": "invoice",
            "discounts": "discount",
            "test_clock": "test_helpers.test_clock",
            "subscription": "subscription",
        },
    )
)
MOST = 250
"""So many items can one invoice have."""


def create(db: Db, params: Json) -> Json:
    """Add an item for the next invoice of a customer, or to a draft."""
    from . import invoices, invoicing

    draft = invoicing.draft(db, params["invoice"]) if params.get("invoice") else None
    id = params.get("customer") or (draft or {}).get("customer")
    if id is None:
        raise ApiError("Missing required param: customer.", code="parameter_missing", param="customer")
    customer = objects.get(db, "customer", id, param="customer", lock=True)
    if draft is not None and draft["customer"] != id:
        raise ApiError(f"The invoice {draft['id']} does not belong to the customer {id}.", param="invoice")
    if params.get("subscription"):
        owner = objects.get(db, "subscription", params["subscription"], param="subscription")
        if owner["customer"] != id:
            raise ApiError("The subscription belongs to another customer.", param="subscription")
    with living(db, customer):
        money_of = _amount(db, params, (draft or {}).get("currency") or customer["currency"])
        about: Json | None = None
        if params.get("subscription"):
            about = {"subscription": params["subscription"], "subscription_item": None}
        made = put(
            db,
            customer,
            **money_of,
            about=about,
            invoice=(draft or {}).get("id"),
            description=params.get("description"),
            discountable=params.get("discountable", True),
            metadata=params.get("metadata") or {},
            period=params.get("period"),
            rates=taxes.rates(db, params.get("tax_rates")),
            discounts=params.get("discounts"),
        )
        if draft is not None:
            invoices.recalculated(db, draft["id"])
    return made


def put(
    db: Db,
    customer: Json,
    *,
    amount: int,
    currency: str,
    quantity: int = 1,
    pricing: Json | None = None,
    about: Json | None = None,
    invoice: str | None = None,
    description: str | None = None,
    discountable: bool = True,
    metadata: Json | None = None,
    period: Json | None = None,
    rates: list[Json] | None = None,
    discounts: list[Json] | None = None,
    proration: bool = False,
) -> Json:
    """An item as it is stored, and told of."""
    now = objects.now()
    id = objects.new_id("ii")
    bounded(amount)
    made = objects.make(
        db,
        "invoiceitem",
        {
            "amount": amount,
            "currency": currency,
            "customer": customer["id"],
            "customer_account": None,
            "date": now,
            "description": description,
            "discountable": discountable,
            "discounts": discounting.redeem(
                db,
                discounts,
                worth=Worth(amount, currency),
                customer=customer["id"],
                invoice_item=id,
                invoice=invoice or "",
            )
            if discounts
            else [],
            "invoice": invoice,
            "metadata": metadata or {},
            "net_amount": amount,
            "parent": {"type": "subscription_details", "subscription_details": about} if about else None,
            "period": period or {"start": now, "end": now},
            "pricing": pricing,
            "proration": proration,
            "quantity": quantity,
            "quantity_decimal": str(quantity),
            "tax_rates": rates or [],
            "test_clock": customer.get("test_clock"),
        },
        id=id,
    )
    events.emit(db, "invoiceitem.created", made)
    return made


def edit(db: Db, id: str, params: Json) -> Json:
    """Change an item that is on no invoice yet, or on a draft."""
    from . import invoices

    old = _open(db, id)
    with living(db, old):
        given: Json = {
            k: params[k] for k in ("description", "discountable", "metadata", "period") if k in params
        }
        if any(k in params for k in ("amount", "pricing", "price_data", "quantity", "unit_amount_decimal")):
            if old["proration"]:
                raise ApiError("The amount of a proration cannot be changed.", param="amount")
            given |= _amount(db, _whole(old) | params, old["currency"])
        if "tax_rates" in params:
            given["tax_rates"] = taxes.rates(db, params["tax_rates"])
        if "discounts" in params:
            given["discounts"] = discounting.redeem(
                db,
                params["discounts"],
                worth=Worth(given["amount"] if "amount" in given else old["amount"], old["currency"]),
                customer=old["customer"],
                invoice_item=id,
                invoice=old["invoice"] or "",
            )
        fresh = objects.changed(old, given)
        fresh |= {"net_amount": fresh["amount"], "quantity_decimal": str(fresh["quantity"])}
        fresh = objects.save(db, fresh)
        if fresh["invoice"]:
            invoices.recalculated(db, fresh["invoice"])
    return fresh


def delete(db: Db, id: str, params: Json) -> Json:
    """Delete an item that is on no invoice yet, or on a draft."""
    from . import invoices

    old = _open(db, id)
    gone = objects.delete(db, "invoiceitem", id)
    events.emit(db, "invoiceitem.deleted", old)
    if old["invoice"]:
        with living(db, old):
            invoices.recalculated(db, old["invoice"])
    return gone


def waiting(db: Db, customer: str, currency: str, *, subscription: str | None = None) -> list[Json]:
    """Items of a customer that are on no invoice, the oldest first: those of a subscription and those of none."""
    found = objects.select(
        db, "invoiceitem", [("customer", ":", customer), ("invoice", "-?", None)], limit=MOST
    )
    told: list[Json] = []
    for item in reversed(found):
        owner = ((item["parent"] or {}).get("subscription_details") or {}).get("subscription")
        if item["currency"] == currency and owner in (None, subscription):
            told.append(item)
    return told


def _open(db: Db, id: str) -> Json:
    """An item that can be changed. Raises ApiError."""
    from . import invoicing

    old = objects.get(db, "invoiceitem", id, lock=True)
    if old["invoice"]:
        invoicing.draft(db, old["invoice"], word="invoice item")
    return old


def _whole(item: Json) -> Json:
    """An item as the parameters that make it."""
    price = ((item["pricing"] or {}).get("price_details") or {}).get("price")
    told: Json = {"currency": item["currency"], "quantity": item["quantity"]}
    if price:
        return told | {"pricing": {"price": price}}
    unit = (item["pricing"] or {}).get("unit_amount_decimal")
    return told | (
        {"unit_amount_decimal": unit} if unit and item["quantity"] != 1 else {"amount": item["amount"]}
    )


def _amount(db: Db, given: Json, currency: str | None) -> Json:
    """What an item costs: an amount, or a price times a quantity. Raises ApiError."""
    currency = given.get("currency") or currency
    count = given.get("quantity", 1)
    price: Json | None = None
    if given.get("price_data"):
        price = catalog.inline(db, given["price_data"], param="price_data")
    elif (given.get("pricing") or {}).get("price"):
        price = catalog.usable(db, given["pricing"]["price"], param="pricing[price]", currency=currency)
    if price is not None:
        if price["type"] != "one_time":
            raise ApiError(
                "The price specified is set to `type=recurring` but this field only accepts prices with `type=one_time`.",
                param="pricing[price]",
            )
        told = {
            "type": "price_details",
            "price_details": {"price": price["id"], "product": price["product"]},
            "unit_amount_decimal": price["unit_amount_decimal"],
        }
        amount = pricing.whole(pricing.exact(price, count))
        return {"amount": amount, "currency": price["currency"], "quantity": count, "pricing": told}
    if currency is None:
        raise ApiError("Missing required param: currency.", code="parameter_missing", param="currency")
    unit = given.get("unit_amount_decimal")
    if unit is None and given.get("amount") is None:
        raise ApiError(
            "You must provide one of `amount`, `unit_amount_decimal`, `pricing` or `price_data`.",
            code="parameter_missing",
            param="amount",
        )
    if unit is not None:
        amount = pricing.whole(Fraction(unit) * count)
    else:
        amount, unit = given["amount"], pricing.plain(Fraction(given["amount"]))
    money.exact(abs(amount), currency)
    shown = {"type": "price_details", "price_details": None, "unit_amount_decimal": unit}
    return {
        "amount": amount,
        "currency": currency,
        "quantity": count if given.get("amount") is None else 1,
        "pricing": shown,
    }
