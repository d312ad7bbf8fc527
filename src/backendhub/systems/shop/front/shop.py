"""`/shop`: products, for whoever looks around."""

from __future__ import annotations

from html import escape
from typing import Annotated

from fastapi import Query

from backendhub.kit import web
from backendhub.kit.db import Db
from backendhub.kit.web.guards import Guard
from backendhub.systems.shop.models import Cart, Product, Region, Variant
from backendhub.systems.shop.service import (
    carts,
    catalogue,
    categories,
    customers,
    prices,
    regions,
    stock,
)
from backendhub.systems.shop.wire import browsing, router

from .page import CART, HTML, PLACE, STATIC, Pages, art, asset, field, link, money, options, post, sent

PAGE = 24
Word = Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00]*$")]
Number = Annotated[int, Query(ge=1, le=10_000)]
front = router.family(
    "/shop", dialect=Pages(invalid=400), auth=web.Authenticator(browsing, {}), guard=Guard(optional=True)
)


@front.get("/static/{name}", in_schema=False)
def static(name: str) -> web.Reply:
    """A file of the pages."""
    return web.Reply(asset(name), headers={"Cache-Control": "no-cache"}, media_type=STATIC.get(name, HTML))


def cart_of(db: Db, request: web.Request) -> Cart | None:
    """The open cart of this browser; that of somebody with an account only while they are signed in."""
    id = request.cookies.get(CART)
    found = carts.peek(db, id) if id else None
    if found is None or found.kind != "store" or found.state != "open":
        return None
    mine = customers.theirs(db, found.customer_id, request.user.id if request.user else None)
    return found if mine else None


def region_of(db: Db, request: web.Request, cart: Cart | None) -> tuple[Region, str | None]:
    """The region whose prices are shown, and the country that goods go to."""
    country = request.cookies.get(PLACE)
    if cart is not None:
        within = regions.countries_of(db, cart.region_id)
        where = (cart.shipping_address or {}).get("country_code") or country
        return regions.get(db, cart.region_id), where if where in within else next(iter(within), None)
    region = regions.resolve(db, country_code=country if country and len(country) == 2 else None)
    within = regions.countries_of(db, region.id)
    return region, country if country in within else next(iter(within), None)


def place(request: web.Request, db: Db, country: str | None) -> str:
    """The choice of where goods go."""
    known = sorted(c for within in regions.countries(db).values() for c in within)
    inner = (
        '<label class="inline small dim">Ship to <select name="country" data-submits>'
        f"{options([(c, c.upper()) for c in known], country)}</select></label>"
        "<noscript><button>Go</button></noscript>"
        f'<input type="hidden" name="back" value="{escape(request.path)}">'
    )
    return post(request, "/shop/country", inner)


@front.get("", media_type=HTML, in_schema=False)
def home(db: Db, request: web.Request, q: Word = None, category: Word = None, page: Number = 1) -> web.Reply:
    """Every product, those of a category, or those that are searched for."""
    region, country = region_of(db, request, cart_of(db, request))
    tree = categories.find(db)
    here = next((c for c in tree if c.handle == category), None)
    found = catalogue.find(
        db,
        q=q or None,
        conditions={"category_id": [here.id]} if here else {},
        limit=PAGE,
        offset=PAGE * (page - 1),
    )
    title = f"“{q}”" if q else here.name if here else "Everything"
    chips = _chip(link(request, "/shop"), "Everything", not here and not q)
    chips += "".join(_chip(link(request, "/shop", category=c.handle), c.name, c is here) for c in tree)
    rows = cards(db, request, found.products, region)
    more = []
    if page > 1:
        more.append(
            f'<a href="{link(request, "/shop", q=q, category=category, page=str(page - 1))}">Before</a>'
        )
    if found.total > PAGE * page:
        more.append(
            f'<a href="{link(request, "/shop", q=q, category=category, page=str(page + 1))}">More</a>'
        )
    body = (
        f"<h1>{escape(title)}</h1>"
        f'<ul class="chips" aria-label="Categories">{chips}</ul>'
        f'<div class="line dim small">{found.total} {"product" if found.total == 1 else "products"} · '
        f"prices in {region.currency} {place(request, db, country)}</div>"
        + (f'<ul class="grid">{rows}</ul>' if rows else "<p>Nothing was found. Try other words.</p>")
        + f"<p>{' · '.join(more)}</p>"
    )
    made: web.Reply = sent(request, title, body)
    return made


