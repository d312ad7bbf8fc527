"""What all pages share: their frame, their pictures, amounts, forms, and how they fail."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from hashlib import blake2b
from html import escape
from importlib.resources import files
from typing import Any
from urllib.parse import quote

from backendhub.kit import web
from backendhub.kit.errors import Denied, HubError, NotFound
from backendhub.kit.money import Money
from backendhub.systems.shop.models import Product

STATIC = {"shop.css": "text/css; charset=utf-8", "shop.js": "text/javascript; charset=utf-8"}
CSP = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' https: data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HTML = "text/html; charset=utf-8"
FORM = ("application/x-www-form-urlencoded",)
CART = "shop_cart"
PLACE = "shop_country"


@cache
def asset(name: str) -> bytes:
    """A file of the pages. Raises NotFound."""
    if name not in STATIC:
        raise NotFound(f"There is no {name[:80]!r}.")
    return files(__package__).joinpath("static", name).read_bytes()


def money(minor: int, currency: str) -> str:
    """An amount as it is shown: `$24.00`."""
    sign, amount = "−" if minor < 0 else "", Money(abs(minor), currency).decimal
    mark = str(Money(0, currency)).removesuffix("0").strip()
    return f"{sign}{mark}{amount}" if len(mark) == 1 else f"{sign}{amount} {currency}"


def frame(request: web.Request, title: str, body: str, *, staff: bool = False) -> str:
    """A whole page."""
    prefix = escape(request.prefix)
    name = escape(request.hub.settings.get("shop.title") or "Shop")
    links: tuple[tuple[str, str], ...]
    if staff:
        links = (("/shop/admin", "Orders"), ("/shop/admin/products", "Products"), ("/shop", "Storefront"))
    else:
        links = (("/shop/account", "Account"), ("/shop/cart", "Cart"))
    nav = "".join(f'<a href="{prefix}{path}">{text}</a>' for path, text in links)
    search = (
        f'<form class="search" role="search" action="{prefix}/shop"><label class="inline" for="q">'
        '<span class="small dim">Search</span></label><input id="q" type="search" name="q" maxlength="200">'
        "<button>Find</button></form>"
    )
    home = "/shop/admin" if staff else "/shop"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<title>{escape(title)} · {name}</title><link rel="icon" href="data:,">'
        f'<link rel="stylesheet" href="{prefix}/shop/static/shop.css">'
        f'<script src="{prefix}/shop/static/shop.js" defer></script></head><body>'
        '<a class="skip" href="#main">Skip to content</a>'
        f'<header class="bar"><a class="name" href="{prefix}{home}">{name}{" · Back office" if staff else ""}</a>'
        f'{"" if staff else search}<nav aria-label="Main">{nav}</nav></header>'
        f'<main id="main">{body}</main><footer>{name}</footer></body></html>'
    )


def sent(
    request: web.Request,
    title: str,
    body: str,
    *,
    staff: bool = False,
    status: int | None = None,
    cookies: Iterable[tuple[str, str]] = (),
) -> Any:
    """A page as an answer."""
    headers = [("Content-Security-Policy", CSP), ("Cache-Control", "no-store"), *cookies]
    return web.Reply(
        frame(request, title, body, staff=staff), status=status, headers=headers, media_type=HTML
    )


def go(request: web.Request, path: str, cookies: Iterable[tuple[str, str]] = ()) -> Any:
    """On to another page, after a form."""
    return web.Reply("", status=303, headers=[("Location", request.prefix + path), *cookies], media_type=HTML)


def note(messages: Iterable[str], *, good: bool = False) -> str:
    """Something to be read before anything else."""
    rows = list(messages)
    if not rows:
        return ""
    text = escape(rows[0]) if len(rows) == 1 else f"<ul>{''.join(f'<li>{escape(r)}</li>' for r in rows)}</ul>"
    return f'<div class="note{" good" if good else ""}" role="{"status" if good else "alert"}">{text}</div>'


def art(product: Product) -> str:
    """A product's picture; without one a drawing of its own, made of its name."""
    if product.thumbnail and product.thumbnail.startswith(("https://", "data:image/")):
        return f'<img class="art" src="{escape(product.thumbnail)}" alt="" loading="lazy">'
    seed = blake2b(product.handle.encode(), digest_size=8).digest()
    hue, turn = seed[0] * 360 // 256, seed[1] * 360 // 256
    shapes = "".join(
        f'<circle cx="{40 + seed[i] % 320}" cy="{30 + seed[i + 1] % 240}" r="{30 + seed[i + 2] % 70}" '
        f'fill="hsl({(hue + 40 * i) % 360} 45% {52 + 8 * i}%)" opacity=".75"/>'
        for i in (2, 3, 4)
    )
    bars = f'<rect x="-60" y="150" width="520" height="34" fill="hsl({hue} 40% 35%)" opacity=".55" transform="rotate({turn} 200 150)"/>'
    return (
        '<svg class="art" viewBox="0 0 400 300" preserveAspectRatio="xMidYMid slice" aria-hidden="true">'
        f'<rect width="400" height="300" fill="hsl({hue} 35% 80%)"/>{shapes}{bars}</svg>'
    )


def options(pairs: Iterable[tuple[str, str]], chosen: str | None) -> str:
    """The choices of a `<select>`."""
    return "".join(
        f'<option value="{escape(value)}"{" selected" if value == chosen else ""}>{escape(text)}</option>'
        for value, text in pairs
    )


def field(
    name: str, label: str, value: str | None = "", *, type: str = "text", more: str = "required"
) -> str:
    """A labelled field."""
    return (
        f'<label>{escape(label)}<input name="{name}" type="{type}" value="{escape(value or "")}" '
        f'maxlength="200" {more}></label>'
    )


def post(request: web.Request, path: str, inner: str, *, css: str = "inline") -> str:
    """A form."""
    return (
        f'<form method="post" action="{escape(request.prefix + path)}" class="{css}" data-once>{inner}</form>'
    )


def link(request: web.Request, path: str, **query: str | None) -> str:
    """An address with a query."""
    said = "&".join(f"{k}={quote(v)}" for k, v in query.items() if v)
    return escape(request.prefix + path + (f"?{said}" if said else ""))


def same_origin(request: web.Request) -> None:
    """A form of another site's page is not taken. Raises Denied."""
    site, origin = request.header("sec-fetch-site"), request.header("origin")
    if site in ("same-origin", "none"):
        return
    if site is None and (origin is None or origin.partition("://")[2] == request.header("host")):
        return  # no browser, or an old one
    raise Denied("A page of another site sent this.")


class Pages(web.Dialect):
    """Failures as pages."""

    name = "ErrorPage"
    description = "A page that says what is wrong"
    media_type = HTML
    schema = {"type": "string"}

    def problem(self, error: HubError, request: web.Request) -> web.Reply:
        """The response to a failure."""
        found = error.details.get("errors") or ()
        said = [f"{e.get('name') or e.get('pointer', '')}: {e.get('detail', '')}" for e in found]
        back = link(request, "/shop/sign-in") if error.status == 401 else link(request, "/shop")
        text = "Sign in" if error.status == 401 else "Back to the shop"
        body = (
            f'<h1>{escape(error.title)}</h1>{note(said or [error.message])}<p><a href="{back}">{text}</a></p>'
        )
        made = sent(request, error.title, body, status=error.status)
        assert isinstance(made, web.Reply)
        return made
