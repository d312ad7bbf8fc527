"""The page of an invoice, where it can be paid."""

from __future__ import annotations

import hmac
from html import escape
from urllib.parse import urlsplit

from backendhub.kit import web
from backendhub.kit.db import Db
from backendhub.kit.errors import NotFound

from . import objects
from . import page_parts as parts
from .errors import ApiError
from .models import Json
from .service import methods, money
from .service.billing import invoicing, paying, periods
from .service.billing.times import living
from .wire.operations import calling, router


@router.get("/invoices/{id}/{key}", media_type=parts.HTML, statuses=(404,), open_query=True)
def show_invoice(db: Db, id: str, key: str) -> web.Reply:
    """The page of an invoice, where it can be paid."""
    return _invoice_page(_invoice(db, id, key))


@router.post("/invoices/{id}/{key}", media_type=parts.HTML, consumes=parts.FORM, statuses=(402, 404))
def pay_invoice(db: Db, request: web.Request, id: str, key: str) -> web.Reply:
    """Pays an invoice with a card."""
    invoice = _invoice(db, id, key)
    typed = parts.typed(request)
    here = urlsplit(invoice["hosted_invoice_url"]).path
    failed: ApiError | None
    with calling(request), living(db, invoice):
        try:
            method = methods.build(
                db,
                {"type": "card", "card": parts.card(typed), "billing_details": {"name": typed.get("name")}},
            )
            failed = paying.attempt(
                db,
                invoice,
                method=method["id"],
                off_session=False,
                url=f"{request.base_url}{here}",
                must=True,
            )
        except ApiError as error:
            failed = error
    fresh = objects.get(db, "invoice", id)
    if failed is not None:
        return _invoice_page(fresh, failed.message)
    intent = invoicing.intent_of(db, fresh)
    action = ((intent or {}).get("next_action") or {}).get("redirect_to_url") or {}
    return parts.to(action.get("url") or f"{request.base_url}{here}")


def _invoice(db: Db, id: str, key: str) -> Json:
    """The invoice that whoever asks has the address of. Raises NotFound."""
    found = objects.find(db, "invoice", id)
    known = (found or {}).get("hosted_invoice_url") or ""
    if found is None or not hmac.compare_digest(known.rpartition("/")[2].encode(), key.encode()) or not key:
        raise NotFound("There is no such invoice.")
    return found


def _invoice_page(invoice: Json, error: str | None = None) -> web.Reply:
    currency = invoice["currency"]

    def said(amount: int) -> str:
        return escape(money.said(amount, currency).rsplit(" ", 1)[0])

    rows = "".join(
        f"<tr><td>{escape(each['description'] or '')}</td><td>{said(each['amount'])}</td></tr>"
        for each in invoice["lines"]["data"]
    )
    for name, amount in (
        ("Subtotal", invoice["subtotal"]),
        ("Discount", -sum(each["amount"] for each in invoice["total_discount_amounts"])),
        ("Tax", sum(each["amount"] for each in invoice["total_taxes"])),
        ("Applied balance", invoice["starting_balance"] - (invoice["ending_balance"] or 0)),
        ("Amount due", invoice["amount_due"]),
    ):
        if amount or name in ("Subtotal", "Amount due"):
            rows += f"<tr class=sum><td>{name}</td><td>{said(amount)}</td></tr>"
    dated = invoice["due_date"] or invoice["effective_at"] or invoice["created"]
    told = f'<p class="error" role="alert">{escape(error)}</p>' if error else ""
    form = (
        f'<h2>Pay with card {parts.TEST}</h2>{told}<form method="post">{parts.card_fields({})}'
        f'{parts.text_input("name", "Name on card", "cc-name", {})}<button class="go">Pay {said(invoice["amount_due"])}</button></form>'
        if invoice["status"] in ("open", "uncollectible")
        else f"<h2>This invoice is {escape(invoice['status'])}</h2>"
    )
    head = f"<h2>Invoice {escape(invoice['number'] or '')}</h2><p class=dim>{escape(invoice['customer_name'] or '')} · {periods.day(dated)}</p>"
    body = f'<div class="two"><section>{head}<p class="big">{said(invoice["amount_due"])}</p><table>{rows}</table></section><section>{form}</section></div>'
    return parts.shown(f"Invoice {invoice['number']}", body, 402 if error else 200)
