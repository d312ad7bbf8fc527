"""Pages on which people pay: Checkout and payment links."""

from __future__ import annotations

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
from .service.billing import completing, links, periods, sessions
from .wire.operations import calling, router

# -- Checkout ----------------------------------------------------------------------------------------------


@router.get("/c/pay/{id}", media_type=parts.HTML, statuses=(404,))
def show_session(db: Db, id: str) -> web.Reply:
    """The page of a Checkout Session."""
    return _session_page(db, _session(db, id))


@router.post("/c/pay/{id}", media_type=parts.HTML, consumes=parts.FORM, statuses=(402, 404))
def submit_session(db: Db, request: web.Request, id: str) -> web.Reply:
    """A buyer's card, or a promotion code; leads to the bank's page, or back to the shop."""
    session = _session(db, id)
    typed = parts.typed(request)
    with calling(request):
        try:
            if "code" in typed:
                return _session_page(db, completing.code_typed(db, id, typed["code"].strip()))
            done = completing.submitted(db, id, _form(session, typed))
        except ApiError as error:
            return _session_page(db, objects.get(db, sessions.KIND, id), error.message, typed)
    return parts.to(done["next_url"] or f"{request.base_url}/c/pay/{id}/return")


@router.get("/c/pay/{id}/return", media_type=parts.HTML, statuses=(402, 404), open_query=True)
def return_to_session(db: Db, id: str) -> web.Reply:
    """Where buyers come back from their bank: on to the shop, or once more to the card."""
    session = _session(db, id)
    if session["status"] != "complete":
        return _session_page(
            db, session, "We are unable to authenticate your payment method. Please try again."
        )
    return parts.away(_success(session), "Thank you", "You are taken back to the shop.")


@router.get("/c/pay/{id}/thanks", media_type=parts.HTML, statuses=(404,))
def thanks(db: Db, id: str) -> web.Reply:
    """The end of what began with a payment link."""
    session = _session(db, id)
    link = objects.find(db, "payment_link", session["payment_link"] or "") or {}
    said = ((link.get("after_completion") or {}).get("hosted_confirmation") or {}).get("custom_message")
    return parts.shown(
        "Thank you", f"<h1>Thank you</h1><p>{escape(said or 'Your payment was successful.')}</p>"
    )


@router.get("/b/{id}", media_type=parts.HTML, statuses=(404, 410), heavy=True)
def open_link(request: web.Request, id: str) -> web.Reply:
    """Opens a payment link: a Checkout Session is made, and its page shown."""
    with calling(request):
        try:
            made = request.hub.store.unit(_opened, id)
        except ApiError as error:
            return parts.shown("Not available", f"<h1>Not available</h1><p>{escape(error.message)}</p>", 410)
    return parts.to(made["url"])


def _opened(db: Db, id: str) -> Json:
    if objects.find(db, "payment_link", f"plink_{id}") is None:
        raise NotFound("There is no such link.")
    return links.opened(db, f"plink_{id}")


def _session(db: Db, id: str) -> Json:
    found = objects.find(db, sessions.KIND, id)
    if found is None:
        raise NotFound("There is no such session.")
    return found


def _here(session: Json) -> str:
    """Where the forms of a session are sent, from whatever page of it."""
    return escape(urlsplit(session["url"]).path)


def _success(session: Json) -> str:
    url: str = session["success_url"]
    return url.replace("{CHECKOUT_SESSION_ID}", session["id"])


def _form(session: Json, typed: dict[str, str]) -> Json:
    """What a buyer has typed, as the service takes it."""
    told: Json = {k: typed.get(k, "").strip() or None for k in ("email", "name", "phone")}
    told["email"] = _known(session) or told["email"]
    if told["email"] is None or "@" not in told["email"]:
        raise ApiError("Please type your email address.", code="email_invalid", param="email")
    told["card"] = parts.card(typed) if "number" in typed else None
    for kind in ("billing", "shipping"):
        lines = {name: typed.get(f"{kind}_{name}", "").strip() or None for name, *_ in parts.ADDRESS}
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


def _session_page(
    db: Db, session: Json, error: str | None = None, typed: dict[str, str] | None = None
) -> web.Reply:
    if session["status"] != "open":
        said = (
            "This session was completed." if session["status"] == "complete" else "This session has expired."
        )
        return parts.shown("Checkout", f"<h1>Nothing to do</h1><p>{said} You may close this page.</p>")
    details = objects.get(db, "checkout.details", session["id"])
    card = sessions.wants_card(db, session)
    back = (
        f'<p><a href="{escape(session["cancel_url"])}">Back to the shop</a></p>'
        if session["cancel_url"]
        else ""
    )
    told = f'<p class="error" role="alert">{escape(error)}</p>' if error else ""
    body = (
        f'{back}<div class="two"><section>{_summary(session, details)}</section><section><h2>{_heading(session)} {parts.TEST}</h2>'
        f"{told}{_fields(session, card, typed or {}, _word(session, details))}</section></div>"
    )
    return parts.shown("Checkout", body, 402 if error else 200)


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
        return escape(money.said(amount, currency).rsplit(" ", 1)[0])

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
            f'<form method="post" action="{_here(session)}" class="code"><input name="code" aria-label="Promotion code" placeholder="Promotion code">'
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
    email = (
        f"<p>{escape(known)}</p>"
        if known
        else parts.text_input("email", "Email", "email", typed, kind="email")
    )
    found = [email]
    if (session["phone_number_collection"] or {}).get("enabled"):
        found.append(parts.text_input("phone", "Phone number", "tel", typed, kind="tel"))
    if session["shipping_address_collection"]:
        found.append(_address("shipping", "Shipping address", typed))
    if card:
        found.append(parts.card_fields(typed))
    found.append(
        parts.text_input(
            "name", "Name on card" if card else "Name", "cc-name" if card else "name", typed, required=card
        )
    )
    if session["billing_address_collection"] == "required":
        found.append(_address("billing", "Billing address", typed))
    said = (session["custom_text"].get("submit") or {}).get("message")
    if said:
        found.append(f"<p>{escape(said)}</p>")
    return f'<form method="post" action="{_here(session)}">{"".join(found)}<button class="go">{escape(word)}</button></form>'


def _address(kind: str, title: str, typed: dict[str, str]) -> str:
    inner = "".join(
        parts.text_input(f"{kind}_{n}", label, f"{kind} {auto}", typed, required=must)
        for n, label, auto, must in parts.ADDRESS
    )
    return f"<fieldset><legend>{title}</legend>{inner}</fieldset>"
