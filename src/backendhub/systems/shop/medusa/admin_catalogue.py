"""`/admin`: products, variants, prices, categories, collections, promotions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from backendhub.kit import web
from backendhub.kit.db import Db
from backendhub.kit.errors import Invalid, NotFound
from backendhub.kit.money import currency
from backendhub.systems.shop.models import Price, Promotion, Variant
from backendhub.systems.shop.models import PriceList as Listed
from backendhub.systems.shop.service import catalogue, categories, prices, promotions
from backendhub.systems.shop.wire import admin

from . import products as shapes
from .admin_bodies import (
    CategoryIn,
    CollectionIn,
    PriceIn,
    PriceListIn,
    ProductIn,
    ProductPatch,
    PromotionIn,
    PromotionPatch,
    VariantIn,
    VariantPatch,
    said,
)
from .common import Limit, Offset, chosen, listed, minor, number, one, page, stamp


def _product(db: Db, id: str) -> dict[str, Any]:
    return {"product": shapes.full(db, [catalogue.get(db, id)], None, secret=True)[0]}


@admin.get("/products", open_query=True)
def list_products(db: Db, request: web.Request, limit: Limit = 50, offset: Offset = 0) -> dict[str, Any]:
    """Every product, drafts too; `q`, `status`, `id`, `handle`, `category_id`, `collection_id` narrow."""
    query = listed(request)
    names = ("id", "handle", "status", "collection_id", "category_id")
    found = catalogue.find(
        db,
        q=one(query, "q"),
        conditions={n: query[n] for n in names if n in query},
        order=one(query, "order") or "",
        limit=limit,
        offset=offset,
        public=False,
    )
    rows = [chosen(request, row) for row in shapes.full(db, found.products, None, secret=True)]
    return page("products", rows, found.total, limit, offset)


@admin.post("/products", statuses=(409,), open_query=True)
def create_product(db: Db, body: ProductIn) -> dict[str, Any]:
    """Add a product with its options, variants and prices."""
    made = catalogue.add(
        db,
        title=body.title,
        handle_=body.handle,
        subtitle=body.subtitle,
        description=body.description,
        status=body.status,
        thumbnail=body.thumbnail,
        images=[i.url for i in body.images],
        options={o.title: o.values for o in body.options},
        material=body.material,
        weight=body.weight,
        origin_country=body.origin_country,
        collection_id=body.collection_id,
        category_ids=[c.id for c in body.categories],
        discountable=body.discountable,
        metadata_=body.metadata,
    )
    for variant in body.variants:
        _add_variant(db, made.id, variant)
    return _product(db, made.id)


@admin.get("/products/{id}", open_query=True)
def get_product(db: Db, id: str) -> dict[str, Any]:
    """One product."""
    return _product(db, id)


@admin.post("/products/{id}", statuses=(404, 409), open_query=True)
def update_product(db: Db, id: str, body: ProductPatch) -> dict[str, Any]:
    """Change a product."""
    changes = said(body)
    for name in ("title", "handle", "status", "discountable"):
        if changes.get(name, "") is None:
            del changes[name]
    if "images" in changes:
        changes["images"] = [i["url"] for i in changes["images"] or ()]
    if "categories" in changes:
        changes["category_ids"] = [c["id"] for c in changes.pop("categories") or ()]
    catalogue.edit(db, id, changes)
    return _product(db, id)


@admin.delete("/products/{id}", status=200, statuses=(404, 409))
def delete_product(db: Db, id: str) -> dict[str, Any]:
    """Remove a product that was never sold."""
    catalogue.remove(db, id)
    return {"id": id, "object": "product", "deleted": True}


# -- variants ----------------------------------------------------------------------------------------------


def _amounts(given: Sequence[PriceIn]) -> list[dict[str, Any]]:
    rows = []
    for each in given:
        code = currency(each.currency_code)
        rows.append(
            {
                "currency_code": code,
                "amount": minor(each.amount, code),
                "region_id": (each.rules or {}).get("region_id"),
                "min_quantity": each.min_quantity or 1,
            }
        )
    return rows


def _add_variant(db: Db, product_id: str, body: VariantIn) -> Variant:
    made = catalogue.add_variant(
        db,
        product_id,
        title=body.title,
        sku=body.sku,
        barcode=body.barcode,
        options=body.options,
        manage_inventory=body.manage_inventory,
        allow_backorder=body.allow_backorder,
        rank=body.variant_rank,
        weight=body.weight,
        metadata_=body.metadata,
    )
    catalogue.set_prices(db, made.id, _amounts(body.prices))
    return made


@admin.post("/products/{id}/variants", statuses=(404, 409), open_query=True)
def create_variant(db: Db, id: str, body: VariantIn) -> dict[str, Any]:
    """Add a variant."""
    _add_variant(db, id, body)
    return _product(db, id)


@admin.get("/products/{id}/variants", open_query=True)
def list_variants(db: Db, id: str, limit: Limit = 50, offset: Offset = 0) -> dict[str, Any]:
    """The variants of a product."""
    rows = _product(db, id)["product"]["variants"]
    return page("variants", rows[offset : offset + limit], len(rows), limit, offset)


@admin.get("/products/{id}/variants/{variant_id}", open_query=True)
def get_variant(db: Db, id: str, variant_id: str) -> dict[str, Any]:
    """One variant."""
    catalogue.variant(db, variant_id)
    rows = _product(db, id)["product"]["variants"]
    found = next((v for v in rows if v["id"] == variant_id), None)
    if found is None:
        raise NotFound(f"Variant with id: {variant_id[:80]} was not found")
    return {"variant": found}


@admin.post("/products/{id}/variants/{variant_id}", statuses=(404, 409), open_query=True)
def update_variant(db: Db, id: str, variant_id: str, body: VariantPatch) -> dict[str, Any]:
    """Change a variant; prices replace those that are in no list."""
    changes = said(body)
    changes.pop("prices", None)
    if "variant_rank" in changes:
        changes["rank"] = changes.pop("variant_rank")
    required = ("title", "options", "manage_inventory", "allow_backorder", "rank")
    changes = {n: v for n, v in changes.items() if v is not None or n not in required}
    catalogue.edit_variant(db, id, variant_id, changes)
    if body.prices is not None:
        catalogue.set_prices(db, variant_id, _amounts(body.prices))
    return _product(db, id)


@admin.delete("/products/{id}/variants/{variant_id}", status=200, statuses=(404,))
def delete_variant(db: Db, id: str, variant_id: str) -> dict[str, Any]:
    """Take a variant out of the catalogue; orders go on naming it."""
    catalogue.remove_variant(db, id, variant_id)
    return {"id": variant_id, "object": "variant", "deleted": True, "parent": _product(db, id)["product"]}


# -- categories and collections ----------------------------------------------------------------------------


@admin.post("/product-categories", statuses=(404, 409), open_query=True)
def create_category(db: Db, body: CategoryIn) -> dict[str, Any]:
    """Add a category."""
    made = categories.add(
        db,
        name=body.name,
        handle_=body.handle,
        description=body.description,
        parent_id=body.parent_category_id,
        rank=body.rank,
    )
    return {"product_category": shapes.category(made)}


@admin.get("/product-categories", open_query=True)
def list_categories(db: Db, limit: Limit = 50, offset: Offset = 0) -> dict[str, Any]:
    """Every category."""
    found = categories.find(db)
    rows = [shapes.tree(found, c) for c in found[offset : offset + limit]]
    return page("product_categories", rows, len(found), limit, offset)


@admin.delete("/product-categories/{id}", status=200, statuses=(404, 409))
def delete_category(db: Db, id: str) -> dict[str, Any]:
    """Remove a category that has none below it."""
    categories.remove(db, id)
    return {"id": id, "object": "product_category", "deleted": True}


@admin.post("/collections", statuses=(409,), open_query=True)
def create_collection(db: Db, body: CollectionIn) -> dict[str, Any]:
    """Make a collection."""
    made = categories.add_collection(db, title=body.title, handle_=body.handle, metadata_=body.metadata)
    return {"collection": shapes.collection(made)}


@admin.get("/collections", open_query=True)
def list_collections(db: Db, limit: Limit = 50, offset: Offset = 0) -> dict[str, Any]:
    """Every collection."""
    found = categories.collections(db)
    rows = [shapes.collection(c) for c in found[offset : offset + limit]]
    return page("collections", rows, len(found), limit, offset)


@admin.delete("/collections/{id}", status=200, statuses=(404, 409))
def delete_collection(db: Db, id: str) -> dict[str, Any]:
    """Remove a collection that holds nothing."""
    categories.remove_collection(db, id)
    return {"id": id, "object": "collection", "deleted": True}


# -- promotions and price lists ----------------------------------------------------------------------------


def _promotion(found: Promotion) -> dict[str, Any]:
    value: Any = None
    if found.percent is not None:
        value = float(found.percent)
    elif found.amount is not None and found.currency is not None:
        value = number(found.amount, found.currency)
    return {
        "id": found.id,
        "code": found.code,
        "type": "standard",
        "is_automatic": found.automatic,
        "status": found.status,
        "limit": found.usage_limit,
        "used": found.used,
        "application_method": {
            "type": "percentage" if found.kind == "percentage" else "fixed",
            "value": value,
            "currency_code": found.currency.lower() if found.currency else None,
            "target_type": "shipping_methods" if found.kind == "free_shipping" else "items",
        },
        "starts_at": stamp(found.starts_at),
        "ends_at": stamp(found.ends_at),
        "created_at": stamp(found.created_at),
        "updated_at": stamp(found.updated_at),
    }


@admin.post("/promotions", statuses=(409,), open_query=True)
def create_promotion(db: Db, body: PromotionIn) -> dict[str, Any]:
    """Make a promotion: a percentage, an amount, or free shipping (100% of `shipping_methods`)."""
    method = body.application_method
    about: dict[str, Any] = {"kind": "percentage", "percent": format(method.value, "f")}
    code = method.currency_code
    if method.target_type == "shipping_methods":
        if method.type != "percentage" or method.value != 100:
            raise Invalid("A promotion makes shipping free: percentage 100.", field="application_method")
        about = {"kind": "free_shipping"}
    elif method.type == "fixed":
        if not code:
            raise Invalid("A fixed promotion has a currency.", field="currency_code")
        about = {"kind": "fixed", "amount": minor(method.value, currency(code)), "currency_code": code}
    least = 0 if body.min_subtotal is None else minor(body.min_subtotal, currency(code or "USD"))
    made = promotions.add(
        db,
        code=body.code,
        automatic=body.is_automatic,
        status=body.status,
        usage_limit=body.limit,
        min_subtotal=least,
        products=body.products,
        starts_at=body.starts_at,
        ends_at=body.ends_at,
        **about,
    )
    return {"promotion": _promotion(made)}


@admin.get("/promotions", open_query=True)
def list_promotions(db: Db, limit: Limit = 50, offset: Offset = 0) -> dict[str, Any]:
    """Every promotion, and how often it was used."""
    found, count = promotions.find(db, limit=limit, offset=offset)
    return page("promotions", [_promotion(p) for p in found], count, limit, offset)


@admin.post("/promotions/{id}", statuses=(404,), open_query=True)
def update_promotion(db: Db, id: str, body: PromotionPatch) -> dict[str, Any]:
    """Change status, limit or end."""
    changes = said(body)
    if "limit" in changes:
        changes["usage_limit"] = changes.pop("limit")
    if changes.get("status", "") is None:
        del changes["status"]
    return {"promotion": _promotion(promotions.edit(db, id, changes))}


@admin.delete("/promotions/{id}", status=200, statuses=(404, 409))
def delete_promotion(db: Db, id: str) -> dict[str, Any]:
    """Remove a promotion that no order has used."""
    promotions.remove(db, id)
    return {"id": id, "object": "promotion", "deleted": True}


def _list(found: Listed, within: Sequence[Price]) -> dict[str, Any]:
    return {
        "id": found.id,
        "title": found.title,
        "description": found.description,
        "type": found.type,
        "status": found.status,
        "starts_at": stamp(found.starts_at),
        "ends_at": stamp(found.ends_at),
        "prices": [shapes.price(p) for p in within],
        "created_at": stamp(found.created_at),
        "updated_at": stamp(found.updated_at),
    }


@admin.post("/price-lists", statuses=(404,), open_query=True)
def create_price_list(db: Db, body: PriceListIn) -> dict[str, Any]:
    """Make a price list with its prices."""
    made = prices.add_list(
        db,
        title=body.title,
        description=body.description,
        type=body.type,
        status=body.status,
        starts_at=body.starts_at,
        ends_at=body.ends_at,
    )
    for each, row in zip(body.prices, _amounts(body.prices), strict=True):
        variant = catalogue.variant(db, each.variant_id)
        prices.put(db, variant.id, price_list_id=made.id, **row)
    return {"price_list": _list(made, prices.prices_of_lists(db, [made.id])[made.id])}


@admin.get("/price-lists", open_query=True)
def list_price_lists(db: Db, limit: Limit = 50, offset: Offset = 0) -> dict[str, Any]:
    """Every price list."""
    found = list(prices.lists(db).values())
    shown = found[offset : offset + limit]
    within = prices.prices_of_lists(db, [each.id for each in shown])
    rows = [_list(each, within[each.id]) for each in shown]
    return page("price_lists", rows, len(found), limit, offset)


@admin.delete("/price-lists/{id}", status=200, statuses=(404,))
def delete_price_list(db: Db, id: str) -> dict[str, Any]:
    """Remove a price list and its prices."""
    prices.remove_list(db, id)
    return {"id": id, "object": "price_list", "deleted": True}
