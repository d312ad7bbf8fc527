"""The lines of invoices, as the wire shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from backendhub.kit.db import Db
from backendhub.systems.payment import objects, resources, store
from backendhub.systems.payment.errors import ApiError
from backendhub.systems.payment.models import Json

from . import discounting, totals
from .pricing import bounded

LINE = resources.declare(
    resources.Resource(
        "line_item",
        "il",
        expand={
            "discounts": "discount",
            "pricing.price_details.price": "price",
            "subscription": "subscription",
        },
    )
)


def line(
    *,
    amount: int,
    currency: str,
    description: str | None,
    period: Json,
    parent: Json,
    price: Json | None = None,
    unit: str | None = None,
    quantity: int | None = 1,
    **more: Any,
) -> Json:
    """A line; `more` are discountable, discounts, metadata, tax_rates and the id."""
    pricing: Json | None = None
    if price is not None:
        pricing = {
            "type": "price_details",
            "price_details": {"price": price["id"], "product": price["product"]},
            "unit_amount_decimal": unit if unit is not None else price["unit_amount_decimal"],
        }
    elif unit is not None:
        pricing = {"type": "price_details", "price_details": None, "unit_amount_decimal": unit}
    return {
        "id": more.get("id") or objects.new_id("il"),
        "object": "line_item",
        "amount": amount,
        "currency": currency,
        "description": description,
        "discount_amounts": [],
        "discountable": more.get("discountable", True),
        "discounts": more.get("discounts") or [],
        "invoice": None,
        "livemode": False,
        "metadata": more.get("metadata") or {},
        "parent": parent,
        "period": period,
        "pretax_credit_amounts": [],
        "pricing": pricing,
        "quantity": quantity,
        "quantity_decimal": None if quantity is None else str(quantity),
        "subscription": (parent.get("subscription_item_details") or {}).get("subscription"),
        "subtotal": amount,
        "tax_rates": more.get("tax_rates") or [],
        "taxes": [],
    }


def of_item(item: Json, rates: list[Json], id: str | None) -> Json:
    """The line of an invoice item."""
    details: Json = {"invoice_item": item["id"], "proration": item["proration"], "proration_details": None}
    about = (item["parent"] or {}).get("subscription_details") or {}
    if about.get("subscription_item"):
        details |= {"subscription": about["subscription"], "subscription_item": about["subscription_item"]}
        parent: Json = {
            "type": "subscription_item_details",
            "subscription_item_details": details,
            "invoice_item_details": None,
        }
    else:
        details["subscription"] = about.get("subscription")
        parent = {
            "type": "invoice_item_details",
            "invoice_item_details": details,
            "subscription_item_details": None,
        }
    made = line(
        amount=item["amount"],
        currency=item["currency"],
        description=item["description"],
        period=item["period"],
        parent=parent,
        quantity=item["quantity"],
        discountable=item["discountable"],
        discounts=item["discounts"],
        metadata=item["metadata"],
        tax_rates=rates,
        id=id,
    )
    return made | {"pricing": item["pricing"]}


def item_of(line: Json) -> str | None:
    """The invoice item that a line came of."""
    parent = line["parent"]
    details = parent.get("invoice_item_details") or parent.get("subscription_item_details") or {}
    found: str | None = details.get("invoice_item")
    return found


def product_of(line: Json) -> str | None:
    """The product of a line."""
    found: str | None = ((line["pricing"] or {}).get("price_details") or {}).get("product")
    return found


def worked_out(db: Db, invoice: Json, found: Sequence[Json]) -> Json:
    """An invoice with these lines: their discounts and taxes, and what all of it comes to."""
    currency = invoice["currency"]
    wanted = [*invoice["discounts"], *(id for each in found for id in each["discounts"])]
    offs = discounting.offs(db, wanted, currency)
    told = [
        totals.Line(
            bounded(each["amount"]),
            product_of(each),
            each["discountable"],
            tuple(offs[id] for id in each["discounts"] if id in offs),
            tuple(each["tax_rates"] or invoice["default_tax_rates"]),
        )
        for each in found
    ]
    exempt = invoice["customer_tax_exempt"] in ("exempt", "reverse")
    whole = [offs[id] for id in invoice["discounts"] if id in offs]
    priced = totals.price(told, whole, exempt=exempt)
    fresh = [_shown(each, one, invoice) for each, one in zip(found, priced, strict=True)]
    subtotal = sum(each["amount"] for each in found)
    net = sum(one.net for one in priced)
    included = sum(one.included for one in priced)
    total = sum(one.total for one in priced)
    listed: Json = {
        "object": "list",
        "data": fresh,
        "has_more": False,
        "url": f"/v1/invoices/{invoice['id']}/lines",
    }
    return invoice | {
        "lines": listed,
        "subtotal": subtotal,
        "subtotal_excluding_tax": subtotal - included,
        "total": total,
        "total_discount_amounts": added(fresh),
        "total_excluding_tax": net - included,
        "total_pretax_credit_amounts": [],
        "total_taxes": taxed(fresh),
        "amount_due": max(0, total),
        "amount_remaining": max(0, total),
    }


def keep(db: Db, invoice: Json) -> None:
    """Notes the lines of an invoice as numbers, for the database to add up."""
    db.run(store.DELETE_LINES, invoice=invoice["id"])
    db.run_many(
        store.INSERT_LINE,
        [
            {
                "id": each["id"],
                "invoice": invoice["id"],
                "amount": each["amount"],
                "discount": sum(d["amount"] for d in each["discount_amounts"]),
                "tax": sum(t["amount"] for t in each["taxes"] if t["tax_behavior"] == "exclusive"),
            }
            for each in invoice["lines"]["data"]
        ],
    )


def _shown(line: Json, priced: totals.Priced, invoice: Json) -> Json:
    exempt = invoice["customer_tax_exempt"]
    reason = {"exempt": "customer_exempt", "reverse": "reverse_charge"}.get(exempt, "standard_rated")
    return line | {
        "invoice": invoice["id"],
        "discount_amounts": [{"amount": amount, "discount": id} for id, amount in priced.discounts],
        "taxes": [
            {
                "amount": tax,
                "tax_behavior": "inclusive" if rate["inclusive"] else "exclusive",
                "tax_rate_details": {"tax_rate": rate["id"]},
                "taxability_reason": reason,
                "taxable_amount": base,
                "type": "tax_rate_details",
            }
            for rate, base, tax in priced.taxes
        ],
    }


def added(found: Sequence[Json]) -> list[Json]:
    """What each discount comes to over all lines."""
    sums: dict[str, int] = {}
    for each in found:
        for part in each["discount_amounts"]:
            sums[part["discount"]] = sums.get(part["discount"], 0) + part["amount"]
    return [{"amount": amount, "discount": id} for id, amount in sums.items()]


def taxed(found: Sequence[Json]) -> list[Json]:
    """What each tax comes to over all lines."""
    sums: dict[str, Json] = {}
    for each in found:
        for tax in each["taxes"]:
            known = sums.setdefault(
                tax["tax_rate_details"]["tax_rate"], tax | {"amount": 0, "taxable_amount": 0}
            )
            known["amount"] += tax["amount"]
            known["taxable_amount"] += tax["taxable_amount"]
    return list(sums.values())


def sliced(data: list[Json], params: Json, url: str) -> Json:
    """A page of a list that stands inside an object."""
    limit = params.get("limit") or 10
    ids = [each["id"] for each in data]
    for name in ("starting_after", "ending_before"):
        if params.get(name) and params[name] not in ids:
            raise ApiError(f"No such line item: '{params[name][:200]}'", code="resource_missing", param=name)
    if params.get("ending_before"):
        end = ids.index(params["ending_before"])
        start = max(0, end - limit)
        return {"object": "list", "data": data[start:end], "has_more": start > 0, "url": url}
    start = ids.index(params["starting_after"]) + 1 if params.get("starting_after") else 0
    return {
        "object": "list",
        "data": data[start : start + limit],
        "has_more": len(data) > start + limit,
        "url": url,
    }
