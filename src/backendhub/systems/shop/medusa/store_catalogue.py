"""`/store`: what there is to buy, and where."""

from __future__ import annotations

from typing import Any

from backendhub.kit import web
from backendhub.kit.db import Db
from backendhub.kit.errors import NotFound
from backendhub.systems.shop import gateway
from backendhub.systems.shop.models import Region
from backendhub.systems.shop.service import carts, catalogue, categories, regions
from backendhub.systems.shop.wire import store

from . import products
from .common import Limit, Offset, chosen, listed, one, page


def _region(db: Db, query: dict[str, list[str]]) -> Region | None:
    """The region that prices are asked for: by its id, a country, or a cart."""
    if (cart_id := one(query, "cart_id")) is not None:
        return regions.get(db, carts.get(db, cart_id).region_id)
    if (id := one(query, "region_id")) is not None:
        return regions.get(db, id)
    if code := one(query, "country_code"):
        return regions.resolve(db, country_code=code)
    return None


def _context(db: Db, query: dict[str, list[str]]) -> products.Context | None:
    where = {"country_code": one(query, "country_code"), "province": one(query, "province")}
    return products.context(db, _region(db, query), where if where["country_code"] else None)


@store.get("/products", open_query=True)
def list_products(db: Db, request: web.Request, limit: Limit = 50, offset: Offset = 0) -> dict[str, Any]:
    """Products: `q` searches, `category_id`, `collection_id`, `tag_id`, `id`, `handle` narrow; `region_id` brings prices."""
    query = listed(request)
    names = ("id", "handle", "collection_id", "category_id")
    conditions: dict[str, list[str]] = {n: query[n] for n in names if n in query}
    if "tag_id" in query:
        conditions["tag"] = [tag.removeprefix("ptag_") for tag in query["tag_id"]]
    order = one(query, "order") or ""
    found = catalogue.find(
        db, q=one(query, "q"), conditions=conditions, order=order, limit=limit, offset=offset
    )
    rows = products.full(db, found.products, _context(db, query))
    return page("products", [chosen(request, row) for row in rows], found.total, limit, offset)


@store.get("/products/{id}", open_query=True)
def get_product(db: Db, request: web.Request, id: str) -> dict[str, Any]:
    """One product with its variants; `region_id` brings prices."""
    found = catalogue.get(db, id, public=True)
    row = products.full(db, [found], _context(db, listed(request)))[0]
    return {"product": chosen(request, row)}


@store.get("/product-categories", open_query=True)
def list_categories(db: Db, request: web.Request, limit: Limit = 50, offset: Offset = 0) -> dict[str, Any]:
    """Categories, each with those above and below it; `handle`, `parent_category_id` and `q` narrow."""
    query, every = listed(request), categories.find(db)
    found = every
    if "handle" in query:
        found = [c for c in found if c.handle in query["handle"]]
    if "id" in query:
        found = [c for c in found if c.id in query["id"]]
    if "parent_category_id" in query:
        wanted = {None if v in ("null", "") else v for v in query["parent_category_id"]}
        found = [c for c in found if c.parent_id in wanted]
    if text := one(query, "q"):
        found = [c for c in found if text.casefold() in c.name.casefold()]
    rows = [products.tree(every, c) for c in found[offset : offset + limit]]
    return page("product_categories", rows, len(found), limit, offset)


@store.get("/product-categories/{id}", open_query=True)
def get_category(db: Db, id: str) -> dict[str, Any]:
    """One category."""
    about = categories.get(db, id)
    return {"product_category": products.tree(categories.find(db), about)}


@store.get("/collections", open_query=True)
def list_collections(db: Db, request: web.Request, limit: Limit = 50, offset: Offset = 0) -> dict[str, Any]:
    """Collections; `handle` narrows."""
    query, found = listed(request), categories.collections(db)
    if "handle" in query:
        found = [c for c in found if c.handle in query["handle"]]
    rows = [products.collection(c) for c in found[offset : offset + limit]]
    return page("collections", rows, len(found), limit, offset)


@store.get("/collections/{id}", open_query=True)
def get_collection(db: Db, id: str) -> dict[str, Any]:
    """One collection."""
    return {"collection": products.collection(categories.collection(db, id))}


@store.get("/regions", open_query=True)
def list_regions(db: Db, limit: Limit = 50, offset: Offset = 0) -> dict[str, Any]:
    """Regions with their countries and currency."""
    found, within = regions.find(db), regions.countries(db)
    rows = [products.region(r, within.get(r.id, [])) for r in found[offset : offset + limit]]
    return page("regions", rows, len(found), limit, offset)


@store.get("/regions/{id}", open_query=True)
def get_region(db: Db, id: str) -> dict[str, Any]:
    """One region."""
    return {"region": products.region(regions.get(db, id), regions.countries_of(db, id))}


@store.get("/currencies", open_query=True)
def list_currencies(db: Db, limit: Limit = 50, offset: Offset = 0) -> dict[str, Any]:
    """Currencies that something is sold in."""
    codes = sorted({r.currency for r in regions.find(db)})
    rows = [
        {"code": c.lower(), "symbol": c, "name": c, "decimal_digits": _places(c)}
        for c in codes[offset : offset + limit]
    ]
    return page("currencies", rows, len(codes), limit, offset)


@store.get("/currencies/{code}", open_query=True)
def get_currency(db: Db, code: str) -> dict[str, Any]:
    """One currency."""
    if code.upper() not in {r.currency for r in regions.find(db)}:
        raise NotFound(f"Currency with code: {code[:20]} was not found")
    name = code.upper()
    return {"currency": {"code": name.lower(), "symbol": name, "name": name, "decimal_digits": _places(name)}}


def _places(code: str) -> int:
    from backendhub.kit.money import exponent

    return exponent(code)


@store.get("/payment-providers", open_query=True)
def list_providers(db: Db, request: web.Request, limit: Limit = 20, offset: Offset = 0) -> dict[str, Any]:
    """Who can be paid through: the house itself, and a Stripe wire where one is set up."""
    if region_id := one(listed(request), "region_id"):
        regions.get(db, region_id)
    rows = products.provider(gateway.configured(request.hub))
    return page("payment_providers", rows[offset : offset + limit], len(rows), limit, offset)
