"""Invoices as drafts: made, filled, changed, deleted; and how they go from state to state."""

from __future__ import annotations

from backendhub.kit.db import Db
from backendhub.systems.payment import events, objects, store
from backendhub.systems.payment.errors import ApiError, missing
from backendhub.systems.payment.models import Json

from . import discounting, invoicing, items, lines, periods, taxes
from .codes import Worth
from .times import later, living

FINALIZES_AFTER = 3600
"""Seconds in which a draft that goes on by itself can still be changed."""
DEFAULTS: Json = {
    "account_country": "US",
    "account_name": "backendhub",
    "account_tax_ids": None,
    "amount_overpaid": 0,
    "amount_paid": 0,
    "amount_shipping": 0,
    "application": None,
    "attempt_count": 0,
    "attempted": False,
    "auto_advance": False,
    "automatic_tax": {
        "disabled_reason": None,
        "enabled": False,
        "liability": None,
        "provider": None,
        "status": None,
    },
    "automatically_finalizes_at": None,
    "billing_reason": "manual",
    "collection_method": "charge_automatically",
    "custom_fields": None,
    "customer_account": None,
    "default_payment_method": None,
    "default_source": None,
    "description": None,
    "due_date": None,
    "effective_at": None,
    "ending_balance": None,
    "footer": None,
    "from_invoice": None,
    "hosted_invoice_url": None,
    "invoice_pdf": None,
    "issuer": {"type": "self"},
    "last_finalization_error": None,
    "latest_revision": None,
    "next_payment_attempt": None,
    "number": None,
    "on_behalf_of": None,
    "paid_out_of_band": False,
    "parent": None,
    "payment_settings": {
        "default_mandate": None,
        "payment_method_options": None,
        "payment_method_types": None,
    },
    "post_payment_credit_notes_amount": 0,
    "pre_payment_credit_notes_amount": 0,
    "receipt_number": None,
    "rendering": None,
    "shipping_cost": None,
    "shipping_details": None,
    "starting_balance": 0,
    "statement_descriptor": None,
    "status_transitions": {
        "finalized_at": None,
        "marked_uncollectible_at": None,
        "paid_at": None,
        "voided_at": None,
    },
    "webhooks_delivered_at": None,
}
KEPT = (
    "auto_advance", "automatically_finalizes_at", "collection_method", "custom_fields", "default_payment_method",
    "description", "due_date", "effective_at", "footer", "metadata", "number", "payment_settings", "rendering",
    "statement_descriptor", "on_behalf_of", "account_tax_ids", "shipping_details",
)  # fmt: skip


def create(db: Db, params: Json) -> Json:
    """Make a draft for a customer."""
    if not params.get("customer"):
        raise ApiError("Missing required param: customer.", code="parameter_missing", param="customer")
    customer = objects.get(db, "customer", params["customer"], param="customer", lock=True)
    owner: Json | None = None
    if params.get("subscription"):
        owner = objects.get(db, "subscription", params["subscription"], param="subscription")
        if owner["customer"] != customer["id"]:
            raise ApiError("The subscription belongs to another customer.", param="subscription")
    with living(db, customer):
        _dates(params)
        currency = params.get("currency") or (owner or customer)["currency"] or "usd"
        about = {k: params[k] for k in KEPT if k in params} | {
            "default_tax_rates": taxes.rates(db, params.get("default_tax_rates"))
        }
        about = _due(about, params)
        if params.get("payment_settings"):
            about["payment_settings"] = DEFAULTS["payment_settings"] | params["payment_settings"]
        wanted = params.get("pending_invoice_items_behavior") == "include" or owner is not None
        found = (
            items.waiting(db, customer["id"], currency, subscription=params.get("subscription"))
            if wanted
            else []
        )
        made = put(
            db,
            customer,
            currency,
            about,
            subscription=owner,
            waiting=found,
            discounts=params.get("discounts"),
        )
        if made["auto_advance"]:
            made = goes_on(db, made)
    return made


