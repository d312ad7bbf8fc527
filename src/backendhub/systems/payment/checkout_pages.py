"""Pages on which people pay: Checkout, payment links, hosted invoices."""

from __future__ import annotations

import hmac
import re
from html import escape
from urllib.parse import urlsplit

from backendhub.kit import web
from backendhub.kit.db import Db
from backendhub.kit.errors import NotFound
from backendhub.kit.web.page import page

from . import objects
from .errors import ApiError, CardError
from .models import Json
from .service import methods, money
from .service.billing import completing, invoices, links, paying, periods, sessions
from .service.billing.times import living
from .wire.operations import calling, router

HTML = "text/html; charset=utf-8"
FORM = ("application/x-www-form-urlencoded",)
STYLE = """<style>
main{max-width:64rem;margin:auto}.two{display:grid;grid-template-columns:1fr 1fr;gap:3rem;align-items:start}
@media(max-width:48rem){.two{grid-template-columns:1fr;gap:1rem}}
.two h2{border:0;margin:0 0 .8rem}.big{font-size:2.2rem;font-weight:600;margin:.2rem 0 1.2rem}
td:last-child,th:last-child{text-align:right;padding-right:0;white-space:nowrap}.sum td{border:0;font-weight:600}
label{display:block;margin:.7rem 0 .2rem;font-size:.9rem}.row{display:grid;grid-template-columns:1fr 1fr;gap:.8rem}
input,select{font:inherit;width:100%;box-sizing:border-box;padding:.55rem .7rem;border:1px solid #888;border-radius:6px;background:Field;color:FieldText}
button{font:inherit;padding:.7rem 1.2rem;border-radius:6px;border:1px solid #888;cursor:pointer}
button.go{width:100%;margin-top:1.2rem;background:#0a6b4f;color:#fff;border:0;font-weight:600}
.error{background:#fde8e8;color:#8a1111;border-radius:6px;padding:.7rem .9rem}.test{background:#fff3c4;color:#5c4500;border-radius:6px;padding:.1rem .5rem;font-size:.8rem}
.code{display:grid;grid-template-columns:1fr auto;gap:.6rem;margin-top:1rem}fieldset{border:0;padding:0;margin:1rem 0 0}legend{font-weight:600;padding:0}
</style>"""
TEST = '<span class="test">TEST MODE</span>'
ADDRESS = (
    ("line1", "Address", "address-line1", True),
    ("city", "City", "address-level2", True),
    ("postal_code", "Postal code", "postal-code", True),
    ("country", "Country (two letters)", "country", True),
)


# -- Checkout ----------------------------------------------------------------------------------------------


@router.get("/c/pay/{id}", media_type=HTML, statuses=(404,))
def show_session(db: Db, id: str) -> web.Reply:
    """The page of a Checkout Session."""
    return _session_page(db, _session(db, id))


@router.post("/c/pay/{id}", media_type=HTML, consumes=FORM, statuses=(402, 404))
def submit_session(db: Db, request: web.Request, id: str) -> web.Reply:
    """A buyer's card, or a promotion code; leads to the bank's page, or back to the shop."""
    session = _session(db, id)
    typed = _typed(request)
    with calling(request):
        try:
            if "code" in typed:
                return _session_page(db, completing.code_typed(db, id, typed["code"].strip()))
            done = completing.submitted(db, id, _form(session, typed))
        except ApiError as error:
            return _session_page(db, objects.get(db, sessions.KIND, id), error.message, typed)
    return _to(done["next_url"] or f"{request.base_url}/c/pay/{id}/return")


@router.get("/c/pay/{id}/return", media_type=HTML, statuses=(402, 404), open_query=True)
def return_to_session(db: Db, id: str) -> web.Reply:
    """Where buyers come back from their bank: on to the shop, or once more to the card."""
    session = _session(db, id)
    if session["status"] != "complete":
        return _session_page(
            db, session, "We are unable to authenticate your payment method. Please try again."
        )
    return _away(_success(session), "Thank you", "You are taken back to the shop.")


