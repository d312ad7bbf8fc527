"""Pages for people: where buyers authenticate a payment, receipts, and `/_check`."""

from __future__ import annotations

import hmac
from html import escape
from urllib.parse import urlencode, urlsplit, urlunsplit

from backendhub.kit import checks, ledger, web
from backendhub.kit.db import Db
from backendhub.kit.errors import NotFound
from backendhub.kit.web.page import page

from . import invariants, objects
from .errors import ApiError
from .models import Json
from .service import confirming, money, razorpay, setups
from .wire.operations import calling, router

HTML = "text/html; charset=utf-8"
FORM = ("application/x-www-form-urlencoded",)
STYLE = (
    "<style>button{font:inherit;padding:.6rem 1.2rem;margin:.3rem .6rem .3rem 0;border-radius:6px;border:1px solid}"
    ".go{background:#0a7;color:#fff}.amount{font-size:1.8rem;margin:.4rem 0}</style>"
)


@router.get("/authenticate/{id}", media_type=HTML, statuses=(404,))
def show_authentication(db: Db, id: str, client_secret: str = "") -> web.Reply:
    """The page on which a buyer lets a payment through, or does not (3-D Secure, or another provider's page)."""
    intent = _intent(db, id, client_secret)
    if intent["status"] != "requires_action":
        return _page("Nothing to do", f"<p>This payment is <b>{escape(intent['status'])}</b>.</p>")
    method = objects.get(db, "payment_method", intent["payment_method"])
    what = "3-D Secure" if method["type"] == "card" else method["type"].replace("_", " ").title()
    amount = (
        f'<p class="amount">{escape(money.said(intent["amount"], intent["currency"]))}</p>'
        if "amount" in intent
        else ""
    )
    query = escape(urlencode({"client_secret": client_secret}))
    return _page(
        f"{what} test page",
        f"{amount}<p>This page stands for the bank's. Nothing real is charged.</p>"
        f'<form method="post" action="?{query}"><button class="go" name="result" value="complete">Complete authentication'
        '</button><button name="result" value="fail">Fail authentication</button></form>',
        leads_to=_return_url(intent),
    )


@router.post("/authenticate/{id}", media_type=HTML, consumes=FORM, statuses=(404,))
def answer_authentication(db: Db, request: web.Request, id: str, client_secret: str = "") -> web.Reply:
    """What the buyer said; goes back to the shop's `return_url`."""
    intent = _intent(db, id, client_secret)
    success = request.form is not None and request.form.get("result") == "complete"
    url = _return_url(intent)
    service = confirming if intent["object"] == "payment_intent" else setups
    with calling(request):
        try:
            done = service.answered(db, id, success=success)
        except ApiError as error:
            return _page("Nothing to do", f"<p>{escape(error.message)}</p>", 409)
        for payment in objects.where(db, razorpay.PAYMENT, intent=id):
            razorpay.followed(db, payment)
    went_well = done["status"] in ("succeeded", "requires_capture", "processing", "requires_confirmation")
    if url is None:
        return _page(
            "Thank you", f"<p>The payment is <b>{escape(done['status'])}</b>. You may close this page.</p>"
        )
    told = {
        intent["object"]: id,
        f"{intent['object']}_client_secret": client_secret,
        "redirect_status": "succeeded" if went_well else "failed",
    }
    scheme, host, path, query, fragment = urlsplit(url)
    query = "&".join(part for part in (query, urlencode(told)) if part)
    return web.Reply(
        "", 303, {"Location": urlunsplit((scheme, host, path, query, fragment))}, media_type=HTML
    )


@router.get("/receipts/{charge}", media_type=HTML, statuses=(404,))
def show_receipt(db: Db, charge: str) -> web.Reply:
    """The receipt of a charge."""
    found = objects.find(db, "charge", charge)
    if found is None or not found["paid"]:
        raise NotFound("There is no such receipt.")
    rows = [
        ("Amount paid", money.said(found["amount"], found["currency"])),
        ("Date paid", money.day(found["created"]).strftime("%B %-d, %Y")),
        ("Payment method", _method(found)),
    ]
    if found["amount_refunded"]:
        rows.append(("Refunded", money.said(found["amount_refunded"], found["currency"])))
    table = "".join(f"<tr><th>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in rows)
    return _page("Receipt", f"<p>{escape(found['description'] or '')}</p><table>{table}</table>")


@router.get("/_check")
def check(db: Db) -> checks.Report:
    """Look at every invariant of the payments and of the ledger."""
    return checks.run(db, [*ledger.CHECKS, *invariants.CHECKS], {"book": money.BOOK})


def _intent(db: Db, id: str, secret: str) -> Json:
    """The intent that whoever asks has the secret of. Raises NotFound."""
    kind = "setup_intent" if id.startswith("seti_") else "payment_intent"
    found = objects.find(db, kind, id)
    if found is None or not hmac.compare_digest(found["client_secret"].encode(), secret.encode()):
        raise NotFound("There is no such payment.")
    return found


def _method(charge: Json) -> str:
    details = charge["payment_method_details"]
    card = details.get("card")
    return f"{card['brand']} – {card['last4']}" if card else str(details["type"]).replace("_", " ")


def _return_url(intent: Json) -> str | None:
    url: str | None = ((intent.get("next_action") or {}).get("redirect_to_url") or {}).get("return_url")
    return url


def _page(title: str, body: str, status: int = 200, *, leads_to: str | None = None) -> web.Reply:
    headers = {"Content-Security-Policy": web.page_policy(leads_to)} if leads_to else {}
    return web.Reply(page(title, f"{STYLE}<h1>{escape(title)}</h1>{body}"), status, headers, media_type=HTML)