def put(
    db: Db,
    customer: Json,
    currency: str,
    about: Json,
    *,
    id: str | None = None,
    subscription: Json | None = None,
    own: list[Json] | None = None,
    waiting: list[Json] | None = None,
    discounts: list[Json] | None = None,
) -> Json:
    """A draft with lines of its own and the items that waited for it, stored and told of."""
    now = objects.now()
    id = id or objects.new_id("in")
    if customer["currency"] not in (None, currency):
        raise ApiError(
            f"You cannot combine currencies on a single customer. This customer is billed in {customer['currency']}.",
            param="currency",
        )
    _picked_up(db, waiting or [], id)
    redeemed = discounting.redeem(db, discounts, customer=customer["id"], invoice=id)
    wide: Json = (
        DEFAULTS
        | shown(customer)
        | {
            "created": now,
            "currency": currency,
            "default_tax_rates": [],
            "discounts": redeemed,
            "period_end": now,
            "period_start": now,
            "lines": {"data": own or []},
            "test_clock": customer.get("test_clock"),
        }
    )
    if subscription is not None:
        wide["parent"] = {
            "type": "subscription_details",
            "quote_details": None,
            "subscription_details": {
                "subscription": subscription["id"],
                "metadata": subscription["metadata"],
            },
        }
    wide |= about
    wide["metadata"] = wide.get("metadata") or {}
    wide["amount_due"] = wide["amount_remaining"] = wide["total"] = 0
    made = objects.make(db, "invoice", wide, id=id, status="draft")
    made = _filled(db, made)
    events.emit(db, "invoice.created", made)
    return made


def _picked_up(db: Db, waiting: list[Json], id: str) -> None:
    """Puts items on an invoice as they are now: one may have been changed or deleted since it was looked at."""
    found = objects.many(db, "invoiceitem", [item["id"] for item in waiting], lock=True).values()
    still = [item for item in found if not item.get("deleted") and item["invoice"] is None]
    objects.save_many(db, "invoiceitem", [item | {"invoice": id} for item in still])


def shown(customer: Json) -> Json:
    """What an invoice shows of its customer."""
    return {
        "customer": customer["id"],
        "customer_address": customer["address"],
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "customer_phone": customer["phone"],
        "customer_shipping": customer["shipping"],
        "customer_tax_exempt": customer["tax_exempt"],
        "customer_tax_ids": [],
    }


def goes_on(db: Db, invoice: Json, after: int = FINALIZES_AFTER) -> Json:
    """A draft that will be finalised and collected by itself."""
    at = invoice["automatically_finalizes_at"] or objects.now() + after
    fresh = objects.save(db, invoice | {"auto_advance": True, "automatically_finalizes_at": at})
    later(db, invoice, "payment.invoice_finalizes", at, id=invoice["id"])
    return fresh


def edit(db: Db, id: str, params: Json) -> Json:
    """Change a draft; of a finalised invoice only what does not touch its amounts."""
    old = invoicing.locked(db, id)
    with living(db, old):
        if old["status"] != "draft":
            late = set(params) - {
                "metadata",
                "auto_advance",
                "default_payment_method",
                "payment_settings",
                "collection_method",
            }
            if late or (old["status"] in ("paid", "void") and set(params) != {"metadata"}):
                raise ApiError(
                    "Finalized invoices can't be updated in this way.",
                    code="invoice_not_editable",
                    param=next(iter(sorted(late)), None),
                )
        _dates(params)
        given = _due({k: params[k] for k in KEPT if k in params}, params)
        if "default_tax_rates" in params:
            given["default_tax_rates"] = taxes.rates(db, params["default_tax_rates"])
        if "payment_settings" in params:
            given["payment_settings"] = old["payment_settings"] | (params["payment_settings"] or {})
        if "discounts" in params:
            given["discounts"] = discounting.redeem(
                db, params["discounts"], customer=old["customer"], invoice=id
            )
        fresh = objects.changed(old, given)
        fresh = objects.save(db, fresh) if fresh["status"] != "draft" else _filled(db, fresh)
        if given.get("auto_advance") and not old["auto_advance"] and fresh["status"] == "draft":
            fresh = goes_on(db, fresh)
        events.updated(db, "invoice.updated", old, fresh)
    return fresh


