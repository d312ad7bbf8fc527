"""Credit notes: what is taken off a finalised invoice, before it is paid or after; never more than it comes to."""

from __future__ import annotations

from typing import Any

from backendhub.kit.db import Db
from backendhub.systems.payment import events, objects, resources, store
from backendhub.systems.payment.errors import ApiError, missing
from backendhub.systems.payment.models import Json
from backendhub.systems.payment.service import customers, intents, money, refunding

from . import credit_lines, finalizing, invoicing, lines
from .times import living

KIND = "credit_note"
NOTE = resources.declare(
    resources.Resource(
        KIND,
        "cn",
        "/v1/credit_notes",
        index=(
            "invoice", "customer", "status", "amount", "pre_payment_amount", "post_payment_amount",
            "refunds.refund",
        ),
        expand={
            "invoice": "invoice",
            "customer": "customer",
            "customer_balance_transaction": "customer_balance_transaction",
        },
    )
)  # fmt: skip


def create(db: Db, params: Json) -> Json:
    """Take something off a finalised invoice: of what is due, and of what was paid by a refund, the balance or elsewhere."""
    invoice = invoicing.locked(db, params["invoice"], param="invoice")
    with living(db, invoice):
        note = _planned(db, invoice, params)
        id = objects.new_id("cn")
        note["number"] = f"{invoice['number']}-CN-{_counted(db, invoice, note['amount']):02d}"
        _noted(db, id, invoice["id"], note["lines"]["data"])
        note["lines"] = note["lines"] | {"url": f"/v1/credit_notes/{id}/lines"}
        note["refunds"] = [*_linked(db, invoice, params), *_refunded(db, invoice, params)]
        if params.get("credit_amount"):
            note["customer_balance_transaction"] = _credited(db, invoice, params["credit_amount"], id)
        made = objects.make(db, KIND, note, id=id)
        events.emit(db, "credit_note.created", made)
        _taken_off(db, invoice, made)
    return made


def preview(db: Db, params: Json) -> Json:
    """Show what a credit note would be; nothing of it stays."""
    invoice = objects.get(db, "invoice", params["invoice"], param="invoice")
    with living(db, invoice):
        note = _planned(db, invoice, params)
        id = objects.new_id("upcoming_cn", 24)
        shown = {"id": id, "object": KIND, "created": objects.now(), "livemode": False} | note
        return shown | {"lines": note["lines"] | {"url": "/v1/credit_notes/preview/lines"}}


def preview_lines(db: Db, params: Json) -> Json:
    """List the lines that a credit note would have."""
    found = preview(db, {k: v for k, v in params.items() if k not in ("limit", *CURSORS)})
    return lines.sliced(found["lines"]["data"], params, "/v1/credit_notes/preview/lines")


CURSORS = ("starting_after", "ending_before")


def listed(db: Db, id: str, params: Json) -> Json:
    """List the lines of a credit note."""
    note = objects.get(db, KIND, id)
    return lines.sliced(note["lines"]["data"], params, f"/v1/credit_notes/{id}/lines")


def edit(db: Db, id: str, params: Json) -> Json:
    """Change the memo or metadata of a credit note."""
    old = objects.get(db, KIND, id, lock=True)
    fresh = objects.save(db, objects.changed(old, params))
    events.updated(db, "credit_note.updated", old, fresh)
    return fresh


def void(db: Db, id: str, params: Json) -> Json:
    """Void a credit note that has only reduced what is due of an open invoice: it is due again."""
    invoice = invoicing.locked(db, objects.get(db, KIND, id)["invoice"], param="invoice")
    note = objects.get(db, KIND, id, lock=True)
    if note["status"] != "issued":
        raise ApiError("This credit note is already void.")
    if invoice["status"] != "open" or note["post_payment_amount"]:
        raise ApiError(
            "You can only void a credit note of an open invoice, before anything of it was paid back."
        )
    with living(db, invoice):
        db.run(store.UNCREDIT, invoice=invoice["id"], amount=note["amount"])
        db.run(store.DELETE_CREDIT, credit_note=id)
        _due(db, invoice, -note["pre_payment_amount"], 0)
        fresh = objects.save(db, note | {"status": "void", "voided_at": objects.now()})
        events.emit(db, "credit_note.voided", fresh)
    return fresh


# -- what it comes to --------------------------------------------------------------------------------------


