"""Products, categories, collections and regions as Medusa shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from backendhub.kit.db import Db
from backendhub.kit.money import Money, Rounding
from backendhub.systems.shop.models import (
    Category,
    Collection,
    Price,
    Priced,
    PriceList,
    Product,
    Region,
    ShippingOption,
    TaxRate,
    Variant,
)
from backendhub.systems.shop.service import catalogue, categories, prices, regions, stock
from backendhub.systems.shop.service.payments import STRIPE, SYSTEM

from .common import Any_, number, stamp


class Context(NamedTuple):
    """For whom prices are worked out."""

    region: Region
    rate: str | None


def context(db: Db, region: Region | None, address: Any_ | None = None) -> Context | None:
    """Prices of a region, with its tax where that is known."""
    if region is None:
        return None
    rate: TaxRate | None = regions.tax(db, region, address)
    return Context(region, rate.rate if rate else None)


def full(db: Db, found: Sequence[Product], asked: Context | None, *, secret: bool = False) -> list[Any_]:
    """Products with variants, options, categories, prices and stock; with `secret` what only staff sees."""
    whole = catalogue.full(db, found)
    ids = [v.id for each in whole for v in each.variants]
    known, lists = prices.of(db, ids), prices.lists(db)
    free = stock.free(db, ids)
    tree = {c.id: c for c in categories.find(db)} if any(e.categories for e in whole) else {}
    groups = {c.id: c for c in categories.collections(db)} if any(p.collection_id for p in found) else {}
    rows = []
    for each in whole:
        row = product(each.product)
        row["variants"] = [
            variant(v, each.product, known[v.id], lists, free[v.id], asked, secret=secret)
            for v in each.variants
        ]
        row["categories"] = [category(tree[id]) for id in each.categories if id in tree]
        group = groups.get(each.product.collection_id or "")
        row["collection"] = collection(group) if group else None
        rows.append(row)
    return rows


def product(found: Product) -> Any_:
    """A product by itself."""
    return {
        "id": found.id,
        "title": found.title,
        "handle": found.handle,
        "subtitle": found.subtitle,
        "description": found.description,
        "is_giftcard": False,
        "status": found.status,
        "thumbnail": found.thumbnail,
        "width": None,
        "weight": found.weight,
        "length": None,
        "height": None,
        "origin_country": found.origin_country,
        "hs_code": None,
        "mid_code": None,
        "material": found.material,
        "collection_id": found.collection_id,
        "type_id": None,
        "type": None,
        "tags": [{"id": f"ptag_{t}", "value": t} for t in found.tags],
        "options": [_option(found, o) for o in found.options],
        "images": [
            {"id": f"img_{found.id}_{n}", "url": url, "rank": n} for n, url in enumerate(found.images)
        ],
        "discountable": found.discountable,
        "external_id": None,
        "metadata": found.metadata or None,
        "created_at": stamp(found.created_at),
        "updated_at": stamp(found.updated_at),
        "deleted_at": None,
    }


def _option(found: Product, option: Any_) -> Any_:
    return {
        "id": option["id"],
        "title": option["title"],
        "product_id": found.id,
        "is_exclusive": True,
        "metadata": None,
        "values": [{**v, "option_id": option["id"], "metadata": None} for v in option["values"]],
    }


def variant(
    found: Variant,
    of: Product,
    known: Sequence[Price],
    lists: dict[str, PriceList],
    free: int,
    asked: Context | None,
    *,
    secret: bool = False,
) -> Any_:
    """A variant with its stock, and its price where a region is asked for."""
    row = {
        "id": found.id,
        "title": found.title,
        "product_id": found.product_id,
        "sku": found.sku,
        "barcode": found.barcode,
        "ean": None,
        "upc": None,
        "thumbnail": None,
        "allow_backorder": found.allow_backorder,
        "manage_inventory": found.manage_inventory,
        "inventory_quantity": free if found.manage_inventory else None,
        "hs_code": None,
        "origin_country": None,
        "mid_code": None,
        "material": None,
        "weight": found.weight,
        "length": None,
        "height": None,
        "width": None,
        "variant_rank": found.rank,
        "options": _values(found, of),
        "metadata": found.metadata or None,
        "created_at": stamp(found.created_at),
        "updated_at": stamp(found.updated_at),
        "deleted_at": stamp(found.deleted_at),
    }
    if secret:
        row["prices"] = [price(p) for p in known if p.price_list_id is None]
        row["inventory_items"] = (
            [{"inventory_item_id": found.id, "variant_id": found.id, "required_quantity": 1}]
            if found.manage_inventory
            else []
        )
    if asked is not None:
        picked = prices.pick(known, lists, currency=asked.region.currency, region_id=asked.region.id)
        row["calculated_price"] = None if picked is None else calculated(picked, asked)
    return row


def _values(found: Variant, of: Product) -> list[Any_]:
    rows = []
    for option in of.options:
        value = found.options.get(option["title"])
        known = next((v for v in option["values"] if v["value"] == value), None)
        if known is not None:
            head = {"id": option["id"], "title": option["title"], "product_id": of.id}
            rows.append({**known, "option_id": option["id"], "option": head, "metadata": None})
    return rows


def price(found: Price) -> Any_:
    """A price as staff sees it."""
    return {
        "id": found.id,
        "amount": number(found.amount, found.currency),
        "currency_code": found.currency.lower(),
        "min_quantity": found.min_quantity if found.min_quantity > 1 else None,
        "max_quantity": None,
        "variant_id": found.variant_id,
        "price_list_id": found.price_list_id,
        "rules": {"region_id": found.region_id} if found.region_id else {},
        "rules_count": 1 if found.region_id else 0,
    }


def calculated(picked: Priced, asked: Context) -> Any_:
    """The price for a region: with and without its tax, and what it is without a sale."""
    currency, inclusive = asked.region.currency, asked.region.tax_inclusive
    row: Any_ = {
        "id": picked.price.variant_id,
        "currency_code": currency.lower(),
        "is_calculated_price_price_list": picked.list_type is not None,
        "is_calculated_price_tax_inclusive": inclusive,
        "is_original_price_price_list": picked.list_type == "override",
        "is_original_price_tax_inclusive": inclusive,
    }
    for name, amount in (("calculated", picked.amount), ("original", picked.original)):
        row[f"{name}_amount"] = number(amount, currency)
        row[f"{name}_price"] = {
            "id": picked.price.id if name == "calculated" or picked.list_type is None else None,
            "price_list_id": picked.price.price_list_id if name == "calculated" else None,
            "price_list_type": picked.list_type if name == "calculated" else None,
            "min_quantity": picked.price.min_quantity if picked.price.min_quantity > 1 else None,
            "max_quantity": None,
        }
        whole = Money(amount, currency)
        if asked.rate is not None:
            tax = (
                whole.included(asked.rate, Rounding.HALF_UP)
                if inclusive
                else whole.percent(asked.rate, Rounding.HALF_UP)
            ).amount.minor
            without = amount - tax if inclusive else amount
            row[f"{name}_amount_with_tax"] = number(without + tax, currency)
            row[f"{name}_amount_without_tax"] = number(without, currency)
    return row


def category(found: Category) -> Any_:
    """A category by itself."""
    return {
        "id": found.id,
        "name": found.name,
        "description": found.description,
        "handle": found.handle,
        "rank": found.rank,
        "is_active": True,
        "is_internal": False,
        "parent_category_id": found.parent_id,
        "mpath": found.path.rstrip("."),
        "metadata": None,
        "created_at": stamp(found.created_at),
        "updated_at": stamp(found.updated_at),
    }


def tree(found: Sequence[Category], about: Category) -> Any_:
    """A category with those above and below it."""
    row = category(about)
    above = next((c for c in found if c.id == about.parent_id), None)
    row["parent_category"] = category(above) if above else None
    row["category_children"] = [tree(found, c) for c in found if c.parent_id == about.id]
    return row


def collection(found: Collection) -> Any_:
    """A collection."""
    return {
        "id": found.id,
        "title": found.title,
        "handle": found.handle,
        "metadata": found.metadata or None,
        "created_at": stamp(found.created_at),
        "updated_at": stamp(found.updated_at),
        "deleted_at": None,
    }


def region(found: Region, countries: Sequence[str]) -> Any_:
    """A region with its countries."""
    return {
        "id": found.id,
        "name": found.name,
        "currency_code": found.currency.lower(),
        "automatic_taxes": True,
        "is_tax_inclusive": found.tax_inclusive,
        "countries": [
            {"id": c, "iso_2": c, "name": c.upper(), "display_name": c.upper(), "region_id": found.id}
            for c in countries
        ],
        "metadata": found.metadata or None,
        "created_at": stamp(found.created_at),
        "updated_at": stamp(found.updated_at),
    }


def shipping(
    found: ShippingOption, amount: int | None, currency: str | None, inclusive: bool = False
) -> Any_:
    """A way to be shipped, and what it costs in a currency."""
    cost = None if amount is None or currency is None else number(amount, currency)
    return {
        "id": found.id,
        "name": found.name,
        "price_type": "flat",
        "service_zone_id": "serzo_" + ("-".join(found.countries) or "world"),
        "shipping_profile_id": "sp_default",
        "provider_id": "manual_manual",
        "provider": {"id": "manual_manual", "is_enabled": True},
        "shipping_option_type_id": f"sotype_{found.code}",
        "type": {
            "id": f"sotype_{found.code}",
            "label": found.name,
            "description": found.name,
            "code": found.code,
        },
        "amount": cost,
        "is_tax_inclusive": inclusive,
        "prices": [] if cost is None else [{"amount": cost, "currency_code": (currency or "").lower()}],
        "calculated_price": None
        if cost is None
        else {"calculated_amount": cost, "currency_code": (currency or "").lower()},
        "insufficient_inventory": False,
        "data": None,
        "metadata": None,
    }


def provider(stripe: bool) -> list[Any_]:
    """Who can be paid through."""
    rows = [{"id": SYSTEM, "is_enabled": True}]
    return [*rows, {"id": STRIPE, "is_enabled": True}] if stripe else rows