def delete(db: Db, id: str, params: Json) -> Json:
    """Delete a draft that belongs to no subscription; items go back to waiting."""
    old = invoicing.locked(db, id)
    if old["status"] != "draft" or invoicing.subscription_of(old):
        raise ApiError(
            "You can only delete draft invoices that do not belong to a subscription.",
            code="invoice_not_editable",
        )
    waiting = objects.where(db, "invoiceitem", invoice=id, limit=items.MOST)
    objects.save_many(db, "invoiceitem", [item | {"invoice": None} for item in waiting])
    db.run(store.DELETE_LINES, invoice=id)
    events.emit(db, "invoice.deleted", old)
    return objects.delete(db, "invoice", id)


def listed(db: Db, id: str, params: Json) -> Json:
    """List the lines of an invoice."""
    invoice = objects.get(db, "invoice", id)
    return lines.sliced(invoice["lines"]["data"], params, f"/v1/invoices/{id}/lines")


def edit_line(db: Db, id: str, line: str, params: Json) -> Json:
    """Change a line of a draft; one that came of an invoice item is changed with it."""
    old = invoicing.draft(db, id)
    found = {each["id"]: each for each in old["lines"]["data"]}
    if line not in found:
        raise missing("line_item", line, "line_item_id")
    with living(db, old):
        if (item := lines.item_of(found[line])) is not None:
            items.edit(db, item, params)
        else:
            found[line] = _changed_line(db, old, found[line], params)
            listed = old["lines"] | {"data": list(found.values())}
            fresh = _filled(db, old | {"lines": listed})
            events.updated(db, "invoice.updated", old, fresh)
    whole = invoicing.locked(db, id)["lines"]["data"]
    return next(each for each in whole if each["id"] == line)


def _changed_line(db: Db, invoice: Json, line: Json, params: Json) -> Json:
    """A line that the invoice has of its own: of a period that it bills."""
    given: Json = {k: params[k] for k in ("amount", "description", "discountable", "period") if k in params}
    if late := {"price_data", "pricing", "quantity"} & set(params):
        raise ApiError(
            "The line of a subscription has the price and quantity of its item; give an `amount`.",
            param=min(late),
        )
    if "tax_rates" in params:
        given["tax_rates"] = taxes.rates(db, params["tax_rates"])
    if "discounts" in params:
        worth = Worth((line | given)["amount"], invoice["currency"])
        who = {"customer": invoice["customer"], "invoice": invoice["id"]}
        given["discounts"] = discounting.redeem(db, params["discounts"], worth=worth, **who)
    if "metadata" in params:
        given["metadata"] = objects.merged(line["metadata"], params["metadata"])
    fresh = line | given
    return fresh | {"subtotal": fresh["amount"]}


def recalculated(db: Db, id: str) -> Json:
    """A draft after a change of its items."""
    old = invoicing.draft(db, id)
    fresh = _filled(db, old)
    events.updated(db, "invoice.updated", old, fresh)
    return fresh


def _filled(db: Db, invoice: Json) -> Json:
    """A draft with the lines of its items, added up and stored."""
    found = objects.where(db, "invoiceitem", invoice=invoice["id"], limit=items.MOST + 1)
    if len(found) > items.MOST:
        raise ApiError(f"An invoice has up to {items.MOST} items.", param="invoice")
    known = {lines.item_of(each): each["id"] for each in invoice["lines"]["data"]}
    own = [each for each in invoice["lines"]["data"] if lines.item_of(each) is None]
    told = [lines.of_item(item, item["tax_rates"], known.get(item["id"])) for item in reversed(found)]
    fresh = objects.save(db, lines.worked_out(db, invoice, [*told, *own]))
    lines.keep(db, fresh)
    return fresh


def _dates(params: Json) -> None:
    """Raises ApiError for a due date that does not go with how an invoice is collected."""
    for name in ("due_date", "days_until_due"):
        if params.get(name) is not None and params.get("collection_method") == "charge_automatically":
            raise ApiError(f"You can only set `{name}` if `collection_method` is `send_invoice`.", param=name)
    if params.get("due_date") is not None and params["due_date"] <= objects.now():
        raise ApiError("The due date must be in the future.", param="due_date")
    if (params.get("automatic_tax") or {}).get("enabled"):
        raise ApiError(
            "Taxes are not worked out automatically here: use tax rates.",
            code="tax_not_available",
            param="automatic_tax[enabled]",
        )


def _due(about: Json, params: Json) -> Json:
    if params.get("days_until_due") is not None:
        about["due_date"] = periods.days(objects.now(), params["days_until_due"])
    return about
