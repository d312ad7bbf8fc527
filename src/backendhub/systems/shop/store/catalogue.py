"""Statements about products, prices, regions, promotions and shipping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from backendhub.kit.db import Db, columns
from backendhub.kit.search import Index
from backendhub.systems.shop.models import (
    Category,
    Collection,
    Country,
    Key,
    Location,
    Price,
    PriceList,
    Product,
    Promotion,
    Region,
    ShippingOption,
    TaxRate,
    Variant,
)

SEARCH = Index("shop_search", {"title": 8, "words": 4, "body": 1})

LIVE_KEY = f"SELECT {columns(Key)} FROM shop_key WHERE token = :token AND revoked_at IS NULL"
KEYS = f"SELECT {columns(Key)} FROM shop_key ORDER BY id"
REVOKE_KEY = (
    f"UPDATE shop_key SET revoked_at = :now WHERE id = :id AND revoked_at IS NULL RETURNING {columns(Key)}"
)

REGIONS = f"SELECT {columns(Region)} FROM shop_region ORDER BY id"
REGION = f"SELECT {columns(Region)} FROM shop_region WHERE id = :id"
REGION_OF_CURRENCY = (
    f"SELECT {columns(Region)} FROM shop_region WHERE currency = :currency ORDER BY id LIMIT 1"
)
REGION_OF_COUNTRY = f"SELECT {columns(Region, 'r')} FROM shop_region r JOIN shop_country c ON c.region_id = r.id WHERE c.iso2 = :country"
COUNTRIES = f"SELECT {columns(Country)} FROM shop_country ORDER BY iso2"
COUNTRIES_OF = f"SELECT {columns(Country)} FROM shop_country WHERE region_id = :region_id ORDER BY iso2"
PUT_COUNTRY = (
    "INSERT INTO shop_country (iso2, region_id) VALUES (:iso2, :region_id) "
    "ON CONFLICT (iso2) DO UPDATE SET region_id = excluded.region_id"
)
TAX_RATE = f"SELECT {columns(TaxRate)} FROM shop_tax_rate WHERE country = :country AND province IN ('', :province) ORDER BY province DESC LIMIT 1"
TAX_RATES = f"SELECT {columns(TaxRate)} FROM shop_tax_rate ORDER BY country, province"
PUT_TAX_RATE = """
INSERT INTO shop_tax_rate (country, province, rate, name, code) VALUES (:country, :province, :rate, :name, :code)
ON CONFLICT (country, province) DO UPDATE SET rate = excluded.rate, name = excluded.name, code = excluded.code"""

COLLECTIONS = f"SELECT {columns(Collection)} FROM shop_collection ORDER BY title, id"
COLLECTION = f"SELECT {columns(Collection)} FROM shop_collection WHERE id = :id"
CATEGORIES = f"SELECT {columns(Category)} FROM shop_category ORDER BY path"
CATEGORY = f"SELECT {columns(Category)} FROM shop_category WHERE id = :id"
DELETE_CATEGORY = "DELETE FROM shop_category WHERE id = :id"
DELETE_COLLECTION = "DELETE FROM shop_collection WHERE id = :id"
CLEAR_CATEGORIES = "DELETE FROM shop_product_category WHERE product_id = :product_id"
ADD_TAG = "INSERT INTO shop_product_tag (tag, product_id) VALUES (:tag, :product_id)"
ADD_CATEGORY = (
    "INSERT INTO shop_product_category (product_id, category_id) VALUES (:product_id, :category_id)"
)

PRODUCT = f"SELECT {columns(Product)} FROM shop_product WHERE id = :id"
PRODUCT_BY_HANDLE = f"SELECT {columns(Product)} FROM shop_product WHERE handle = :handle"
DELETE_PRODUCT = "DELETE FROM shop_product WHERE id = :id"
SOLD_PRODUCT = "SELECT 1 FROM shop_order_item WHERE product_id = :id LIMIT 1"
VARIANT = f"SELECT {columns(Variant)} FROM shop_variant WHERE id = :id AND deleted_at IS NULL"
VARIANT_BY_SKU = f"SELECT {columns(Variant)} FROM shop_variant WHERE sku = :sku AND deleted_at IS NULL"
VARIANTS_OF = f"SELECT {columns(Variant)} FROM shop_variant WHERE product_id = :id AND deleted_at IS NULL ORDER BY rank, id"
FIRST_VARIANT = f"{VARIANTS_OF} LIMIT 1"
ALL_VARIANTS = "SELECT id FROM shop_variant WHERE deleted_at IS NULL ORDER BY id LIMIT :limit OFFSET :offset"
COUNT_VARIANTS = "SELECT count(*) FROM shop_variant WHERE deleted_at IS NULL"
RETIRE_VARIANT = "UPDATE shop_variant SET deleted_at = :now, sku = NULL, updated_at = :now WHERE id = :id AND deleted_at IS NULL"
PUT_DOCUMENT = """
INSERT INTO shop_document (product_id, title, words, body) VALUES (:product_id, :title, :words, :body)
ON CONFLICT (product_id) DO UPDATE SET title = excluded.title, words = excluded.words, body = excluded.body"""

PRICE_LISTS = f"SELECT {columns(PriceList)} FROM shop_price_list ORDER BY id"
PRICE_LIST = f"SELECT {columns(PriceList)} FROM shop_price_list WHERE id = :id"
DELETE_PRICE_LIST = "DELETE FROM shop_price_list WHERE id = :id"
PUT_PRICE = f"""
INSERT INTO shop_price (id, variant_id, price_list_id, region_id, currency, min_quantity, amount)
VALUES (:id, :variant_id, :price_list_id, :region_id, :currency, :min_quantity, :amount)
ON CONFLICT (variant_id, currency, coalesce(price_list_id, ''), coalesce(region_id, ''), min_quantity)
DO UPDATE SET amount = excluded.amount RETURNING {columns(Price)}"""
CLEAR_PRICES = "DELETE FROM shop_price WHERE variant_id = :variant_id AND price_list_id IS NULL"
CLEAR_LIST = "DELETE FROM shop_price WHERE price_list_id = :id"

PROMOTIONS = f"SELECT {columns(Promotion)} FROM shop_promotion ORDER BY id LIMIT :limit OFFSET :offset"
COUNT_PROMOTIONS = "SELECT count(*) FROM shop_promotion"
AUTOMATIC = (
    f"SELECT {columns(Promotion)} FROM shop_promotion WHERE automatic AND status = 'active' ORDER BY id"
)
PROMOTION = f"SELECT {columns(Promotion)} FROM shop_promotion WHERE id = :id"
DELETE_PROMOTION = "DELETE FROM shop_promotion WHERE id = :id"
# One use more, unless it is used up by now: of two buyers with the last use, one gets it.
USE_PROMOTION = (
    "UPDATE shop_promotion SET used = used + 1 WHERE id = :id AND status = 'active' "
    "AND (usage_limit IS NULL OR used < usage_limit) AND (starts_at IS NULL OR starts_at <= :now) "
    "AND (ends_at IS NULL OR ends_at > :now)"
)
GIVE_PROMOTION_BACK = (
    "UPDATE shop_promotion SET used = used - 1 "
    "WHERE id IN (SELECT promotion_id FROM shop_promotion_use WHERE order_id = :order_id)"
)
CLEAR_USES = "DELETE FROM shop_promotion_use WHERE order_id = :order_id"
ADD_USE = "INSERT INTO shop_promotion_use (promotion_id, order_id) VALUES (:promotion_id, :order_id)"

LOCATIONS = f"SELECT {columns(Location)} FROM shop_location ORDER BY id"
LOCATION = f"SELECT {columns(Location)} FROM shop_location WHERE id = :id"
SHIPPING_OPTIONS = f"SELECT {columns(ShippingOption)} FROM shop_shipping_option ORDER BY rank, id"
SHIPPING_OPTION = f"SELECT {columns(ShippingOption)} FROM shop_shipping_option WHERE id = :id"
DELETE_SHIPPING_OPTION = "DELETE FROM shop_shipping_option WHERE id = :id"
SHIPPING_PRICES = "SELECT option_id, amount FROM shop_shipping_price WHERE currency = :currency"
PRICES_OF_SHIPPING = (
    "SELECT option_id, currency, amount FROM shop_shipping_price ORDER BY option_id, currency"
)
PUT_SHIPPING_PRICE = """
INSERT INTO shop_shipping_price (option_id, currency, amount) VALUES (:option_id, :currency, :amount)
ON CONFLICT (option_id, currency) DO UPDATE SET amount = excluded.amount"""

# -- those with a list, or with as many conditions as somebody asks for --------------------------------------


def products_by_id(db: Db) -> str:
    """Products whose ids are in `:ids`."""
    return f"SELECT {columns(Product)} FROM shop_product WHERE id {db.among('ids', 'text')}"


def variants_by_product(db: Db) -> str:
    """Variants of the products in `:ids`."""
    return (
        f"SELECT {columns(Variant)} FROM shop_variant WHERE product_id {db.among('ids', 'text')} "
        "AND deleted_at IS NULL ORDER BY product_id, rank, id"
    )


def variants_by_id(db: Db) -> str:
    """Variants whose ids are in `:ids`, those that are sold no more too."""
    return f"SELECT {columns(Variant)} FROM shop_variant WHERE id {db.among('ids', 'text')}"


def prices_by_variant(db: Db) -> str:
    """Prices of the variants in `:ids`."""
    return f"SELECT {columns(Price)} FROM shop_price WHERE variant_id {db.among('ids', 'text')} ORDER BY id"


def prices_by_list(db: Db) -> str:
    """Prices in the lists in `:ids`."""
    return (
        f"SELECT {columns(Price)} FROM shop_price WHERE price_list_id {db.among('ids', 'text')} ORDER BY id"
    )


def categories_by_product(db: Db) -> str:
    """Which categories the products in `:ids` are in."""
    return f"SELECT product_id, category_id FROM shop_product_category WHERE product_id {db.among('ids', 'text')}"


def stock_by_variant(db: Db) -> str:
    """What is free of the variants in `:ids`, expired holds counted as free."""
    return (
        "SELECT s.resource, s.location, s.free + CAST(coalesce((SELECT sum(u.quantity) FROM reservation_units u "
        "WHERE u.resource = s.resource AND u.location = s.location AND NOT u.sold AND u.expires_at <= :now), 0) AS BIGINT), "
        f"s.held, s.sold FROM reservation_stock s WHERE s.resource {db.among('ids', 'text')} ORDER BY 1, 3 DESC, 2"
    )


def promotions_by_code(db: Db) -> str:
    """Promotions whose codes are in `:codes`."""
    return f"SELECT {columns(Promotion)} FROM shop_promotion WHERE code {db.among('codes', 'text')} AND status = 'active'"


ORDERS = {
    "created_at": "p.id",
    "-created_at": "p.id DESC",
    "title": "p.title, p.id",
    "-title": "p.title DESC, p.id DESC",
    "updated_at": "p.updated_at, p.id",
    "-updated_at": "p.updated_at DESC, p.id DESC",
}


_WITHIN = {
    "category_id": "SELECT product_id FROM shop_product_category WHERE category_id",
    "tag": "SELECT product_id FROM shop_product_tag WHERE tag",
}


def products(
    db: Db, conditions: Mapping[str, Sequence[str]], order: str, *, search: str | None
) -> tuple[str, str, dict[str, Any]]:
    """The statement of the ids in a page of products, that of their number, and the parameters."""
    narrow, where, params = bool(conditions.keys() - {"status"}) or search is not None, ["TRUE"], {}
    for name, values in conditions.items():
        one = len(values) == 1
        params[name] = values[0] if one else list(values)
        fits = f"= :{name}" if one else db.among(name, "text")
        if name in _WITHIN:
            where.append(f"p.id IN ({_WITHIN[name]} {fits})")
        elif name in ("id", "collection_id", "handle"):
            where.append(f"p.{name} {fits}")
        elif name == "status":
            # Most products are published: where anything else narrows, SQLite is not to walk all of these (`+`).
            where.append(f"{'+' if narrow and db.dialect == 'sqlite' else ''}p.status {fits}")
    hit = ""
    if search is not None:
        params["search"] = SEARCH.query(db, search)
        hit = f" JOIN shop_document d ON d.product_id = p.id JOIN {SEARCH.hits[db.dialect]} AS hit ON hit.id = d.id"
    body = f"FROM shop_product p{hit} WHERE {' AND '.join(where)}"
    # Only what stands in the table: the order comes from whoever asks.
    by = ORDERS.get(order) or ("p.id DESC" if search is None else "hit.score, p.id")
    return f"SELECT p.id {body} ORDER BY {by} LIMIT :limit OFFSET :offset", f"SELECT count(*) {body}", params