@router.get("/c/pay/{id}/thanks", media_type=HTML, statuses=(404,))
def thanks(db: Db, id: str) -> web.Reply:
    """The end of what began with a payment link."""
    session = _session(db, id)
    link = objects.find(db, "payment_link", session["payment_link"] or "") or {}
    said = ((link.get("after_completion") or {}).get("hosted_confirmation") or {}).get("custom_message")
    return _page("Thank you", f"<h1>Thank you</h1><p>{escape(said or 'Your payment was successful.')}</p>")


@router.get("/b/{id}", media_type=HTML, statuses=(404, 410), heavy=True)
def open_link(request: web.Request, id: str) -> web.Reply:
    """Opens a payment link: a Checkout Session is made, and its page shown."""
    with calling(request):
        try:
            made = request.hub.store.unit(_opened, id)
        except ApiError as error:
            return _page("Not available", f"<h1>Not available</h1><p>{escape(error.message)}</p>", 410)
    return _to(made["url"])


def _opened(db: Db, id: str) -> Json:
    if objects.find(db, "payment_link", f"plink_{id}") is None:
        raise NotFound("There is no such link.")
    return links.opened(db, f"plink_{id}")


def _session(db: Db, id: str) -> Json:
    found = objects.find(db, sessions.KIND, id)
    if found is None:
        raise NotFound("There is no such session.")
    return found


def _success(session: Json) -> str:
    url: str = session["success_url"]
    return url.replace("{CHECKOUT_SESSION_ID}", session["id"])


def _form(session: Json, typed: dict[str, str]) -> Json:
    """What a buyer has typed, as the service takes it."""
    told: Json = {k: typed.get(k, "").strip() or None for k in ("email", "name", "phone")}
    told["email"] = _known(session) or told["email"]
    if told["email"] is None or "@" not in told["email"]:
        raise ApiError("Please type your email address.", code="email_invalid", param="email")
    told["card"] = _card(typed) if "number" in typed else None
    for kind in ("billing", "shipping"):
        lines = {name: typed.get(f"{kind}_{name}", "").strip() or None for name, *_ in ADDRESS}
        if any(lines.values()):
            whole = methods.ADDRESS | lines
            told[kind] = (
                whole
                if kind == "billing"
                else {"address": whole, "name": told["name"], "phone": told["phone"]}
            )
    return told


def _known(session: Json) -> str | None:
    """The email address that a buyer does not type: the customer's, or the one the shop gave."""
    if session["customer_email"] or not session["customer"]:
        return str(session["customer_email"]) if session["customer_email"] else None
    found: str | None = (session["customer_details"] or {}).get("email")
    return found


def _card(typed: dict[str, str]) -> Json:
    """The card of a form. Raises CardError where a part of it cannot be read."""
    match = re.fullmatch(r"\s*(\d{1,2})\s*/\s*(\d{2}|\d{4})\s*", typed.get("expiry", ""))
    if match is None:
        raise CardError("Your card's expiration date is incomplete.", code="invalid_expiry_month")
    year = int(match[2])
    return {
        "number": re.sub(r"[\s-]", "", typed.get("number", "")),
        "exp_month": int(match[1]),
        "exp_year": year + 2000 if year < 100 else year,
        "cvc": typed.get("cvc", "").strip(),
    }


def _session_page(
    db: Db, session: Json, error: str | None = None, typed: dict[str, str] | None = None
) -> web.Reply:
    if session["status"] != "open":
        said = (
            "This session was completed." if session["status"] == "complete" else "This session has expired."
        )
        return _page("Checkout", f"<h1>Nothing to do</h1><p>{said} You may close this page.</p>")
    details = objects.get(db, "checkout.details", session["id"])
    card = sessions.wants_card(db, session)
    back = (
        f'<p><a href="{escape(session["cancel_url"])}">Back to the shop</a></p>'
        if session["cancel_url"]
        else ""
    )
    told = f'<p class="error" role="alert">{escape(error)}</p>' if error else ""
    body = (
        f'{back}<div class="two"><section>{_summary(session, details)}</section><section><h2>{_heading(session)} {TEST}</h2>'
        f"{told}{_fields(session, card, typed or {}, _word(session, details))}</section></div>"
    )
    return _page("Checkout", body, 402 if error else 200)


