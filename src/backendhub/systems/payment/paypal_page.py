"""The page on which a buyer approves an order of PayPal's wire, or cancels it."""

from __future__ import annotations

from html import escape
from urllib.parse import urlencode, urlsplit, urlunsplit

from backendhub.kit import web
from backendhub.kit.db import Db
from backendhub.kit.money import Money
from backendhub.kit.web.page import page

from .paypal import family
from .service import paypal

HTML = "text/html; charset=utf-8"


@family.get("/checkoutnow", public=True, media_type=HTML, statuses=(404,))
def paypal_page(db: Db, token: str) -> web.Reply:
    """The page on which a buyer approves an order, or cancels it."""
    order = paypal.find(db, paypal.ORDER, token)
    amount = Money(order["minor"], order["currency"])
    what = escape(order["purchase_unit"].get("description") or "Your order")
    if order["state"] != "CREATED":
        return web.Reply(
            page("Order", f"<h1>{what}</h1><p>This order is {order['state'].lower()}.</p>"), media_type=HTML
        )
    form = (
        f'<form method="post" action="?{escape(urlencode({"token": token}))}"><button name="result" value="approve">'
        f'Pay {escape(str(amount))}</button> <button name="result" value="cancel">Cancel</button></form>'
    )
    text = "<p>This page stands for PayPal's. Nothing real is charged.</p>"
    leads_to = [url for url in (order["context"]["return_url"], order["context"]["cancel_url"]) if url]
    policy = {"Content-Security-Policy": web.page_policy(*leads_to)}
    return web.Reply(page("Pay", f"<h1>{what}</h1>{text}{form}"), 200, policy, media_type=HTML)


@family.post(
    "/checkoutnow",
    public=True,
    media_type=HTML,
    consumes=("application/x-www-form-urlencoded",),
    statuses=(404, 422),
)
def paypal_answer(db: Db, request: web.Request, token: str) -> web.Reply:
    """What the buyer said; goes back to the shop."""
    order = paypal.find(db, paypal.ORDER, token)
    approved = request.form is not None and request.form.get("result") == "approve"
    told = {"token": token}
    if approved:
        order = paypal.approve(db, token)
        told["PayerID"] = order["payer"]["payer_id"]
    url = order["context"]["return_url" if approved else "cancel_url"]
    if url is None:
        return web.Reply(
            page("Thank you", f"<p>The order is {order['state'].lower()}. You may close this page.</p>"),
            media_type=HTML,
        )
    scheme, host, path, query, fragment = urlsplit(url)
    query = "&".join(part for part in (query, urlencode(told)) if part)
    return web.Reply(
        "", 303, {"Location": urlunsplit((scheme, host, path, query, fragment))}, media_type=HTML
    )
