"""`/admin`: regions, taxes, ways to be shipped, publishable keys."""

from __future__ import annotations

from typing import Any

from backendhub.kit import web
from backendhub.kit.db import Db
from backendhub.kit.money import currency
from backendhub.systems.shop.models import Key
from backendhub.systems.shop.service import regions
from backendhub.systems.shop.wire import admin

from . import products
from .admin_bodies import KeyIn, RegionIn, ShippingIn, TaxIn
from .common import Limit, Offset, minor, number, page, stamp


@admin.get("/regions", open_query=True)
def list_regions(db: Db, limit: Limit = 50, offset: Offset = 0) -> dict[str, Any]:
    """Regions."""
    found, within = regions.find(db), regions.countries(db)
    rows = [products.region(r, within.get(r.id, [])) for r in found[offset : offset + limit]]
    return page("regions", rows, len(found), limit, offset)


@admin.post("/regions", open_query=True)
def create_region(db: Db, body: RegionIn) -> dict[str, Any]:
    """Make a region of some countries with one currency."""
    made = regions.add(
        db,
        name=body.name,
        currency_code=body.currency_code,
        countries=body.countries,
        tax_inclusive=body.is_tax_inclusive,
        metadata_=body.metadata,
    )
    return {"region": products.region(made, regions.countries_of(db, made.id))}


@admin.get("/tax-rates", open_query=True)
def list_taxes(db: Db, limit: Limit = 50, offset: Offset = 0) -> dict[str, Any]:
    """Tax rates by country and province."""
    found = regions.tax_rates(db)
    return page("tax_rates", [_tax(t) for t in found[offset : offset + limit]], len(found), limit, offset)


def _tax(t: Any) -> dict[str, Any]:
    about = {"country_code": t.country, "province_code": t.province or None}
    return {
        "id": f"txr_{t.country}_{t.province}",
        "rate": float(t.rate),
        "name": t.name,
        "code": t.code,
    } | about


@admin.post("/tax-rates", open_query=True)
def set_tax(db: Db, body: TaxIn) -> dict[str, Any]:
    """Say what tax there is in a country, or a province of it."""
    made = regions.set_tax(
        db,
        country_code=body.country_code,
        province=body.province_code,
        rate=body.rate,
        name=body.name,
        code=body.code,
    )
    return {"tax_rate": _tax(made)}


@admin.get("/shipping-options", open_query=True)
def list_shipping(db: Db, limit: Limit = 50, offset: Offset = 0) -> dict[str, Any]:
    """Ways to be shipped, with their prices."""
    found = regions.all_shipping(db)
    rows = []
    for option, costs in found[offset : offset + limit]:
        row = products.shipping(option, None, None)
        row["prices"] = [{"currency_code": c.lower(), "amount": number(a, c)} for c, a in costs.items()]
        rows.append(row)
    return page("shipping_options", rows, len(found), limit, offset)


@admin.post("/shipping-options", open_query=True)
def create_shipping(db: Db, body: ShippingIn) -> dict[str, Any]:
    """Make a way to be shipped."""
    costs = {}
    for each in body.prices:
        code = currency(each.currency_code)
        costs[code] = minor(each.amount, code)
    made = regions.add_shipping(
        db, name=body.name, code=body.code, prices=costs, countries=body.countries, rank=body.rank
    )
    return {"shipping_option": products.shipping(made, None, None)}


def _key(found: Key) -> dict[str, Any]:
    return {
        "id": found.id,
        "token": found.token,
        "redacted": f"{found.token[:6]}***{found.token[-3:]}",
        "title": found.title,
        "type": "publishable",
        "created_at": stamp(found.created_at),
        "revoked_at": stamp(found.revoked_at),
    }


@admin.get("/api-keys", open_query=True)
def list_keys(db: Db, limit: Limit = 50, offset: Offset = 0) -> dict[str, Any]:
    """Publishable keys."""
    found = regions.keys(db)
    return page("api_keys", [_key(k) for k in found[offset : offset + limit]], len(found), limit, offset)


@admin.post("/api-keys", open_query=True)
def create_key(db: Db, body: KeyIn) -> dict[str, Any]:
    """Make a publishable key."""
    return {"api_key": _key(regions.add_key(db, title=body.title))}


@admin.post("/api-keys/{id}/revoke", statuses=(404,), open_query=True)
def revoke_key(db: Db, id: str) -> dict[str, Any]:
    """Take a publishable key back."""
    return {"api_key": _key(regions.revoke_key(db, id))}


@admin.get("/users/me", open_query=True)
def me(request: web.Request, user: web.CurrentUser) -> dict[str, Any]:
    """Who is signed in."""
    return {"user": {"id": user.id, "email": user.name, "roles": sorted(user.roles)}}