def _chip(address: str, name: str, current: bool) -> str:
    mark = ' aria-current="page"' if current else ""
    return f'<li><a href="{address}"{mark}>{escape(name)}</a></li>'


def cards(db: Db, request: web.Request, found: list[Product], region: Region) -> str:
    """Products as cards, each with its lowest price."""
    whole = catalogue.full(db, found)
    ids = [v.id for each in whole for v in each.variants]
    known, lists, free = prices.of(db, ids), prices.lists(db), stock.free(db, ids)
    rows = []
    for each in whole:
        costs = [
            c
            for v in each.variants
            if (c := prices.pick(known[v.id], lists, currency=region.currency, region_id=region.id))
        ]
        low = min(costs, key=lambda c: c.amount, default=None)
        many = len({c.amount for c in costs}) > 1
        shown = ""
        if low is not None:
            before = f"<s>{money(low.original, region.currency)}</s>" if low.original > low.amount else ""
            shown = f"{'from ' if many else ''}{money(low.amount, region.currency)}{before}"
        out = all(stock.limited(v) and not free[v.id] for v in each.variants)
        state = '<span class="small sale">Sold out</span>' if out else ""
        rows.append(
            f'<li class="card"><a href="{link(request, "/shop/products/" + each.product.handle)}">'
            f'{art(each.product)}<div class="about"><h3>{escape(each.product.title)}</h3>'
            f'<span class="price">{shown}</span>{state}</div></a></li>'
        )
    return "".join(rows)


@front.get("/products/{handle}", media_type=HTML, in_schema=False)
def product(db: Db, request: web.Request, handle: str) -> web.Reply:
    """One product: choose a variant, put it into the cart."""
    found = catalogue.by_handle(db, handle)
    region, country = region_of(db, request, cart_of(db, request))
    variants = catalogue.variants_of(db, found.id)
    known, lists = prices.of(db, [v.id for v in variants]), prices.lists(db)
    free = stock.free(db, [v.id for v in variants])
    choices, first = "", None
    for v in variants:
        cost = prices.pick(known[v.id], lists, currency=region.currency, region_id=region.id)
        if cost is None:
            continue
        left, out = _left(v, free[v.id])
        before = money(cost.original, region.currency) if cost.original > cost.amount else ""
        now = money(cost.amount, region.currency)
        first = first or (now, before, left)
        choices += (
            f'<option value="{escape(v.id)}" data-now="{escape(now)}" data-before="{escape(before)}" '
            f'data-left="{escape(left)}" data-out="{int(out)}">{escape(v.title)} · {escape(now)}'
            f"{' · sold out' if out else ''}</option>"
        )
    now, before, left = first or ("", "", "Not sold here.")
    buy = (
        f"<label>{escape(' / '.join(o['title'] for o in found.options) or 'Variant')}"
        f'<select name="variant_id" data-variants>{choices}</select></label>'
        + field(
            "quantity", "Quantity", "1", type="number", more='min="1" max="1000000" required class="count"'
        )
        + "<button>Add to cart</button>"
    )
    tags = " ".join(f'<span class="tag">{escape(t)}</span>' for t in found.tags)
    body = (
        f'<div class="two"><div>{art(found)}</div><div><h1>{escape(found.title)}</h1>'
        f'<p class="price" data-cost>{escape(now)}{f"<s>{escape(before)}</s>" if before else ""}</p>'
        f"<p>{escape(found.description or '')}</p>"
        + (post(request, "/shop/cart/lines", buy, css="stack") if choices else "<p>Not sold here.</p>")
        + f'<p class="dim small" data-stock aria-live="polite">{escape(left)}</p><p>{tags}</p>'
        f'<div class="line small dim">{_tax(region)} {place(request, db, country)}</div></div></div>'
    )
    made: web.Reply = sent(request, found.title, body)
    return made


def _left(variant: Variant, free: int) -> tuple[str, bool]:
    if not stock.limited(variant):
        return "Available.", False
    if free <= 0:
        return "Sold out.", True
    return (f"Only {free} left." if free <= 5 else "In stock."), False


def _tax(region: Region) -> str:
    return "Prices hold the tax." if region.tax_inclusive else "Tax is added at checkout."
