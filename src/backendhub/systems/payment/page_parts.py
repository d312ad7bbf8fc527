"""What the pages of payments are made of: forms, cards, the ways on."""

from __future__ import annotations

import re
from html import escape

from backendhub.kit import web
from backendhub.kit.web.page import page

from .errors import CardError
from .models import Json

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


def card(typed: dict[str, str]) -> Json:
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


def card_fields(typed: dict[str, str]) -> str:
    """Card number, expiry, CVC; what was typed before is not shown again."""
    return (
        text_input(
            "number",
            "Card number",
            "cc-number",
            {},
            more='inputmode="numeric" placeholder="4242 4242 4242 4242"',
        )
        + '<div class="row"><div>'
        + text_input("expiry", "Expires", "cc-exp", {}, more='placeholder="12 / 34"')
        + "</div><div>"
        + text_input("cvc", "CVC", "cc-csc", {}, more='inputmode="numeric" placeholder="123"')
        + "</div></div>"
    )


def text_input(
    name: str,
    label: str,
    auto: str,
    typed: dict[str, str],
    *,
    kind: str = "text",
    required: bool = True,
    more: str = "",
) -> str:
    """A field with its label."""
    value = f' value="{escape(typed[name])}"' if typed.get(name) else ""
    must = " required" if required else ""
    return (
        f'<label for="{name}">{label}</label>'
        f'<input id="{name}" name="{name}" type="{kind}" autocomplete="{auto}"{value}{must} {more}>'
    )


def typed(request: web.Request) -> dict[str, str]:
    """The fields of a form."""
    form = request.form
    names: tuple[str, ...] = ("code", "email", "name", "phone", "number", "expiry", "cvc")
    names += tuple(f"{kind}_{name}" for kind in ("billing", "shipping") for name, *_ in ADDRESS)
    found = {} if form is None else {name: form.get(name) for name in names}
    return {name: value[:500] for name, value in found.items() if isinstance(value, str)}


def to(url: str) -> web.Reply:
    """Another page of ours."""
    return web.Reply("", 303, {"Location": url}, media_type=HTML)


def away(url: str, title: str, said: str) -> web.Reply:
    """A page that leads to another server: browsers follow no redirection there from a form of ours."""
    shown = escape(url)
    whole = page(title, f'{STYLE}<h1>{title}</h1><p>{said} <a href="{shown}">Continue</a></p>')
    again = f'<meta http-equiv="refresh" content="0;url={shown}">'
    return web.Reply(whole.replace("<title>", f"{again}<title>", 1), media_type=HTML)


def shown(title: str, body: str, status: int = 200) -> web.Reply:
    """A page."""
    return web.Reply(page(title, STYLE + body), status, media_type=HTML)