def _heading(session: Json) -> str:
    return {"payment": "Pay with card", "setup": "Save a card", "subscription": "Subscribe"}[session["mode"]]


def _word(session: Json, details: Json) -> str:
    """What the button says."""
    if session["mode"] == "setup":
        return "Save card"
    if session["mode"] == "subscription":
        return "Start trial" if sessions.trial_of(details) else "Subscribe"
    amount = money.said(session["amount_total"], session["currency"]).rsplit(" ", 1)[0]
    verb = {"book": "Book", "donate": "Donate", "subscribe": "Subscribe"}.get(
        session["submit_type"] or "", "Pay"
    )
    return f"{verb} {amount}"


def _summary(session: Json, details: Json) -> str:
    """What is bought, and what it comes to."""
    if session["mode"] == "setup":
        return "<h2>Save a payment method</h2><p>Nothing is charged today.</p>"
    currency = session["currency"]

    def said(amount: int) -> str:
        return escape(money.said(amount, currency))

    trial = sessions.trial_of(details) if session["mode"] == "subscription" else None
    due = 0 if trial else session["amount_total"]
    rows = "".join(
        f"<tr><td>{escape(each['name'])}{_count(each)}</td><td>{said(each['amount'])}{_each(each)}</td></tr>"
        for each in details["lines"]
    )
    sums = session["total_details"]
    rows += f"<tr class=sum><td>Subtotal</td><td>{said(session['amount_subtotal'])}</td></tr>"
    if sums["amount_discount"]:
        rows += f"<tr><td>Discount</td><td>−{said(sums['amount_discount'])}</td></tr>"
    if sums["amount_tax"]:
        rows += f"<tr><td>Tax</td><td>{said(sums['amount_tax'])}</td></tr>"
    rows += f"<tr class=sum><td>Total due today</td><td>{said(due)}</td></tr>"
    code = ""
    if session["allow_promotion_codes"]:
        code = (
            '<form method="post" class="code"><input name="code" aria-label="Promotion code" placeholder="Promotion code">'
            "<button>Apply</button></form>"
        )
    free = (
        f"<p>Free until {escape(periods.day(trial))}, then {said(session['amount_total'])}.</p>"
        if trial
        else ""
    )
    return f'<h2>Your order</h2><p class="big">{said(due)}</p>{free}<table>{rows}</table>{code}'


def _count(line: Json) -> str:
    return f" × {line['quantity']}" if (line["quantity"] or 1) > 1 else ""


def _each(line: Json) -> str:
    recurring = line["price"]["recurring"]
    if not recurring:
        return ""
    number = recurring["interval_count"]
    return f" / {recurring['interval']}" if number == 1 else f" / {number} {recurring['interval']}s"


def _fields(session: Json, card: bool, typed: dict[str, str], word: str) -> str:
    """The form of a session."""
    known = _known(session)
    email = f"<p>{escape(known)}</p>" if known else _input("email", "Email", "email", typed, kind="email")
    parts = [email]
    if (session["phone_number_collection"] or {}).get("enabled"):
        parts.append(_input("phone", "Phone number", "tel", typed, kind="tel"))
    if session["shipping_address_collection"]:
        parts.append(_address("shipping", "Shipping address", typed))
    if card:
        parts.append(_card_fields(typed))
    parts.append(
        _input(
            "name", "Name on card" if card else "Name", "cc-name" if card else "name", typed, required=card
        )
    )
    if session["billing_address_collection"] == "required":
        parts.append(_address("billing", "Billing address", typed))
    said = (session["custom_text"].get("submit") or {}).get("message")
    if said:
        parts.append(f"<p>{escape(said)}</p>")
    return f'<form method="post">{"".join(parts)}<button class="go">{escape(word)}</button></form>'


def _card_fields(typed: dict[str, str]) -> str:
    """Card number, expiry, CVC; what was typed before is not shown again."""
    return (
        _input(
            "number",
            "Card number",
            "cc-number",
            {},
            more='inputmode="numeric" placeholder="4242 4242 4242 4242"',
        )
        + '<div class="row"><div>'
        + _input("expiry", "Expires", "cc-exp", {}, more='placeholder="12 / 34"')
        + "</div><div>"
        + _input("cvc", "CVC", "cc-csc", {}, more='inputmode="numeric" placeholder="123"')
        + "</div></div>"
    )