def _planned(db: Db, invoice: Json, params: Json) -> Json:
    """A credit note as it would be. Raises ApiError where it is none, or what was paid is not given back exactly."""
    if invoice["status"] not in ("open", "paid"):
        raise ApiError(
            f"You can only create a credit note for an open or a paid invoice; this one is {invoice['status']}.",
            param="invoice",
        )
    found = credit_lines.read(db, invoice, params)
    amount = sum(credit_lines.total(each) for each in found)
    if amount < 1:
        raise ApiError("A credit note takes something off.", code="amount_too_small", param="amount")
    if params.get("amount") not in (None, amount):
        raise ApiError(
            f"`amount` ({params['amount']}) is not what the lines come to ({amount}).", param="amount"
        )
    left = invoice["total"] - (db.value(store.SELECT_CREDITED, invoice=invoice["id"]) or 0)
    if amount > left:
        raise _too_much(amount, left, invoice["currency"])
    before = min(amount, invoice["amount_remaining"])
    _given_back(db, params, amount - before, invoice["currency"])
    return _shown(invoice, params, found, amount, before)


def _too_much(amount: int, left: int, currency: str) -> ApiError:
    return ApiError(
        f"The credit note's amount ({money.said(amount, currency)}) is greater than what is left to credit of the "
        f"invoice ({money.said(max(left, 0), currency)}).",
        code="amount_too_large",
        param="amount",
    )


def _given_back(db: Db, params: Json, after: int, currency: str) -> None:
    """Raises ApiError where what was paid is not given back to the last unit, or more than that."""
    names = ("credit_amount", "refund_amount", "out_of_band_amount")
    linked = _linked_to(params)
    known = objects.many(db, "refund", [each["refund"] for each in linked])
    told = sum(params.get(name) or 0 for name in names)
    told += sum(
        each.get("amount_refunded") or known.get(each["refund"], {}).get("amount", 0) for each in linked
    )
    if told != after:
        raise ApiError(
            "The sum of the credit, refund and out of band amounts "
            f"({money.said(told, currency)}) must equal the post payment amount ({money.said(after, currency)}).",
            param="credit_amount" if after else next((n for n in names if params.get(n)), "refunds"),
        )


def _shown(invoice: Json, params: Json, found: list[Json], amount: int, before: int) -> Json:
    subtotal, off = sum(each["amount"] for each in found), sum(each["discount_amount"] for each in found)
    within = sum(
        tax["amount"] for each in found for tax in each["taxes"] if tax["tax_behavior"] == "inclusive"
    )
    after = amount - before
    listed = {"object": "list", "data": found, "has_more": False, "url": ""}
    return {
        "amount": amount,
        "amount_shipping": 0,
        "currency": invoice["currency"],
        "customer": invoice["customer"],
        "customer_account": None,
        "customer_balance_transaction": None,
        "discount_amount": off,
        "discount_amounts": lines.added(found),
        "effective_at": params.get("effective_at") or objects.now(),
        "invoice": invoice["id"],
        "lines": listed,
        "memo": params.get("memo"),
        "metadata": params.get("metadata") or {},
        "number": f"{invoice['number']}-CN-00",
        "out_of_band_amount": params.get("out_of_band_amount"),
        "pdf": "",
        "post_payment_amount": after,
        "pre_payment_amount": before,
        "pretax_credit_amounts": [],
        "reason": params.get("reason"),
        "refunds": [],
        "shipping_cost": None,
        "status": "issued",
        "subtotal": subtotal,
        "subtotal_excluding_tax": subtotal - within,
        "total": amount,
        "total_excluding_tax": subtotal - off - within,
        "total_taxes": lines.taxed(found),
        "type": "mixed" if before and after else "post_payment" if after else "pre_payment",
        "voided_at": None,
    }


# -- what it does ------------------------------------------------------------------------------------------


def _counted(db: Db, invoice: Json, amount: int) -> int:
    """Takes an amount off what can be credited of an invoice; the database guards that. Gives the number of the note."""
    db.run(store.INSERT_CREDITED, invoice=invoice["id"], total=max(0, invoice["total"]))
    number = db.value(store.CREDIT, invoice=invoice["id"], amount=amount)
    if number is None:
        raise _too_much(amount, 0, invoice["currency"])
    return int(number)