def _address(kind: str, title: str, typed: dict[str, str]) -> str:
    inner = "".join(
        _input(f"{kind}_{n}", label, f"{kind} {auto}", typed, required=must)
        for n, label, auto, must in ADDRESS
    )
    return f"<fieldset><legend>{title}</legend>{inner}</fieldset>"


def _input(
    name: str,
    label: str,
    auto: str,
    typed: dict[str, str],
    *,
    kind: str = "text",
    required: bool = True,
    more: str = "",
) -> str:
    value = f' value="{escape(typed[name])}"' if typed.get(name) else ""
    must = " required" if required else ""
    return (
        f'<label for="{name}">{label}</label>'
        f'<input id="{name}" name="{name}" type="{kind}" autocomplete="{auto}"{value}{must} {more}>'
    )


# -- hosted invoices ---------------------------------------------------------------------------------------


@router.get("/invoices/{id}/{key}", media_type=HTML, statuses=(404,), open_query=True)
def show_invoice(db: Db, id: str, key: str) -> web.Reply:
    """The page of an invoice, where it can be paid."""
    return _invoice_page(_invoice(db, id, key))


@router.post("/invoices/{id}/{key}", media_type=HTML, consumes=FORM, statuses=(402, 404))
def pay_invoice(db: Db, request: web.Request, id: str, key: str) -> web.Reply:
    """Pays an invoice with a card."""
    invoice = _invoice(db, id, key)
    typed = _typed(request)
    here = urlsplit(invoice["hosted_invoice_url"]).path
    failed: ApiError | None
    with calling(request), living(db, invoice):
        try:
            method = methods.build(
                db, {"type": "card", "card": _card(typed), "billing_details": {"name": typed.get("name")}}
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
    intent = invoices.intent_of(db, fresh)
    action = ((intent or {}).get("next_action") or {}).get("redirect_to_url") or {}
    return _to(action.get("url") or f"{request.base_url}{here}")


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
        return escape(money.said(amount, currency))

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
        f'<h2>Pay with card {TEST}</h2>{told}<form method="post">{_card_fields({})}'
        f'{_input("name", "Name on card", "cc-name", {})}<button class="go">Pay {said(invoice["amount_due"]).rsplit(" ", 1)[0]}</button></form>'
        if invoice["status"] in ("open", "uncollectible")
        else f"<h2>This invoice is {escape(invoice['status'])}</h2>"
    )
    head = f"<h2>Invoice {escape(invoice['number'] or '')}</h2><p class=dim>{escape(invoice['customer_name'] or '')} · {periods.day(dated)}</p>"
    body = f'<div class="two"><section>{head}<p class="big">{said(invoice["amount_due"])}</p><table>{rows}</table></section><section>{form}</section></div>'
    return _page(f"Invoice {invoice['number']}", body, 402 if error else 200)


# -- alike in all ------------------------------------------------------------------------------------------


def _typed(request: web.Request) -> dict[str, str]:
    """The fields of a form."""
    form = request.form
    names: tuple[str, ...] = ("code", "email", "name", "phone", "number", "expiry", "cvc")
    names += tuple(f"{kind}_{name}" for kind in ("billing", "shipping") for name, *_ in ADDRESS)
    found = {} if form is None else {name: form.get(name) for name in names}
    return {name: value[:500] for name, value in found.items() if isinstance(value, str)}


def _to(url: str) -> web.Reply:
    return web.Reply("", 303, {"Location": url}, media_type=HTML)


def _away(url: str, title: str, said: str) -> web.Reply:
    """A page that leads to another server: browsers follow no redirection there from a form of ours."""
    shown = escape(url)
    whole = page(title, f'{STYLE}<h1>{title}</h1><p>{said} <a href="{shown}">Continue</a></p>')
    again = f'<meta http-equiv="refresh" content="0;url={shown}">'
    return web.Reply(whole.replace("<title>", f"{again}<title>", 1), media_type=HTML)


def _page(title: str, body: str, status: int = 200) -> web.Reply:
    return web.Reply(page(title, STYLE + body), status, media_type=HTML)