def _noted(db: Db, id: str, invoice: str, found: list[Json]) -> None:
    """Notes the lines as numbers, for the database to add up."""
    db.run_many(
        store.INSERT_CREDIT,
        [
            {
                "id": each["id"],
                "credit_note": id,
                "invoice": invoice,
                "line": each["invoice_line_item"],
                "amount": each["amount"],
                "discount": each["discount_amount"],
                "tax": credit_lines.on_top(each),
            }
            for each in found
        ],
    )


def _paid_by(db: Db, invoice: Json) -> list[str]:
    """The payment intents that have paid an invoice."""
    found = objects.where(db, "invoice_payment", invoice=invoice["id"], status="paid", limit=20)
    return [each["payment"]["payment_intent"] for each in found]


def _linked_to(params: Json) -> list[Json]:
    given: list[Json] = list(params.get("refunds") or ())
    return [*given, {"refund": params["refund"]}] if params.get("refund") else given


def _linked(db: Db, invoice: Json, params: Json) -> list[Json]:
    """Refunds that exist and belong to a note, each to one. Raises ApiError."""
    given = _linked_to(params)
    if not given:
        return []
    paid = _paid_by(db, invoice)
    known = objects.many(db, "refund", [each["refund"] for each in given], lock=True)
    told: list[Json] = []
    for n, each in enumerate(given):
        param = f"refunds[{n}][refund]"
        refund = known.get(each["refund"])
        if refund is None or refund["payment_intent"] not in paid:
            raise missing("refund", each["refund"], param)
        amount = each.get("amount_refunded") or refund["amount"]
        if refund["status"] in ("failed", "canceled") or amount > refund["amount"]:
            raise ApiError("The refund is less than what is to be credited by it.", param=param)
        told.append({"amount_refunded": amount, "refund": refund["id"], "type": "refund"})
    ids = [each["refund"] for each in told]
    if len({*ids}) < len(ids) or objects.select(db, KIND, [("refunds.refund", "in", ids)], limit=1):
        raise ApiError("A refund belongs to one credit note.", param="refunds")
    return told


def _refunded(db: Db, invoice: Json, params: Json) -> list[Json]:
    """A refund of what has paid the invoice, on the ledger like every other. Raises ApiError."""
    amount = params.get("refund_amount")
    if not amount:
        return []
    paid = _paid_by(db, invoice)
    if not paid:
        raise ApiError("The invoice was not paid by a charge that could be refunded.", param="refund_amount")
    about: Json = {"payment_intent": paid[0], "amount": amount}
    if params.get("reason") in ("duplicate", "fraudulent"):
        about["reason"] = params["reason"]
    refund = refunding.create(db, about)
    return [{"amount_refunded": amount, "refund": refund["id"], "type": "refund"}]


def _credited(db: Db, invoice: Json, amount: int, id: str) -> str:
    """What the customer has to their credit, for the next invoice."""
    customer = objects.get(db, "customer", invoice["customer"], param="customer", lock=True)
    about = {"credit_note": id, "invoice": invoice["id"]}
    _, movement = customers.shifted(db, customer, -amount, invoice["currency"], "credit_note", about)
    return str(movement["id"])


def _taken_off(db: Db, invoice: Json, note: Json) -> None:
    fresh = _due(db, invoice, note["pre_payment_amount"], note["post_payment_amount"])
    if invoice["status"] == "open" and not fresh["amount_remaining"]:
        finalizing.given_up(db, fresh)
        finalizing.settled(db, fresh, 0)


def _due(db: Db, old: Json, before: int, after: int) -> Json:
    """An invoice of which so much less is due, and so much was given back."""
    fresh = old | {
        "amount_due": old["amount_due"] - before,
        "amount_remaining": old["amount_remaining"] - before,
        "pre_payment_credit_notes_amount": old["pre_payment_credit_notes_amount"] + before,
        "post_payment_credit_notes_amount": old["post_payment_credit_notes_amount"] + after,
    }
    fresh = objects.save(db, fresh)
    events.updated(db, "invoice.updated", old, fresh)
    if before and fresh["amount_remaining"]:
        _asked_for(db, fresh)
    return fresh


def _asked_for(db: Db, invoice: Json) -> None:
    """Has the payment of an open invoice ask for what is left. Raises ApiError while a bank works on it."""
    found: list[Any] = objects.where(db, "invoice_payment", invoice=invoice["id"], status="open", limit=20)
    for payment in found:
        intents.edit(db, payment["payment"]["payment_intent"], {"amount": invoice["amount_remaining"]})
        objects.save(db, payment | {"amount_requested": invoice["amount_remaining"]})
